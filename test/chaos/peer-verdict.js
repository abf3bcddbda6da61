/**
 * Whether two gateways' ledgers, and what they wrote down, fit together. `calls` is of the one that delegates, `serves` of
 * the one whose tasks they are.
 */
import { linesOf, openLook } from './lib.js'
import { verdictOf } from './verdict.js'

/** An end of the caller's own, where the peer did not tell it another one. */
const honest = /^PEER_(UNREACHABLE|CIRCUIT_OPEN|TIMEOUT|BUSY|HTTP|LOST)$/

/** Returns what is wrong, in words, and the figures of the round. */
export async function peerVerdictOf({ calls, serves }) {
  const own = await verdictOf(calls)
  const served = await servedBy(serves)
  const ends = new Map(
    linesOf(calls.logs)
      .filter(({ handed }) => handed !== undefined)
      .map((line) => [line.unit, line]),
  )
  const problems = [
    ...own.problems.map((problem) => `caller: ${problem}`),
    ...served.problems.map((problem) => `peer: ${problem}`),
    ...twiceProblems(served),
    ...[...ends].flatMap(([unit, end]) => endProblems(end, served.byMessage.get(`${unit}-0`)?.[0])),
  ]
  const states = (wanted) => [...ends.values()].filter(({ status }) => status === wanted).length
  return {
    problems,
    figures: {
      ...own.figures,
      completed: states('completed'),
      failed: states('failed'),
      interrupted: states('interrupted'),
      peerUnits: served.units.length,
      peerRuns: [...served.runs.values()].reduce((sum, times) => sum + times, 0),
      peerUnknown: served.units.filter(({ state }) => state === 'unknown').length,
      givenUp: [...ends.values()].filter(({ failure_reason }) => honest.test(failure_reason)).length,
    },
  }
}

/** What a gateway's ledger and log say of the messages that it got. */
export async function servedBy({ ledger, logs }) {
  const look = await openLook(ledger)
  const units = look.all('SELECT id, state, ended_at, slot_held, goal, draft FROM units')
  const leaked =
    look.number('SELECT count(*) FROM charges') +
    look.number('SELECT count(*) FROM counters') +
    units.filter(({ slot_held }) => slot_held === 1).length
  const integrity = look.number('PRAGMA integrity_check')
  look.close()
  const runs = new Map()
  for (const { ran } of linesOf(logs)) if (ran !== undefined) runs.set(ran, (runs.get(ran) ?? 0) + 1)
  const byMessage = new Map()
  for (const unit of units) {
    const id = JSON.parse(unit.draft).metadata.a2a.message_id
    byMessage.set(id, [...(byMessage.get(id) ?? []), unit])
  }
  const live = units.filter(({ ended_at }) => ended_at === null)
  return {
    units,
    runs,
    byMessage,
    problems: [
      ...(integrity === 'ok' ? [] : [`the file is damaged: ${integrity}`]),
      ...(leaked === 0 ? [] : [`${leaked} rows still hold slots`]),
      ...live.map(({ id, state }) => `${id} never ended (${state})`),
    ],
  }
}

/**
 * A delegation makes one unit at the most, and that unit is run once at the most: its runner allows no more. Each has a goal
 * of its own, so that a message under another id would be found out, too.
 */
export function twiceProblems({ units, runs }) {
  const made = new Map()
  const ran = new Map()
  for (const { id, goal } of units) {
    made.set(goal, (made.get(goal) ?? 0) + 1)
    ran.set(goal, (ran.get(goal) ?? 0) + (runs.get(id) ?? 0))
  }
  return [...made].flatMap(([goal, count]) => [
    ...(count === 1 ? [] : [`'${goal}' made ${count} units`]),
    ...(ran.get(goal) <= 1 ? [] : [`'${goal}' ran ${ran.get(goal)} times`]),
  ])
}

/** What the caller was told is what the peer did, or says honestly that nobody knows it. */
function endProblems({ unit, status, summary, failure_reason: reason, error }, at) {
  const here = `${unit} ended ${status} (${reason ?? error ?? ''}), at the peer ${at?.state ?? 'nothing'}`
  if (status === 'completed')
    return at?.state === 'completed' && summary === `did ${at.goal}` ? [] : [`${here}: ${summary}`]
  if (status === 'interrupted') return []
  if (status !== 'failed') return [here]
  if (honest.test(reason)) return []
  // A refusal at the peer's cap makes no unit.
  return at === undefined ? [] : at.state === 'unknown' ? [] : [here]
}
