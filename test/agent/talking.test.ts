import { describe, expect, it } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import type { DelegatorEventMap, RunnerReference } from '../../src/index.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { calls, chunk, end, event, says, serve, type ScriptedServer, type Turn } from './scripted-server.js'
import { quickRetry } from './support.js'

function runnerAt(server: ScriptedServer, options: Partial<AgentRunnerOptions> = {}): RunnerReference {
  const workdir = temporaryFolder()
  return agentRunner({ baseUrl: server.url, model: 'm', workdir, retry: quickRetry, ...options })
}

/** What the n-th request said last: role and text. */
const lastSaid = (server: ScriptedServer, request: number, count: number): unknown[] =>
  (server.requests[request]?.body.messages ?? []).slice(-count).map(({ role, content }) => [role, content])

const steeredText = (text: string): string =>
  `[Sent to you while you work, by the one who gave you the task]\n${text}`

/** A turn that is over when the test says so. */
function held(turn: Turn): { readonly turn: Turn; release(): void } {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  return {
    release: () => release(),
    turn: async (response, request) => {
      event(response, chunk({ content: 'half' }))
      await released
      return turn(response, request)
    },
  }
}

const whole: Turn = (response) => end(response, 'stop')

describe('steering an agent (spec 4.8)', () => {
  it('what is sent while a tool runs, or a call that asks for one, is said before the next call, in order and marked', async () => {
    const first = held(calls(['list_files', {}]))
    const server = await serve(first.turn, says('done'))
    const delegator = await open()
    const said = next(delegator, 'progress', ({ progress }) => progress?.['text'] === 'half')
    const id = idOf(await delegator.dispatchBatch({ goals: ['go'], runner: runnerAt(server) }))
    await said
    expect(await delegator.steer(id, 'look left')).toMatchObject({ status: 'taken' })
    expect(await delegator.steer(id, 'then right')).toMatchObject({ status: 'taken' })
    first.release()
    const ended = await delegator.wait(id)
    expect(ended).toMatchObject({ results: [{ status: 'completed', summary: 'done', api_calls: 2 }] })
    expect(JSON.stringify(ended)).not.toContain('unsaid_steer')
    expect(lastSaid(server, 1, 3)).toEqual([
      ['tool', '(nothing)'],
      ['user', steeredText('look left')],
      ['user', steeredText('then right')],
    ])
  })

  it('what arrives during the last call is not lost: the loop goes on one more turn', async () => {
    const first = held(whole)
    const server = await serve(first.turn, says('and in German: halb'))
    const delegator = await open()
    const said = next(delegator, 'progress', ({ progress }) => progress?.['text'] === 'half')
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runnerAt(server) }))
    await said
    await delegator.steer(id, 'in German, too')
    first.release()
    expect(await delegator.wait(id)).toMatchObject({ summary: 'and in German: halb', api_calls: 2 })
    expect(lastSaid(server, 1, 2)).toEqual([
      ['assistant', 'half'],
      ['user', steeredText('in German, too')],
    ])
  })

  it('when no call is left it is in the entry, and the answer stands', async () => {
    const first = held(whole)
    const server = await serve(first.turn)
    const delegator = await open()
    const said = next(delegator, 'progress', ({ progress }) => progress?.['text'] === 'half')
    const runner = runnerAt(server, { maxIterations: 1 })
    const id = idOf(await delegator.dispatchBatch({ goals: ['go'], runner }))
    await said
    await delegator.steer(id, 'x'.repeat(2_000))
    first.release()
    const entry = { status: 'completed', summary: 'half', unsaid_steer: ['x'.repeat(1_000)] }
    expect(await delegator.wait(id)).toMatchObject({ results: [entry] })
    expect(server.requests).toHaveLength(1)
  })
})

describe('an agent that asks', () => {
  const isOpen = ({ state }: DelegatorEventMap['question'][0]): boolean => state === 'open'
  const asking = calls(['ask_user', { question: 'Which branch?', choices: ['main', 'next'] }])
  const toolNames = (server: ScriptedServer): string[] =>
    (server.requests[0]?.body.tools ?? []).map((tool) => tool.function.name)

  it('only where it is switched on: otherwise there is no such tool', async () => {
    const server = await serve(asking, says('decided by myself'))
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runnerAt(server) }))
    expect(await delegator.wait(id)).toMatchObject({
      summary: 'decided by myself',
      tool_trace: [{ tool: 'ask_user', status: 'error' }],
    })
    expect(toolNames(server)).not.toContain('ask_user')
    expect(server.requests[0]?.body.messages[0]?.content).toContain('nobody can answer a question')
  })

  it('waits for the answer, which is the result of its tool', async () => {
    const server = await serve(asking, says('on next'))
    const delegator = await open()
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runnerAt(server, { asks: true }) }))
    expect(await asked).toMatchObject({ text: 'Which branch?', choices: ['main', 'next'] })
    await delegator.answer(id, 'next')
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'on next' })
    expect(lastSaid(server, 1, 1)).toEqual([['tool', 'next']])
    expect(toolNames(server)).toContain('ask_user')
    expect(server.requests[0]?.body.messages[0]?.content).not.toContain('nobody can answer a question')
  })

  it('nobody answers: it is told so after its time, and goes on', async () => {
    const server = await serve(asking, says('main, as nobody said otherwise'))
    const delegator = await open()
    const runner = runnerAt(server, { asks: true, askTimeoutSeconds: 1 })
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    expect(await delegator.wait(id)).toMatchObject({ summary: 'main, as nobody said otherwise' })
    expect(lastSaid(server, 1, 1)).toEqual([
      ['tool', 'nobody answered within 1 s. Decide by yourself, and say in your answer what you decided'],
    ])
  })

  it('a question that the host refuses is told as an error of the tool', async () => {
    const server = await serve(calls(['ask_user', { question: '   ' }]), says('ok'))
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runnerAt(server, { asks: true }) }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'ok' })
    expect(lastSaid(server, 1, 1)).toEqual([['tool', 'the question must be a text that says something']])
  })

  it('a dangerous command is denied without a question, also where it may ask', async () => {
    const server = await serve(calls(['run_command', { command: 'rm -rf x' }]), says('left it'))
    const delegator = await open()
    const questions: unknown[] = []
    delegator.events.on('question', (question) => void questions.push(question))
    const runner = runnerAt(server, { asks: true, toolsets: ['terminal'] })
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'left it' })
    expect(lastSaid(server, 1, 1)).toEqual([
      ['tool', expect.stringMatching(/^denied: it deletes recursively/)],
    ])
    expect(questions).toEqual([])
  })

  it('P6: an interrupt ends the waiting', async () => {
    const server = await serve(asking)
    const delegator = await open({ interruptGraceMs: 10_000 })
    const asked = next(delegator, 'question', isOpen)
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runnerAt(server, { asks: true }) }))
    await asked
    expect(await delegator.interrupt(id)).toMatchObject({ stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted' })
  })
})
