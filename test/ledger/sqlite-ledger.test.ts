import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, vi } from 'vitest'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { ledgerContract, type GivenToLedger, type OpenLedger } from '../contract/ledger.js'
import { ledgerMailContract } from '../contract/ledger-mail.js'
import { ledgerModelContract, type ModelLedger } from '../contract/ledger-model.js'
import { ledgerBudgetsContract } from '../contract/ledger-budgets.js'

const folder = mkdtempSync(join(tmpdir(), 'hermes-ledger-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const open: OpenLedger = ({ rules, ...given }) =>
  sqliteLedger(join(folder, `${++files}.db`), rules === undefined ? {} : { rules })(given)

ledgerContract('the SQLite ledger', open)
ledgerMailContract('the SQLite ledger', open)
ledgerBudgetsContract('the SQLite ledger', open)
ledgerModelContract('the SQLite ledger', openWithSpool, { spool: true })

/** Without patience, so that a lock keeps ends aside; they are replayed when the model says so, and by no timer. */
async function openWithSpool({ rules, ...given }: GivenToLedger): Promise<ModelLedger> {
  const path = join(folder, `${++files}.db`)
  const openOne = sqliteLedger(path, { busyMs: 0, ...(rules !== undefined && { rules }) })
  const ledger = await openOne(given)
  const foreign = await openSqlite(path)
  return {
    ledger: {
      ...ledger,
      async close() {
        foreign.close()
        await ledger.close()
      },
    },
    spool: {
      async unwritable(work) {
        const timers = vi.spyOn(globalThis, 'setTimeout')
        foreign.exec('BEGIN IMMEDIATE')
        try {
          return await work()
        } finally {
          foreign.exec('ROLLBACK')
          for (const { value } of timers.mock.results) clearTimeout(value as NodeJS.Timeout)
          timers.mockRestore()
        }
      },
      replay: async () => (await openOne(given)).close(),
    },
  }
}
