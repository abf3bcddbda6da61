import { describe, expect, it } from 'vitest'
import {
  ConformanceError,
  hostConformance,
  runHostConformance,
  type AdapterGiven,
  type Fault,
  type HostAdapter,
} from '../../src/testing/host-conformance.js'
import { smallAgent, type Wrong } from './small-agent.js'

describe('an adapter that is right passes', () => {
  for (const { name, skipped, run } of hostConformance({ createAdapter: smallAgent })) {
    it(name, async () => {
      expect(skipped).toBeNull()
      await run()
    })
  }
})

const drain = async ({ delegator, sessions, model }: AdapterGiven, isRunning: () => boolean) => {
  while (isRunning()) {
    for (const sessionKey of sessions) {
      for (const completion of await delegator.completions.claim({ sessionKey })) {
        await model({ sessionKey, text: completion.text }).catch(() => undefined)
        await completion.ack()
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A drain of one's own: claims, tells, acknowledges, and knows nothing of turns. */
function ownDrain(given: AdapterGiven): HostAdapter {
  let isRunning = true
  const draining = drain(given, () => isRunning).catch(() => undefined)
  return {
    say: (sessionKey, text) => given.model({ sessionKey, text }),
    close() {
      isRunning = false
      return draining
    },
  }
}

const lossy: Wrong['host'] = (right, { busy }) => ({
  isIdle: () => true,
  startTurn: (text, events, key) => (busy.has(key) ? 'started' : right.startTurn(text, events, key)),
})
const always = { isIdle: () => true }

const broken: readonly (readonly [string, Fault, string, AdapterGivenTo])[] = [
  [
    'says started, and drops what comes when it is busy',
    'loses',
    'what comes during a turn',
    using({ host: lossy }),
  ],
  ['says that it is always idle', 'splices', 'what comes during a turn', using({ host: () => always })],
  [
    'fails when it is busy, which costs attempts',
    'loses',
    'what comes during a turn',
    using({
      host: (right, { busy }) => ({
        ...always,
        startTurn(text, events, key) {
          if (busy.has(key)) throw new Error('busy')
          return right.startTurn(text, events, key)
        },
      }),
    }),
  ],
  [
    'runs the turn, and says that it was busy',
    'doubles',
    'comes to an idle session',
    using({
      host: (_right, agent) => ({
        async startTurn(text, _events, key) {
          await agent.run(key, text)
          return 'busy' as const
        },
      }),
    }),
  ],
  ['remembers nothing, when an acknowledgement is lost', 'doubles', 'its acknowledgement was lost', ownDrain],
  ['drains without regard to turns', 'splices', 'what comes during a turn', ownDrain],
  [
    'has one conversation for all sessions',
    'misroutes',
    'each session is told its own',
    (given) => smallAgent(given, { keyOf: () => given.sessions[0] ?? '' }),
  ],
  [
    'thinks that everything is its own',
    'misroutes',
    "a stranger's completion",
    using({ host: () => ({ owns: () => true }) }),
  ],
  ['forgets nothing at a reset', 'misroutes', 'a session that was reset', using({ reset: () => undefined })],
  [
    'is busy everywhere when one session is',
    'loses',
    'holds up no other',
    using({ host: (_right, { busy }) => ({ isIdle: () => busy.size === 0 }) }),
  ],
  [
    'delivers only what this delegator dispatched',
    'loses',
    'another host dies',
    using({ host: () => ({ owns: ({ restored }) => restored !== true }) }),
  ],
  [
    'takes the fence away',
    'splices',
    'comes to an idle session',
    using({ textOf: (text) => text.replaceAll(/\[\/?child \w+\]/g, '') }),
  ],
  ['goes on after it was closed', 'breaks', 'after it was closed', using({ close: () => undefined })],
  [
    'puts the words of the user and a completion into one turn',
    'splices',
    'comes to an idle session',
    using({ textOf: (text) => `said-0123456789abcdef ${text}` }),
  ],
  [
    'is unwell once its model has thrown',
    'loses',
    'its model rejects',
    using({
      host: (right, agent) => {
        let isWell = true
        const run = (key: string, text: string) => agent.run(key, text).catch(() => (isWell = false))
        return {
          isIdle: (key) => isWell && right.isIdle(key),
          startTurn(text, _events, key) {
            void run(key, text)
            return 'started'
          },
        }
      },
    }),
  ],
  ['never looks at what a turn has started', 'loses', 'work that a turn starts', using({ host: onlyOnce })],
  ['tires in a flood', 'loses', 'a flood', using({ host: onlyOnce })],
  ['loses what comes with typing', 'loses', 'typed in the moment', using({ host: lossy })],
  ['starves what waits', 'loses', 'do not stop typing', using({ host: onlyOnce })],
  ['does not start after its model threw', 'loses', 'its model throws', using({ host: onlyOnce })],
]

type AdapterGivenTo = (given: AdapterGiven) => HostAdapter

function using(wrong: Wrong): AdapterGivenTo {
  return (given) => smallAgent(given, wrong)
}

/** Starts the first turn of a completion, and no other. */
function onlyOnce(...[right, { waiting }]: Parameters<NonNullable<Wrong['host']>>) {
  let turns = 0
  return {
    isIdle: (key: string) => turns++ < 1 && (waiting.get(key)?.length ?? 0) === 0 && right.isIdle(key),
  }
}

describe('each check can fail: an adapter that', () => {
  it.each(broken)('%s: %s', async (_what, fault, name, createAdapter) => {
    const checks = hostConformance({ createAdapter, timeoutMs: 2_000, quietMs: 300 })
    const check = checks.find((each) => each.name.includes(name))
    const error: unknown = await check?.run().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConformanceError)
    expect((error as ConformanceError).fault).toBe(fault)
  })

  it('there is one for every check', () => {
    for (const { name } of hostConformance({ createAdapter: smallAgent })) {
      expect(
        broken.some(([, , part]) => name.includes(part)),
        name,
      ).toBe(true)
    }
  })
})

describe('the report', () => {
  it('says of each check how it went, and never throws', async () => {
    const createAdapter = () => {
      throw new Error('it cannot even be made')
    }
    const report = await runHostConformance({ createAdapter, manySessions: false, resets: false })
    expect(report.passed).toBe(false)
    expect(report.checks.filter(({ status }) => status === 'skipped')).toHaveLength(3)
    expect(report.checks.find(({ status }) => status === 'failed')).toMatchObject({
      fault: 'breaks',
      message: 'it cannot even be made',
    })
    expect(report.text).toMatch(/^host conformance: 0 passed, \d+ failed, 3 skipped\n/)
    expect(report.text).toContain('✗ a completion comes to an idle session as a turn of its own (it cannot')
    expect(report.text).toContain(
      '- each session is told its own, and nothing else (it has one conversation)',
    )
  })
})
