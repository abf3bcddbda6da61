/** 23. 500 delegations to a peer on this machine, versus the official client's own blocking sends to the same server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ClientFactory } from '@a2a-js/sdk/client'
import { peerRunner } from '../dist/a2a/peer-runner.js'
import { deliverAll, interleave, median, open, ratioOf, report, row } from './lib.js'

const total = 500
const inFlight = total
const rounds = 7
const server = spawn(process.execPath, [
  fileURLToPath(new URL('../test/fixtures/a2a/sdk-server.js', import.meta.url)),
  '{}',
])
const [line] = await once(server.stdout, 'data')
const url = String(line).trim()

const delegator = await open({ runner: peerRunner({ url }), maxUnits: inFlight, transcripts: false })
const client = await new ClientFactory().createFromUrl(url)

const rate = async (work) => {
  const start = performance.now()
  await work()
  return (total / (performance.now() - start)) * 1000
}

async function sendAll(goal) {
  let started = 0
  const chain = async () => {
    while (started < total) {
      started += 1
      const answer = await client.sendMessage({
        tenant: '',
        message: {
          messageId: crypto.randomUUID(),
          contextId: '',
          taskId: '',
          role: 1,
          parts: [
            { content: { $case: 'text', value: goal }, metadata: undefined, filename: '', mediaType: '' },
          ],
          metadata: undefined,
          extensions: [],
          referenceTaskIds: [],
        },
        configuration: undefined,
        metadata: undefined,
      })
      if (answer.status !== undefined && answer.status.state !== 3) throw new Error(JSON.stringify(answer))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, chain))
}

const rows = []
for (const [id, what, goal] of [
  ['23a', 'delegations to a peer that answers with a task', 'a goal'],
  ['23b', 'the same, of a peer that answers with a message', 'message a goal'],
]) {
  const ours = () => rate(() => deliverAll(delegator, { total, inFlight, call: { goal } }))
  const theirs = () => rate(() => sendAll(goal))
  await ours()
  await theirs()
  const figures = await interleave(rounds, ours, theirs)
  const { ratio, spread } = ratioOf(figures)
  rows.push(
    row({
      id,
      what: `${what}; baseline: the official client's own sends`,
      unit: '/s',
      ours: median(figures.ours),
      bare: median(figures.bare),
      ratio,
      spread,
      bound: { ratio: { atLeast: 0.7 } },
    }),
  )
}
report(...rows)
server.kill()
process.exit()
