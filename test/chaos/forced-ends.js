/**
 * Children are ended by force while their unit settles, and their host is killed in that moment: at each step of a settle,
 * and at the steps around it. A clean process then takes what is left. No end is lost or doubled, what a sibling had
 * finished is in it, no slot stays taken, and no process of a child outlives its host.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { between, linesOf, newFolder, openLook, randomFrom, start, until } from './lib.js'

/** Every step of a settle, and those of a forced end around it; null: the host lives, its children do not. */
const points = [
  'child:abandoned',
  'settle:before',
  'settle:delivery-added',
  'settle:ended',
  'settle:committed',
  'child:ended',
  'slot:freed',
  null,
]
const roundsOf = { short: points.length, long: 20 * points.length }
const patienceMs = 30_000

export async function forcedEnds({ seed, size, rounds = roundsOf[size] }) {
  const random = randomFrom(seed)
  const problems = []
  const figures = { rounds: 0, hostsKilled: 0, childrenKilled: 0, ends: {} }
  for (let round = 0; round < rounds && problems.length === 0; round += 1) {
    const point = points[round % points.length]
    const plan = {
      point,
      // Each child comes by some of them: the last ones are as dangerous as the first.
      nth: between(random, 1, 3),
      isolation: random() < 0.5 ? 'process' : 'thread',
      killsChildren: random() < 0.5 || point === null,
      killsHost: point !== null,
    }
    const found = await oneRound(plan)
    problems.push(...found.problems.map((problem) => `${problem} (${JSON.stringify(plan)})`))
    figures.rounds += 1
    figures.hostsKilled += found.hostKilled ? 1 : 0
    figures.childrenKilled += found.childrenKilled
    for (const status of found.statuses) figures.ends[status] = (figures.ends[status] ?? 0) + 1
  }
  if (figures.hostsKilled === 0) problems.push('no host came by its point')
  return { seed, problems, ...figures }
}

async function oneRound(plan) {
  const folder = newFolder()
  const ledger = join(folder, 'ledger.db')
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  const host = start('forced-host', { ledger, log: join(logs, 'host.jsonl'), ...plan })
  const timer = setTimeout(() => host.kill('SIGKILL'), patienceMs)
  const how = await host.ended
  clearTimeout(timer)
  const problems = how === 0 || how === 'SIGKILL' ? [] : [`the host ended with ${how}`]
  const lines = linesOf(logs)
  const pids = lines.flatMap(({ pid }) => (pid === undefined || pid === host.pid ? [] : [pid]))
  const handed = await drained(ledger, problems)
  const look = await openLook(ledger)
  problems.push(...endProblems(lines, handed), ...(await leftProblems(look, pids)))
  look.close()
  if (problems.length === 0) rmSync(folder, { recursive: true })
  return {
    problems,
    hostKilled: how === 'SIGKILL',
    childrenKilled: lines.filter(({ killed }) => killed !== undefined).length,
    statuses: handed.map(({ status }) => status),
  }
}

/** Every event that a clean process is handed, acked. */
async function drained(ledger, problems) {
  const delegator = await createDelegator({ ledger: sqliteLedger(ledger) })
  const handed = []
  try {
    await until('everything ended and delivered', patienceMs, async () => {
      const claimed = await delegator.completions.claim({ all: true })
      handed.push(...claimed.map(({ event }) => event))
      await delegator.completions.ack(claimed)
      const open = await delegator.completions.read({ all: true, states: ['pending', 'claimed'] })
      return open.length === 0 && (await delegator.list({ live: true })).length === 0
    })
  } catch (error) {
    problems.push(error.message)
  }
  await delegator.close()
  return handed
}

function endProblems(lines, handed) {
  const problems = []
  for (const { accepted: id } of lines.filter((line) => line.accepted !== undefined)) {
    const events = handed.filter(({ delegation_id }) => delegation_id === id)
    if (events.length !== 1) problems.push(`${id} came ${events.length} times`)
    const results = events[0]?.results ?? []
    const indexes = results.map(({ task_index }) => task_index).sort()
    if (indexes.join() !== '0,1,2') problems.push(`${id} has the results of ${indexes.join()}`)
    // It was told that this one was done: then it stays done (P5).
    const isDone = lines.some(({ done }) => done === id)
    const first = results.find(({ task_index }) => task_index === 0)
    if (isDone && first?.summary !== 'ran') problems.push(`${id} lost what its first child had finished`)
    for (const { status } of results.slice(1)) {
      if (!['interrupted', 'error', 'unknown'].includes(status))
        problems.push(`a child of ${id} is ${status}`)
    }
  }
  return problems
}

async function leftProblems(look, pids) {
  const problems = []
  const slots = look.number('SELECT count(*) FROM units WHERE slot_held = 1')
  const charges = look.number('SELECT count(*) FROM charges')
  if (slots + charges > 0) problems.push(`${slots} slots and ${charges} charges are left`)
  try {
    await until('every child is gone', patienceMs, () => !pids.some(isAlive))
  } catch {
    problems.push(`children outlive their host: ${pids.filter(isAlive).join()}`)
  }
  return problems
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
