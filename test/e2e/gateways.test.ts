/**
 * Two gateways in processes of their own, and a wire between them that breaks. What a lying peer can do to a client alone is
 * in test/a2a/lying-peer, what a client can do to a server alone in test/a2a/server, with the official SDK on the other side.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { startSdkServer } from '../fixtures/a2a/sdk-server.js'
import { until } from './cli-process.js'
import { startGateway, startWire, type Fault, type Gateway, type JoinOptions, type Wire } from './gateways.js'

const folder = mkdtempSync(join(tmpdir(), 'gateways-'))
const quickly = {
  retry: { initialMs: 1, maxMs: 10 },
  poll: { initialMs: 5, maxMs: 100 },
  requestTimeoutSeconds: 3,
  queuedTimeoutSeconds: 1,
  lostAfterSeconds: 30,
  maxResponseMb: 0.1,
} as const
const lookUp = 'the length of the Danube'
const found = { status: 'completed', summary: '2,850 kilometres' }

let ledgers = 0
const start = (name: string, port = 0, ledger = join(folder, `${name}-${(ledgers += 1)}.db`)) =>
  startGateway({ name, port, ledger, maxUnits: name === 'far' ? 4 : 8 })

let near: Gateway
let far: Gateway
let wire: Wire

/** A pair, and the wire on the way from the near one to the far one. */
async function pair(options: Partial<JoinOptions> = {}) {
  const between = await startWire()
  const [here, there] = await Promise.all([start('near'), start('far')])
  between.target = there.address
  await there.join({ peer: here.address, url: between.url })
  await here.join({ peer: between.url, ...quickly, ...options })
  return { here, there, between }
}

beforeAll(async () => {
  ;({ here: near, there: far, between: wire } = await pair())
})
afterAll(async () => {
  await Promise.all([near.close(), far.close()])
  await wire.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  wire.fault = () => false
})

/** Does it to the first request of this kind, and lets all others pass. */
function first(rpc: string, act: Fault): Fault {
  let isDone = false
  return async (exchange) => {
    if (exchange.rpc !== rpc || isDone) return false
    isDone = true
    return act(exchange)
  }
}

/** One delegation under a fault: its end, how often its message was sent, and what it began on the other side. */
async function delegated(goal = lookUp) {
  const id = await near.delegate(goal)
  const event = await near.end(id)
  const messageId = `${id}-0`
  const sent = wire.seen.filter((each) => each.messageId === messageId).length
  return { id, event, sent, units: await far.unitsOf(messageId) }
}

it.each([
  { version: '1.0', transport: 'JSONRPC' },
  { version: '1.0', transport: 'HTTP+JSON' },
  { version: '0.3', transport: 'JSONRPC' },
] as const)('over $transport of $version: done, asked, stopped, refused', async (spoken) => {
  const fresh = await start('fresh')
  onTestFinished(() => fresh.close())
  await fresh.join({ peer: far.address, allowOrigins: [wire.url], ...quickly, ...spoken })
  const done = await fresh.end(await fresh.delegate(lookUp))
  expect(done).toMatchObject({ ...found, peer: spoken })
  const asking = await fresh.delegate('the length of a river')
  await until(() => fresh.turns.some((turn) => turn.delegation_id === asking))
  await fresh.call('answer', asking, 'Danube')
  expect(await fresh.end(asking)).toMatchObject(found)
  const watching = await Promise.all(Array.from({ length: 4 }, () => fresh.delegate('keep watch')))
  await until(async () => (await far.call('activeCount')) === watching.length)
  expect(await fresh.end(await fresh.delegate(lookUp))).toMatchObject({
    status: 'failed',
    exit_reason: 'rejected',
  })
  expect(await fresh.call('interrupt', watching)).toMatchObject({ stopped: 4, unreachable: 0 })
  expect(await far.call('activeCount')).toBe(0)
})

describe('the answer to a message is lost after the peer has taken it', () => {
  const losses: readonly (readonly [string, Fault])[] = [
    [
      'the connection is cut',
      async ({ forward, request }) => {
        await forward()
        request.socket.destroy()
        return true
      },
    ],
    [
      'nothing comes back',
      async ({ forward }) => {
        await forward()
        return true
      },
    ],
    [
      'something in between answers 502',
      async ({ forward, response }) => {
        await forward()
        response.writeHead(502).end('bad gateway')
        return true
      },
    ],
    [
      'fewer bytes come than were announced',
      async ({ forward, response }) => {
        const { body } = await forward()
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
        response.write(body.slice(0, -10), () => response.destroy())
        return true
      },
    ],
  ]
  it.each(losses)('W6: %s: it is sent again, and there is one unit and one result', async (_name, fault) => {
    wire.fault = first('SendMessage', fault)
    const { event, sent, units } = await delegated()
    expect(event).toMatchObject(found)
    expect(sent).toBeGreaterThan(1)
    expect(units).toHaveLength(1)
  })

  it('P4: a message that arrives twice begins one unit', async () => {
    wire.fault = first('SendMessage', async ({ forward, response }) => {
      const [{ status, headers, body }] = await Promise.all([forward(), forward()])
      response.writeHead(status, headers).end(body)
      return true
    })
    const { event, units } = await delegated()
    expect(event).toMatchObject(found)
    expect(units).toHaveLength(1)
  })
})

describe('what comes back is no answer', () => {
  const answers: readonly (readonly [string, Fault, object])[] = [
    [
      '202, queued',
      ({ response }) => {
        response.writeHead(202, { 'content-type': 'application/json' }).end('{"queued":true}')
        return true
      },
      { status: 'timeout', exit_reason: 'queued' },
    ],
    [
      'wrong JSON',
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0",')
        return true
      },
      { status: 'failed', failure_reason: 'PEER_RESPONSE' },
    ],
    [
      'more bytes than were announced',
      ({ response }) => {
        response.strictContentLength = false
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 5 })
        response.end('{"jsonrpc":"2.0"}')
        return true
      },
      { status: 'failed', failure_reason: 'PEER_RESPONSE' },
    ],
    [
      'another content type',
      async ({ forward, response }) => {
        const { body } = await forward()
        response.writeHead(200, { 'content-type': 'text/html' }).end(body)
        return true
      },
      { status: 'failed', failure_reason: 'PEER_RESPONSE' },
    ],
    [
      'an answer without an end',
      ({ response }) => endless(response, 'application/json', ' '.repeat(20_000)),
      { status: 'failed', failure_reason: 'PEER_TOO_LARGE' },
    ],
    [
      'a redirect',
      ({ request, response }) => {
        response.writeHead(307, { location: request.url ?? '/' }).end()
        return true
      },
      { status: 'failed', failure_reason: 'PEER_REDIRECT' },
    ],
  ]
  it.each(answers)('B4: %s ends it, with a reason, and it is not sent again', async (_name, fault, end) => {
    wire.fault = first('SendMessage', fault)
    const { event, sent } = await delegated()
    expect(event).toMatchObject(end)
    expect(event.error).toMatch(/\w{5}/)
    expect(sent).toBe(1)
  })

  it('a slow peer, looks that fail and a subscription without an end: the result comes all the same', async () => {
    const broken = new Set<string>()
    wire.fault = async ({ rpc, response, request }) => {
      if (rpc === 'SendMessage') await new Promise((resolve) => setTimeout(resolve, 300))
      if (rpc === 'SubscribeToTask') {
        broken.add(rpc)
        return endless(response, 'text/event-stream', `: ${' '.repeat(20_000)}\n\n`)
      }
      if (rpc === 'GetTask' && !broken.has(rpc)) {
        broken.add(rpc)
        request.socket.destroy()
        return true
      }
      return false
    }
    // It asks, and so lasts until it is answered: long enough for a subscription.
    const id = await near.delegate('the length of a river')
    await until(() => near.turns.some((turn) => turn.delegation_id === id) && broken.size === 2)
    await near.call('answer', id, 'Danube')
    expect(await near.end(id)).toMatchObject(found)
    expect(await far.unitsOf(`${id}-0`)).toHaveLength(1)
  })
})

describe('W12: a card opens no other door', () => {
  const cards: readonly (readonly [string, Fault, string])[] = [
    [
      'that redirects for ever',
      ({ request, response }) => {
        response.writeHead(302, { location: request.url ?? '/' }).end()
        return true
      },
      'PEER_REDIRECT',
    ],
    [
      'that points at a private address',
      async ({ forward, response }) => {
        const { body } = await forward()
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(body.replaceAll(wire.url, 'http://10.0.0.1'))
        return true
      },
      'PEER_ADDRESS',
    ],
  ]
  it.each(cards)('one %s ends it before anything is sent', async (_name, fault, code) => {
    const fresh = await start('fresh')
    onTestFinished(() => fresh.close())
    await fresh.join({ peer: wire.url, ...quickly })
    wire.fault = (exchange) => exchange.rpc === 'card' && fault(exchange)
    const before = wire.count('SendMessage')
    const event = await fresh.end(await fresh.delegate(lookUp))
    expect(event).toMatchObject({ status: 'failed', failure_reason: code })
    expect(wire.count('SendMessage')).toBe(before)
  })
})

describe('one of them dies in the middle', () => {
  const portOf = ({ address }: Gateway): number => Number(new URL(address).port)

  it('P3: the far one, and comes back with its ledger: the task is failed, and says that nobody knows', async () => {
    const { here, there, between } = await pair()
    const id = await here.delegate('keep watch')
    await until(async () => (await there.call('activeCount')) === 1)
    await there.kill()
    // The last one of this name was its.
    const again = await start('far', portOf(there), join(folder, `far-${ledgers}.db`))
    onTestFinished(() => Promise.all([here.close(), again.close(), between.close()]).then(() => undefined))
    await again.join({ peer: here.address, url: between.url })
    const event = await here.end(id)
    expect(event.status).toBe('failed')
    expect(event.failure_reason).toBeUndefined()
    expect(event.error).toMatch(/died|unknown/)
    expect(between.count('SendMessage')).toBe(1)
    expect(await again.unitsOf(`${id}-0`)).toHaveLength(1)
  })

  it('the far one, for good: the task is given up in time', async () => {
    const { here, there, between } = await pair({ lostAfterSeconds: 1 })
    onTestFinished(() => Promise.all([here.close(), between.close()]).then(() => undefined))
    const id = await here.delegate('keep watch')
    await until(async () => (await there.call('activeCount')) === 1)
    await there.kill()
    expect(await here.end(id)).toMatchObject({ status: 'failed', failure_reason: 'PEER_LOST' })
    expect(between.count('SendMessage')).toBe(1)
  })

  it('B16: the near one, and comes back with its ledger: it goes on following, and can still answer', async () => {
    const between = await startWire()
    const there = await start('far')
    const ledger = join(folder, 'near-again.db')
    const here = await start('near', 0, ledger)
    between.target = there.address
    await there.join({ peer: here.address, url: between.url })
    await here.join({ peer: between.url, ...quickly })
    const id = await here.delegate('the length of a river')
    await until(() => here.turns.length === 1)
    await here.kill()
    const again = await start('near', portOf(here), ledger)
    onTestFinished(() => Promise.all([again.close(), there.close(), between.close()]).then(() => undefined))
    await again.join({ peer: between.url, ...quickly })
    await until(() => again.turns.some((turn) => turn.delegation_id === id))
    await again.call('answer', id, 'Danube')
    expect(await again.end(id)).toMatchObject(found)
    // Where the task's id was not stored yet, the message is sent once more, under its old name.
    const sent = new Set(between.seen.flatMap(({ messageId }) => messageId ?? []))
    expect([...sent]).toEqual([`${id}-0`, expect.stringMatching(`^${id}-0-[0-9a-f]{16}$`)])
    expect(await there.unitsOf(`${id}-0`)).toHaveLength(1)
  })
})

it("the official SDK's server as the other side: done, asked, stopped", async () => {
  const server = await startSdkServer({})
  const here = await start('near')
  onTestFinished(() => Promise.all([here.close(), server.close()]).then(() => undefined))
  await here.join({ peer: server.url, ...quickly })
  expect(await here.end(await here.delegate('look'))).toMatchObject({ summary: 'did\nlook' })
  const asking = await here.delegate('ask')
  await until(() => here.turns.some((turn) => turn.delegation_id === asking))
  await here.call('answer', asking, 'red')
  expect(await here.end(asking)).toMatchObject({ status: 'completed', summary: 'you said red' })
  const waits = await here.delegate('wait')
  await until(() => server.agent.released.size === 1)
  expect(await here.call('interrupt', waits)).toMatchObject({ stopped: 1, unreachable: 0 })
  expect(await here.end(waits)).toMatchObject({ status: 'interrupted', exit_reason: 'canceled' })
})

it('P8: nobody was told of an end twice, and the far host of none of them', () => {
  const ends = near.turns.filter((turn) => turn['question'] === undefined).map((turn) => turn.delegation_id)
  expect(ends.length).toBeGreaterThan(10)
  expect(new Set(ends).size).toBe(ends.length)
  expect(far.turns).toEqual([])
})

function endless(response: Parameters<Fault>[0]['response'], type: string, part: string): true {
  response.writeHead(200, { 'content-type': type })
  const timer = setInterval(() => response.write(part), 1)
  response.once('close', () => clearInterval(timer))
  return true
}
