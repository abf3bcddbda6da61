// npm run demo: a fan-out over this repository's own files, a refusal at the cap, a stop, and a stall.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createDelegator, formatCompletion, moduleRunner, shellRunner } from 'hermes-delegate'
import { attachTree } from 'hermes-delegate/terminal'

const root = fileURLToPath(new URL('../../', import.meta.url))
const src = `${root}src`
const shell = shellRunner({ cwd: root })
const wordCount = new URL('word-count.js', import.meta.url)
const agent = (name) => moduleRunner(new URL('agent.js', import.meta.url), { export: name })
const say = (text) => process.stdout.write(`${text}\n`)

const tasks = [
  { goal: 'wc -l src/*/*.ts | sort -n | tail -5', runner: shell },
  { goal: 'count the words of src', runner: moduleRunner(wordCount, { options: { folder: src } }) },
  {
    goal: 'find the longest functions of src',
    runner: moduleRunner(wordCount, { export: 'longestFunctions', options: { folder: src, count: 3 } }),
  },
  ...(existsSync(`${root}.git`) ? [{ goal: 'git log --oneline -5', runner: shell }] : []),
  { goal: 'for n in 1 2 3; do echo "step $n"; sleep 0.4; done', runner: shell },
  { goal: 'echo "this one fails" >&2; exit 3', runner: shell },
]

const delegator = await createDelegator({
  maxUnits: 2,
  maxConcurrentChildren: 3,
  interruptGraceMs: 300,
  // Seconds where the defaults are minutes: nobody watches a demo that long.
  stall: { idleSeconds: 1.5, inToolSeconds: 1.5, graceSeconds: 0.5, sweepSeconds: 0.1 },
})
const tree = attachTree(delegator, { stream: process.stderr })

// Both come back at once: the work goes on in the background.
const batch = await delegator.dispatchBatch({ tasks, sessionKey: 'demo' })
const busy = await delegator.dispatch({
  goal: 'loop for ever',
  runner: moduleRunner('data:text/javascript,export default () => { for (;;); }'),
  sessionKey: 'demo',
})

// Two units are live, and two is the cap: the third is refused, as data.
const third = await delegator.dispatch({ goal: 'true', runner: shell, sessionKey: 'demo' })

const event = await delegator.wait(batch.delegationId, { collect: true })
const report = await delegator.interrupt(busy.delegationId, { reason: 'the demo is over' })
const stopped = await delegator.wait(busy.delegationId, { collect: true })

// Both say how far they are. One stops when it is told to; the other falls silent, and is found out.
const polite = await delegator.dispatch({ goal: 'read until told to stop', runner: agent('reads') })
const silent = await delegator.dispatch({ goal: 'read, and fall silent', runner: agent('fallsSilent') })
// Nothing of a delegator keeps a process alive, but a wait does.
const ended = delegator.wait(polite.delegationId, { collect: true })
await progressOf(polite)
const asked = await delegator.interrupt(polite.delegationId, { reason: 'that is enough' })
const told = await ended
const stalled = await delegator.wait(silent.delegationId, { collect: true })
tree.stop()

say('\n# The third dispatch was refused')
say(third.error)
say(
  `(code ${third.refusal.code}, held by ${third.refusal.holders.map(({ goal }) => goal.slice(0, 40)).join(' | ')})`,
)
say('\n# The busy loop, after its interrupt')
say(`${stopped.status}: ${stopped.error}`)
say(JSON.stringify(report))
say('\n# A child that hears its interrupt keeps what it has')
say(`${told.status}: ${told.summary}`)
say(JSON.stringify(asked))
say('\n# A child that shows no progress any more')
say(
  `${stalled.status} after ${stalled.stalled_after_quiet_seconds} s (${stalled.stall_phase}): ${stalled.error}`,
)
say('\n# The batch: one unit, one event\n')
say(formatCompletion(event))

await delegator.close()

/** Resolves once a unit's child has said that it made a call. */
function progressOf({ delegationId }) {
  return new Promise((resolve) => {
    delegator.events.on('progress', ({ delegation_id: id, api_calls: calls }) => {
      if (id === delegationId && calls > 0) resolve()
    })
  })
}
