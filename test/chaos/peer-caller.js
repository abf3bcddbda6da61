/**
 * A gateway whose children are a peer's tasks: it dispatches to the peer runner, interrupts some, and takes completions by
 * claims. It writes every handle it got, and every event it was handed before it acks it, to a log of its own. It ends by
 * SIGKILL at the `nth` visit of the fail point `point`, or in good order on SIGTERM.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { between, endWithParent, randomFrom, sleep } from './lib.js'

const given = JSON.parse(process.argv[2])
endWithParent()
let visits = 0
globalThis[Symbol.for('hermes-delegate.fail-point')] = (name) => {
  if (name === given.point && (visits += 1) === given.nth) process.kill(process.pid, 'SIGKILL')
}
const { createDelegator, sqliteLedger } = await import('../../dist/index.js')
const { peerRunner } = await import('../../dist/a2a/peer-runner.js')

const random = randomFrom(given.seed)
const log = openSync(given.log, 'a')
const note = (line) => writeSync(log, `${JSON.stringify(line)}\n`)
const inFlightLimit = 14
const open = new Set()
let isOver = false

const peer = peerRunner({
  url: given.url,
  auth: { tokenEnv: 'CHAOS_TOKEN' },
  ...given.peer,
  retry: { maxRetries: 20, initialMs: 50, maxMs: 1_000, maxSeconds: 60 },
  poll: { initialMs: 10, maxMs: 200 },
  requestTimeoutSeconds: 5,
  lostAfterSeconds: 120,
})
const delegator = await createDelegator({
  ledger: sqliteLedger(given.ledger, {
    rules: { backoff: { initialSeconds: 0.02, factor: 2, maxSeconds: 0.2 } },
  }),
  runner: peer,
  capacityScope: 'ledger',
  maxUnits: given.cap,
  maxSharedThreads: 1,
  adopt: true,
  interruptGraceMs: 2_000,
})
delegator.events.on('fault', (error) => note({ fault: `${error.code ?? ''} ${error.message}` }))

let serial = 0
async function dispatchOne() {
  const goal = `work ${between(random, 0, 1) * between(random, 1, 400)} ${given.name}-${(serial += 1)}`
  const outcome = await delegator.dispatch({ sessionKey: given.session, goal })
  if (outcome.status !== 'dispatched') return
  note({ accepted: outcome.delegationId, session: given.session })
  open.add(outcome.delegationId)
  if (random() > 0.06) return
  await sleep(between(random, 0, 300))
  await delegator.interrupt(outcome.delegationId)
}

async function dispatchForEver() {
  while (!isOver) {
    const free = Math.min(3, inFlightLimit - open.size)
    for (let n = 0; n < free; n += 1)
      dispatchOne().catch((error) => note({ refused: error.code ?? error.message }))
    await sleep(10)
  }
}

/** What was handed over is on the disk before anybody acks it. */
async function claimForEver(select, asked) {
  const { completions } = delegator
  while (!isOver) {
    const claimed = await completions.claim({ ...select, limit: between(random, 1, 12) }).catch((error) => {
      note({ refused: error.code ?? error.message })
      return []
    })
    for (const { event } of claimed) {
      const { event_id, delegation_id, session_key, status, summary, failure_reason, error } = event
      const told = { status, summary, failure_reason, error }
      note({ handed: event_id, unit: delegation_id, asked, session: session_key, ...told })
      open.delete(delegation_id)
    }
    if (claimed.length > 0) {
      fdatasyncSync(log)
      await completions.ack(claimed).catch((error) => note({ refused: error.code ?? error.message }))
    }
    await sleep(between(random, 1, 20))
  }
}

process.on('SIGTERM', async () => {
  isOver = true
  await delegator.close()
  process.exit()
})

if (given.role === 'drain') await claimForEver({ all: true }, '*')
else await Promise.all([dispatchForEver(), claimForEver({ sessionKey: given.session }, given.session)])
