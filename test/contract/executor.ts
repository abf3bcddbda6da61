/**
 * What every executor promises of any child. An executor's test calls `executorContract` with a way to make one and a
 * way to name the runners of test/fixtures/runners/outcomes.js.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  ChildActivity,
  ChildEnd,
  ChildJob,
  ChildRequest,
  ChildRun,
  Executor,
} from '../../src/pool/executor.js'
import type { Runner, RunnerReference, RunnerTask } from '../../src/runner.js'

/** A child under watch: what its observer was told, in order. */
export interface Watched {
  readonly run: ChildRun
  /** `started`, `activity`, `request`, `end`, in the order in which the executor told. */
  readonly told: readonly string[]
  readonly activities: readonly ChildActivity[]
  readonly requests: readonly ChildRequest[]
  readonly started: Promise<void>
  readonly ended: Promise<ChildEnd>
  /** Says it under `steer`; resolves whether it was taken. */
  tell(text: string): Promise<boolean>
  /** All lines so far. */
  lines(): readonly string[]
  /** Resolves once what was told so far satisfies `claim`; rejects if the child ends before that. */
  until(claim: (child: Watched) => boolean): Promise<void>
}

export const spillDirectory = join(tmpdir(), `hermes-delegate-test-${process.pid}`)

export function taskOf(goal = 'a goal', more: Partial<RunnerTask> = {}): RunnerTask {
  return {
    goal,
    context: null,
    toolsets: null,
    role: 'leaf',
    model: null,
    delegationId: 'deleg_0123456789abcdef0123',
    taskIndex: 0,
    sessionKey: 'agent:main:cli:dm:local',
    maxIterations: 250,
    ...more,
  }
}

/** Hands a child to the executor and keeps what is told of it. */
export function watch(
  executor: Executor,
  runner: RunnerReference | Runner,
  task: RunnerTask = taskOf(),
  more: Partial<ChildJob> = {},
): Watched {
  const told: string[] = []
  const activities: ChildActivity[] = []
  const requests: ChildRequest[] = []
  const waiting = new Set<() => void>()
  let resolveStarted: () => void = () => undefined
  let resolveEnded: (end: ChildEnd) => void = () => undefined
  const started = new Promise<void>((resolve) => (resolveStarted = resolve))
  const ended = new Promise<ChildEnd>((resolve) => (resolveEnded = resolve))
  const tell = (what: string): void => {
    told.push(what)
    for (const check of waiting) check()
  }
  const run = executor.run(
    { task, runner, transcriptPath: null, spillDirectory, summaryCharacters: 0, ...more },
    {
      onStarted() {
        tell('started')
        resolveStarted()
      },
      onActivity(activity) {
        activities.push(activity)
        tell('activity')
      },
      onRequest(request) {
        requests.push(request)
        tell('request')
      },
      onEnd(end) {
        tell('end')
        resolveEnded(end)
      },
    },
  )
  const watched: Watched = {
    run,
    told,
    activities,
    requests,
    started,
    ended,
    tell: (text) => new Promise((resolve) => run.tell('steer', text, resolve)),
    lines: () => activities.flatMap(({ lines }) => lines),
    until: (claim) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (claim(watched)) resolve()
          else if (told.includes('end')) reject(new Error(`the child ended before: ${String(claim)}`))
          else return
          waiting.delete(check)
        }
        waiting.add(check)
        check()
      }),
  }
  return watched
}

/** True once a transcript line of the child ends in `text`. */
export function hasLine(text: string): (child: Watched) => boolean {
  return (child) => child.lines().some((line) => line.endsWith(`| ${text}`))
}

export interface ExecutorUnderTest {
  readonly create: () => Executor
  /** The runner that test/fixtures/runners/outcomes.js exports under `name`. */
  readonly runner: (name: string) => RunnerReference | Runner
}

/** One suite for every `Executor`. */
export function executorContract(name: string, { create, runner }: ExecutorUnderTest): void {
  describe(`${name} keeps the executor's contract:`, () => {
    let executor: Executor
    const child = (fixture: string, task?: RunnerTask): Watched => watch(executor, runner(fixture), task)
    const endOf = (fixture: string): Promise<ChildEnd> => child(fixture).ended

    beforeEach(() => {
      executor = create()
    })
    afterEach(() => executor.close(10_000))

    describe('what a runner returns', () => {
      it('P4: a result is delivered as it is, and the child is told started, then ended, once', async () => {
        const watched = child('completes', taskOf('the dishes'))
        const result = { status: 'completed', summary: 'did the dishes', api_calls: 2 }
        expect(await watched.ended).toEqual({ kind: 'returned', result })
        expect(watched.told).toEqual(['started', 'end'])
      })

      it('R17: run returns before the runner is called', async () => {
        const watched = child('completes')
        expect(watched.told).toEqual([])
        await watched.ended
      })

      it('the task arrives whole', async () => {
        const task = taskOf('g', {
          context: 'c',
          toolsets: ['web'],
          model: 'm',
          role: 'orchestrator',
          taskIndex: 3,
        })
        const end = await child('returnsTask', task).ended
        expect(end).toMatchObject({ kind: 'returned', result: { task } })
      })

      it.each(['returnsNull', 'returnsNothing'])(
        'R21: %s is a success without a summary',
        async (fixture) => {
          expect(await endOf(fixture)).toEqual({ kind: 'returned', result: {} })
        },
      )

      it.each(['returnsString', 'returnsNumber', 'returnsArray'])(
        'R25: %s counts as a crash',
        async (fixture) => {
          expect(await endOf(fixture)).toMatchObject({ kind: 'threw', error: { code: 'RESULT_NOT_OBJECT' } })
        },
      )

      it.each([
        ['returnsCyclic', 'result.self refers back to itself'],
        ['returnsFunction', 'result.callback is a function'],
        ['returnsBigInt', 'result.tokens is a BigInt'],
      ])('P7: %s ends as an error that names the place', async (fixture, why) => {
        const end = await endOf(fixture)
        expect(end).toMatchObject({ kind: 'threw', error: { code: 'RESULT_NOT_PLAIN' } })
        expect(end).toMatchObject({ error: { message: expect.stringContaining(why) as string } })
      })

      it('P7: a getter that throws ends as its own error', async () => {
        const error = { name: 'RangeError', message: 'the getter threw' }
        expect(await endOf('returnsThrowingGetter')).toMatchObject({ kind: 'threw', error })
      })

      it('only plain data arrives: dates as text, undefined as absent', async () => {
        const result = { summary: 'later', at: '1970-01-01T00:00:00.000Z' }
        expect(await endOf('returnsPromiseOfPlain')).toEqual({ kind: 'returned', result })
      })
    })

    describe('what a runner throws', () => {
      it('R23: class name, message, code and cause survive as data', async () => {
        const cause = { name: 'TypeError', message: 'the bill was not paid' }
        const error = { name: 'QuotaError', message: 'out of tokens', code: 'E_QUOTA', cause }
        const end = await endOf('throwsError')
        expect(end).toMatchObject({ kind: 'threw', error })
        expect(structuredClone(end)).toEqual(end)
        expect(JSON.parse(JSON.stringify(end))).toEqual(end)
      })

      it('R23: what is thrown before the first await is no different', async () => {
        expect(await endOf('throwsAtOnce')).toMatchObject({ kind: 'threw', error: { name: 'QuotaError' } })
      })

      it.each([
        ['throwsNull', 'null'],
        ['throwsString', 'just a text'],
      ])('R23: %s is an error with a message', async (fixture, message) => {
        expect(await endOf(fixture)).toEqual({ kind: 'threw', error: { name: 'Error', message } })
      })
    })

    describe('what a child says on its way', () => {
      it('progress is merged and arrives before the end, with its lines and the last checkpoint', async () => {
        const watched = child('reportsThenWaits')
        await watched.until(hasLine('ready'))
        expect(watched.activities.at(-1)?.progress).toEqual({ api_calls: 2, current_tool: 'read' })
        const lines = watched.lines().map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''))
        expect(lines).toEqual(['log | a line for the transcript', 'warn | a warning', 'log | ready'])
        const checkpoints = watched.activities.flatMap(({ checkpoint }) => checkpoint ?? [])
        expect(checkpoints.at(-1)).toEqual({ at: 2 })
        expect(watched.told).not.toContain('end')
        watched.run.interrupt('enough')
        await watched.ended
      })

      it.runIf(process.platform === 'linux')(
        'P7: a transcript that no disk takes costs its lines alone',
        async () => {
          // Every write to it fails as one to a full disk does.
          const task = taskOf()
          const watched = watch(executor, runner('reportsAndReturns'), task, { transcriptPath: '/dev/full' })
          expect(await watched.ended).toMatchObject({ kind: 'returned' })
          expect(watched.lines().join('\n')).toContain('the last line')
        },
      )

      it('P5: what was said just before the end is told, and told before the end', async () => {
        const watched = child('reportsAndReturns')
        await watched.ended
        expect(watched.told[0]).toBe('started')
        expect(watched.told.at(-1)).toBe('end')
        expect(watched.activities.at(-1)?.progress).toEqual({ api_calls: 7 })
        expect(watched.lines().join('\n')).toContain('the last line')
        expect(watched.activities.flatMap(({ checkpoint }) => checkpoint ?? [])).toEqual([{ at: 'the end' }])
      })
    })

    describe('interrupt', () => {
      it('P6: reaches the child, with the reason', async () => {
        const watched = child('untilInterrupted')
        await watched.until(hasLine('ready'))
        watched.run.interrupt('the user asked')
        const result = { status: 'interrupted', summary: null, said: 'the user asked' }
        expect(await watched.ended).toEqual({ kind: 'returned', result })
      })

      it('P6: before the start it is kept for the child', async () => {
        const watched = child('untilInterrupted')
        watched.run.interrupt('early')
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { said: 'early' } })
      })

      it('P6: twice is once, with the first reason; after the end it does nothing', async () => {
        const watched = child('untilInterrupted')
        await watched.until(hasLine('ready'))
        watched.run.interrupt('first')
        watched.run.interrupt('second')
        expect(await watched.ended).toMatchObject({ result: { said: 'first' } })
        const told = [...watched.told]
        watched.run.interrupt('third')
        await child('completes').ended
        expect(watched.told).toEqual(told)
      })

      it('P6: does not stop a child that pays no heed', async () => {
        const watched = child('completes')
        watched.run.interrupt('never mind')
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { status: 'completed' } })
      })

      it('P6: stops the one child, and none beside it', async () => {
        const [one, two] = [
          child('untilInterrupted'),
          child('untilInterrupted', taskOf('two', { taskIndex: 1 })),
        ]
        await Promise.all([one.until(hasLine('ready')), two.until(hasLine('ready'))])
        one.run.interrupt('one only')
        await one.ended
        expect(two.told).not.toContain('end')
        two.run.interrupt('two as well')
        expect(await two.ended).toMatchObject({ result: { said: 'two as well' } })
      })
    })

    describe('what a child asks', () => {
      const questions = (watched: Watched) => watched.requests.map(({ payload }) => payload)

      it('its question arrives after its start, and the answer is what the child awaits', async () => {
        const watched = child('asks', taskOf('tea or coffee?'))
        await watched.until(({ requests }) => requests.length === 1)
        const bare = { timeout_seconds: null, default: null, choices: null }
        expect(questions(watched)).toEqual([{ question: 'tea or coffee?', ...bare }])
        expect(watched.requests[0]?.kind).toBe('ask')
        expect(watched.told[0]).toBe('started')
        watched.requests[0]!.answer('tea')
        watched.requests[0]!.answer('coffee')
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { said: 'tea' } })
      })

      it('what fails it is thrown in the child, with its name, message and code', async () => {
        const watched = child('asks')
        await watched.until(({ requests }) => requests.length === 1)
        watched.requests[0]!.fail({ name: 'RunnerError', code: 'NOBODY_HOME', message: 'nobody is at home' })
        const threw = { name: 'RunnerError', code: 'NOBODY_HOME', message: 'nobody is at home' }
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { threw } })
      })

      it('several at once are answered each for itself, in any order', async () => {
        const watched = child('asksTwice')
        await watched.until(({ requests }) => requests.length === 2)
        watched.requests[1]!.answer('second')
        watched.requests[0]!.answer('first')
        expect(await watched.ended).toMatchObject({ result: { said: ['first', 'second'] } })
      })

      it('P6: an interrupt rejects what it waits for, and what it asks after that, with the reason', async () => {
        const watched = child('asksOnAndOn')
        await watched.until(({ requests }) => requests.length === 1)
        watched.run.interrupt('enough of it')
        expect(await watched.ended).toMatchObject({ result: { reasons: ['enough of it', 'enough of it'] } })
        watched.requests[0]!.answer('too late')
        await child('completes').ended
        expect(watched.told.filter((what) => what === 'request')).toHaveLength(1)
      })

      it('P4: a question that is open at its end is forgotten, and an answer to it is dropped', async () => {
        const watched = child('asksAndReturns')
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { summary: 'did not wait' } })
        expect(watched.told.indexOf('request')).toBeLessThan(watched.told.indexOf('end'))
        for (const request of watched.requests) request.answer('too late')
        expect(await endOf('completes')).toMatchObject({ kind: 'returned' })
      })

      it('P7: of a flood of questions 32 are open at most, and the others are refused by name', async () => {
        const watched = child('asksFlood')
        await watched.until(({ requests }) => requests.length === 32)
        for (const request of watched.requests) request.answer('yes')
        const refused = Array.from({ length: 68 }, () => 'REQUESTS_TOO_MANY')
        expect(await watched.ended).toMatchObject({ result: { answered: 32, refused } })
      })

      it.each([
        ['asksNothing', 'QUESTION_INVALID', 'the question must be a text'],
        ['asksTooMuch', 'QUESTION_INVALID', 'the question has 65537 characters, at most 65536'],
        ['asksWithBadTimeout', 'QUESTION_INVALID', 'timeoutSeconds is 0'],
        ['asksWithBadChoices', 'QUESTION_INVALID', 'choices must be a list of 1 to 50'],
      ])('%s: the child is told what is wrong, and its host is asked nothing', async (fixture, code, why) => {
        const watched = child(fixture)
        const threw = { name: 'RunnerError', code, message: expect.stringContaining(why) as string }
        expect(await watched.ended).toMatchObject({ kind: 'returned', result: { threw } })
        expect(watched.requests).toEqual([])
      })
    })

    describe('what a child is told', () => {
      it('is taken by the handler that it has, in order', async () => {
        const watched = child('isSteered')
        await watched.until(hasLine('ready'))
        const taken = [watched.tell('left'), watched.tell('right')]
        expect(await Promise.all(taken)).toEqual([true, true])
        watched.run.interrupt('enough')
        expect(await watched.ended).toMatchObject({ result: { steers: ['left', 'right'] } })
      })

      it('before its start it waits for the child, and for its handler', async () => {
        const watched = child('isSteered')
        const taken = watched.tell('early')
        expect(await taken).toBe(true)
        watched.run.interrupt('enough')
        expect(await watched.ended).toMatchObject({ result: { steers: ['early'] } })
      })

      it('without a handler it waits until the end, and then was not taken', async () => {
        const watched = child('untilInterrupted')
        await watched.until(hasLine('ready'))
        let wasTaken: boolean | null = null
        watched.run.tell('steer', 'left', (taken) => {
          expect(watched.told).not.toContain('end')
          wasTaken = taken
        })
        const surplus = Array.from({ length: 64 }, () => watched.tell('and again'))
        expect(await surplus.at(-1)).toBe(false)
        watched.run.interrupt('enough')
        await watched.ended
        expect(wasTaken).toBe(false)
        expect(await watched.tell('late')).toBe(false)
      })

      it("P7: a handler that throws is the child's own affair", async () => {
        const watched = child('isSteeredBadly')
        await watched.until(hasLine('ready'))
        expect(await watched.tell('left')).toBe(true)
        await watched.until(hasLine('onSteer: I will not go left'))
        watched.run.interrupt('enough')
        expect(await watched.ended).toMatchObject({ result: { said: 'enough' } })
      })
    })

    it('a child whose event loop runs has a heartbeat; one that ended has none', async () => {
      const watched = child('untilInterrupted')
      await watched.until(hasLine('ready'))
      expect(await watched.run.heartbeat(30_000)).toBe(true)
      watched.run.interrupt('enough')
      await watched.ended
      expect(await watched.run.heartbeat(30_000)).toBe(false)
    })

    it('terminate after the end does nothing, and says that nothing runs', async () => {
      const watched = child('completes')
      await watched.ended
      expect(watched.run.terminate()).toBe(true)
      await child('completes').ended
      expect(watched.told.filter((what) => what === 'end')).toHaveLength(1)
    })

    it('20 children at once each end once, each with its own result', async () => {
      const goals = Array.from({ length: 20 }, (_, index) => `goal ${index}`)
      const children = goals.map((goal, taskIndex) => child('completes', taskOf(goal, { taskIndex })))
      const ends = await Promise.all(children.map(({ ended }) => ended))
      expect(ends).toEqual(
        goals.map((goal) => ({
          kind: 'returned',
          result: { status: 'completed', summary: `did ${goal}`, api_calls: 2 },
        })),
      )
      for (const { told } of children) expect(told).toEqual(['started', 'end'])
    })
  })
}

/** For executors whose children share a loop: the late timer really fires, and is heard by nobody. */
export function lateTimerContract(name: string, { create, runner }: ExecutorUnderTest): void {
  it(`P4: ${name} tells nothing of a child after its end, though its timer still fires`, async () => {
    const executor = create()
    const early = watch(executor, runner('leavesTimer'))
    await early.ended
    const told = [...early.told]
    const witness = watch(executor, runner('awaitsTimer'))
    await witness.until(hasLine('ready'))
    expect(early.told).toEqual(told)
    witness.run.interrupt('enough')
    await witness.ended
    expect(early.lines()).toEqual([])
    await executor.close(10_000)
  })
}
