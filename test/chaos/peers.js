/**
 * Two gateways, each with its own ledger, one of which delegates to the other: both are killed again and again, at fail
 * points and at random moments. In the end both are left alone until nothing is open, and everything is counted. The
 * seed decides who is killed when; what the scheduler makes of it is its own.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { between, namedPoints, newFolder, openLook, randomFrom, start, until } from './lib.js'
import { peerVerdictOf } from './peer-verdict.js'

const token = 'token-of-the-chaos'
/** More than the peer takes at once, so that it refuses some. */
const caps = { caller: 20, gateway: 12 }
const drainWithinMs = 90_000
const startWithinMs = 30_000
/**
 * For how long they live, ms: both come up first, and after each end of a gateway the caller's breaker keeps it from work for five
 * seconds.
 */
const lives = { caller: [600, 3_000], gateway: [1_500, 9_000] }
const points = /^(dispatch|admit|child|settle|commit|claim|rerun|recover|take-over|slot):/

export async function freePort(address = '127.0.0.1') {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, address, resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A gateway at its address, once it answers; `ended` before that when it was killed on its way. */
export async function startGateway(given, within = []) {
  const gateway = start('peer-gateway', given, within)
  let hasEnded = false
  void gateway.ended.then(() => (hasEnded = true))
  await until('the gateway serves', startWithinMs, () => hasEnded || gateway.printed() !== '')
  return gateway
}

async function peersRound({ seed, kills }) {
  const folder = newFolder()
  const of = (name) => ({ ledger: join(folder, `${name}.db`), logs: join(folder, `${name}-logs`) })
  const round = {
    seed,
    kills,
    port: await freePort(),
    random: randomFrom(seed),
    caller: { ...of('caller'), cap: caps.caller },
    gateway: { ...of('gateway'), cap: caps.gateway },
  }
  for (const { logs, ledger } of [round.caller, round.gateway]) {
    mkdirSync(logs)
    await (await createDelegator({ ledger: sqliteLedger(ledger) })).close()
  }
  const looks = {
    caller: await openLook(round.caller.ledger),
    gateway: await openLook(round.gateway.ledger),
  }
  const counts = { callerKills: 0, gatewayKills: 0, atPoint: 0, inFlight: 0 }
  await Promise.all(['gateway', 'caller'].map((role) => keepKilling(round, role, counts, looks[role])))
  const problems = await drained(round, looks)
  looks.caller.close()
  looks.gateway.close()
  const verdict = await peerVerdictOf({ calls: round.caller, serves: round.gateway })
  problems.push(...verdict.problems)
  if (problems.length === 0) rmSync(folder, { recursive: true })
  return { seed, folder, problems, counts, figures: verdict.figures }
}

function givenTo({ port, ...round }, role, generation) {
  const { ledger, logs, cap } = round[role]
  return {
    ledger,
    cap,
    log: join(logs, `${generation}.jsonl`),
    name: generation,
    session: 'agent:main:chaos:dm:peers',
    address: '127.0.0.1',
    port,
    url: `http://127.0.0.1:${port}`,
    token,
    peer: { deduplicates: true },
  }
}

function planOf({ random }, role) {
  const atPoint = random() < 0.4
  const all = namedPoints().filter((name) => points.test(name))
  return {
    point: atPoint ? all[between(random, 0, all.length - 1)] : null,
    nth: between(random, 1, 20),
    seed: between(random, 1, 2 ** 31),
    afterMs: between(random, ...lives[role]),
  }
}

/** One after the other, until both sides together were killed as often as was asked, and either of them at all. */
async function keepKilling(round, role, counts, look) {
  const counted = `${role}Kills`
  const isEnough = () =>
    counts.callerKills + counts.gatewayKills >= round.kills &&
    Math.min(counts.callerKills, counts.gatewayKills) > 0
  for (let generation = 0; !isEnough(); generation += 1) {
    const { afterMs, ...plan } = planOf(round, role)
    const one = start(`peer-${role}`, { ...givenTo(round, role, generation), ...plan })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      one.kill('SIGKILL')
    }, afterMs)
    const how = await one.ended
    clearTimeout(timer)
    if (how !== 'SIGKILL') throw new Error(`a ${role} ended by itself: ${how}`)
    counts[counted] += 1
    if (!isLate) counts.atPoint += 1
    counts.inFlight += look.number('SELECT count(*) FROM units WHERE ended_at IS NULL')
  }
}

/** Both are there, and nobody is killed: all that is open comes to its end. */
async function drained(round, looks) {
  const gateway = await startGateway(givenTo(round, 'gateway', 'last'))
  const caller = start('peer-caller', {
    ...givenTo(round, 'caller', 'last'),
    seed: round.seed,
    role: 'drain',
  })
  const open = 'SELECT count(*) FROM units WHERE ended_at IS NULL OR slot_held = 1'
  try {
    await until('everything has ended, and is delivered', drainWithinMs, () => {
      const waiting = looks.caller.number(
        "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'claimed')",
      )
      return looks.caller.number(open) + looks.gateway.number(open) + waiting === 0
    })
    return []
  } catch (error) {
    return [error.message]
  } finally {
    for (const each of [caller, gateway]) {
      each.kill('SIGTERM')
      await each.ended
    }
  }
}

/** Rounds on two new ledgers each. */
export async function peers({ seed, size, kills: asked, rounds: askedRounds }, say) {
  process.env.CHAOS_TOKEN = token
  const rounds = askedRounds ?? (asked === undefined && size === 'long' ? 5 : 1)
  const kills = asked ?? (size === 'long' ? 50 : 8)
  const all = { problems: [], callerKills: 0, gatewayKills: 0, atPoint: 0, inFlight: 0, figures: {} }
  for (let round = 0; round < rounds; round += 1) {
    const { problems, counts, figures, folder } = await peersRound({ seed: seed + round, kills })
    for (const [name, count] of Object.entries(counts)) all[name] += count
    for (const [name, count] of Object.entries(figures)) all.figures[name] = (all.figures[name] ?? 0) + count
    const { callerKills, gatewayKills } = counts
    say(
      `  seed ${seed + round}: ${callerKills} + ${gatewayKills} kills, ${figures.units} units, ${problems.length} problems`,
    )
    // What broke is kept to be looked at, and the seed that broke it is the one to start from.
    if (problems.length > 0) return { ...all, problems, seed: seed + round, folder }
  }
  return all
}
