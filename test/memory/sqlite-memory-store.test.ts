import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { sqliteLedger, sqliteMemoryStore, type MemorySpace } from '../../src/index.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { memoryStoreContract } from '../contract/memory-store.js'
import { codeOf, temporaryFolder } from '../runtime/support.js'

memoryStoreContract('in a file', (options) =>
  sqliteMemoryStore(join(temporaryFolder(), 'memory.db'), options),
)

const local: MemorySpace = { scope: 'LOCAL', owner: 's1' }
const select = { spaces: [local], query: 'tea', limit: 10 }

it('a file is for this user alone, and what is in it is there for the next process, and for others at once', async () => {
  const path = join(temporaryFolder(), 'deep/memory.db')
  const one = await sqliteMemoryStore(path)
  const two = await sqliteMemoryStore(path)
  onTestFinished(() => two.close())
  await one.commit(local, 'the user likes tea')
  for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(await two.recall(select)).toMatchObject([{ content: 'the user likes tea' }])
  await one.close()
  const three = await sqliteMemoryStore(path)
  onTestFinished(() => three.close())
  expect(await three.recall(select)).toMatchObject([{ content: 'the user likes tea' }])
})

it('neither takes the file of the other: a ledger is no memory, and text is no database', async () => {
  const folder = temporaryFolder()
  const ledger = await sqliteLedger(join(folder, 'ledger.db'))({ clock: systemClock, random: () => 0 })
  await ledger.close()
  expect(await codeOf(sqliteMemoryStore(join(folder, 'ledger.db')))).toBe('LEDGER_FOREIGN')
  await (await sqliteMemoryStore(join(folder, 'memory.db'))).close()
  const opening = sqliteLedger(join(folder, 'memory.db'))({ clock: systemClock, random: () => 0 })
  expect(await codeOf(Promise.resolve(opening))).toBe('LEDGER_FOREIGN')
  writeFileSync(join(folder, 'text'), 'no database at all'.repeat(100))
  expect(await codeOf(sqliteMemoryStore(join(folder, 'text')))).toBe('LEDGER_CORRUPT')
  expect(readFileSync(join(folder, 'text'), 'utf8')).toMatch(/^no database/)
})

it('P11: a lock of somebody else is waited for by a timer, and not for ever', async () => {
  const path = join(temporaryFolder(), 'memory.db')
  const store = await sqliteMemoryStore(path, { busyMs: 60 })
  onTestFinished(() => store.close())
  const foreign = await openSqlite(path)
  foreign.exec('BEGIN IMMEDIATE')
  let turns = 0
  const counting = setInterval(() => (turns += 1), 1)
  expect(await codeOf(store.commit(local, 'tea'))).toBe('LEDGER_BUSY')
  clearInterval(counting)
  expect(turns).toBeGreaterThan(3)
  expect(await store.recall(select)).toEqual([])
  foreign.exec('ROLLBACK')
  foreign.close()
  await store.commit(local, 'tea')
  expect(await store.recall(select)).toHaveLength(1)
})
