/**
 * Several hosts share a ledger, and are killed again and again: at every fail point there is, and at random moments.
 * In the end one clean process takes what is left, and everything is counted. The seed decides who is killed when;
 * what the scheduler makes of it is its own.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { between, namedPoints, newFolder, openLook, randomFrom, start, until } from './lib.js'
import { verdictOf } from './verdict.js'

const slots = 3
const cap = 40
/** A host that does not come by its fail point is killed all the same after this long, ms. */
const patienceMs = 3_000
const drainWithinMs = 60_000
const sampleMs = 10
/** Steps that few lives come by more than once. */
const isRare = (point) => /^(take-over|recover|rerun|spool|slot|child:abandoned)/.test(point)

/** @param points to be visited by all means; the other kills are at random, at any point or none. */
export async function killRound({ seed, kills, points = [] }) {
  const folder = newFolder()
  const ledger = join(folder, 'ledger.db')
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  const round = {
    seed,
    kills,
    folder,
    ledger,
    logs,
    random: randomFrom(seed),
    left: [...points],
    generation: 0,
  }
  const counts = { kills: 0, atPoint: {}, atRandom: 0, closed: 0, inFlight: 0, failedStarts: 0 }
  const look = await openFirst(round)
  const sampled = sampleCap(look)
  await Promise.all(Array.from({ length: slots }, (_, slot) => keepKilling(round, counts, look, slot)))
  const problems = await drained(round, look)
  problems.push(...sampled())
  look.close()
  const verdict = await verdictOf({ ledger, logs, cap })
  problems.push(...verdict.problems)
  if (problems.length === 0) rmSync(folder, { recursive: true })
  return { seed, folder, problems, counts, missed: round.left, figures: verdict.figures }
}

/** The file is there before anybody is killed, so that it can be looked at. */
async function openFirst({ ledger }) {
  await (await createDelegator({ ledger: sqliteLedger(ledger) })).close()
  return openLook(ledger)
}

const hostOf = ({ ledger, logs }, slot, generation) => ({
  ledger,
  log: join(logs, `${slot}-${generation}.jsonl`),
  slot,
  cap,
  sessions: [
    `agent:main:chaos:dm:turns-${slot}`,
    `agent:main:chaos:dm:claims-${slot}`,
    'agent:main:chaos:dm:shared',
    '',
  ],
})

/** Where the next host of a slot ends: a point that was not visited yet, any point, or a moment. */
function planOf(round) {
  const { random } = round
  const must = round.left.shift()
  const kind = random()
  const all = namedPoints()
  const point = must ?? (kind < 0.6 ? all[between(random, 0, all.length - 1)] : null)
  const isSpool = point !== null && point.startsWith('spool')
  return {
    point,
    must: must !== undefined,
    nth: point === null || isRare(point) ? 1 : between(random, 1, must === undefined ? 40 : 8),
    seed: between(random, 1, 2 ** 31),
    afterMs: point === null ? between(random, 120, 500) : isSpool ? 2 * patienceMs : patienceMs,
    closes: point === null && kind > 0.97,
    threads: random() < 0.05,
    ...((isSpool || random() < 0.03) && { locks: true, busyMs: 15 }),
  }
}

async function keepKilling(round, counts, look, slot) {
  let fruitless = 0
  while (counts.kills < round.kills || (round.left.length > 0 && fruitless < 20)) {
    const { afterMs, closes, must, ...plan } = planOf(round)
    round.generation += 1
    const host = start('host', { ...hostOf(round, slot, round.generation), ...plan })
    const timer = setTimeout(() => host.kill(closes ? 'SIGTERM' : 'SIGKILL'), afterMs)
    let isLate = false
    const late = setTimeout(() => (isLate = true), afterMs)
    const how = await host.ended
    clearTimeout(timer)
    clearTimeout(late)
    if (how === 0) counts.closed += 1
    else if (how !== 'SIGKILL') counts.failedStarts += 1
    else {
      counts.kills += 1
      counts.inFlight += inFlightOf(look, host.pid)
      if (isLate || plan.point === null) counts.atRandom += 1
      else counts.atPoint[plan.point] = (counts.atPoint[plan.point] ?? 0) + 1
    }
    // It did not come by: somebody else tries again.
    if (must && (isLate || how !== 'SIGKILL')) round.left.push(plan.point)
    fruitless = must && isLate ? fruitless + 1 : 0
  }
}

/** Units and completions of a process that was killed just now: an owner's id begins with its pid. */
function inFlightOf(look, pid) {
  const values = { from: `${pid}-`, to: `${pid}.` }
  const live = look.number(
    'SELECT count(*) FROM units WHERE owner >= :from AND owner < :to AND ended_at IS NULL',
    values,
  )
  const open = look.number(
    `SELECT count(*) FROM deliveries WHERE dispatched_by >= :from AND dispatched_by < :to
       AND state IN ('pending', 'claimed')`,
    values,
  )
  return live + open
}

/** Looks at the counter while all goes on. Returns what ends that, and tells what was wrong. */
function sampleCap(look) {
  const problems = []
  const timer = setInterval(() => {
    const live = look.number('SELECT count(DISTINCT slot_key) FROM units WHERE slot_held = 1')
    if (live > cap) problems.push(`${live} slots were held at once under a cap of ${cap}`)
  }, sampleMs)
  return () => {
    clearInterval(timer)
    return problems
  }
}

/** One clean process recovers and delivers what is left. */
async function drained(round, look) {
  const last = start('host', { ...hostOf(round, 'last', 0), seed: round.seed, role: 'drain' })
  try {
    await until('everything delivered', drainWithinMs, () => {
      const live = look.number('SELECT count(*) FROM units WHERE ended_at IS NULL OR slot_held = 1')
      return live + look.number("SELECT count(*) FROM deliveries WHERE state IN ('pending', 'claimed')") === 0
    })
    return []
  } catch (error) {
    return [error.message]
  } finally {
    last.kill('SIGTERM')
    await last.ended
  }
}

/** Rounds of a hundred kills on a ledger each; every fail point is visited in every one. */
export async function kills({ seed, size, kills: asked, rounds: askedRounds }, say) {
  const rounds = askedRounds ?? (asked === undefined && size === 'long' ? 20 : 1)
  const each = asked ?? (size === 'long' ? 100 : 40)
  const all = {
    problems: [],
    kills: 0,
    atPoint: {},
    atRandom: 0,
    closed: 0,
    inFlight: 0,
    failedStarts: 0,
    figures: {},
  }
  for (let round = 0; round < rounds; round += 1) {
    const points = namedPoints()
    const result = await killRound({ seed: seed + round, kills: each, points })
    const { counts, figures } = result
    for (const name of ['kills', 'atRandom', 'closed', 'inFlight', 'failedStarts']) all[name] += counts[name]
    addUp(all.atPoint, counts.atPoint)
    addUp(all.figures, figures)
    const problems = [...result.problems, ...result.missed.map((point) => `no host came by ${point}`)]
    say(
      `  seed ${seed + round}: ${counts.kills} kills, ${counts.inFlight} in flight, ${figures.units} units, ${problems.length} problems`,
    )
    // What broke is kept to be looked at, and the seed that broke it is the one to start from.
    if (problems.length > 0) return { ...all, problems, seed: seed + round, folder: result.folder }
  }
  return all
}

function addUp(sums, more) {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count
}
