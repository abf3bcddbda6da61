import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  moduleRunner,
  type DelegatorOptions,
  type Runner,
  type RunnerInput,
  type SingleEvent,
} from '../../src/index.js'
import { faulty, fixture, fixtureUrl, idOf, open, openWithLedger, temporaryFolder, until } from './support.js'

/** Runs one child, and holds what every faulty child must leave intact: one event, a free slot, a host that answers. */
async function endOf(runner: RunnerInput, options: DelegatorOptions = {}): Promise<SingleEvent> {
  const { delegator, ledger } = await openWithLedger({
    maxUnits: 1,
    spillFolder: temporaryFolder(),
    ...options,
  })
  const told: string[] = []
  delegator.events.on('completion', ({ delegation_id }) => void told.push(delegation_id))
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const id = idOf(await delegator.dispatch({ goal: 'go wrong', runner }))
  const event = (await delegator.wait(id)) as SingleEvent
  delay.disable()
  expect(delay.max / 1e6).toBeLessThan(2_000)
  await until(ledger, async () => (await delegator.capacity()).inUse === 0)
  const after = await delegator.dispatch({ goal: 'and on', runner: fixture('default') })
  expect(await delegator.wait(idOf(after))).toMatchObject({ status: 'completed', summary: 'did and on' })
  expect(told).toEqual([id, idOf(after)])
  return event
}

const error = (name: string, message: RegExp) => ({
  status: 'error',
  summary: null,
  error: expect.stringMatching(new RegExp(`^${name}: .*${message.source}`)) as string,
})

const coded = (code: string) => ({ status: 'error', error_detail: { name: 'RunnerError', code } })

describe('what a runner may return', () => {
  const returns: Record<string, object> = {
    returnsString: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /a string where an object/) },
    returnsNumber: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /a number/) },
    returnsArray: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /an array/) },
    returnsFunction: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /a function/) },
    returnsBigInt: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /a bigint/) },
    returnsHugeString: { ...coded('RESULT_NOT_OBJECT'), ...error('RunnerError', /a string/) },
    returnsCyclic: {
      ...coded('RESULT_NOT_PLAIN'),
      ...error('RunnerError', /result.self refers back to itself/),
    },
    returnsFunctionField: {
      ...coded('RESULT_NOT_PLAIN'),
      ...error('RunnerError', /result.callback is a function/),
    },
    returnsBigIntField: { ...coded('RESULT_NOT_PLAIN'), ...error('RunnerError', /result.count is a BigInt/) },
    returnsHugeField: {
      ...coded('RESULT_TOO_LARGE'),
      ...error('RunnerError', /result.report makes the result/),
    },
    returnsThrowingGetter: error('Error', /no summary for you/),
    returnsNothing: { status: 'completed', summary: null, error: null },
    returnsNull: { status: 'completed', summary: null, error: null },
  }

  it.each(Object.entries(returns))('R25: %s ends as one event of its own', async (name, expected) => {
    expect(await endOf(faulty(name))).toMatchObject(expected)
  })

  it.each(['running', 'stalling', 'queued', 'input_required'])(
    'R22: a runner that returns the live word %s has failed',
    async (status) => {
      expect(await endOf(faulty('returnsLiveStatus', { options: { status } }))).toMatchObject({
        status: 'error',
        summary: 'still at it',
        error: `the runner returned the live status "${status}"`,
      })
    },
  )

  it('P10: a summary that is too long is cut, and kept whole in a file of this user alone', async () => {
    const event = await endOf(faulty('returnsLongSummary'))
    const whole = 'y'.repeat(2_000_000)
    expect(event).toMatchObject({
      status: 'completed',
      summary_truncated: true,
      summary_full_characters: 2_000_000,
      summary_full_sha256: createHash('sha256').update(whole).digest('hex'),
    })
    const path = event.summary_full_path ?? ''
    expect(event.summary).toMatch(/^y{5000,}\n\[\d+ of 2000000 characters are left out here; .+\]\ny{2500,}$/)
    expect(event.summary).toContain(path)
    expect(existsSync(path)).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe(whole)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('P10: the children of a batch share what its summaries may have together; a call may say how much', async () => {
    const delegator = await open()
    const long: Runner = ({ goal }) => ({ summary: `${goal} `.repeat(1_000) })
    const goals = Array.from({ length: 4 }, (_, index) => `goal ${index}`)
    const call = { goals, runner: long, maxUnitSummaryCharacters: 2_000 }
    const event = await delegator.wait(idOf(await delegator.dispatchBatch(call)))
    const results = event.is_batch === true ? event.results : []
    expect(results).toHaveLength(4)
    for (const { summary, summary_full_path: path } of results) {
      expect(summary?.length).toBeLessThan(700)
      expect(readFileSync(path as string, 'utf8')).toHaveLength(7_000)
      expect(statSync(path as string).mode & 0o777).toBe(0o600)
    }
  })

  it('P9: one that is too long, and cannot be kept, is an error that says so', async () => {
    const spillFolder = join(temporaryFolder(), 'in-the-way')
    writeFileSync(spillFolder, '')
    const delegator = await open({ spillFolder })
    for (const runner of [faulty('returnsLongSummary'), () => ({ summary: 'y'.repeat(9_000) })]) {
      const id = idOf(await delegator.dispatch({ goal: 'x', runner }))
      expect(await delegator.wait(id)).toMatchObject(coded('SPILL_FAILED'))
    }
  })

  it('P10: without a bound a summary is delivered whole, as long as it can travel', async () => {
    const delegator = await open({ maxSummaryCharacters: 0, maxUnitSummaryCharacters: 0 })
    const long: Runner = () => ({ summary: 'z'.repeat(500_000) })
    const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'x', runner: long })))
    expect(event).not.toHaveProperty('summary_truncated')
    expect(event.summary).toHaveLength(500_000)
  })
})

describe('what a runner may throw', () => {
  const throws: Record<string, object> = {
    throwsNull: error('Error', /null/),
    throwsString: error('Error', /just a string/),
    throwsError: { ...error('RangeError', /out of range/), error_detail: { code: 'E42' } },
    throwsThrowingGetter: error('Error', /./),
    rejectsLater: error('TypeError', /rejected/),
    throwsInTimer: error('Error', /out of a timer/),
    rejectsUnhandled: error('Error', /nobody handles this/),
    overflowsStack: error('RangeError', /call stack/),
  }

  it.each(Object.entries(throws))('R23: %s ends as one event of its own', async (name, expected) => {
    expect(await endOf(faulty(name))).toMatchObject(expected)
  })

  it.each(['throwsError', 'throwsInTimer', 'overflowsStack'])(
    'R23: %s likewise in a shared thread',
    async (name) => {
      expect((await endOf(faulty(name, { placement: 'shared' }))).status).toBe('error')
    },
  )
})

describe('what a thread sends to its host', () => {
  it.each(['field', 'summary', 'string', 'error', 'progress', 'log', 'output', 'checkpoint'])(
    'P7: of a %s of 20 MB no more than a result may have crosses to the host',
    async (goal) => {
      const delegator = await open({ spillFolder: temporaryFolder() })
      const runner = fixture('default', {}, 'counts-characters.js')
      await delegator.wait(idOf(await delegator.dispatch({ goal, runner })))
      // The same thread: its runner and its session are the same.
      const id = idOf(await delegator.dispatch({ goal: 'the count', runner }))
      const longest = Number((await delegator.wait(id)).summary)
      expect(longest).toBeGreaterThan(100)
      expect(longest).toBeLessThan(1_100_000)
    },
  )
})

describe('what a runner may do to its thread (P7)', () => {
  it.each([
    ['exits0', 0],
    ['exits3', 3],
  ])('R24: %s ends that child alone', async (name, code) => {
    expect(await endOf(faulty(name))).toMatchObject({
      ...coded('CHILD_EXITED'),
      error: `RunnerError: the child ended its thread with process.exit(${code})`,
    })
  })

  it('P7: process.exit in a shared thread is refused to the child that calls it', async () => {
    expect(await endOf(faulty('exits0', { placement: 'shared' }))).toMatchObject({
      status: 'error',
      error_detail: { code: 'RUNNER_EXIT_REFUSED' },
    })
  })

  it('P7: a child that outgrows its memory ends alone', async () => {
    expect(await endOf(faulty('allocates'), { childMemoryMb: 64 })).toMatchObject(
      coded('CHILD_OUT_OF_MEMORY'),
    )
  })

  it('P7: a million progress messages are a handful to the host, which stays responsive', async () => {
    const { delegator } = await openWithLedger()
    let messages = 0
    delegator.events.on('progress', () => void (messages += 1))
    const id = idOf(await delegator.dispatch({ goal: 'flood', runner: faulty('floodsProgress') }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'a million' })
    expect(messages).toBeLessThan(1_000)
    expect(await endOf(faulty('floodsProgress'))).toMatchObject({ status: 'completed' })
  })

  it('P7: a flood of output likewise', async () => {
    expect(await endOf(faulty('floodsOutput'))).toMatchObject({ status: 'completed', summary: 'talked' })
  })
})

describe('runner modules that cannot be loaded', () => {
  const source = (text: string) => moduleRunner(`data:text/javascript,${encodeURIComponent(text)}`)

  it('P7: a module that is missing', async () => {
    expect(await endOf(moduleRunner(fixtureUrl('nowhere.js')))).toMatchObject({
      ...coded('RUNNER_NOT_FOUND'),
      error: expect.stringContaining('nowhere.js') as string,
    })
    expect(await endOf(moduleRunner('no-such-package-of-ours'))).toMatchObject(coded('RUNNER_NOT_FOUND'))
  })

  it('P7: a module without the export, or whose export is no function', async () => {
    expect(await endOf(fixture('nobody'))).toMatchObject({
      ...coded('RUNNER_NO_EXPORT'),
      error: expect.stringMatching(/"nobody" \(it exports .*echo/) as string,
    })
    expect(await endOf(fixture('notAFunction'))).toMatchObject(coded('RUNNER_NO_EXPORT'))
    expect(await endOf(source(''))).toMatchObject({
      error: expect.stringContaining('exports nothing') as string,
    })
  })

  it('P7: a module that throws at import, or does not parse', async () => {
    expect(await endOf(fixture('default', {}, 'throws-at-import.js'))).toMatchObject({
      status: 'error',
      error: expect.stringContaining('broken at import') as string,
      error_detail: { code: 'RUNNER_IMPORT_FAILED', cause: { message: 'broken at import' } },
    })
    expect(await endOf(source('const broken = ('))).toMatchObject(coded('RUNNER_IMPORT_FAILED'))
  })

  it.each(['hangs', 'loops'])('P7: a module that %s at import', async (what) => {
    const options = { importTimeoutMs: 300 }
    expect(await endOf(fixture('default', {}, `${what}-at-import.js`), options)).toMatchObject(
      coded('RUNNER_IMPORT_TIMEOUT'),
    )
  })
})
