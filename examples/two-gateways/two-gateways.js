// node examples/two-gateways/two-gateways.js: two gateways delegate to each other over A2A, each in a process of its own.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { EventEmitter, on, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./gateway.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'two-gateways-'))

/** A gateway of another process: its delegator's methods by `call`, and its turns as they come. */
async function startGateway({ name, maxUnits, env }) {
  const child = fork(program, [JSON.stringify({ name, maxUnits, ledger: join(folder, `${name}.db`) })], {
    env: { ...process.env, ...env },
  })
  process.once('exit', () => child.kill('SIGKILL'))
  child.once('exit', (code) => code !== 0 && process.exit(1))
  const told = new EventEmitter()
  const turns = on(told, 'turn')
  child.on('message', ({ n, answer, error, address, turn }) => {
    if (address !== undefined) told.emit('address', address)
    else if (turn !== undefined) told.emit('turn', turn)
    else told.emit(`answer ${n}`, answer, error)
  })
  const [address] = await once(told, 'address')
  let calls = 0
  return {
    name,
    address,
    async call(call, ...given) {
      const n = (calls += 1)
      child.send({ n, call, given })
      const [answer, error] = await once(told, `answer ${n}`)
      if (error !== undefined) throw new Error(`${name}: ${error}`)
      return answer
    },
    nextTurn: async () => (await turns.next()).value[0],
    gone: once(child, 'exit'),
  }
}

const paint = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text)
/** What comes from elsewhere does not steer the terminal. */
const plain = (text) => String(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
const firstSentence = (text) => /^.*?\.(?= |$)/.exec(text)?.[0] ?? text
const title = (text) => process.stdout.write(`${paint(1, text)}\n`)
const line = (from, arrow, to, text, color = 0) =>
  process.stdout.write(`  ${paint(36, from)} ${arrow} ${paint(36, to)}  ${paint(color, plain(text))}\n`)

// Each has a token that the other one calls it with.
const [ofNorth, ofSouth] = [1, 2].map(() => randomBytes(24).toString('base64url'))
const [north, south] = await Promise.all([
  startGateway({ name: 'north', maxUnits: 8, env: { TOKEN: ofNorth, PEER_TOKEN: ofSouth } }),
  startGateway({ name: 'south', maxUnits: 2, env: { TOKEN: ofSouth, PEER_TOKEN: ofNorth } }),
])
await Promise.all([north.call('join', { peer: south.address }), south.call('join', { peer: north.address })])

/** Comes back at once; what comes of it is a turn, later. */
async function delegate(from, to, goal) {
  line(from.name, '→', to.name, goal)
  const { delegationId } = await from.call('dispatch', { goal, runner: 'peer', sessionKey: 'chat' })
  return delegationId
}

async function told(from, to) {
  const { status, summary, exit_reason: reason, error } = await from.nextTurn()
  if (status === 'completed') line(from.name, '←', to.name, summary, 32)
  else line(from.name, '←', to.name, `${reason ?? status}: ${firstSentence(error ?? summary)}`, 31)
}

/** How many tasks run there. */
async function running(gateway, wanted) {
  while ((await gateway.call('activeCount')) !== wanted)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

title('Each delegates to the other')
await delegate(north, south, 'the length of the Danube')
await told(north, south)
await delegate(south, north, 'the height of Mont Blanc')
await told(south, north)

title('South has two slots: a third task is refused')
const watches = [await delegate(north, south, 'keep watch'), await delegate(north, south, 'keep watch')]
await running(south, 2)
await delegate(north, south, 'the length of the Danube')
await told(north, south)

title('An interrupt stops the children on the other side')
const { stopped, escalated } = await north.call('interrupt', watches, { reason: 'the watch is over' })
const left = await south.call('activeCount')
line(
  north.name,
  '→',
  south.name,
  `stopped: ${stopped}, by force: ${escalated}, still running at south: ${left}`,
)
await told(north, south)
await told(north, south)

title('A question comes across, and its answer goes back')
await delegate(north, south, 'the length of a river')
const { delegation_id: asking, question } = await north.nextTurn()
line(north.name, '←', south.name, question.text, 33)
line(north.name, '→', south.name, 'Danube')
await north.call('answer', asking, 'Danube')
await told(north, south)

await Promise.all([north, south].map((gateway) => gateway.call('close')))
await Promise.all([north.gone, south.gone])
rmSync(folder, { recursive: true, force: true })
