import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { draftOf, eventOf, ownerOf } from '../contract/ledger.js'
import { growthOf } from '../support/growth.js'
import { createManualClock } from '../support/manual-clock.js'

const mine = { sessionKey: draftOf('u').route.sessionKey }

let folder: string
let files = 0

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'hermes-ledger-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** One session's `count` events. */
async function holding(count: number, summary = ''): Promise<Ledger> {
  const ledger = await sqliteLedger(join(folder, `${++files}.db`))({
    clock: createManualClock(),
    random: () => 0.5,
  })
  await ledger.join(ownerOf('a'))
  const ids = Array.from({ length: count }, (_, index) => `u${index}`)
  await Promise.all(ids.map((id) => ledger.publish('a', eventOf(draftOf(id), { summary }))))
  return ledger
}

it('P3: to drain a session one completion at a time costs the same for each, however many wait', async () => {
  const drain = async (count: number): Promise<void> => {
    const ledger = await holding(count)
    for (let index = 0; index < count; index += 1) {
      const { claims } = await ledger.claim('a', mine, 1, 60)
      expect(claims[0]?.eventId).toBe(`u${index}`)
      await ledger.resolve([claims[0]!.token], { kind: 'ack' })
    }
    await ledger.close()
  }
  expect(await growthOf(drain, 1_000)).toBeLessThan(24)
})

it('P11: to hand out one large event reads none of the others', async () => {
  const ledger = await holding(150, 'x'.repeat(500_000))
  const msOf = async (run: () => Promise<unknown>): Promise<number> => {
    const times: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const start = performance.now()
      await run()
      times.push(performance.now() - start)
    }
    return Math.min(...times)
  }
  expect(await msOf(() => ledger.claim('a', mine, 1, 60))).toBeLessThan(40)
  expect(await msOf(() => ledger.deliveries(mine, ['pending'], { limit: 1 }))).toBeLessThan(40)
  await ledger.close()
})
