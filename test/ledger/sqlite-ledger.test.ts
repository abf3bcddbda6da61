import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { sqliteLedger } from '../../src/ledger/sqlite-ledger.js'
import { ledgerContract, type OpenLedger } from '../contract/ledger.js'
import { ledgerModelContract } from '../contract/ledger-model.js'
import { ledgerBudgetsContract } from '../contract/ledger-budgets.js'

const folder = mkdtempSync(join(tmpdir(), 'hermes-ledger-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const open: OpenLedger = ({ rules, ...given }) =>
  sqliteLedger(join(folder, `${++files}.db`), rules === undefined ? {} : { rules })(given)

ledgerContract('the SQLite ledger', open)
ledgerModelContract('the SQLite ledger', open)
ledgerBudgetsContract('the SQLite ledger', open)
