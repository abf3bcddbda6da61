/** What the benchmarks share. Every one prints one JSON line, by `report`; main.js collects them. */
import { once } from 'node:events'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { createDelegator, moduleRunner } from '../dist/index.js'

/** Nothing of ours, and no idle thread of Piscina, keeps a process alive: a benchmark ends by `process.exit`. */
setInterval(() => undefined, 60_000)

export const fixture = (name) => new URL(`./fixtures/${name}.js`, import.meta.url)
export const runnerOf = (name, options) => moduleRunner(fixture(name), options)

/** Ours: nothing is set beside what the row asks for. */
export const open = (options) => createDelegator(options)

/** Bare Piscina with the settings that our own pools have, so that the difference is what we add. */
export async function openBare(
  name,
  { threads, tasksPerThread = 1, memoryMb = 512, warm = threads, handler = 'default' },
) {
  const pool = new Piscina({
    filename: fixture(name).href,
    name: handler,
    minThreads: warm,
    maxThreads: threads,
    idleTimeout: Infinity,
    atomics: 'async',
    concurrentTasksPerWorker: tasksPerThread,
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, stackSizeMb: 4 },
  })
  while (pool.threads.length < warm) await once(pool, 'workerCreate')
  return pool
}

/** About 1 kB, as both sides send it. */
export const goal = 'Summarise what changed since yesterday. '.padEnd(200, 'x')
export const context = 'context '.padEnd(800, 'y')
export const bareTask = {
  goal,
  context,
  toolsets: null,
  role: 'leaf',
  model: null,
  delegationId: 'deleg_0123456789abcdef0123',
  taskIndex: 0,
  sessionKey: '',
}

export function percentile(values, p) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))]
}
export const median = (values) => percentile(values, 50)

/** Ours, bare, ours, bare, ...: whatever else the machine does hits both. Resolves to the figures of each round. */
export async function interleave(rounds, ours, bare) {
  const figures = { ours: [], bare: [] }
  for (let round = 0; round < rounds; round += 1) {
    figures.ours.push(await ours(round))
    figures.bare.push(await bare(round))
  }
  return figures
}

/** The median of the rounds' own ratios, and how far the middle half of them spreads. */
export function ratioOf({ ours, bare }) {
  const ratios = ours.map((figure, round) => figure / bare[round])
  return { ratio: median(ratios), spread: [percentile(ratios, 25), percentile(ratios, 75)] }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export const turn = () => new Promise((resolve) => setImmediate(resolve))

export function gc() {
  for (let i = 0; i < 4; i += 1) globalThis.gc?.()
}

/** Runs `total` delegations with `inFlight` of them live; every completion is claimed and acked, in batches. */
export function deliverAll(delegator, { total, inFlight, call }) {
  let dispatched = 0
  let acked = 0
  return new Promise((resolve, reject) => {
    let draining = false
    const fill = () => {
      for (; dispatched < total && dispatched - acked < inFlight; dispatched += 1) {
        delegator.dispatch(call).then((outcome) => {
          if (outcome.status !== 'dispatched') reject(new Error(outcome.error))
        }, reject)
      }
    }
    const drain = async () => {
      for (;;) {
        const claimed = await delegator.completions.claim({ limit: inFlight })
        if (claimed.length === 0) break
        const won = await delegator.completions.ack(claimed)
        if (!won.every(Boolean)) throw new Error('a claim was lost')
        acked += claimed.length
        fill()
      }
      // In this very tick: a completion that is told from now on starts a new drain.
      draining = false
      if (acked < total) return
      delegator.events.off('completion', onCompletion)
      resolve()
    }
    const onCompletion = (event) => {
      if (event.status !== 'completed') reject(new Error(JSON.stringify(event)))
      if (draining) return
      draining = true
      queueMicrotask(() => drain().catch(reject))
    }
    delegator.events.on('completion', onCompletion)
    fill()
  })
}

/** The same for a bare pool: as many in flight, and every answer awaited. */
export async function runAll(pool, { total, inFlight }) {
  let started = 0
  const chain = async () => {
    while (started < total) {
      started += 1
      await pool.run(bareTask)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, chain))
}

/** Dispatches `count` children and resolves once all of them run. */
export async function startAll(delegator, count, call) {
  let running = 0
  await new Promise((resolve, reject) => {
    delegator.events.on('child', ({ state, result }) => {
      if (state === 'running' && (running += 1) === count) resolve()
      if (result !== undefined && running < count) reject(new Error(JSON.stringify(result)))
    })
    for (let i = 0; i < count; i += 1) {
      delegator
        .dispatch(call(i))
        .then((outcome) => outcome.status === 'dispatched' || reject(new Error(outcome.error)), reject)
    }
  })
}

/** Runs one measurement in a process of its own: what one leaves in memory must not be another one's start. */
export async function inOwnProcess(url, args) {
  const child = fork(fileURLToPath(url), args, {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  let answer
  child.on('message', (message) => (answer = message))
  const [code] = await exited
  if (answer === undefined) throw new Error(`${args.join(' ')} ended with code ${code} and without a figure`)
  return answer
}

/**
 * One row of the table. `bound` says which figure the target is about: `{ ratio: { atLeast: 0.6 } }`,
 * `{ ours: { atMost: 100 } }`; several must all hold. None: the row only informs.
 */
export function row({
  id,
  what,
  unit,
  ours,
  bare = null,
  ratio = null,
  spread = null,
  bound = null,
  note = null,
}) {
  const figures = { ours, ratio }
  const limits = Object.entries(bound ?? {}).flatMap(([of, limit]) =>
    Object.entries(limit).map(([kind, value]) => ({ of, kind, value })),
  )
  const text = limits.map(
    ({ of, kind, value }) =>
      `${of === 'ours' ? `${value} ${unit}` : `${value} ×`} ${kind === 'atMost' ? 'at most' : 'at least'}`,
  )
  const met =
    limits.length === 0
      ? null
      : limits.every(({ of, kind, value }) =>
          kind === 'atMost' ? figures[of] <= value : figures[of] >= value,
        )
  return { id, what, unit, ours, bare, ratio, spread, target: text.join(', ') || null, met, note }
}

export function report(...rows) {
  process.stdout.write(`${JSON.stringify({ rows })}\n`)
}
