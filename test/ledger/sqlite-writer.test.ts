import { expect, it } from 'vitest'
import type { Sqlite } from '../../src/ledger/sqlite-driver.js'
import { createSqliteWriter } from '../../src/ledger/sqlite-writer.js'

const busy = (): Error => Object.assign(new Error('database is locked'), { errcode: 5 })
const broken = (): Error => Object.assign(new Error('disk I/O error'), { errcode: 10 })

/** A writer on a file whose lock is held by others at these attempts to begin. */
function writerOf(busyAt: readonly number[]) {
  let begun = 0
  const run = (text: string): number => {
    if (text !== 'BEGIN IMMEDIATE') return 0
    begun += 1
    if (busyAt.includes(begun)) throw busy()
    return 0
  }
  const db: Sqlite = {
    exec: () => undefined,
    sql: (text) => ({ run: () => run(text), get: () => undefined, all: () => [] }),
    close: () => undefined,
  }
  return createSqliteWriter({
    db,
    path: '/nowhere/state.db',
    busyMs: 2_000,
    onCommit: () => undefined,
    sync: null,
  })
}

it('a step whose neighbour failed is as patient as any other, when the file is locked just then', async () => {
  const writer = writerOf([3, 4])
  const bad = writer.write(() => {
    throw broken()
  })
  const good = writer.write(() => 'written')
  await expect(bad).rejects.toMatchObject({ code: 'LEDGER_IO' })
  expect(await good).toBe('written')
})

it('a read that meets a lock is tried again, and is LEDGER_BUSY when it lasts', async () => {
  const writer = writerOf([])
  let tries = 0
  const read = (): string => {
    tries += 1
    if (tries < 4) throw busy()
    return 'read'
  }
  expect(await writer.read(read)).toBe('read')
  const lasting = writer.read(() => {
    throw busy()
  })
  await expect(lasting).rejects.toMatchObject({ code: 'LEDGER_BUSY' })
})
