import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { draftOf, eventOf, ownerOf } from '../contract/ledger.js'
import { createManualClock } from '../support/manual-clock.js'

describe('an owner that closes its ledger', () => {
  let folder = ''
  let leaving: Ledger
  let staying: Ledger

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hermes-leave-'))
    const open = sqliteLedger(join(folder, 'state.db'))
    const given = { clock: createManualClock(), random: () => 0.5 }
    leaving = await open(given)
    staying = await open(given)
    await leaving.join(ownerOf('leaving'))
    await staying.join(ownerOf('staying'))
  })
  afterEach(async () => {
    await leaving.close()
    await staying.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('P3: gives back what it had claimed, and it costs no attempt', async () => {
    await leaving.publish('leaving', eventOf(draftOf('u1')))
    await leaving.claim('leaving', { all: true }, 1, 300)
    await leaving.close()
    const { claims } = await staying.claim('staying', { all: true }, 1, 300)
    expect(claims.map(({ delivery }) => [delivery.eventId, delivery.attempts])).toEqual([['u1', 0]])
  })

  it('P6: can be found dead while something of it may still run, so that its slot comes back', async () => {
    const draft = draftOf('u1')
    const charge = { counter: 'units', amount: 1, limit: 1 }
    const admission = await leaving.admit('leaving', draft, [charge])
    if (admission.status !== 'admitted') throw new Error(admission.status)
    const end = { state: 'interrupted', cause: 'interrupted', event: eventOf(draft), slot: 'kept' } as const
    await leaving.settle(admission.hold, end)
    await leaving.close()
    expect((await staying.owners()).map(({ id }) => id)).toContain('leaving')
    await staying.takeOver('leaving', 'staying', 'all')
    expect((await staying.usage(['units']))[0]?.inUse).toBe(0)
    expect((await staying.owners()).map(({ id }) => id)).toEqual(['staying'])
  })
})
