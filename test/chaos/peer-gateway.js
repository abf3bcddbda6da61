/**
 * A gateway that is somebody's peer: an A2A server on a ledger of its own. Its runner writes down each run before it does
 * anything, and does what its goal says: `work MS WORD`, `hold FILE`. Its functions may not be run again (`unknown`). It
 * ends by SIGKILL at the `nth` visit of the fail point `point`, or in good order on SIGTERM.
 */
import { existsSync, openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithParent } from './lib.js'

const given = JSON.parse(process.argv[2])
endWithParent()
let visits = 0
globalThis[Symbol.for('hermes-delegate.fail-point')] = (name) => {
  if (name === given.point && (visits += 1) === given.nth) process.kill(process.pid, 'SIGKILL')
}
const { createDelegator, sqliteLedger } = await import('../../dist/index.js')
const { createA2AServer, createHttpServer } = await import('../../dist/a2a/server/server.js')

const log = openSync(given.log, 'a')
const note = (line) => writeSync(log, `${JSON.stringify(line)}\n`)

/** Resolves after that time, or when it is to stop. */
const rested = (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined)

async function runner({ goal, delegationId }, { signal }) {
  note({ ran: delegationId })
  const [word, what] = goal.split(' ')
  if (word === 'work') await rested(Number(what), signal)
  while (word === 'hold' && !existsSync(what) && !signal.aborted) await rested(10, signal)
  if (signal.aborted) return { status: 'interrupted', summary: null }
  return { summary: `did ${goal}` }
}

const delegator = await createDelegator({
  ledger: sqliteLedger(given.ledger),
  capacityScope: 'ledger',
  maxUnits: given.cap,
  adopt: true,
  interruptGraceMs: 500,
})
delegator.events.on('fault', (error) => note({ fault: `${error.code ?? ''} ${error.message}` }))
const address = `http://${given.address}:${given.port}`
const server = await createA2AServer(delegator, {
  card: {
    name: 'Chaos',
    description: 'Does what it is told.',
    version: '1',
    skills: [{ id: 'do', name: 'Do', description: 'Does it.', tags: [] }],
  },
  url: given.url ?? address,
  callers: { chaos: { token: given.token, runner } },
  push: { allowPrivateHosts: given.receivers ?? [] },
  tell: (line) => note({ told: line }),
})
const http = createHttpServer([server.routes], { tell: (line) => note({ told: line }) })
await http.listen(given.port, given.address)
process.stdout.write('serving\n')

process.on('SIGTERM', async () => {
  http.refuse()
  await server.stop()
  await http.close()
  await delegator.close()
  process.exit()
})
