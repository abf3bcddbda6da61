/** The disk is full when units end: their ends are kept aside, and delivered once there is room. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { newFolder, sleep, until } from './lib.js'

const units = 12
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

async function onSmallDisk(folder) {
  const filler = join(folder, 'filler')
  const ledger = sqliteLedger(join(folder, 'ledger.db'))
  const problems = []
  const seen = new Map()
  let refusedWhenFull = ''
  for (const isRestarted of [false, true]) {
    let delegator = await createDelegator({ ledger, maxUnits: units + 1 })
    let finish = () => undefined
    const finished = new Promise((resolve) => (finish = resolve))
    const runner = () => finished.then(() => ({ summary: 'x'.repeat(5_000) }))
    const call = { goal: 'fill', sessionKey, runner }
    const handles = await Promise.all(Array.from({ length: units }, () => delegator.dispatch(call)))
    fill(filler)
    refusedWhenFull = await delegator
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
    const deadline = performance.now() + 15_000
    while (!ids.every((id) => seen.has(id)) && performance.now() < deadline) {
      const claimed = await delegator.completions.claim({ sessionKey })
      for (const { event } of claimed) seen.set(event.delegation_id, event.status)
      await delegator.completions.ack(claimed)
      await sleep(50)
    }
    const lost = ids.filter((id) => seen.get(id) !== 'completed')
    problems.push(...lost.map((id) => `${id} is ${seen.get(id) ?? 'lost'} (restarted: ${isRestarted})`))
    await delegator.close()
  }
  return { problems, units: 2 * units, delivered: seen.size, refusedWhenFull }
}
