/** Clocks that jump, hosts that fail or are busy, drains that race, and an owner that was thought dead. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { attachHost, createDelegator, sqliteLedger } from '../../dist/index.js'
import { systemClock } from '../../dist/runtime/system-clock.js'
import { newFolder, sleep, until } from './lib.js'

const sessionKey = 'agent:main:chaos:dm:delivery'
const rules = { maxAttempts: 50, backoff: { initialSeconds: 0.02, factor: 2, maxSeconds: 0.1 } }
const call = (runner = () => 'done') => ({ goal: 'deliver', sessionKey, runner })

/** A ledger of its own for `work`, which returns problems and figures. */
const onLedger = (work) => async (asked) => {
  const folder = newFolder()
  const open = (options = {}) =>
    createDelegator({
      ledger: sqliteLedger(join(folder, 'ledger.db'), { rules }),
      maxUnits: 1_000,
      ...options,
    })
  try {
    return await work(open, asked.size === 'long', join(folder, 'ledger.db'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function dispatchAll(delegator, count) {
  const handles = await Promise.all(Array.from({ length: count }, () => delegator.dispatch(call())))
  await Promise.all(handles.map(({ delegationId }) => delegator.wait(delegationId)))
  return handles.map(({ delegationId }) => delegationId)
}

/** Every id exactly once. */
function onceEach(ids, seen) {
  const counts = new Map(ids.map((id) => [id, 0]))
  for (const id of seen) counts.set(id, (counts.get(id) ?? 0) + 1)
  return [...counts]
    .filter(([, count]) => count !== 1)
    .map(([id, count]) => `${id} was accepted ${count} times`)
}

/** Units have ended, some are deferred, and one is still to come, when the clock steps back an hour. */
export const clockBack = onLedger(async (open) => {
  let stepSeconds = 0
  const clock = { ...systemClock, now: () => systemClock.now() + stepSeconds }
  const delegator = await open({ clock })
  const ids = await dispatchAll(delegator, 20)
  const { delegationId } = await delegator.dispatch(call(() => sleep(200).then(() => 'done')))
  const deferred = await delegator.completions.claim({ sessionKey, limit: 5 })
  await delegator.completions.defer(deferred, 600)
  stepSeconds = -3_600
  const end = await delegator.wait(delegationId)
  const seen = []
  const host = attachHost(delegator, {
    sessionKey,
    isIdle: () => true,
    startTurn: (_text, events) => (seen.push(...events.map(({ event_id }) => event_id)), 'started'),
  })
  await until('everything delivered', 10_000, () => seen.length > ids.length).catch(() => undefined)
  await host.detach()
  await delegator.close()
  const negative = end.total_duration_seconds < 0 || end.duration_seconds < 0
  return {
    problems: [...onceEach([...ids, delegationId], seen), ...(negative ? ['a negative duration'] : [])],
    units: seen.length,
  }
})

/** Every second turn fails to start. Of 500 events two would fail eight times by chance alone, and be `dead`. */
export const failingHost = onLedger(async (open, isLong) => {
  const delegator = await open()
  const ids = await dispatchAll(delegator, isLong ? 500 : 40)
  const seen = []
  let turns = 0
  const host = attachHost(delegator, {
    sessionKey,
    coalesce: false,
    isIdle: () => true,
    startTurn(_text, events) {
      turns += 1
      if (turns % 2 === 0) throw new Error('no turn')
      seen.push(...events.map(({ event_id }) => event_id))
      return 'started'
    },
  })
  await until('everything accepted', 60_000, () => seen.length >= ids.length).catch(() => undefined)
  await host.detach()
  await delegator.close()
  return { problems: onceEach(ids, seen), units: ids.length, turns }
})

/** Never idle, or idle and then busy after all; then free. It costs no attempt. */
export const busyHost = onLedger(async (open, isLong) => {
  const delegator = await open()
  const ids = await dispatchAll(delegator, 40)
  const seen = []
  let phase = 'busy'
  let asked = 0
  const host = attachHost(delegator, {
    sessionKey,
    isIdle: () => ((asked += 1), phase !== 'busy'),
    startTurn(_text, events) {
      if (phase === 'mistaken') return 'busy'
      seen.push(...events.map(({ event_id }) => event_id))
      return 'started'
    },
  })
  await sleep(isLong ? 20_000 : 1_000)
  phase = 'mistaken'
  await sleep(isLong ? 20_000 : 1_000)
  const early = seen.length
  phase = 'free'
  await until('everything accepted', 20_000, () => seen.length >= ids.length).catch(() => undefined)
  await host.detach()
  await delegator.close()
  return {
    problems: [...onceEach(ids, seen), ...(early > 0 ? ['a busy host got a turn'] : [])],
    units: ids.length,
    asked,
  }
})

/** Two drains of one session; each event goes to one of them. */
export const twoDrains = onLedger(async (open, isLong) => {
  const [one, other] = [await open(), await open()]
  const ids = []
  for (let round = 0; round < (isLong ? 20 : 1); round += 1) ids.push(...(await dispatchAll(one, 500)))
  const drain = async (delegator) => {
    const taken = []
    for (;;) {
      const claimed = await delegator.completions.claim({ sessionKey, limit: 7 })
      if (claimed.length === 0) return taken
      const won = await delegator.completions.ack(claimed)
      taken.push(...claimed.filter((_claim, index) => won[index]).map(({ event }) => event.event_id))
    }
  }
  const [mine, yours] = await Promise.all([drain(one), drain(other)])
  await one.close()
  await other.close()
  return {
    problems: onceEach(ids, [...mine, ...yours]),
    units: ids.length,
    split: [mine.length, yours.length],
  }
})

/** An owner on another machine falls silent, is taken for dead, and then wakes up: nothing it writes counts. */
export const fencedOwner = onLedger(async (open, _isLong, path) => {
  // A hundred times as fast, so that ten seconds of silence are soon over.
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 100 }
  const asleep = await sqliteLedger(path)({ clock: systemClock, random: () => 0.5 })
  const owner = {
    id: 'asleep',
    pid: process.pid,
    startedAt: 0,
    bootId: 'another',
    pidNamespace: '',
    seenAt: systemClock.now(),
  }
  await asleep.join(owner)
  const draft = {
    id: 'deleg_asleep',
    slotKey: 'deleg_asleep',
    parentId: null,
    route: { sessionKey, parentSessionId: null, originUiSessionId: '', originSessionId: '' },
    ...{ goal: 'sleep', goals: null, context: null, toolsets: null, role: 'leaf', model: null, runner: null },
    ...{
      childCount: 1,
      onOwnerDeath: 'unknown',
      work: null,
      transcripts: null,
      delivery: 'claim',
      metadata: null,
    },
  }
  const { hold } = await asleep.admit('asleep', draft, [{ counter: 'units', amount: 1, limit: 1 }])
  const delegator = await open({ clock })
  const end = await delegator.wait(draft.id, { timeoutMs: 3_000_000 })
  const event = { ...end, status: 'completed', summary: 'awake again' }
  const writes = {
    record: await asleep.record(hold, { phase: 'stalling' }),
    settle: (await asleep.settle(hold, { state: 'completed', cause: 'returned', event, slot: 'freed' })).won,
    withdraw: await asleep.withdraw(hold),
    heartbeat: await asleep.heartbeat('asleep').then(
      () => true,
      () => false,
    ),
    claim: await asleep.claim('asleep', { all: true }, 1, 60).then(
      () => true,
      () => false,
    ),
  }
  const claimed = await delegator.completions.claim({ sessionKey })
  const use = await delegator.capacity()
  await asleep.close()
  await delegator.close()
  const written = Object.entries(writes)
    .filter(([, counts]) => counts)
    .map(([name]) => `its ${name} counted`)
  const told = claimed.map((completion) => completion.event.status).join()
  return {
    problems: [
      ...written,
      ...(told === 'unknown' ? [] : [`told ${told}`]),
      ...(use.inUse === 0 ? [] : ['a slot leaked']),
    ],
    told,
  }
})
