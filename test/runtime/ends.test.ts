import { describe, expect, it } from 'vitest'
import {
  moduleRunner,
  sqliteLedger,
  type AsyncDelegationEvent,
  type Delegator,
  type DelegatorOptions,
  type DispatchOptions,
  type Ledger,
} from '../../src/index.js'
import { deliveryStates } from '../../src/core/delivery-states.js'
import { endCauses, liveWords, terminalWords } from '../../src/core/delegation.js'
import { read } from '../support/sources.js'
import { ledgerPath, openOn, startHost } from './host-on-ledger.js'
import { childRuns, idOf, openWithLedger } from './support.js'

interface End {
  readonly word: string
  readonly cause: string
  /** Null: whatever the runner said. */
  readonly exitReason: string | null
  readonly error: RegExp | null
}

interface Case extends End {
  readonly how: string
  readonly code: string
  readonly options?: DelegatorOptions
  readonly call?: Partial<DispatchOptions>
  readonly interrupts?: boolean
}

const untilStopped = `await new Promise((resolve) =>
  ctx.signal.aborted ? resolve() : ctx.signal.addEventListener('abort', resolve))`
/** However loaded the machine is, it returns within it. */
const interruptGraceMs = 10_000
const stall = { idleSeconds: 0.3, inToolSeconds: 0.3, graceSeconds: 0.2, sweepSeconds: 0.05 }
const deaf = 'await new Promise(() => {})'

/** What a runner does, and what comes of it: in a thread of its own, as a single unit and as a child of a batch. */
const cases: readonly Case[] = [
  ...[
    ['it returned', 'return { summary: 1 }', 'completed', null],
    ['it said failed', `return { status: 'failed', error: 'why' }`, 'failed', /^why$/],
    ['it said error', `return { status: 'error', error: 'why' }`, 'error', /^why$/],
    ['it said a word of a life', `return { status: 'running' }`, 'error', /live status "running"/],
    ['it said timeout', `return { status: 'timeout' }`, 'timeout', null],
    ['it said interrupted, unasked', `return { status: 'interrupted' }`, 'interrupted', null],
    ['it said stalled', `return { status: 'stalled' }`, 'stalled', null],
  ].map(
    ([how, code, word, error]) => ({ how, code, word, error, cause: 'returned', exitReason: null }) as Case,
  ),
  {
    how: 'it finished inside the grace',
    code: `${untilStopped}; return { status: 'completed' }`,
    interrupts: true,
    options: { interruptGraceMs },
    ...{ word: 'completed', cause: 'returned', exitReason: null, error: null },
  },
  {
    how: 'it threw',
    code: `throw new RangeError('out')`,
    ...{ word: 'error', cause: 'threw', exitReason: null, error: /^RangeError: out$/ },
  },
  {
    how: 'it ended its thread',
    code: `process.exit(3)`,
    ...{ word: 'error', cause: 'lost', exitReason: null, error: /exit/ },
  },
  {
    how: 'it returned when it was interrupted',
    code: `${untilStopped}; return { status: 'interrupted', exit_reason: 'asked' }`,
    interrupts: true,
    ...{ word: 'interrupted', cause: 'interrupted', exitReason: 'asked', error: null },
  },
  {
    how: 'it threw when it was interrupted',
    code: `${untilStopped}; throw ctx.signal.reason`,
    interrupts: true,
    ...{ word: 'interrupted', cause: 'interrupted', exitReason: 'interrupted', error: /^enough$/ },
  },
  {
    how: 'it did not hear its interrupt',
    code: deaf,
    interrupts: true,
    ...{ word: 'interrupted', cause: 'interrupted', exitReason: 'interrupted', error: /did not stop within/ },
  },
  {
    how: 'its time was over',
    code: deaf,
    options: { childTimeoutSeconds: 0.3 },
    ...{ word: 'timeout', cause: 'timeout', exitReason: 'timeout', error: /^timed out after 0.3 s/ },
  },
  {
    how: 'it returned when its time was over',
    code: `${untilStopped}; return { status: 'interrupted' }`,
    options: { childTimeoutSeconds: 0.3, interruptGraceMs },
    ...{ word: 'timeout', cause: 'returned', exitReason: null, error: null },
  },
  {
    how: 'it used more than its budget',
    code: `ctx.progress({ usage: { input_tokens: 11 } }); ${deaf}`,
    call: { budget: { tokens: 10 } },
    ...{ word: 'interrupted', cause: 'budget', exitReason: 'budget', error: /budget/ },
  },
  {
    how: 'it fell silent',
    code: `ctx.progress({ step: 1 }); ${deaf}`,
    options: { stall },
    ...{ word: 'stalled', cause: 'stalled', exitReason: 'stalled', error: /stalled: it stopped responding/ },
  },
]

const diedWith: End = { word: 'unknown', cause: 'owner_died', exitReason: null, error: /owner exited/ }

async function endOf({ code, options, call, interrupts }: Case) {
  const { delegator, ledger } = await openWithLedger({ interruptGraceMs: 200, ...options })
  const runner = moduleRunner(
    `data:text/javascript,${encodeURIComponent(`export default async (task, ctx) => { ${code} }`)}`,
  )
  const running = childRuns(delegator)
  const id = idOf(await delegator.dispatch({ goal: 'a', runner, ...call }))
  const entryTold = entryOf(delegator)
  if (interrupts === true) {
    await running
    await delegator.interrupt(id, { reason: 'enough' })
  }
  const event = await delegator.wait(id)
  const record = await ledger.get(id)
  return { event, entry: await entryTold, record }
}

function entryOf(delegator: Delegator): Promise<unknown> {
  return new Promise((resolve) => {
    delegator.events.on('child', ({ result }) => {
      if (result !== undefined) resolve(result)
    })
  })
}

function check(
  event: AsyncDelegationEvent,
  record: { state: string; cause: string | null } | null,
  end: End,
): void {
  expect({ state: record?.state, cause: record?.cause, status: event.status }).toEqual({
    state: end.word,
    cause: end.cause,
    status: end.word,
  })
  expect(event).toMatchObject({ exit_reason: end.exitReason })
  if (end.error === null) expect(event.error).toBeNull()
  else expect(event.error).toMatch(end.error)
}

describe('the words and the causes of ends (P9)', () => {
  it.each(cases)('P9: $word, $cause: $how', async (each) => {
    const { event, entry, record } = await endOf(each)
    check(event, record, each)
    expect(entry).toMatchObject({ status: each.word, exit_reason: each.exitReason })
  })

  it('P9: unknown, owner_died: the process that ran it is gone', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait' })
    const id = (await host.said<{ delegationId: string }>('handle')).delegationId
    await host.kill()
    let ledger: Ledger | null = null
    const here = await openOn(path, { ledger: async (given) => (ledger = await sqliteLedger(path)(given)) })
    const event = await here.wait(id)
    check(event, await ledger!.get(id), diedWith)
  })
})

/** First cells of the rows of the table below a heading, and the words in code marks of its last cell. */
function tableOf(heading: string): Map<string, string[]> {
  const section = read('docs/states.md').split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = [...section.matchAll(/^\| `(\w+)` .*\| ([^|\n]*?) +\|$/gm)]
  return new Map(
    rows.map(([, word = '', last = '']) => [
      word,
      [...last.matchAll(/`(\w+)`/g)].map(([, each = '']) => each),
    ]),
  )
}

describe('docs/states.md and the code agree', () => {
  const words = tableOf('How an end is called')

  it('on the words, on the causes, and on which cause comes with which word: each pair has a case above', () => {
    expect([...words.keys()].sort()).toEqual([...terminalWords].sort())
    expect([...tableOf('Why it came').keys()].sort()).toEqual([...endCauses].sort())
    const documented = [...words].flatMap(([word, causes]) => causes.map((cause) => `${word} ${cause}`))
    const proved = new Set([...cases, diedWith].map(({ word, cause }) => `${word} ${cause}`))
    expect(documented.sort()).toEqual([...proved].sort())
  })

  it('on the words of what lives, and of deliveries; the picture and the table of other words have them all', () => {
    expect([...tableOf('While it lives').keys()].sort()).toEqual([...liveWords].sort())
    expect([...tableOf('Where its event is').keys()].sort()).toEqual([...deliveryStates].sort())
    const others = read('docs/states.md').split('\n## In other words\n')[1] ?? ''
    for (const word of [...liveWords, ...terminalWords]) expect(others).toContain(`\`${word}\``)
    const picture = read('docs/states.svg')
    const drawn = [...liveWords].filter((word) => word !== 'queued' && word !== 'auth_required')
    for (const word of [...drawn, ...deliveryStates]) expect(picture).toContain(`>${word}<`)
  })
})
