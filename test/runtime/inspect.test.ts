import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  inspectLedger,
  ledgerFacts,
  memoryLedger,
  sqliteLedger,
  type AuditFinding,
  type Clock,
  type Ledger,
  type LedgerInspection,
} from '../../src/index.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { draftOf, eventOf } from '../contract/ledger.js'
import { codeOf, manualClock, temporaryFolder } from './support.js'

const me = { id: '1-me', pid: process.pid, startedAt: 0, bootId: 'another', pidNamespace: '', seenAt: 0 }

interface Setting {
  readonly ledger: Ledger
  readonly clock: ReturnType<typeof manualClock>
  readonly inspection: LedgerInspection
  admit(id: string): Promise<{ readonly id: string; readonly fence: number }>
  found(): Promise<readonly string[]>
}

const kinds = {
  memory: (given: { clock: Clock; random: () => number }) =>
    Promise.resolve(memoryLedger({ ...given, rules: { maxAttempts: 1 } })),
  sqlite: sqliteLedger,
}

async function setting(kind: keyof typeof kinds): Promise<Setting> {
  const clock = manualClock()
  const given = { clock, random: () => 0 }
  const path = join(temporaryFolder(), 'ledger.db')
  const rules = { maxAttempts: 1 }
  const ledger = await (kind === 'memory' ? kinds.memory(given) : sqliteLedger(path, { rules })(given))
  const inspection = await inspectLedger(() => ledger, { clock })
  onTestFinished(() => inspection.close())
  await ledger.join({ ...me, seenAt: clock.now() })
  return {
    ledger,
    clock,
    inspection,
    async admit(id) {
      const admission = await ledger.admit(me.id, draftOf(id, 's'), [])
      if (admission.status !== 'admitted') throw new Error(admission.status)
      return admission.hold
    },
    found: async () => (await inspection.audit()).map(({ kind: what, id }: AuditFinding) => `${what} ${id}`),
  }
}

const end = (id: string, slot: 'freed' | 'kept' = 'freed') =>
  ({ state: 'completed', cause: 'returned', event: eventOf(draftOf(id, 's')), slot }) as const

describe.each(['memory', 'sqlite'] as const)('%s: an audit', (kind) => {
  it('finds nothing where all is in order', async () => {
    const { ledger, admit, found } = await setting(kind)
    await admit('live')
    await ledger.settle(await admit('ended'), end('ended'))
    expect(await found()).toEqual([])
  })

  it('names a slot that is kept, a stop that was not heard, and what nobody takes', async () => {
    const { ledger, clock, admit, found } = await setting(kind)
    await admit('deaf')
    await ledger.settle(await admit('stuck'), end('stuck', 'kept'))
    await ledger.requestInterrupt(
      { ids: ['deaf'] },
      { requestId: 'r', child: null, reason: '', graceMs: 5_000 },
    )
    clock.advance(14_000)
    expect(await found()).toEqual(['slot_kept stuck'])
    clock.advance(2_000)
    expect(await found()).toEqual(['not_stopping deaf', 'slot_kept stuck'])
    clock.advance(3_600_000)
    await ledger.heartbeat(me.id)
    expect(await found()).toEqual(['not_stopping deaf', 'slot_kept stuck', 'undelivered stuck'])
  })

  it('names what is dead, and what to do', async () => {
    const { ledger, admit, inspection } = await setting(kind)
    await ledger.settle(await admit('a'), end('a'))
    const { claims } = await ledger.claim(me.id, { all: true }, 1, 60)
    await ledger.resolve([claims[0]?.token ?? ''], { kind: 'release', error: 'the chat is down' })
    expect(await inspection.audit()).toEqual([
      {
        kind: 'dead',
        id: 'a',
        fact: 'its delivery was given up (the chat is down, 1 failed)',
        todo: 'hermes-delegate deliveries retry a, or dismiss a',
      },
    ])
  })

  it('names units whose owner is gone', async () => {
    const { ledger, clock, admit, found, inspection } = await setting(kind)
    await admit('orphan')
    expect(await inspection.owners()).toMatchObject([{ owner_id: me.id, is_alive: true }])
    // Another machine's, and silent: only time tells.
    clock.advance(11_000)
    expect(await inspection.owners()).toMatchObject([{ is_alive: false }])
    expect(await found()).toEqual(['owner_died orphan'])
    expect(await ledger.owners()).toHaveLength(1)
  })
})

it.runIf(process.platform === 'linux')(
  'a process that is left of an ended child is found, and no other',
  async () => {
    const { ledger, admit, inspection } = await setting('sqlite')
    await admit('live')
    await ledger.settle(await admit('ended'), end('ended'))
    const started = ['live:0', 'ended:0', 'foreign:0'].map((marker) => {
      const child = spawn('sleep', ['600'], { env: { ...process.env, HERMES_DELEGATE_CHILD: marker } })
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    })
    await Promise.all(started.map((child) => new Promise((resolve) => child.once('spawn', resolve))))
    expect(await inspection.leftovers()).toEqual([
      { pid: started[1]?.pid, delegation_id: 'ended', task_index: 0, command: 'sleep 600' },
    ])
  },
)

describe('the facts of a file', () => {
  it('are its schema, its size and its permissions', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    expect(await ledgerFacts(path)).toMatchObject({ file: null })
    await (await sqliteLedger(path)({ clock: manualClock(), random: () => 0 })).close()
    const { driver, sqlite_version, supported_schema, file } = await ledgerFacts(path)
    expect(driver).toMatch(/^(?:node:sqlite|better-sqlite3)$/)
    expect(sqlite_version).toMatch(/^3\./)
    expect(file).toMatchObject({ schema: supported_schema, mode: 0o600 })
    chmodSync(path, 0o644)
    expect((await ledgerFacts(path)).file?.mode).toBe(0o644)
  })

  it('name counters, charges and slots that do not agree, and what waits beside the file', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    const ledger = await sqliteLedger(path)({ clock: manualClock(), random: () => 0 })
    onTestFinished(() => ledger.close())
    await ledger.join({ ...me, seenAt: 0 })
    const charge = { counter: 'units', amount: 1, limit: 9 }
    for (const id of ['a', 'b']) await ledger.admit(me.id, draftOf(id, 's'), [charge])
    expect((await ledgerFacts(path)).findings).toEqual([])
    const db = await openSqlite(path)
    db.exec(`UPDATE counters SET total = 5; UPDATE charges SET slot_key = 'x' WHERE slot_key = 'b'`)
    db.close()
    const kept = { hold: { id: 'deleg_1', fence: 1 }, end: end('deleg_1') }
    writeFileSync(`${path}.unsettled.deleg_1.1.json`, JSON.stringify(kept))
    writeFileSync(`${path}.unsettled.deleg_2.1.json`, '{}')
    const { findings } = await ledgerFacts(path)
    expect(findings.map(({ kind: what, id, fact }) => [what, id, fact])).toEqual([
      ['miscounted', 'units', 'the counter says 5, its charges come to 2'],
      ['charged_for_none', 'x', 'the slot is charged 1, and no unit holds it'],
      ['not_charged', 'b', 'the unit holds a slot, and no counter is charged for it'],
      ['unsettled', 'deleg_1', expect.stringContaining(`${path}.unsettled.deleg_1.1.json`)],
      ['unreadable', `${path}.unsettled.deleg_2.1.json`, expect.stringContaining('none that can be read')],
    ])
  })

  it('name reservations that no live unit has, and budgets that are not the sum of theirs', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    const ledger = await sqliteLedger(path)({ clock: manualClock(), random: () => 0 })
    onTestFinished(() => ledger.close())
    await ledger.join({ ...me, seenAt: 0 })
    const slot = { counter: 'units', amount: 1, limit: 9 }
    const tokens = { counter: 'tokens', amount: 10, limit: 99, atSettle: 'actual' } as const
    for (const id of ['a', 'b']) await ledger.admit(me.id, draftOf(id, 's'), [slot, tokens])
    expect((await ledgerFacts(path)).findings).toEqual([])
    const db = await openSqlite(path)
    db.exec(`UPDATE budgets SET reserved = 15; UPDATE reservations SET slot_key = 'x' WHERE unit = 'b'`)
    db.close()
    const { findings } = await ledgerFacts(path)
    expect(findings.map(({ kind: what, id, fact }) => [what, id, fact])).toEqual([
      ['miscounted', 'tokens', 'the counter says 15, its charges come to 20'],
      ['charged_for_none', 'x', 'the slot is charged 10, and no unit holds it'],
    ])
  })

  it('a folder and what is no database are errors of the catalogue', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'folder'))
    writeFileSync(join(folder, 'text'), 'this is no database at all'.repeat(100))
    expect(await codeOf(ledgerFacts(join(folder, 'folder')))).toBe('LEDGER_PATH')
    expect(await codeOf(ledgerFacts(join(folder, 'text')))).toBe('LEDGER_CORRUPT')
  })
})
