/**
 * The disk is full when units end: their ends are kept aside, and delivered once there is room. All the while another
 * delegator judges owners, and takes over what the dead ones left.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { newFolder, sleep, start, until } from './lib.js'

const units = 12
/** A dead owner is found within three seconds; a sweep of a full disk has had its chance by then. */
const sweepMs = 4_000
const sessionKey = 'agent:main:chaos:dm:disk'

export async function diskFull() {
  const folder = newFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'pipe' })
  } catch {
    rmSync(folder, { recursive: true })
    return { problems: [], skipped: 'mounting a file system is not allowed here' }
  }
  try {
    return await onSmallDisk(folder)
  } finally {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true })
  }
}

function fill(file) {
  const handle = openSync(file, 'w')
  const block = Buffer.alloc(4096)
  try {
    for (;;) writeSync(handle, block)
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error
  } finally {
    closeSync(handle)
  }
}

/** Claims until all of `ids` came, or for 15 s. Returns what became of those that did not end well. */
async function delivered(delegator, ids, how) {
  const seen = new Map()
  const deadline = performance.now() + 15_000
  while (!ids.every((id) => seen.has(id)) && performance.now() < deadline) {
    const claimed = await delegator.completions.claim({ sessionKey })
    for (const { event } of claimed) seen.set(event.delegation_id, event.status)
    await delegator.completions.ack(claimed)
    await sleep(50)
  }
  const lost = ids.filter((id) => seen.get(id) !== 'completed')
  return lost.map((id) => `${id} is ${seen.get(id) ?? 'lost'} (its owner ${how})`)
}

async function onSmallDisk(folder) {
  const path = join(folder, 'ledger.db')
  const disk = { path, filler: join(folder, 'filler') }
  const sweeper = await createDelegator({ ledger: sqliteLedger(path), maxUnits: units, adopt: true })
  try {
    const stayed = await ownedHere(disk, false)
    const restarted = await ownedHere(disk, true)
    const killed = await ownedByTheDead(disk, sweeper)
    return {
      problems: [...stayed.problems, ...restarted.problems, ...killed],
      units: 3 * units,
      refusedWhenFull: restarted.refusedWhenFull,
    }
  } finally {
    await sweeper.close()
  }
}

async function ownedHere({ path, filler }, isRestarted) {
  const ledger = sqliteLedger(path)
  let delegator = await createDelegator({ ledger, maxUnits: units + 1 })
  let finish = () => undefined
  const finished = new Promise((resolve) => (finish = resolve))
  const runner = () => finished.then(() => ({ summary: 'x'.repeat(5_000) }))
  const call = { goal: 'fill', sessionKey, runner }
  const handles = await Promise.all(Array.from({ length: units }, () => delegator.dispatch(call)))
  fill(filler)
  const refusedWhenFull = await delegator
    .dispatch({ ...call, context: 'y'.repeat(500_000) })
    .catch(({ code }) => code)
  const told = new Set()
  delegator.events.on('completion', ({ delegation_id }) => told.add(delegation_id))
  finish()
  await until('every end told', 20_000, () => told.size >= units)
  if (isRestarted) await delegator.close()
  rmSync(filler)
  if (isRestarted) delegator = await createDelegator({ ledger, maxUnits: units })
  const ids = handles.map(({ delegationId }) => delegationId)
  const problems = await delivered(delegator, ids, isRestarted ? 'was restarted' : 'stayed')
  await delegator.close()
  return { problems, refusedWhenFull }
}

/** The owner is killed with all of its ends kept aside: whoever finds it dead must not give them up. */
async function ownedByTheDead({ path, filler }, sweeper) {
  const owner = start('disk-owner', { ledger: path, units, sessionKey })
  await until('all units run', 20_000, () => owner.printed().includes('\n'))
  const ids = JSON.parse(owner.printed())
  fill(filler)
  owner.kill('SIGUSR2')
  await until('every end told', 20_000, () => owner.printed().includes('told'))
  owner.kill('SIGKILL')
  await owner.ended
  await sleep(sweepMs)
  const early = (await sweeper.list({ all: true })).filter(
    ({ delegation_id, status }) => ids.includes(delegation_id) && status === 'unknown',
  )
  rmSync(filler)
  const problems = await delivered(sweeper, ids, 'was killed')
  return [...early.map(({ delegation_id }) => `${delegation_id} was given up on a full disk`), ...problems]
}
