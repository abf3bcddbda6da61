import { describe, expect, it } from 'vitest'
import {
  batchEvent,
  childEntry,
  isBatchEvent,
  outcomeOfError,
  outcomeOfResult,
  singleEvent,
  stoppedOutcome,
  wholeBatch,
  type UnitFacts,
} from '../../src/core/completion.js'
import type { ChildResult } from '../../src/core/event.js'
import type { JsonObject } from '../../src/core/json.js'

const facts: UnitFacts = {
  delegationId: 'deleg_1',
  route: { session_key: 'agent:main:cli:dm:local' },
  goal: 'the dishes',
  context: null,
  toolsets: ['web'],
  role: 'leaf',
  model: 'vendor/model-1',
  dispatchedAt: 1_750_000_000,
  completedAt: 1_750_000_012.5,
  durationSeconds: 12.5,
  metadata: null,
  liveTranscripts: null,
}
const stop = { cause: 'timeout', reason: 'over its limit of 3 s' } as const
const single = (fields: JsonObject) => singleEvent(facts, outcomeOfResult(fields, null))

const hermesSingle = [
  'type',
  'delegation_id',
  'session_key',
  'goal',
  'context',
  'toolsets',
  'role',
  'model',
  'status',
  'summary',
  'error',
  'api_calls',
  'duration_seconds',
  'dispatched_at',
  'completed_at',
  'exit_reason',
]
const hermesBatch = [
  'type',
  'delegation_id',
  'session_key',
  'goal',
  'goals',
  'context',
  'toolsets',
  'role',
  'model',
  'status',
  'is_batch',
  'results',
  'error',
  'total_duration_seconds',
  'dispatched_at',
  'completed_at',
]

describe('the outcome of a child', () => {
  it.each([[undefined], [null], ['']])('R21: the status %j means completed', (status) => {
    const fields = status === undefined ? {} : { status }
    expect(outcomeOfResult(fields, null)).toMatchObject({
      status: 'completed',
      cause: 'returned',
      error: null,
    })
  })

  it.each([
    'completed',
    'success',
    'interrupted',
    'failed',
    'error',
    'timeout',
    'partial',
    'Running',
    'whatever',
  ])('R21: the word %s is delivered as it is', (status) =>
    expect(outcomeOfResult({ status }, null).status).toBe(status),
  )

  it.each([
    'running',
    'stalling',
    'interrupting',
    'finalizing',
    'waiting',
    'queued',
    'input_required',
    'auth_required',
  ])('R22, P9: the live word %s becomes an error that says so', (status) => {
    const outcome = outcomeOfResult({ status }, null)
    expect(outcome.status).toBe('error')
    expect(outcome.error).toContain(status)
  })

  it("R22: the runner's own error is kept beside a live word; a status that is no text is an error", () => {
    expect(outcomeOfResult({ status: 'running', error: 'mine' }, null)).toMatchObject({
      status: 'error',
      error: 'mine',
    })
    expect(outcomeOfResult({ status: 7 }, null)).toMatchObject({ status: 'error' })
  })

  it('R23: what was thrown is `<Type>: <message>`', () => {
    const outcome = outcomeOfError({ name: 'QuotaError', message: 'out of tokens' }, 'threw', null)
    expect(outcome).toEqual({
      status: 'error',
      cause: 'threw',
      fields: {},
      error: 'QuotaError: out of tokens',
      detail: null,
    })
  })

  it('R23: code and cause travel as error_detail, since the text does not have them', () => {
    const detail = { name: 'QuotaError', message: 'm', code: 'E_QUOTA' }
    expect(outcomeOfError(detail, 'lost', null)).toMatchObject({ cause: 'lost', detail })
  })

  it('P9: whoever unwinds after a stop says why it was stopped, not that it failed', () => {
    expect(outcomeOfResult({ status: 'interrupted' }, stop).status).toBe('timeout')
    expect(outcomeOfResult({ status: 'interrupted' }, null).status).toBe('interrupted')
    const thrown = outcomeOfError({ name: 'AbortError', message: 'aborted' }, 'threw', stop)
    expect(thrown).toMatchObject({ status: 'timeout', cause: 'timeout', error: stop.reason })
    expect(stoppedOutcome(stop)).toMatchObject({
      status: 'timeout',
      fields: { exit_reason: 'timeout' },
      detail: null,
    })
  })

  it('P4: a result that was returned inside the grace is delivered as it is', () => {
    expect(outcomeOfResult({ status: 'completed', summary: 's' }, stop)).toMatchObject({
      status: 'completed',
      cause: 'returned',
    })
  })
})

describe('the event of a single delegation', () => {
  it("R29: has Hermes' sixteen fields and, of ours, only event_id, when nothing more is known", () => {
    expect(Object.keys(single({})).sort()).toEqual([...hermesSingle, 'event_id'].sort())
    expect(hermesSingle).toHaveLength(16)
  })

  it('R29, R21: of a runner that returned nothing', () => {
    expect(single({})).toEqual({
      type: 'async_delegation',
      delegation_id: 'deleg_1',
      event_id: 'deleg_1',
      session_key: 'agent:main:cli:dm:local',
      goal: 'the dishes',
      context: null,
      toolsets: ['web'],
      role: 'leaf',
      model: 'vendor/model-1',
      status: 'completed',
      summary: null,
      error: null,
      api_calls: 0,
      duration_seconds: 12.5,
      dispatched_at: 1_750_000_000,
      completed_at: 1_750_000_012.5,
      exit_reason: null,
    })
  })

  it.each<[JsonObject, JsonObject]>([
    [{ model: 'other' }, { model: 'other' }],
    [{ model: '' }, { model: 'vendor/model-1' }],
    [{ model: null }, { model: 'vendor/model-1' }],
    [{ api_calls: 4 }, { api_calls: 4 }],
    [{ api_calls: null }, { api_calls: null }],
    [{ duration_seconds: 0 }, { duration_seconds: 0 }],
    [{ duration_seconds: null }, { duration_seconds: null }],
    [{ summary: '' }, { summary: '' }],
    [{ summary: { a: 1 } }, { summary: '{"a":1}' }],
    [
      { error: 'e', status: 'failed' },
      { error: 'e', status: 'failed' },
    ],
    [{ exit_reason: 'max_iterations' }, { exit_reason: 'max_iterations' }],
  ])('R29: of a result of %j it says %j', (fields, expected) =>
    expect(single(fields)).toMatchObject(expected),
  )

  it('what else a runner returned stays out, but for the additive fields', () => {
    const event = single({ mood: 'good', usage: { input_tokens: 3 }, summary_truncated: true })
    expect('mood' in event).toBe(false)
    expect(event).toMatchObject({ usage: { input_tokens: 3 }, summary_truncated: true })
  })

  it('R24: a child that was lost has an event like any other', () => {
    const lost = outcomeOfError({ name: 'RunnerError', message: 'gone', code: 'CHILD_EXITED' }, 'lost', null)
    const event = singleEvent(facts, lost)
    const fields = [...hermesSingle, 'event_id', 'error_detail'].sort()
    expect(Object.keys(event).sort()).toEqual(fields)
    expect(event).toMatchObject({ status: 'error', summary: null, api_calls: 0, duration_seconds: 12.5 })
  })

  it('what was found of an output is told where it was judged, and nowhere else', () => {
    const judged = { output: { count: 3 }, schema_valid: true, schema_retries: 1 }
    expect(single(judged)).toMatchObject(judged)
    expect(Object.keys(single({ output: { count: 3 } }))).toEqual(Object.keys(single({})))
  })

  it('additive fields of the unit are there only when they are not empty', () => {
    const route = { ...facts.route, parent_session_id: 'p', origin_ui_session_id: 'tab' }
    const full = { ...facts, route, metadata: { ticket: 7 }, liveTranscripts: { '0': '/t.log' } }
    expect(singleEvent(full, outcomeOfResult({}, null))).toMatchObject({
      parent_session_id: 'p',
      origin_ui_session_id: 'tab',
      metadata: { ticket: 7 },
      live_transcripts: { '0': '/t.log' },
    })
  })
})

describe('the event of a batch', () => {
  const results: ChildResult[] = [
    { task_index: 0, status: 'completed' },
    { task_index: 1, status: 'error' },
  ]
  const joined = { results, error: null, totalDurationSeconds: 3 }

  it("R37: has Hermes' sixteen fields and, of ours, only event_id; none of those of a single one", () => {
    const event = batchEvent(facts, ['a', 'b'], joined)
    expect(Object.keys(event).sort()).toEqual([...hermesBatch, 'event_id'].sort())
    expect(hermesBatch).toHaveLength(16)
    for (const name of ['summary', 'api_calls', 'duration_seconds', 'exit_reason'])
      expect(name in event).toBe(false)
    expect(event).toMatchObject({ is_batch: true, goals: ['a', 'b'], results, total_duration_seconds: 3 })
    expect(isBatchEvent(event)).toBe(true)
    expect(isBatchEvent(single({}))).toBe(false)
  })

  it("R35, R37: its status joins its results', and its model is that of the record", () => {
    expect(batchEvent(facts, ['a', 'b'], joined)).toMatchObject({
      status: 'completed',
      model: 'vendor/model-1',
    })
    const failed = { ...joined, results: [{ task_index: 0, status: 'interrupted', model: 'other' }] }
    expect(batchEvent(facts, ['a'], failed)).toMatchObject({ status: 'error', model: 'vendor/model-1' })
    expect(batchEvent(facts, [], { ...joined, results: [], error: 'e' })).toMatchObject({
      status: 'completed',
      error: 'e',
    })
  })

  it('R36: a whole batch that threw says so, with no results', () => {
    const threw = { results: [], error: 'TypeError: m', totalDurationSeconds: 12.5, status: 'error' }
    expect(batchEvent(facts, ['a'], threw)).toMatchObject({
      status: 'error',
      results: [],
      error: 'TypeError: m',
      total_duration_seconds: 12.5,
    })
  })

  it('R31: what its one function returned is taken verbatim, and what is missing is null or empty', () => {
    const entries = [{ task_index: 0, status: 'failed', extra: [1] }, { status: 'completed' }]
    expect(wholeBatch({ results: entries, total_duration_seconds: 2.5, error: 'e' })).toEqual({
      results: entries,
      error: 'e',
      totalDurationSeconds: 2.5,
    })
    expect(wholeBatch({})).toEqual({ results: [], error: null, totalDurationSeconds: null })
    expect(wholeBatch({ results: 'none', total_duration_seconds: '2' })).toEqual({
      results: [],
      error: null,
      totalDurationSeconds: null,
    })
  })
})

describe("a child's entry in `results`", () => {
  const known = { model: 'vendor/model-1', durationSeconds: 1.5, transcript: null }

  it('P5: keeps what the runner added of its own, and fills in what it left out', () => {
    const outcome = outcomeOfResult({ summary: 's', tokens: { input: 3 }, model: '', task_index: 99 }, null)
    expect(childEntry(2, outcome, known)).toEqual({
      task_index: 2,
      status: 'completed',
      summary: 's',
      tokens: { input: 3 },
      api_calls: 0,
      duration_seconds: 1.5,
      model: 'vendor/model-1',
      exit_reason: null,
      error: null,
    })
  })

  it('P10: a runner names no transcript: the path is ours, or there is none', () => {
    const outcome = outcomeOfResult({ summary: 's', live_transcript: '/etc/passwd' }, null)
    expect(childEntry(0, outcome, known)).not.toHaveProperty('live_transcript')
    expect(childEntry(0, outcome, { ...known, transcript: '/t.log' })).toHaveProperty(
      'live_transcript',
      '/t.log',
    )
  })

  it('R23: names what was thrown, and where the transcript is', () => {
    const outcome = outcomeOfError({ name: 'E', message: 'm', code: 7 }, 'threw', null)
    expect(childEntry(0, outcome, { ...known, transcript: '/t.log' })).toMatchObject({
      status: 'error',
      error: 'E: m',
      error_detail: { name: 'E', message: 'm', code: 7 },
      live_transcript: '/t.log',
    })
  })
})
