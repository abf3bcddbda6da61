import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Hold } from '../../src/ledger/shapes.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { createUnchanged } from '../../src/ledger/sqlite-unchanged.js'
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
  const known = createUnchanged<string | null>(db, (value) => value !== null && value.length < 10)
  const readsOf = (key: string, value: string | null): number => {
    let reads = 0
    for (let time = 0; time < 3; time += 1) {
      known.get(key, () => {
        reads += 1
        return value
      })
    }
    return reads
  }

  expect(readsOf('short', 'ab')).toBe(1)
  expect(readsOf('short', 'ab')).toBe(0)
  expect(readsOf('long', 'a'.repeat(20))).toBe(3)
  expect(readsOf('none', null)).toBe(3)
  elsewhere.exec('INSERT INTO t VALUES (1)')
  expect(readsOf('short', 'ab')).toBe(1)
  known.forget()
  expect(readsOf('short', 'ab')).toBe(1)
})

it('a refusal is of now: whoever took, or gave back, the slot, and whatever the limit of the call', async () => {
  const [own, other] = [await openLedger('a'), await openLedger('b')]
  const ask = (ledger: Ledger, owner: string, id: string, limit = 1) =>
    ledger.admit(owner, draftOf(id), [{ counter: 'units', amount: 1, limit }])
  const first = await ask(other, 'b', 'of-b')
  if (first.status !== 'admitted') throw new Error(first.status)
  for (const id of ['u1', 'u2'])
    expect(await ask(own, 'a', id)).toMatchObject({ status: 'refused', inUse: 1, holders: [{ id: 'of-b' }] })
  expect(await ask(own, 'a', 'u3', 2)).toMatchObject({ status: 'admitted' })
  expect(await ask(own, 'a', 'u4')).toMatchObject({ inUse: 2, holders: [{ id: 'of-b' }, { id: 'u3' }] })
  await other.settle(first.hold, endOf(draftOf('of-b')))
  expect(await ask(own, 'a', 'u5')).toMatchObject({ inUse: 1, holders: [{ id: 'u3' }] })
  expect(await ask(other, 'b', 'u6')).toMatchObject({ inUse: 1, holders: [{ id: 'u3' }] })
})

it('a refusal that was given says nothing of a call with a key, or of one that joins a slot', async () => {
  const own = await openLedger('a')
  const charges = [{ counter: 'units', amount: 1, limit: 1 }]
  const key = { key: 'k', fingerprint: 'f', keepSeconds: 60 }
  expect(await own.admit('a', draftOf('u'), charges, key)).toMatchObject({ status: 'admitted' })
  expect(await own.admit('a', draftOf('v'), charges)).toMatchObject({ status: 'refused' })
  expect(await own.admit('a', draftOf('w'), charges, key)).toEqual({ status: 'existing', id: 'u' })
  const joining = { ...draftOf('x'), slotKey: 'u' }
  expect(await own.admit('a', joining, charges)).toMatchObject({ status: 'admitted' })
})
