/** One of several processes that want the few slots of a ledger, `attempts` times. */
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { sleep } from './lib.js'

const { ledger, cap, attempts } = JSON.parse(process.argv[2])
const delegator = await createDelegator({
  ledger: sqliteLedger(ledger),
  capacityScope: 'ledger',
  maxUnits: cap,
})
const call = {
  goal: 'race',
  sessionKey: 'agent:main:chaos:dm:race',
  runner: () => sleep(1).then(() => 'done'),
}
const counts = { admitted: 0, refused: 0, errors: 0, last: 'none' }
for (let i = 0; i < attempts; i += 1) {
  try {
    const { status } = await delegator.dispatch(call)
    counts[status === 'dispatched' ? 'admitted' : 'refused'] += 1
  } catch {
    counts.errors += 1
  }
  if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
}
// Whoever is ready to wait gets a slot in the end.
counts.last = (await delegator.dispatch({ ...call, admitWithinMs: 60_000 })).status
await delegator.close()
process.stdout.write(JSON.stringify(counts), () => process.exit())
