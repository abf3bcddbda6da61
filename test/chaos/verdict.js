/** Whether a ledger, and what its hosts wrote down, keep every promise. */
import { linesOf, openLook } from './lib.js'

/** Returns what is wrong, in words, and the figures of the round. */
export async function verdictOf({ ledger, logs, cap }) {
  const look = await openLook(ledger)
  const lines = linesOf(logs)
  const units = look.all('SELECT * FROM units')
  const deliveries = look.all('SELECT * FROM deliveries')
  const leaked =
    look.number('SELECT count(*) FROM charges') +
    look.number('SELECT count(*) FROM counters') +
    units.filter(({ slot_held }) => slot_held === 1).length
  const integrity = look.number('PRAGMA integrity_check')
  look.close()

  const accepted = lines.filter((line) => line.accepted !== undefined)
  const handed = lines.filter((line) => line.handed !== undefined)
  const problems = [
    ...(integrity === 'ok' ? [] : [`the file is damaged: ${integrity}`]),
    ...(leaked === 0 ? [] : [`${leaked} rows still hold slots`]),
    ...unitProblems(units, deliveries),
    ...acceptedProblems(accepted, units),
    ...handedProblems(handed, units),
    ...keylessProblems(handed, accepted),
    ...runProblems(lines, units),
    ...capProblems(units, cap),
  ]
  const ids = new Set(handed.map((line) => line.handed))
  return {
    problems,
    figures: {
      units: units.length,
      accepted: new Set(accepted.map((line) => line.accepted)).size,
      unknown: units.filter(({ state }) => state === 'unknown').length,
      handed: ids.size,
      redelivered: handed.length - ids.size,
      faults: lines.filter((line) => line.fault !== undefined).length,
    },
  }
}

/** Every unit has one end, and one final event, which was delivered. */
function unitProblems(units, deliveries) {
  const events = new Map(deliveries.map((delivery) => [delivery.event_id, delivery]))
  const known = new Set(units.map(({ id }) => id))
  const found = units.flatMap(({ id, ended_at, state }) => {
    const delivery = events.get(id)
    if (ended_at === null) return [`${id} never ended (${state})`]
    if (delivery === undefined) return [`${id} ended (${state}) without an event`]
    return delivery.state === 'delivered'
      ? []
      : [`${id} was not delivered: ${delivery.state} ${delivery.reason}`]
  })
  const strays = deliveries.filter(
    ({ event_id, delegation_id }) => event_id !== delegation_id || !known.has(event_id),
  )
  return [...found, ...strays.map(({ event_id }) => `${event_id} is nobody's final event`)]
}

/** A handle that was given is a unit; a key has one unit, whoever repeats it. */
function acceptedProblems(accepted, units) {
  const known = new Map(units.map((unit) => [unit.id, unit]))
  const byKey = new Map()
  return accepted.flatMap(({ accepted: id, session, key }) => {
    if (key !== undefined && !byKey.has(key)) byKey.set(key, id)
    if (key !== undefined && byKey.get(key) !== id)
      return [`key ${key} has units ${id} and ${byKey.get(key)}`]
    if (!known.has(id)) return [`${id} was accepted, and is lost`]
    return known.get(id).session_key === session ? [] : [`${id} belongs to another session`]
  })
}

/** Everything was handed to a host, to none but its own, and always as the same event. */
function handedProblems(handed, units) {
  const seen = new Map()
  const wrong = handed.flatMap((line) => {
    const first = seen.get(line.unit) ?? line
    seen.set(line.unit, first)
    if (first.handed !== line.handed || first.status !== line.status)
      return [`${line.unit} came as ${first.handed} ${first.status} and as ${line.handed} ${line.status}`]
    return line.asked === '*' || line.asked === line.session
      ? []
      : [`${line.handed} of ${line.session} went to ${line.asked}`]
  })
  const lost = units.filter(({ id }) => !seen.has(id)).map(({ id }) => `${id} was handed to nobody`)
  return [...wrong, ...lost]
}

/** Without a session key, only who dispatched it may take it. */
function keylessProblems(handed, accepted) {
  const dispatchers = new Map(accepted.map(({ accepted: id, log }) => [id, log]))
  return handed
    .filter(({ asked, unit, log }) => asked === '' && dispatchers.get(unit) !== log)
    .map(({ unit, log }) => `${unit} has no session key, and went to ${log}`)
}

/** What its runner did not allow to be repeated ran once. */
function runProblems(lines, units) {
  const policy = new Map(units.map(({ id, on_owner_death }) => [id, on_owner_death]))
  const runs = new Map()
  for (const { ran, child } of lines) {
    if (ran !== undefined) runs.set(`${ran} ${child}`, (runs.get(`${ran} ${child}`) ?? 0) + 1)
  }
  return [...runs].flatMap(([run, times]) =>
    times > 1 && policy.get(run.split(' ')[0]) === 'unknown' ? [`${run} ran ${times} times`] : [],
  )
}

function capProblems(units, cap) {
  const most = mostAtOnce(units)
  return most <= cap ? [] : [`${most} units were live at once under a cap of ${cap}`]
}

/** By the ledger's own times: between admission and end a unit holds its slot. */
export function mostAtOnce(units) {
  const steps = units.flatMap(({ admitted_at, ended_at }) => [
    { at: admitted_at, by: 1 },
    { at: ended_at ?? Infinity, by: -1 },
  ])
  steps.sort((a, b) => a.at - b.at || a.by - b.by)
  let live = 0
  let most = 0
  for (const { by } of steps) most = Math.max(most, (live += by))
  return most
}
