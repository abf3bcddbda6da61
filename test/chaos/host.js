/**
 * A host as a gateway is one: it dispatches for its sessions, and takes their completions as turns and by claims. It
 * writes every handle it got, and every event it was handed before it acks it, to a log of its own. It ends by
 * SIGKILL at the `nth` visit of the fail point `point`, or in good order on SIGTERM.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { between, randomFrom, sleep } from './lib.js'

const given = JSON.parse(process.argv[2])
let visits = 0
globalThis[Symbol.for('hermes-delegate.fail-point')] = (name) => {
  if (name === given.point && (visits += 1) === given.nth) process.kill(process.pid, 'SIGKILL')
}
const { attachHost, createDelegator, moduleRunner, sqliteLedger } = await import('../../dist/index.js')
const { openSqlite } = await import('../../dist/ledger/sqlite-driver.js')

const random = randomFrom(given.seed)
const chance = (share) => random() < share
const log = openSync(given.log, 'a')
const note = (line) => writeSync(log, `${JSON.stringify(line)}\n`)
const inFlightLimit = 24
const keys = 6
const open = new Set()
let isOver = false

/** Stands for threads, which take long to start: it runs references in this process. */
const executor = {
  run({ task }, observer) {
    note({ ran: task.delegationId, child: task.taskIndex })
    setTimeout(
      () => {
        observer.onStarted()
        observer.onEnd({ kind: 'returned', result: { status: 'completed', summary: 'ran' } })
      },
      between(random, 0, 30),
    )
    return { interrupt: () => undefined, terminate: () => false, heartbeat: () => Promise.resolve(true) }
  },
  close: () => Promise.resolve(),
}
const delegator = await createDelegator({
  ledger: sqliteLedger(given.ledger, {
    busyMs: given.busyMs ?? 5_000,
    rules: { backoff: { initialSeconds: 0.02, factor: 2, maxSeconds: 0.2 } },
  }),
  capacityScope: 'ledger',
  maxUnits: given.cap,
  adopt: true,
  interruptGraceMs: 50,
  ...(!given.threads && { executor }),
}).catch((error) => {
  // Without patience a host may find the ledger locked when it starts: then it does not.
  note({ refused: error.code ?? error.message })
  process.exit(3)
})
delegator.events.on('fault', (error) => note({ fault: `${error.code ?? ''} ${error.message}` }))

const repeatable = moduleRunner(new URL('./runner.js', import.meta.url), {
  placement: 'shared',
  idempotent: true,
  onOwnerDeath: 'retry',
})
const once = (ms) => async (task) => {
  note({ ran: task.delegationId, child: task.taskIndex })
  if (ms > 0) await sleep(ms)
  return { status: 'completed', summary: 'ran' }
}

/** One dispatch of a kind that chance decides. */
async function dispatchOne() {
  const sessionKey = given.sessions[between(random, 0, given.sessions.length - 1)]
  const kind = random()
  const key = chance(0.1) ? `${given.slot}:${between(random, 1, keys)}` : null
  const call = { sessionKey: key === null ? sessionKey : given.sessions[0], goal: `goal ${key}` }
  if (key !== null)
    return accept(call, key, await delegator.dispatch({ ...call, runner: once(0), idempotencyKey: key }))
  if (kind < 0.5) return accept(call, key, await delegator.dispatch({ ...call, runner: once(0) }))
  if (kind < 0.65)
    return accept(call, key, await delegator.dispatch({ ...call, runner: once(between(random, 1, 40)) }))
  if (kind < 0.75) {
    return accept(
      call,
      key,
      await delegator.dispatchBatch({
        sessionKey,
        goals: ['a', 'b', 'c'],
        runner: once(between(random, 0, 10)),
      }),
    )
  }
  // A slot that is given back before its end could be written would look like two in one.
  if (kind < 0.95 || given.locks)
    return accept(call, key, await delegator.dispatch({ ...call, runner: repeatable }))
  const stubborn = accept(call, key, await delegator.dispatch({ ...call, runner: once(30) }))
  if (stubborn !== null) delegator.interrupt(stubborn, { graceMs: 0 }).catch(() => undefined)
  return stubborn
}

function accept({ sessionKey }, key, outcome) {
  if (outcome.status !== 'dispatched') return null
  note({ accepted: outcome.delegationId, session: sessionKey, ...(key !== null && { key }) })
  open.add(outcome.delegationId)
  return outcome.delegationId
}

async function dispatchForEver() {
  while (!isOver) {
    const free = Math.min(6, inFlightLimit - open.size)
    await Promise.all(
      Array.from({ length: Math.max(0, free) }, () =>
        dispatchOne().catch((error) => note({ refused: error.code ?? error.message })),
      ),
    )
    await sleep(2)
  }
}

/** What was handed over is on the disk before anybody acks it. */
function handed(asked, events) {
  for (const { event_id, delegation_id, session_key, status, restored } of events) {
    note({ handed: event_id, unit: delegation_id, asked, session: session_key, status, restored })
    open.delete(delegation_id)
  }
  fdatasyncSync(log)
}

function turnsOf(sessionKey) {
  const host = attachHost(delegator, {
    sessionKey,
    isIdle: () => chance(0.8),
    startTurn(_text, events) {
      if (chance(0.05)) return 'busy'
      if (chance(0.05)) throw new Error('this turn failed')
      handed(sessionKey, events)
      setTimeout(() => host.idle(), between(random, 0, 5))
      return 'started'
    },
  })
  const nudge = setInterval(() => host.idle(), 5)
  return async () => {
    clearInterval(nudge)
    await host.detach()
  }
}

async function claimForEver(select, asked) {
  const { completions } = delegator
  while (!isOver) {
    try {
      const claimed = await completions.claim({ ...select, limit: between(random, 1, 12) })
      if (chance(0.05)) await completions.release(claimed, 'try again')
      else if (chance(0.05)) await completions.defer(claimed, 0.01)
      else if (claimed.length > 0) {
        handed(
          asked,
          claimed.map(({ event }) => event),
        )
        await completions.ack(claimed)
      }
    } catch (error) {
      note({ refused: error.code ?? error.message })
    }
    await sleep(between(random, 1, 8))
  }
}

/** Takes the file's lock again and again, for longer than this host has patience: ends go to the spool. */
async function lockForEver() {
  const db = await openSqlite(given.ledger)
  while (!isOver) {
    await sleep(between(random, 20, 60))
    try {
      db.exec('BEGIN IMMEDIATE')
      await sleep(4 * given.busyMs)
      db.exec('ROLLBACK')
    } catch {
      // Somebody else writes just now.
    }
  }
  db.close()
}

const stops = []
process.on('SIGTERM', async () => {
  isOver = true
  for (const stop of stops) await stop()
  await delegator.close()
  process.exit()
})

if (given.role === 'drain') {
  await claimForEver({ all: true }, '*')
} else {
  const [turns, claims, shared, own] = given.sessions
  stops.push(turnsOf(turns), turnsOf(shared))
  if (given.locks) void lockForEver()
  await Promise.all([
    dispatchForEver(),
    claimForEver({ sessionKey: claims }, claims),
    claimForEver({ sessionKey: own }, own),
  ])
}
