import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { AsyncDelegationEvent } from '../../src/core/event.js'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Delivery, Hold } from '../../src/ledger/shapes.js'
import { ledgerError, openSqlite, type Sqlite } from '../../src/ledger/sqlite-driver.js'
import { sqliteLedger, type SqliteLedgerOptions } from '../../src/ledger/sqlite-ledger.js'
import { draftOf, endOf, eventOf, ownerOf } from '../contract/ledger.js'
import { createManualClock } from '../support/manual-clock.js'

const mine = { sessionKey: 'agent:main:cli:dm:local' }
const units = [{ counter: 'units', amount: 1, limit: 99 }]

let folder: string
let path: string
let opened: { close(): unknown }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-ledger-'))
  path = join(folder, 'state.db')
})
afterEach(async () => {
  await Promise.all(opened.map((each) => each.close()))
  opened = []
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: SqliteLedgerOptions = {}, at = path): Promise<Ledger> {
  const ledger = await sqliteLedger(at, options)({ clock: createManualClock(), random: () => 0.5 })
  opened.push(ledger)
  return ledger
}

/** Another program's connection to the same file. */
async function openForeign(): Promise<Sqlite> {
  const db = await openSqlite(path)
  opened.push(db)
  return db
}

async function admitted(ledger: Ledger, id: string): Promise<Hold> {
  const admission = await ledger.admit('a', draftOf(id), units)
  expect(admission.status).toBe('admitted')
  return (admission as { readonly hold: Hold }).hold
}

/** Bytes of the file are overwritten by another program. */
function damage(at: string, offset: number, bytes: Buffer): void {
  const program = `
    const { openSync, writeSync } = await import('node:fs')
    writeSync(openSync(${JSON.stringify(at)}, 'r+'), Buffer.from('${bytes.toString('hex')}', 'hex'), 0, ${bytes.length}, ${offset})`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program])
  expect(status, String(stderr)).toBe(0)
}

/** By a connection that has read nothing before. */
async function integrityOf(at: string): Promise<string> {
  const db = await openSqlite(at)
  try {
    const found = db.sql('PRAGMA integrity_check').get<{ readonly integrity_check: string }>()
    return found?.integrity_check ?? ''
  } finally {
    db.close()
  }
}

const shown = ({ event }: Delivery): AsyncDelegationEvent => event

const coded = (code: string): unknown => expect.objectContaining({ name: 'DelegationError', code })

describe('the file', () => {
  it('is for this user alone under any umask, and so is all that stands beside it', async () => {
    const before = process.umask(0)
    try {
      const ledger = await open({}, join(folder, 'new', 'state.db'))
      await ledger.join(ownerOf('a'))
    } finally {
      process.umask(before)
    }
    expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700)
    const names = readdirSync(join(folder, 'new'))
    expect(names).toEqual(expect.arrayContaining(['state.db', 'state.db-wal', 'state.db-shm']))
    for (const name of names) expect(statSync(join(folder, 'new', name)).mode & 0o777, name).toBe(0o600)
  })

  it('that was readable by others is not any more once it was opened', async () => {
    await (await open()).close()
    chmodSync(path, 0o644)
    const ledger = await open()
    await ledger.join(ownerOf('a'))
    for (const name of readdirSync(folder))
      expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
  })

  it('that is a folder, or stands in the way of one, is LEDGER_PATH, and names the path', async () => {
    mkdirSync(path, { mode: 0o755 })
    await expect(open()).rejects.toEqual(coded('LEDGER_PATH'))
    expect(statSync(path).mode & 0o777).toBe(0o755)
    writeFileSync(join(folder, 'file'), '')
    const below = join(folder, 'file', 'state.db')
    await expect(open({}, below)).rejects.toThrow(below)
    await expect(open({}, below)).rejects.toEqual(coded('LEDGER_PATH'))
  })

  it('that is no database, or a damaged one, is LEDGER_CORRUPT, and stays as it was', async () => {
    for (const count of [1, 500]) {
      const text = 'no database at all\n'.repeat(count)
      writeFileSync(path, text)
      chmodSync(path, 0o644)
      await expect(open()).rejects.toEqual(coded('LEDGER_CORRUPT'))
      expect(readFileSync(path, 'utf8')).toBe(text)
      expect(statSync(path).mode & 0o777).toBe(0o644)
    }
  })

  it('that is a database of another program is LEDGER_FOREIGN, and stays as it was', async () => {
    const db = await openForeign()
    db.exec('CREATE TABLE theirs (a)')
    chmodSync(path, 0o644)
    const before = readFileSync(path)
    await expect(open()).rejects.toEqual(coded('LEDGER_FOREIGN'))
    expect(statSync(path).mode & 0o777).toBe(0o644)
    expect(db.sql('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' })
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(folder)).toEqual(['state.db'])
  })

  it('of a newer major version is LEDGER_NEWER; of a newer minor one it works', async () => {
    await (await open()).close()
    const db = await openForeign()
    db.exec("PRAGMA user_version = 1999; ALTER TABLE units ADD COLUMN later TEXT DEFAULT 'x'")
    const ledger = await open()
    await ledger.join(ownerOf('a'))
    await ledger.settle(await admitted(ledger, 'u1'), endOf(draftOf('u1')))
    expect((await ledger.claim('a', mine, 9, 60)).claims).toHaveLength(1)
    await ledger.close()
    db.exec('PRAGMA user_version = 2000')
    await expect(open()).rejects.toEqual(coded('LEDGER_NEWER'))
  })

  it.runIf(process.getuid?.() === 0)('that may only be read is LEDGER_READ_ONLY', async () => {
    const ledger = await open()
    await ledger.close()
    chmodSync(folder, 0o755)
    chmodSync(path, 0o444)
    const dist = new URL('../../dist/ledger/sqlite-ledger.js', import.meta.url).href
    const program = `
      const { sqliteLedger } = await import(${JSON.stringify(dist)})
      process.setuid(65534)
      await sqliteLedger(${JSON.stringify(path)})({ clock: { now: () => 0 }, random: Math.random })
        .catch((error) => console.log(error.code))`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    expect(child.stdout.trim(), child.stderr).toBe('LEDGER_READ_ONLY')
  })
})

describe('what survives', () => {
  it.each(['process', 'power'] as const)(
    'P3: with durability %s everything, when it is opened again',
    async (durability) => {
      const first = await open({ durability })
      expect(first.info).toMatchObject({ kind: 'sqlite', shared: true, durability })
      await first.join(ownerOf('a'))
      await first.settle(await admitted(first, 'u1'), endOf(draftOf('u1')))
      await first.join(ownerOf('z'))
      await first.admit('z', draftOf('live'), units)
      await first.close()
      const second = await open({ durability })
      await second.join(ownerOf('b'))
      expect((await second.list({ all: true }, null, { limit: 9 })).map(({ id }) => id)).toEqual([
        'live',
        'u1',
      ])
      const [claim] = (await second.claim('b', mine, 9, 60)).claims
      expect(claim?.delivery.event).toMatchObject({ delegation_id: 'u1', restored: true, seq: 1 })
      expect((await second.usage(['units']))[0]?.inUse).toBe(1)
    },
  )

  it('a key is known after a restart, until its time is over', async () => {
    const key = { key: 'k', fingerprint: 'f', keepSeconds: 60 }
    const first = await open()
    await first.join(ownerOf('a'))
    await first.admit('a', draftOf('u1'), units, key)
    await first.close()
    const second = await open()
    await second.join(ownerOf('a'))
    expect(await second.admit('a', draftOf('u2'), units, key)).toEqual({ status: 'existing', id: 'u1' })
  })

  it('delivered rows go after seven days, what is pending never: it is dead, and an operator sees it', async () => {
    const clock = createManualClock()
    const ledger = await sqliteLedger(path)({ clock, random: () => 0.5 })
    opened.push(ledger)
    await ledger.join(ownerOf('a'))
    for (const id of ['done', 'waiting']) await ledger.settle(await admitted(ledger, id), endOf(draftOf(id)))
    await ledger.collect('done')
    clock.advance(6.9 * 24 * 3600 * 1000)
    expect(await ledger.prune()).toBe(0)
    clock.advance(0.2 * 24 * 3600 * 1000)
    expect(await ledger.prune()).toBeGreaterThan(0)
    expect(await ledger.get('done')).toBeNull()
    const rest = await ledger.deliveries({ all: true }, ['delivered', 'pending', 'dead'], { limit: 9 })
    expect(rest.map(({ eventId, state, reason }) => [eventId, state, reason])).toEqual([
      ['waiting', 'dead', 'expired'],
    ])
    expect(await ledger.reopen(['waiting'], 'pending')).toEqual([true])
    expect((await ledger.claim('a', mine, 9, 60)).claims).toHaveLength(1)
  })
})

describe('pruning', () => {
  it('P11: goes on until nothing is left, in short steps', async () => {
    const clock = createManualClock()
    const ledger = await sqliteLedger(path)({ clock, random: () => 0.5 })
    opened.push(ledger)
    await ledger.join(ownerOf('a'))
    const ids = Array.from({ length: 2_000 }, (_, index) => `u${index}`)
    await Promise.all(ids.map((id) => ledger.publish('a', eventOf(draftOf(id)))))
    await Promise.all(ids.map((id) => ledger.collect(id)))
    clock.advance(8 * 24 * 3600 * 1000)
    let turns = 0
    const counting = setInterval(() => (turns += 1), 1)
    expect(await ledger.prune()).toBe(2_000)
    clearInterval(counting)
    expect(turns).toBeGreaterThan(10)
    expect(await ledger.prune()).toBe(0)
  })
})

describe('a foreign lock', () => {
  it('P11: holds up no loop, and what was asked for meanwhile is done when it is gone', async () => {
    const ledger = await open()
    await ledger.join(ownerOf('a'))
    const hold = await admitted(ledger, 'u1')
    const foreign = await openForeign()
    foreign.exec('BEGIN IMMEDIATE')
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const settled = ledger.settle(hold, endOf(draftOf('u1')))
    const admission = ledger.admit('a', draftOf('u2'), units)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await ledger.get('u1'))?.state).toBe('running')
    delay.disable()
    foreign.exec('COMMIT')
    expect((await settled).won).toBe(true)
    expect((await admission).status).toBe('admitted')
    // A call that waited for the lock would have stood still for all of it.
    expect(delay.max / 1e6).toBeLessThan(150)
  })

  it('that lasts is LEDGER_BUSY to who asks, and a refusal needs no lock', async () => {
    const ledger = await open({ busyMs: 50 })
    await ledger.join(ownerOf('a'))
    await admitted(ledger, 'u1')
    const foreign = await openForeign()
    foreign.exec('BEGIN IMMEDIATE')
    await expect(ledger.admit('a', draftOf('u2'), units)).rejects.toEqual(coded('LEDGER_BUSY'))
    const full = [{ counter: 'units', amount: 1, limit: 1 }]
    expect((await ledger.admit('a', draftOf('u3'), full)).status).toBe('refused')
    foreign.exec('COMMIT')
    await admitted(ledger, 'u2')
  })

  it('P3: an end that cannot be written is kept aside, and comes when it can', async () => {
    const ledger = await open({ busyMs: 50 })
    await ledger.join(ownerOf('a'))
    const hold = await admitted(ledger, 'u1')
    const foreign = await openForeign()
    foreign.exec('BEGIN IMMEDIATE')
    expect(await ledger.settle(hold, endOf(draftOf('u1')))).toMatchObject({ won: true })
    expect(readdirSync(folder).filter((name) => name.includes('.unsettled.'))).toHaveLength(1)
    foreign.exec('COMMIT')
    const hinted = new Promise<void>((resolve) => ledger.subscribe(resolve))
    await hinted
    expect((await ledger.claim('a', mine, 9, 60)).claims.map(({ eventId }) => eventId)).toEqual(['u1'])
    await expect.poll(() => readdirSync(folder).filter((name) => name.includes('.unsettled.'))).toEqual([])
  })

  it('P3: what was kept aside is replayed by the next start', async () => {
    const first = await open({ busyMs: 50 })
    await first.join(ownerOf('a'))
    const hold = await admitted(first, 'u1')
    const foreign = await openForeign()
    foreign.exec('BEGIN IMMEDIATE')
    await first.settle(hold, endOf(draftOf('u1')))
    await first.close()
    foreign.exec('COMMIT')
    const second = await open()
    await second.join(ownerOf('b'))
    expect((await second.claim('b', mine, 9, 60)).claims.map(({ eventId }) => eventId)).toEqual(['u1'])
  })
})

describe('an end that was kept aside', () => {
  const sideFiles = (): string[] => readdirSync(folder).filter((name) => name.includes('.unsettled.'))

  /** Owner `a` ended `u1` behind a lock that lasted, and died. */
  async function keptAside(): Promise<Sqlite> {
    const first = await open({ busyMs: 50 })
    await first.join(ownerOf('a'))
    await first.join(ownerOf('b'))
    const hold = await admitted(first, 'u1')
    const foreign = await openForeign()
    foreign.exec('BEGIN IMMEDIATE')
    await first.settle(hold, endOf(draftOf('u1')))
    return foreign
  }

  it('P3: keeps its unit from being taken over for as long as it cannot be written', async () => {
    const foreign = await keptAside()
    await expect(open({ busyMs: 50 })).rejects.toEqual(coded('LEDGER_BUSY'))
    foreign.exec('COMMIT')
    const third = await open({ busyMs: 50 })
    expect((await third.takeOver('a', 'b', 'all')).map(({ unit }) => unit.id)).toEqual([])
    expect((await third.claim('b', mine, 9, 60)).claims[0]?.delivery.event.status).toBe('completed')
    expect(sideFiles()).toEqual([])
  })

  it('P3: a take-over that finds the file locked takes nothing', async () => {
    const second = await open({ busyMs: 50 })
    const foreign = await keptAside()
    expect(await second.takeOver('a', 'b', 'all')).toEqual([])
    foreign.exec('COMMIT')
    await second.takeOver('a', 'b', 'all')
    expect((await second.get('u1'))?.state).toBe('completed')
  })

  it('P4: that comes after its unit was given up is kept with it as late', async () => {
    const foreign = await keptAside()
    foreign.exec('COMMIT')
    const [name = ''] = sideFiles()
    const kept = readFileSync(join(folder, name), 'utf8')
    rmSync(join(folder, name))
    const second = await open()
    const [taken] = await second.takeOver('a', 'b', 'all')
    const event = { ...endOf(draftOf('u1')).event, status: 'unknown' }
    await second.settle(taken!.hold, { state: 'unknown', cause: 'owner_died', event, slot: 'freed' })
    await second.close()
    writeFileSync(join(folder, name), kept)
    const third = await open()
    const unit = await third.get('u1')
    expect(unit?.state).toBe('unknown')
    expect(unit?.late).toMatchObject([
      { child: { state: 'completed', result: { summary: 'summary of u1' } } },
    ])
    expect(sideFiles()).toEqual([])
  })
})

describe('a file that fails', () => {
  it('P3: by damage while it is open: the end is kept aside, and the fault told', async () => {
    const ledger = await open()
    await ledger.join(ownerOf('a'))
    const hold = await admitted(ledger, 'u1')
    const foreign = await openForeign()
    foreign.sql('PRAGMA wal_checkpoint(TRUNCATE)').all()
    const bytes = readFileSync(path)
    // All but the first page, which says what the file is; what is written then makes the ledger read anew.
    writeFileSync(path, bytes.fill(7, 4096), { flag: 'r+' })
    foreign.exec('PRAGMA user_version = 1001')
    const settled = await ledger.settle(hold, endOf(draftOf('u1')))
    expect(settled).toMatchObject({ won: true, fault: { code: 'LEDGER_CORRUPT' } })
    expect(readdirSync(folder).filter((name) => name.includes('.unsettled.'))).toHaveLength(1)
  })

  it('P3: by bytes that another process writes into it while it is open: a named error, or what it gives is as it was', async () => {
    let state = 7
    const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
    const event = (id: string): AsyncDelegationEvent =>
      eventOf(draftOf(id), { summary: `${id} `.repeat(800) })
    let errors = 0
    for (let round = 0; round < 25; round += 1) {
      const at = join(folder, `${round}.db`)
      const ledger = await open({ busyMs: 50 }, at)
      await ledger.join(ownerOf('a'))
      const ids = Array.from({ length: 60 }, (_, index) => `u${index}`)
      await Promise.all(ids.map((id) => ledger.publish('a', event(id))))
      const foreign = await openSqlite(at)
      opened.push(foreign)
      foreign.sql('PRAGMA wal_checkpoint(TRUNCATE)').all()
      // Not the first page, which says what the file is.
      const offset = 4096 + Math.floor(random() * (statSync(at).size - 3 * 4096))
      const bytes = Buffer.alloc(64 + Math.floor(random() * 6_000), round % 2 === 0 ? 'x' : 0xa5)
      damage(at, offset, bytes)
      // What another one has written makes the ledger read anew.
      foreign.exec('PRAGMA user_version = 1001')
      const asked = [
        () => ledger.deliveries({ all: true }, ['pending'], { limit: 99 }).then((all) => all.map(shown)),
        () => ledger.claim('a', mine, 99, 60).then(({ claims }) => claims.map((c) => shown(c.delivery))),
      ]
      const whole = ids.map((id, index) => ({ ...event(id), seq: index + 1 }))
      for (const ask of asked) {
        const said = await ask().catch((error: unknown) => error as Error)
        if (said instanceof Error) expect(said, `round ${round}`).toEqual(coded('LEDGER_CORRUPT'))
        else {
          for (const event of said) expect(whole, `round ${round}`).toContainEqual(event)
          // A damaged index may hide a row that the table still has: SQLite itself says so only when it is asked.
          if (said.length < whole.length) expect(await integrityOf(at)).not.toBe('ok')
        }
        if (said instanceof Error) errors += 1
      }
    }
    expect(errors).toBeGreaterThan(25)
  })

  it('of an older minor version is brought up to date, and what is in it stays readable', async () => {
    const first = await open()
    await first.join(ownerOf('a'))
    await first.publish('a', eventOf(draftOf('u1')))
    await first.close()
    const db = await openForeign()
    // All that later minor versions have added.
    db.exec(`ALTER TABLE deliveries DROP COLUMN event_crc; ALTER TABLE children DROP COLUMN question;
             DROP INDEX units_below; ALTER TABLE units DROP COLUMN parent_id;
             DROP TABLE letters; DROP TABLE budgets; DROP TABLE reservations; DROP TABLE usages;
             PRAGMA user_version = 1001`)
    const second = await open()
    await second.join(ownerOf('a'))
    await second.publish('a', eventOf(draftOf('u2')))
    expect((await second.claim('a', mine, 9, 60)).claims.map(({ eventId }) => eventId)).toEqual(['u1', 'u2'])
  })

  it('on a full disk is LEDGER_FULL', async (context) => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
    if (mounted.status !== 0) context.skip('mounting is not allowed here')
    try {
      const ledger = await open({}, join(disk, 'state.db'))
      await ledger.join(ownerOf('a'))
      const event = (id: number): Promise<number> =>
        ledger.publish('a', eventOf(draftOf(`u${id}`), { summary: 'x'.repeat(20_000) }))
      const fill = async (): Promise<void> => {
        for (let id = 0; id < 99; id += 1) await event(id)
      }
      await expect(fill()).rejects.toEqual(coded('LEDGER_FULL'))
      // What SQLite says when it is the shared memory of the log that finds no room.
      const unnamed = Object.assign(new Error('disk I/O error'), { errcode: 10 })
      expect(ledgerError(unnamed, join(disk, 'state.db'))).toEqual(coded('LEDGER_FULL'))
      expect(ledgerError(unnamed, path)).toEqual(coded('LEDGER_IO'))
      await ledger.close()
      await expect(open({}, join(disk, 'second.db'))).rejects.toEqual(coded('LEDGER_FULL'))
    } finally {
      spawnSync('umount', ['-l', disk])
    }
  })
})

describe('two connections', () => {
  it('one is told of what the other has written', async () => {
    const [reader, writer] = [await open(), await open()]
    await writer.join(ownerOf('a'))
    const hinted = new Promise<void>((resolve) => reader.subscribe(resolve))
    await writer.settle(await admitted(writer, 'u1'), endOf(draftOf('u1')))
    await hinted
    expect((await reader.get('u1'))?.state).toBe('completed')
  })

  it('P1: of 40 dispatches by both at once 3 are admitted', async () => {
    const both = [await open(), await open()]
    await both[0]!.join(ownerOf('a'))
    const cap = [{ counter: 'units', amount: 1, limit: 3 }]
    const admissions = await Promise.all(
      Array.from({ length: 40 }, (_, index) => both[index % 2]!.admit('a', draftOf(`u${index}`), cap)),
    )
    expect(admissions.filter(({ status }) => status === 'admitted')).toHaveLength(3)
    expect((await both[1]!.usage(['units']))[0]?.inUse).toBe(3)
  })
})

it('a disk without room is LEDGER_FULL', async () => {
  const path = join(folder, 'ledger.db')
  const db = await openSqlite(path)
  onTestFinished(() => db.close())
  // What SQLite says of a full disk, it says of its own limit, too.
  db.exec('CREATE TABLE t (x); PRAGMA max_page_count = 2')
  let thrown: unknown = null
  try {
    db.sql('INSERT INTO t VALUES (zeroblob(100000))').run()
  } catch (error) {
    thrown = error
  }
  expect(ledgerError(thrown, path)).toMatchObject({ code: 'LEDGER_FULL' })
})
