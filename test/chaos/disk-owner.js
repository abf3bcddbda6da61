/** Dispatches units that end on SIGUSR2, and says when they run and when all ends were told; ends by SIGKILL. */
import { createDelegator, sqliteLedger } from '../../dist/index.js'

const { ledger, units, sessionKey } = JSON.parse(process.argv[2])
const delegator = await createDelegator({ ledger: sqliteLedger(ledger), maxUnits: units })
const finished = new Promise((resolve) => process.on('SIGUSR2', resolve))
// Neither a signal that may come nor a unit that waits for it keeps a process.
setInterval(() => undefined, 60_000)
let told = 0
delegator.events.on('completion', () => {
  told += 1
  if (told === units) process.stdout.write('told\n')
})
const runner = () => finished.then(() => ({ summary: 'x'.repeat(5_000) }))
const call = { goal: 'fill', sessionKey, runner }
const handles = await Promise.all(Array.from({ length: units }, () => delegator.dispatch(call)))
process.stdout.write(`${JSON.stringify(handles.map(({ delegationId }) => delegationId))}\n`)
