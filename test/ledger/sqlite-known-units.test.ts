import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Hold, UnitRecord } from '../../src/ledger/shapes.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { createKnownUnits } from '../../src/ledger/sqlite-known-units.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import type { FoundUnit } from '../../src/ledger/sqlite-unit-rows.js'
import { draftOf, endOf, ownerOf } from '../contract/ledger.js'
import { createManualClock } from '../support/manual-clock.js'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-ledger-'))
  path = join(folder, 'state.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function openLedger(owner: string): Promise<Ledger> {
  const ledger = await sqliteLedger(path)({ clock: createManualClock(), random: () => 0.5 })
  onTestFinished(() => ledger.close())
  await ledger.join(ownerOf(owner))
  return ledger
}

async function admitted(ledger: Ledger, owner: string, id: string): Promise<Hold> {
  const admission = await ledger.admit(owner, draftOf(id), [{ counter: 'units', amount: 1, limit: 9 }])
  if (admission.status !== 'admitted') throw new Error(admission.status)
  return admission.hold
}

it('a unit that was read shows at once what another process, and what this one, changed in it', async () => {
  const [own, other] = [await openLedger('a'), await openLedger('b')]
  const hold = await admitted(own, 'a', 'u')
  expect(await own.get('u')).toMatchObject({ owner: 'a', state: 'running', fence: hold.fence })
  expect(await own.get('u')).toBe(await own.get('u'))
  await own.record(hold, { child: { index: 0, state: 'running' } })
  expect(await own.get('u')).toMatchObject({ children: [{ state: 'running' }] })

  const [taken] = await other.takeOver('a', 'b', 'all')
  expect(await own.get('u')).toMatchObject({ owner: 'b', state: 'running', fence: taken?.hold.fence })
  await other.settle(taken!.hold, endOf(draftOf('u')))
  const ended = await own.get('u')
  expect(ended).toMatchObject({ state: 'completed', slotHeld: false })
  expect(ended?.endedAt).not.toBeNull()
})

it('what has not changed is read once, and what is long each time', async () => {
  const [db, elsewhere] = [await openSqlite(path), await openSqlite(path)]
  onTestFinished(() => {
    db.close()
    elsewhere.close()
  })
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)')
  const reads: string[] = []
  const known = createKnownUnits(db, (id): FoundUnit | null => {
    reads.push(id)
    return id === 'none' ? null : { unit: { id } as UnitRecord, characters: id === 'long' ? 20_000 : 100 }
  })
  const readsOf = (id: string): number => {
    reads.length = 0
    for (let time = 0; time < 3; time += 1) known.get(id)
    return reads.length
  }

  expect(readsOf('short')).toBe(1)
  expect(readsOf('short')).toBe(0)
  expect(readsOf('long')).toBe(3)
  expect(readsOf('none')).toBe(3)
  elsewhere.exec('INSERT INTO t VALUES (1)')
  expect(readsOf('short')).toBe(1)
  known.forget()
  expect(readsOf('short')).toBe(1)
})
