/** 13. What another program that holds the write lock for 3 s does to a host: to its loop, and to its units. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { newLedger, openDurable, program } from './ledger.js'
import { context, goal, interleave, median, ratioOf, report, row, sleep, turn } from './lib.js'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const lockMs = 3_000
const inFlight = 64

const measured = (isLocking) => async () => {
  const ledger = newLedger()
  const delegator = await openDurable(ledger, { maxUnits: inFlight })
  const locker = program('locker', { ledger, forMs: lockMs, isLocking })
  await locker.line()
  // Units that end while the file is locked: each end has to wait for it, and so have new ones.
  const runner = () => sleep(500).then(() => 'done')
  const call = { goal, context, sessionKey: 'agent:main:cli:dm:lock', runner }
  const dispatch = () => delegator.dispatch(call)
  const before = await Promise.all(Array.from({ length: inFlight / 2 }, dispatch))
  locker.say('go')
  await locker.line()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  await turn()
  delay.enable()
  const during = Promise.all(Array.from({ length: inFlight / 2 }, dispatch))
  await locker.line()
  delay.disable()
  const outcomes = [...before, ...(await during)]
  const ids = outcomes.map(({ status, delegationId, error }) => {
    if (status !== 'dispatched') throw new Error(error)
    return delegationId
  })
  const ends = await Promise.all(ids.map((id) => delegator.wait(id, { timeoutMs: 10_000 })))
  const claimed = await delegator.completions.claim({ sessionKey: call.sessionKey })
  const isWhole = ends.every(({ status }) => status === 'completed') && claimed.length === ids.length
  await delegator.close()
  return { worstMs: delay.max / 1e6, lost: isWhole ? 0 : ids.length - claimed.length }
}

const found = await interleave(rounds, measured(true), measured(false))
const worst = (side) => found[side].map(({ worstMs }) => worstMs)
report(
  row({
    id: '13a',
    what: 'worst delay of the loop while another program locks the ledger for 3 s; baseline: without a lock',
    unit: 'ms',
    ours: median(worst('ours')),
    bare: median(worst('bare')),
    ...ratioOf({ ours: worst('ours'), bare: worst('bare') }),
    bound: { ours: { atMost: 20 } },
  }),
  row({
    id: '13b',
    what: 'completions lost by that, of 64',
    unit: '',
    ours: Math.max(...found.ours.map(({ lost }) => lost)),
    bound: { ours: { atMost: 0 } },
  }),
)
process.exit()
