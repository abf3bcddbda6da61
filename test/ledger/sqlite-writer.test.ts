import { expect, it, onTestFinished, vi } from 'vitest'
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

it('P1: at once is in this very tick, unless others wait: with them it shares a commit', async () => {
  const writer = writerOf([])
  const written: string[] = []
  const first = writer.write(() => written.push('first'), { isAtOnce: true })
  expect(written).toEqual(['first'])
  const second = writer.write(() => written.push('second'))
  const third = writer.write(() => written.push('third'), { isAtOnce: true })
  expect(written).toEqual(['first'])
  await Promise.all([first, second, third])
  expect(written).toEqual(['first', 'second', 'third'])
})

it('P1: what met a lock that lasted, and was answered, leaves no patience behind for who comes next', async () => {
  const pauses = vi.spyOn(globalThis, 'setTimeout')
  onTestFinished(() => pauses.mockRestore())
  const delays = (): number[] => pauses.mock.calls.map(([, ms]) => ms ?? 0)
  const writer = writerOf(Array.from({ length: 10_000 }, (_, index) => index + 1))
  const answer = (): string | null => (delays().includes(8) ? 'full' : null)
  expect(await writer.write(() => 'written', { answer })).toBe('full')
  pauses.mockClear()
  let asked = 0
  const secondAnswer = (): string | null => ((asked += 1) > 1 ? 'full' : null)
  expect(await writer.write(() => 'written', { answer: secondAnswer })).toBe('full')
  expect(Math.max(...delays())).toBe(1)
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
