import { createMemoryLedger } from '../../src/ledger/memory-ledger.js'
import { ledgerContract, type OpenLedger } from '../contract/ledger.js'
import { ledgerModelContract } from '../contract/ledger-model.js'

const open: OpenLedger = async (given) => createMemoryLedger(given)

ledgerContract('the memory ledger', open)
ledgerModelContract('the memory ledger', open)
