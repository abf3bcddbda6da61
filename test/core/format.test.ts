import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCompletion, localTime } from '../../src/core/format.js'
import type { JsonObject } from '../../src/core/json.js'

const single: JsonObject = {
  type: 'async_delegation',
  delegation_id: 'deleg_1',
  goal: 'count the files',
  status: 'completed',
  summary: 'There are 3.',
  error: null,
  api_calls: 2,
  duration_seconds: 1.5,
  dispatched_at: 1757439572.58,
  completed_at: 1757439572.58,
}
const batch: JsonObject = {
  type: 'async_delegation',
  delegation_id: 'deleg_2',
  goals: ['first', 'second'],
  is_batch: true,
  status: 'completed',
  total_duration_seconds: 2,
  results: [
    { task_index: 0, status: 'completed', summary: 'one' },
    { task_index: 1, status: 'failed', summary: null, error: 'no' },
  ],
}

function lines(event: JsonObject): string[] {
  return formatCompletion(event).split('\n')
}

describe('a single completion', () => {
  it.each([
    [0.9, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [123, '2m3s'],
    [3599, '59m59s'],
    [3600, '1h'],
    [7380, '2h3m'],
    [7399, '2h3m'],
    [90_000, '25h'],
  ])('%d seconds after its dispatch is %s old', (seconds, age) => {
    const event = { ...single, dispatched_at: 1_757_439_572, completed_at: 1_757_439_572 + seconds }
    expect(lines(event)).toContain(`Dispatched: 2025-09-09 17:39:32 (${age} ago)`)
  })

  it('has the age ? when it was never completed, and no Dispatched line when it was never dispatched', () => {
    expect(formatCompletion({ ...single, completed_at: null })).toContain('(? ago)')
    for (const dispatched of ['2025', null, true, Number.NaN, 1e300]) {
      expect(formatCompletion({ ...single, dispatched_at: dispatched })).not.toContain('Dispatched:')
    }
  })

  it('shows its times in the zone asked for', () => {
    expect(formatCompletion(single, { timeZone: 'Asia/Kolkata' })).toContain(
      'Dispatched: 2025-09-09 23:09:32 (0s ago)',
    )
    expect(localTime(1757439572.58, 'UTC')).toBe('2025-09-09 17:39:32')
  })

  it('names its transcript in the last line, and none when the event holds none for task 0', () => {
    const named = lines({ ...single, live_transcripts: { '0': '/tmp/a b/task-0.log' } })
    expect(named.at(-1)).toBe('Full live transcript (complete tool/assistant trace): /tmp/a b/task-0.log')
    expect(lines({ ...single, live_transcripts: { '1': '/tmp/task-1.log' } }).at(-1)).toBe('There are 3.')
  })

  it('says nothing of max_iterations: the notes on truncation are not of this layout', () => {
    expect(formatCompletion({ ...single, exit_reason: 'max_iterations', truncated: true })).toBe(
      formatCompletion(single),
    )
  })

  it('prints None where the original prints its null', () => {
    expect(lines({ ...single, api_calls: null, duration_seconds: null })).toContain(
      'Status: completed   API calls: None   Duration: Nones',
    )
  })

  it('treats an empty summary as none', () => {
    expect(lines({ ...single, summary: '' }).at(-1)).toBe(
      'The subagent did not complete successfully (status=completed).',
    )
  })
})

describe('a batch', () => {
  it('without results prints its error, and ends there', () => {
    expect(lines({ ...batch, results: [], error: 'TypeError: no' }).slice(-3)).toEqual([
      'Role: leaf   Model: ?   Total duration: 2s',
      '--- ERROR ---',
      'The batch did not complete successfully: TypeError: no',
    ])
  })

  it('with results does not print its own error', () => {
    expect(formatCompletion({ ...batch, error: 'lost' })).toBe(formatCompletion(batch))
  })

  it.each([
    [{ total_duration_seconds: null }, 'Nones'],
    [{ total_duration_seconds: undefined, duration_seconds: 7 }, '7s'],
    [{ total_duration_seconds: undefined }, '?s'],
  ])('with %j took %s', (fields, duration) => {
    expect(formatCompletion({ ...batch, ...fields })).toContain(`Total duration: ${duration}\n`)
  })

  it('is what a list of results makes it, whatever is_batch says', () => {
    expect(lines({ ...batch, is_batch: false })[0]).toBe('[ASYNC DELEGATION BATCH COMPLETE — deleg_2]')
  })

  it('keeps the order of tasks whose index is equal or missing', () => {
    const results = [
      { task_index: 1, summary: 'c' },
      { status: 'completed', summary: 'a' },
      { task_index: 0, status: 'completed', summary: 'b' },
    ]
    const order = lines({ ...batch, results }).filter((line) => /^[abc]$/.test(line))
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('names the transcript of each task: its own, else the one the event holds for its index', () => {
    const results = [
      { task_index: 0, status: 'completed', summary: 'one', live_transcript: '/own.log' },
      { task_index: 1, status: 'completed', summary: 'two' },
    ]
    const text = formatCompletion({
      ...batch,
      results,
      live_transcripts: { '0': '/held-0.log', '1': '/held-1.log' },
    })
    expect(text).toContain('\none\nFull live transcript (complete tool/assistant trace): /own.log\n')
    expect(text).toContain('\ntwo\nFull live transcript (complete tool/assistant trace): /held-1.log')
  })
})

describe('an event of a foreign host', () => {
  const names = [
    ...Object.keys({ ...single, ...batch }),
    ...['context', 'toolsets', 'role', 'model', 'live_transcripts', 'exit_reason'],
  ]
  const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true })
  const entry = fc.dictionary(
    fc.constantFrom(
      'task_index',
      'status',
      'summary',
      'error',
      'api_calls',
      'duration_seconds',
      'live_transcript',
    ),
    anything,
  )

  it('is printed, never thrown at, whatever its fields hold', () => {
    const event = fc.dictionary(fc.constantFrom(...names), anything)
    fc.assert(
      fc.property(event, (fields) => {
        expect(formatCompletion(fields as JsonObject)).toMatch(/^\[ASYNC DELEGATION/)
      }),
    )
  })

  it('is printed, never thrown at, whatever its results hold, and has one heading for each of them', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, anything)), (results) => {
        const text = formatCompletion({ ...batch, goals: [], results } as JsonObject)
        expect(text.match(/^--- [✓✗] TASK \S+\/\d+ {2}\(status=/gm) ?? []).toHaveLength(results.length)
      }),
    )
  })

  it('with a cycle or a function in a field is printed as well', () => {
    const summary: Record<string, unknown> = {}
    summary['self'] = summary
    expect(formatCompletion({ ...single, summary } as JsonObject)).toContain('\n?')
    expect(formatCompletion({ ...single, summary: () => 1 } as unknown as JsonObject)).toContain('\n?')
  })
})
