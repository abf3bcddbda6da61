import { describe, expect, it } from 'vitest'
import {
  capacityRefusal,
  capacityText,
  keyReusedRefusal,
  refusalAsJson,
  scheduleFailure,
  threadsRefusal,
} from '../../src/core/refusal.js'

const holder = { delegation_id: 'deleg_1', goal: 'the dishes', running_seconds: 12.5 }
const facts = { limit: 3, inUse: 3, scope: 'process', holders: [holder] } as const

describe('refusals', () => {
  it('R16: the text of a single one, word for word', () => {
    expect(capacityText(3, 'single')).toBe(
      'Async delegation capacity reached (3 running). Wait for one to finish (its result will re-enter the chat), or run this task synchronously (background=false). Raise delegation.max_async_children in config.yaml to allow more concurrent background subagents.',
    )
  })

  it('R34: the text of a batch, word for word, with no hint to run it synchronously', () => {
    expect(capacityText(7, 'batch')).toBe(
      'Async delegation capacity reached (7 running). Wait for one to finish (its result will re-enter the chat), or raise delegation.max_async_children in config.yaml to allow more concurrent background units.',
    )
  })

  it('R18, R34: work that could not be handed over says why, and nothing was full', () => {
    expect(scheduleFailure('no threads', 'single')).toEqual({
      status: 'rejected',
      error: 'Failed to schedule async delegation: no threads',
    })
    expect(scheduleFailure('no threads', 'batch')).toEqual({
      status: 'rejected',
      error: 'Failed to schedule async delegation batch: no threads',
    })
  })

  it.each(['single', 'batch'] as const)(
    'R15, P1: a full delegator refuses a %s with the facts as data',
    (kind) => {
      const rejected = capacityRefusal({ ...facts, kind })
      expect(rejected).toMatchObject({
        status: 'rejected',
        error: capacityText(3, kind),
        refusal: { code: 'CAPACITY', ...facts, config_key: 'delegation.max_async_children' },
      })
      expect(Object.keys(rejected).sort()).toEqual(['error', 'refusal', 'status'])
      expect(rejected.refusal?.retry_hint).toContain('admitWithinMs')
    },
  )

  it('R14: a cap of 0 does not tell anybody to wait', () => {
    const { refusal } = capacityRefusal({ ...facts, limit: 0, inUse: 0, holders: [], kind: 'single' })
    expect(refusal?.retry_hint).not.toMatch(/wait/i)
    expect(refusal?.retry_hint).toContain('delegation.max_async_children')
  })

  it('threads: says how many are wanted and how many are free', () => {
    const rejected = threadsRefusal({
      ...facts,
      limit: 9,
      inUse: 8,
      kind: 'batch',
      wanted: 3,
      highestLimit: 64,
    })
    expect(rejected.error).toContain('needs 3 worker threads and 1 of 9 are free')
    expect(rejected.refusal).toMatchObject({
      code: 'THREADS',
      limit: 9,
      inUse: 8,
      config_key: 'delegation.max_threads',
    })
  })

  it('threads: says that no waiting helps a unit that needs more than there ever are', () => {
    const never = { ...facts, limit: 4, inUse: 0, kind: 'batch', highestLimit: 64 } as const
    const tooMany = threadsRefusal({ ...never, wanted: 6 })
    expect(tooMany.error).toContain('needs 6 worker threads at once and there are never more than 4')
    expect(tooMany.error).toContain('raise delegation.max_threads to 6')
    expect(tooMany.refusal?.retry_hint).toContain('Waiting does not help')
    const farTooMany = threadsRefusal({ ...never, wanted: 70 })
    expect(farTooMany.error).toContain('Lower max_concurrent_children to 4, or declare placement: shared')
    expect(farTooMany.refusal?.config_key).toBe('delegation.max_concurrent_children')
  })

  it('a reused key names the delegation that has it', () => {
    const rejected = keyReusedRefusal('nightly "build"', holder, 'ledger')
    expect(rejected.error).toBe(
      'The idempotency key "nightly \\"build\\"" was used by deleg_1 with other arguments.',
    )
    expect(rejected.refusal).toMatchObject({
      code: 'KEY_REUSED',
      scope: 'ledger',
      holders: [holder],
      config_key: null,
    })
  })

  it('is plain data wherever it goes', () => {
    const { refusal } = capacityRefusal({ ...facts, kind: 'single' })
    const json = refusalAsJson(refusal!)
    expect(JSON.parse(JSON.stringify(json))).toEqual(refusal)
  })
})
