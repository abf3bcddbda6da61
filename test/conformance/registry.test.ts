import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/core/json.js'
import { moduleRunner } from '../../src/runners/module.js'
import { createDelegator } from '../../src/runtime/create-delegator.js'
import type { Delegator } from '../../src/runtime/delegator.js'

interface Vector {
  readonly input: JsonObject & { readonly session_key: string }
  readonly runner: { readonly return?: JsonObject | null; readonly throw?: { name: string; message: string } }
  readonly event: JsonObject
}

const vectors = JSON.parse(readFileSync(new URL('registry.json', import.meta.url), 'utf8')) as Vector[]
const singles = vectors.filter(({ input }) => 'goal' in input)
const batches = vectors.filter(({ input }) => 'goals' in input)
const fixture = fileURLToPath(new URL('../fixtures/runners/as-told.js', import.meta.url))

/** What the vector's runner does, as a function of the host; what it returns is as foreign as it may be. */
function asTold({ runner }: Vector): () => never {
  return () => {
    if (runner.throw === undefined) return runner.return as never
    throw Object.assign(new Error(runner.throw.message), { name: runner.throw.name })
  }
}

function callOf({ input }: Vector) {
  return {
    context: input['context'] as string | null,
    toolsets: input['toolsets'] as string[] | null,
    role: input['role'] as string,
    model: input['model'] as string | null,
    sessionKey: input.session_key,
  }
}

/** Tells the vectors apart in a report: their number, what the runner does, and what they are about. */
function titled(list: readonly Vector[]): [string, Vector][] {
  return list.map((vector) => {
    const { runner, input } = vector
    const does = runner.throw === undefined ? JSON.stringify(runner.return) : `throws ${runner.throw.name}`
    const about = JSON.stringify(input['goal'] ?? input['goals']).slice(0, 40)
    return [`vector ${vectors.indexOf(vector)}, ${does.slice(0, 60)}, for ${about}`, vector]
  })
}

describe('what the original said of 60 delegations, we say, too:', () => {
  let delegator: Delegator
  beforeAll(async () => {
    delegator = await createDelegator({ maxUnits: 3 })
  })
  afterAll(() => delegator.close())

  /** Compares every field; of our own only `event_id` and `seq` may be there. */
  async function expectEvent(handle: unknown, vector: Vector, startedAt: number): Promise<void> {
    expect(handle).toMatchObject({ status: 'dispatched' })
    const { delegationId } = handle as { readonly delegationId: string }
    const event: JsonObject = await delegator.wait(delegationId)
    const { event_id: eventId, seq, ...theirs } = event
    expect(eventId).toBe(delegationId)
    expect(seq).toBeTypeOf('number')
    expect(delegationId).toMatch(/^deleg_[0-9a-f]{20}$/)
    const expected: Record<string, unknown> = { ...vector.event, delegation_id: delegationId }
    for (const [name, value] of Object.entries(vector.event)) {
      if (value === '<time>') {
        expect(theirs[name], name).toBeGreaterThanOrEqual(startedAt)
        expect(theirs[name], name).toBeLessThanOrEqual(Date.now() / 1000)
      } else if (value === '<seconds>') {
        expect(theirs[name], name).toBeGreaterThanOrEqual(0)
        expect(theirs[name], name).toBe(Math.round(Number(theirs[name]) * 100) / 100)
      } else continue
      expected[name] = theirs[name]
    }
    expect(theirs).toEqual(expected)
    expect(Object.keys(theirs).sort()).toEqual(Object.keys(vector.event).sort())
    expect(theirs['completed_at']).toBeGreaterThanOrEqual(Number(theirs['dispatched_at']))
    const [claim] = await delegator.completions.claim({ ids: [delegationId] })
    expect(claim?.event).toEqual(event)
    await claim?.ack()
  }

  it('there are 60 of them: 27 single ones and 33 batches', () => {
    expect([vectors.length, singles.length, batches.length]).toEqual([60, 27, 33])
  })

  it.each(titled(singles))('R29, R21: by a plain function: %s', async (_title, vector) => {
    const startedAt = Date.now() / 1000
    const goal = vector.input['goal'] as string
    const runner = asTold(vector)
    await expectEvent(await delegator.dispatch({ ...callOf(vector), goal, runner }), vector, startedAt)
  })

  it.each(titled(singles))('R29, R23: by a thread: %s', async (_title, vector) => {
    const startedAt = Date.now() / 1000
    const goal = vector.input['goal'] as string
    const runner = moduleRunner(fixture, { options: { ...vector.runner } })
    await expectEvent(await delegator.dispatch({ ...callOf(vector), goal, runner }), vector, startedAt)
  })

  it.each(titled(batches))('R37, R31: as a whole batch: %s', async (_title, vector) => {
    const startedAt = Date.now() / 1000
    const goals = vector.input['goals'] as string[]
    const run = asTold(vector)
    await expectEvent(await delegator.dispatchBatch({ ...callOf(vector), goals, run }), vector, startedAt)
  })
})
