/**
 * A host whose children hear nothing. It interrupts them, so that they are ended by force, and at the `nth` visit of the
 * fail point `point` its children, itself, or both are killed. What it was told before that is in its log.
 */
import { openSync, writeSync } from 'node:fs'

const given = JSON.parse(process.argv[2])
const log = openSync(given.log, 'a')
const note = (line) => writeSync(log, `${JSON.stringify(line)}\n`)
const pids = new Set()
let isStopping = false
let visits = 0

function killChildren() {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
      note({ killed: pid })
    } catch {
      // It was faster.
    }
  }
}

globalThis[Symbol.for('hermes-delegate.fail-point')] = (name) => {
  if (!isStopping || name !== given.point || (visits += 1) !== given.nth) return
  if (given.killsChildren) killChildren()
  if (given.killsHost) process.kill(process.pid, 'SIGKILL')
}
const { createDelegator, moduleRunner, sqliteLedger } = await import('../../dist/index.js')

const units = 3
const deafOnes = 2
const delegator = await createDelegator({
  ledger: sqliteLedger(given.ledger),
  maxUnits: units,
  maxConcurrentChildren: 1 + deafOnes,
  isolation: given.isolation,
})
const runner = moduleRunner(new URL('./forced-runner.js', import.meta.url))
let ready = 0
const allReady = new Promise((resolve) => {
  const one = () => (ready += 1) === units * (1 + deafOnes) && resolve()
  const deaf = new Set()
  delegator.events.onAny(({ type, payload }) => {
    if (type === 'child' && payload.result !== undefined && payload.task_index === 0) {
      one()
    } else if (type === 'progress' && typeof payload.progress?.pid === 'number') {
      const name = `${payload.delegation_id} ${payload.task_index}`
      if (deaf.has(name)) return
      deaf.add(name)
      note({ pid: payload.progress.pid })
      if (payload.progress.pid !== process.pid) pids.add(payload.progress.pid)
      one()
    }
  })
})
// Nothing of a delegator keeps a process alive.
setInterval(() => undefined, 60_000)
const ids = []
for (let unit = 0; unit < units; unit += 1) {
  const { delegationId } = await delegator.dispatchBatch({ goals: ['quick', 'deaf', 'deaf'], runner })
  note({ accepted: delegationId })
  ids.push(delegationId)
}
await allReady
// A record of these ends stands in the ledger once it shows them.
for (const id of ids) {
  if ((await delegator.get(id)).children[0]?.state === 'completed') note({ done: id })
}
isStopping = true
if (given.point === null) {
  delegator.interruptAll('enough', { graceMs: 30 }).catch(() => undefined)
  killChildren()
}
await delegator.interruptAll('enough', { graceMs: 30 })
await delegator.close()
process.exit(0)
