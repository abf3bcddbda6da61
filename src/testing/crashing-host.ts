/** A host that has claimed a completion and dies before it could acknowledge it: `node crashing-host.js LEDGER SESSION MARK`. */
import { createDelegator, sqliteLedger } from '../index.js'

const [, , path = '', sessionKey = '', mark = ''] = process.argv
const delegator = await createDelegator({ ledger: sqliteLedger(path) })
const runner = async () => {
  // Its end is claimed by who waits for it by then.
  await new Promise((resolve) => setTimeout(resolve, 100))
  return { summary: mark }
}
const handle = await delegator.dispatch({ goal: 'to be told', sessionKey, runner })
if (handle.status === 'rejected') throw new Error(handle.error)
const { completion } = await delegator.waitAndClaim(handle.delegationId)
if (completion === null) throw new Error('it could not be claimed')
process.stdout.write(handle.delegationId, () => process.kill(process.pid, 'SIGKILL'))
