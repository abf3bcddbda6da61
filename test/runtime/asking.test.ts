import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { attachHost, type DelegatorEventMap, type Dispatched, type Runner } from '../../src/index.js'
import { createManualClock } from '../support/manual-clock.js'
import { ledgerPath, openOn, startHost } from './host-on-ledger.js'
import { fixture, idOf, next, open, openWithLedger, polite, quick } from './support.js'

const asks = (name = 'default', options?: object) =>
  fixture(name, options === undefined ? {} : { options: { ...options } }, 'asks.js')
/** The same on the host's own loop, so that the delegator's clock is all the time there is. */
const asking =
  (options: object = {}): Runner =>
  async (task, ctx) => ({ summary: `was told: ${await ctx.ask(task.goal, options)}` })
type Question = DelegatorEventMap['question'][0]
const isOpen = ({ state }: Question): boolean => state === 'open'

describe('a child that asks', () => {
  it('is input_required until it is answered, and then goes on with what it was told', async () => {
    const delegator = await open()
    const states: string[] = []
    delegator.events.on('child', ({ state }) => void states.push(state))
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(await delegator.dispatch({ goal: 'tea or coffee?', runner: asks() }))
    const question = { question_id: 'ask-1', task_index: 0, text: 'tea or coffee?' }
    expect(await asked).toMatchObject({ ...question, delegation_id: id })
    expect((await delegator.get(id)).children).toMatchObject([{ state: 'input_required', question }])
    const settled = next(delegator, 'question')
    expect(await delegator.answer(id, 'tea')).toEqual({
      status: 'answered',
      delegation_id: id,
      task_index: 0,
      question_id: 'ask-1',
    })
    expect(await settled).toMatchObject({ ...question, state: 'answered' })
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'was told: tea' })
    expect(states).toEqual(['running', 'input_required', 'running', 'completed'])
    expect((await delegator.get(id)).children[0]).not.toHaveProperty('question')
  })

  it('P2: does not keep its siblings from going on', async () => {
    const delegator = await open()
    const asked = next(delegator, 'question', isOpen)
    const sibling = next(delegator, 'child', ({ state }) => state === 'completed')
    const tasks = [
      { goal: 'may I?', runner: asks() },
      { goal: 'dishes', runner: quick },
    ]
    const id = idOf(await delegator.dispatchBatch({ tasks }))
    expect([(await asked).task_index, (await sibling).task_index]).toEqual([0, 1])
    expect(await delegator.answer(id, 'yes', { taskIndex: 1 })).toMatchObject({ status: 'not_waiting' })
    await delegator.answer(id, 'yes', { taskIndex: 0 })
    const event = await delegator.wait(id)
    expect(event.is_batch === true && event.results).toMatchObject([
      { summary: 'was told: yes' },
      { summary: 'did dishes' },
    ])
  })

  it('is not stalled while it waits, and is watched again when it has its answer', async () => {
    const clock = createManualClock()
    const stall = { idleSeconds: 10, inToolSeconds: 60, graceSeconds: 1, sweepSeconds: 1 }
    const delegator = await open({ clock, stall })
    const asked = next(delegator, 'question', isOpen)
    const runner: Runner = async (task, ctx) => {
      ctx.progress({ api_calls: 1 })
      const answer = await ctx.ask(task.goal)
      ctx.progress({ api_calls: 2 })
      if (!ctx.signal.aborted) await new Promise((r) => ctx.signal.addEventListener('abort', r))
      return { status: 'interrupted', summary: answer }
    }
    const id = idOf(await delegator.dispatch({ goal: 'really?', runner }))
    await asked
    clock.advance(3_600_000)
    await new Promise((resolve) => setImmediate(resolve))
    expect((await delegator.get(id)).children[0]?.state).toBe('input_required')
    const stalling = next(delegator, 'child', ({ state }) => state === 'stalling')
    await delegator.answer(id, 'yes')
    clock.advance(9_000)
    await new Promise((resolve) => setImmediate(resolve))
    expect((await delegator.get(id)).children[0]?.state).toBe('running')
    for (let step = 0; step < 5; step += 1) {
      clock.advance(1_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await stalling
    expect(await delegator.wait(id)).toMatchObject({ status: 'stalled', summary: 'yes' })
  })

  it('P6: is stopped like any other: its promise is rejected, and nobody can answer it any more', async () => {
    const delegator = await open()
    const asked = next(delegator, 'question', isOpen)
    const dropped = next(delegator, 'question', ({ state }) => state === 'dropped')
    const id = idOf(await delegator.dispatch({ goal: 'may I?', runner: asks() }))
    await asked
    expect(await delegator.interrupt(id, { reason: 'enough', graceMs: 30_000 })).toMatchObject({ stopped: 1 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', error: 'enough' })
    await dropped
    expect(await delegator.answer(id, 'yes')).toEqual({ status: 'not_waiting', delegation_id: id })
  })

  it('of two questions each has its own answer; without a name it is not clear which', async () => {
    const delegator = await open()
    const both = next(delegator, 'question', ({ question_id }) => question_id === 'ask-2')
    const id = idOf(await delegator.dispatch({ goal: 'two', runner: asks('asksTwice') }))
    await both
    const ambiguous = await delegator.answer(id, 'yes')
    expect(ambiguous).toMatchObject({ status: 'ambiguous' })
    expect(ambiguous.questions?.map(({ question_id }) => question_id)).toEqual(['ask-1', 'ask-2'])
    expect(await delegator.answer(id, 'second', { questionId: 'ask-2' })).toMatchObject({
      status: 'answered',
    })
    expect(await delegator.answer(id, 'again', { questionId: 'ask-2' })).toMatchObject({
      status: 'not_waiting',
    })
    expect((await delegator.get(id)).children[0]?.state).toBe('input_required')
    await delegator.answer(id, 'first')
    expect((await delegator.wait(id)).is_batch).toBeUndefined()
    expect(await delegator.wait(id)).toMatchObject({ summary: 'first and second' })
  })

  it('P7: may ask 100 questions, and no more', async () => {
    const delegator = await open()
    const questions: Question[] = []
    delegator.events.on('question', (question) => {
      if (isOpen(question)) questions.push(question)
    })
    const runner: Runner = async (_task, ctx) => {
      const said: string[] = []
      for (let asked = 0; asked < 102; asked += 1)
        await ctx.ask('?', { timeoutSeconds: 0.001, default: 'x' }).catch((error: unknown) => {
          said.push((error as { readonly code: string }).code)
        })
      return { summary: said.join() }
    }
    const id = idOf(await delegator.dispatch({ goal: 'x', runner, askAs: 'event' }))
    expect(await delegator.wait(id)).toMatchObject({ summary: 'QUESTIONS_TOO_MANY,QUESTIONS_TOO_MANY' })
    expect(questions.map(({ question_id }) => question_id).at(-1)).toBe('ask-100')
  })
})

describe('without an answer in time', () => {
  const timedOut = async (options: object) => {
    const clock = createManualClock()
    const delegator = await open({ clock })
    const asked = next(delegator, 'question', isOpen)
    const over = next(delegator, 'question', ({ state }) => state === 'timed_out')
    const id = idOf(await delegator.dispatch({ goal: 'which?', runner: asking(options) }))
    await asked
    clock.advance(59_999)
    expect((await delegator.get(id)).children[0]?.state).toBe('input_required')
    clock.advance(1)
    await over
    expect(await delegator.answer(id, 'too late')).toMatchObject({ status: 'not_waiting' })
    return delegator.wait(id)
  }

  it('the default counts', async () => {
    const event = await timedOut({ timeoutSeconds: 60, default: 'the first' })
    expect(event).toMatchObject({ status: 'completed', summary: 'was told: the first' })
  })

  it('and without a default the child is told so by name', async () => {
    const event = await timedOut({ timeoutSeconds: 60 })
    expect(event).toMatchObject({
      status: 'error',
      error: 'RunnerError: nobody answered within 60 s',
      error_detail: { code: 'QUESTION_TIMEOUT' },
    })
  })
})

describe('the turn that a question is', () => {
  const question = { timeoutSeconds: 600, default: 'tea', choices: ['tea', 'coffee'] }
  const sessionKey = 'agent:main:cli:dm:local'

  it('says what is asked, and how to answer; the unit goes on, and its own event comes later', async () => {
    const delegator = await open()
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(
      await delegator.dispatch({ goal: 'which?', sessionKey, runner: asks('default', question) }),
    )
    await asked
    const [turn, ...rest] = await delegator.completions.claim({ sessionKey })
    expect(rest).toEqual([])
    expect(turn?.event).toMatchObject({
      delegation_id: id,
      event_id: `${id}:ask-1`,
      status: 'running',
      summary: null,
      question: { question_id: 'ask-1', task_index: 0, text: 'which?', choices: ['tea', 'coffee'] },
    })
    expect(turn?.text).toContain(`hermes-delegate answer ${id} --question ask-1 "YOUR ANSWER"`)
    expect(turn?.text).toMatch(/\[child \w+\]\nwhich\?\n\[\/child \w+\]/)
    expect(await turn?.ack()).toBe(true)
    await delegator.answer(id, 'coffee')
    await delegator.wait(id)
    const [end] = await delegator.completions.claim({ sessionKey })
    expect(end?.event).toMatchObject({ event_id: id, status: 'completed', summary: 'was told: coffee' })
  })

  it('is gone from the rail when it was answered before anyone took it', async () => {
    const delegator = await open()
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(await delegator.dispatchBatch({ goals: ['which?'], sessionKey, runner: asks() }))
    await asked
    await delegator.answer(id, 'coffee')
    const event = await delegator.wait(id)
    expect(event.is_batch === true && event.results).toMatchObject([{ summary: 'was told: coffee' }])
    const claims = await delegator.completions.claim({ sessionKey })
    expect(claims.map(({ event: { event_id } }) => event_id)).toEqual([id])
  })

  it.each([{ askAs: 'event' }, { delivery: 'collect' }] as const)('is none with %o', async (how) => {
    const { delegator, ledger } = await openWithLedger()
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(await delegator.dispatch({ goal: 'which?', sessionKey, runner: asks(), ...how }))
    await asked
    expect(await ledger.deliveries({ ids: [id] }, ['pending', 'claimed'], { limit: 10 })).toEqual([])
    await delegator.answer(id, 'x')
    await delegator.wait(id)
  })

  it('P8: reaches a host through its idle drain, which answers and later gets the end', async () => {
    const delegator = await open()
    const turns: string[] = []
    const ended = new Promise<void>((resolve) => {
      const host = attachHost(delegator, {
        sessionKey,
        isIdle: () => true,
        async startTurn(_text, [event]) {
          turns.push(event?.event_id ?? '')
          if (event?.question === undefined) resolve()
          else
            await delegator.answer(event.delegation_id, 'by the host', {
              questionId: event.question.question_id,
            })
          return 'started' as const
        },
      })
      onTestFinished(() => host.detach())
    })
    const id = idOf(await delegator.dispatch({ goal: 'who?', sessionKey, runner: asks() }))
    await ended
    expect(turns).toEqual([`${id}:ask-1`, id])
    expect(await delegator.wait(id)).toMatchObject({ summary: 'was told: by the host' })
  })
})

describe('a question from below a unit', () => {
  const orchestrator =
    (options: object): Runner =>
    async (task, ctx) => {
      if (task.role !== 'orchestrator') return { summary: await ctx.ask(task.goal, options) }
      const { results } = await ctx.delegate({ goal: task.goal })
      return { summary: `below: ${results?.[0]?.['summary'] as string}` }
    }

  it('is a turn for the host of the unit on top, which answers by the id that the turn names', async () => {
    const delegator = await open({ maxDepth: 2 })
    const asked = next(delegator, 'question', isOpen)
    const call = { goal: 'which?', role: 'orchestrator', sessionKey: 'chat', runner: orchestrator({}) }
    const id = idOf(await delegator.dispatch(call))
    const below = (await asked).delegation_id
    const [turn] = await delegator.completions.claim({ sessionKey: 'chat' })
    expect(turn?.event).toMatchObject({ delegation_id: below, event_id: `${below}:ask-1` })
    expect(turn?.text).toContain(`hermes-delegate answer ${below}`)
    await turn?.ack()
    expect(await delegator.answer(below, 'tea')).toMatchObject({ status: 'answered' })
    expect(await delegator.wait(id)).toMatchObject({ summary: 'below: tea' })
    const left = await delegator.completions.claim({ sessionKey: 'chat' })
    expect(left.map(({ event }) => event.event_id)).toEqual([id])
  })

  it.each([{ askAs: 'event' }, { delivery: 'collect' }] as const)('is no turn with %o', async (how) => {
    const { delegator, ledger } = await openWithLedger({ maxDepth: 2 })
    const asked = next(delegator, 'question', isOpen)
    const call = { goal: 'which?', role: 'orchestrator', runner: orchestrator({}), ...how }
    const id = idOf(await delegator.dispatch(call))
    const below = (await asked).delegation_id
    expect(await ledger.deliveries({ all: true }, ['pending', 'claimed'], { limit: 10 })).toEqual([])
    await delegator.answer(below, 'x')
    await delegator.wait(id)
  })
})

describe('a question whose process has died', () => {
  it.each([{}, { onOwnerDeath: 'retry', idempotent: true }])(
    'is no turn any more, and is shown no more (%o)',
    async (runner) => {
      const path = ledgerPath()
      const call = { runner: { ...asks(), ...runner } }
      const host = startHost(path, { file: 'asks.js', goals: ['tea?'], call })
      const id = idOf(await host.said<Dispatched>('handle'))
      const here = await openOn(path, { adopt: 'idempotent' in runner })
      const rail = async () => {
        const waiting = await here.completions.read({ all: true, states: ['pending'] })
        return waiting.map(({ event }) => event.event_id)
      }
      await expect.poll(rail, { timeout: 10_000 }).toEqual([`${id}:ask-1`])
      await host.kill()
      const expected = 'idempotent' in runner ? `${id}:ask-2-1` : id
      await expect.poll(rail, { timeout: 15_000 }).toEqual([expected])
      if (expected === id) expect((await here.get(id)).children[0]).not.toHaveProperty('question')
    },
    30_000,
  )
})

describe('an answer that cannot be given', () => {
  it('is data where nobody waits, and an error where the call is wrong', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: polite }))
    expect(await delegator.answer(id, 'yes')).toEqual({ status: 'not_waiting', delegation_id: id })
    const invalid = [
      delegator.answer(id, 'x'.repeat(65_537)),
      delegator.answer(id, 7 as unknown as string),
      delegator.answer(id, 'yes', { taskIndex: 1 }),
      delegator.answer(id, 'yes', { taskIndex: -1 }),
      delegator.answer(id, 'yes', { questionId: 1 as unknown as string }),
    ]
    for (const outcome of invalid) await expect(outcome).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(delegator.answer('deleg_never', 'yes')).rejects.toMatchObject({ code: 'UNKNOWN_DELEGATION' })
    const call = { goal: 'x', runner: polite, askAs: 'mail' as 'turn' }
    await expect(delegator.dispatch(call)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await delegator.interrupt(id)
    await delegator.wait(id)
    expect(await delegator.answer(id, 'yes')).toEqual({ status: 'not_waiting', delegation_id: id })
  })
})

describe('a ledger that several share', () => {
  it('shows the question elsewhere, and takes the answer from there', async () => {
    const path = ledgerPath()
    const [here, there] = [await openOn(path), await openOn(path)]
    const asked = next(here, 'question', isOpen)
    const id = idOf(await here.dispatchBatch({ goals: ['tea?', 'milk?'], runner: asks(), askAs: 'event' }))
    await asked
    await next(here, 'question', ({ question_id }) => question_id === 'ask-2')
    // The ledger hears of it a moment after the listeners.
    const children = await vi.waitFor(async () => {
      const record = await there.get(id)
      expect(record.children).toMatchObject([
        { state: 'input_required', question: { text: 'tea?' } },
        { state: 'input_required', question: { text: 'milk?' } },
      ])
      return record.children
    })
    expect(await there.answer(id, 'yes')).toMatchObject({ status: 'ambiguous' })
    const first = await there.answer(id, 'yes', { taskIndex: 0 })
    expect(first).toEqual({
      status: 'answered',
      delegation_id: id,
      task_index: 0,
      question_id: children[0]?.question?.question_id,
    })
    expect(await there.answer(id, 'no')).toMatchObject({ status: 'answered', task_index: 1 })
    const event = await there.wait(id)
    expect(event.is_batch === true && event.results.map(({ summary }) => summary)).toEqual([
      'was told: yes',
      'was told: no',
    ])
    expect(await there.answer(id, 'no')).toEqual({ status: 'not_waiting', delegation_id: id })
    await expect(there.answer(id, 'no', { taskIndex: 2 })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect((await there.get(id)).children[0]).not.toHaveProperty('question')
  })
})
