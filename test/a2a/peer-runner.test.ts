import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { peerRunner, pushReceiver } from '../../src/a2a/peer-runner.js'
import { deduplicatingExtension } from '../../src/a2a/card.js'
import { DelegationError, type SingleEvent } from '../../src/index.js'
import { delegate, eventually, openOnPeer, sdkPeer, start } from './support.js'

const wires = [
  { version: '1.0', binding: 'JSONRPC' },
  { version: '1.0', binding: 'HTTP+JSON' },
  { version: '0.3', binding: 'JSONRPC' },
] as const

describe.each(wires)('a peer on the official SDK, $version over $binding', (wire) => {
  it('its artifacts are the summary, and its ids are in the result', async () => {
    const peer = await sdkPeer(wire)
    const event = await delegate(peer.url, 'paint the fence')
    expect(event).toMatchObject({
      status: 'completed',
      summary: 'did\npaint the fence',
      error: null,
      api_calls: 1,
    })
    expect(event.peer).toMatchObject({
      version: wire.version,
      transport: wire.binding,
      task_id: peer.agent.contexts[0]?.taskId,
      context_id: peer.agent.contexts[0]?.contextId,
      message_id: `${event.delegation_id}-0`,
    })
    expect(peer.agent.executed).toEqual([`${event.delegation_id}-0`])
  })

  it('a message is a whole answer; a text of the status counts where no artifact has one', async () => {
    const peer = await sdkPeer(wire)
    expect(await delegate(peer.url, 'message well met')).toMatchObject({
      status: 'completed',
      summary: 'well met',
    })
    expect(await delegate(peer.url, 'status-only')).toMatchObject({ summary: 'from the status' })
  })

  it('B10: a task that failed is failed, one that was refused is failed as rejected', async () => {
    const peer = await sdkPeer(wire)
    expect(await delegate(peer.url, 'fail')).toMatchObject({
      status: 'failed',
      error: 'it went wrong',
      summary: null,
    })
    const refused = await delegate(peer.url, 'reject')
    expect(refused).toMatchObject({ status: 'failed', error: 'no room', exit_reason: 'rejected' })
    expect(await delegate(peer.url, 'message Agent error: out of memory')).toMatchObject({
      status: 'failed',
      error: 'Agent error: out of memory',
    })
  })

  it('the trace of the delegation goes along', async () => {
    const peer = await sdkPeer(wire)
    const delegator = await openOnPeer(peer.url)
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const outcome = await delegator.dispatch({ goal: 'message hi', traceContext: { traceparent } })
    if (outcome.status === 'rejected') throw new Error(outcome.error)
    await delegator.wait(outcome.delegationId)
    const sent = peer.requests.find(({ text }) => text.includes('message hi'))
    expect(sent?.headers['traceparent']).toBe(traceparent)
  })

  it('files and data are kept', async () => {
    const peer = await sdkPeer(wire)
    const event = await delegate(peer.url, 'files')
    expect(event.summary).toBe('with files')
    expect(event.files).toEqual([
      { name: 'a.txt', media_type: 'text/plain', bytes: 5, base64: Buffer.from('bytes').toString('base64') },
      { name: 'b.txt', media_type: 'text/plain', url: 'https://example.com/b.txt' },
    ])
    expect(event.data).toEqual([{ n: 1 }])
  })

  it('a task that asks is a child that asks; the answer goes into the same task and context', async () => {
    const peer = await sdkPeer(wire)
    const delegator = await openOnPeer(peer.url)
    const asked = vi.fn()
    delegator.events.on('question', asked)
    const id = await start(delegator, 'ask me')
    await eventually(() => asked.mock.calls.length > 0)
    expect(asked.mock.calls[0]).toMatchObject([{ text: 'which colour?', state: 'open' }])
    expect((await delegator.get(id)).children[0]?.state).toBe('input_required')
    await delegator.answer(id, 'blue')
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ status: 'completed', summary: 'you said blue' })
    expect(peer.agent.executed).toEqual([`${id}-0`, expect.stringMatching(`^${id}-0-[0-9a-f]{16}$`)])
    expect(peer.agent.contexts[1]).toEqual(peer.agent.contexts[0])
  })

  it('a task that wants an authorization says so as its state', async () => {
    const peer = await sdkPeer(wire)
    const delegator = await openOnPeer(peer.url)
    const id = await start(delegator, 'auth')
    await eventually(async () => (await delegator.get(id)).children[0]?.state === 'auth_required')
    await eventually(async () => (await delegator.get(id)).children[0]?.question !== undefined)
    expect((await delegator.get(id)).children[0]?.question?.text).toContain('log in at example.com')
    await delegator.answer(id, 'done')
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'you said done' })
  })

  it('P6: an interrupt cancels at the peer, and ends when the peer says so', async () => {
    const peer = await sdkPeer(wire)
    const delegator = await openOnPeer(peer.url)
    const id = await start(delegator, 'wait')
    await eventually(() => peer.agent.released.size === 1)
    const report = await delegator.interrupt(id, { graceMs: 20_000 })
    expect(report).toMatchObject({ signalled: 1, stopped: 1, unreachable: 0 })
    const event = (await delegator.wait(id)) as SingleEvent
    expect(event).toMatchObject({ status: 'interrupted', error: 'canceled at the peer' })
    expect(peer.count(wire.version === '0.3' ? 'tasks/cancel' : 'CancelTask')).toBe(1)
  })
})

describe('how it is followed', () => {
  it('P6: a cancel that nobody confirms is unreachable, and the slot is held until it is given up', async () => {
    const peer = await sdkPeer()
    peer.agent.deafToCancel = true
    const delegator = await openOnPeer(peer.url, { cancelTimeoutSeconds: 1 })
    const id = await start(delegator, 'wait')
    await eventually(() => peer.agent.released.size === 1)
    expect(await delegator.interrupt(id, { graceMs: 100 })).toMatchObject({ stopped: 0, unreachable: 1 })
    expect(await delegator.capacity()).toMatchObject({ inUse: 1 })
    await eventually(async () => (await delegator.capacity()).inUse === 0)
  })

  it('P4: a result that came before the cancel is the result', async () => {
    let delegator: Awaited<ReturnType<typeof openOnPeer>> | null = null
    const peer = await sdkPeer({
      intercept: ({ rpc }) => {
        if (rpc === 'CancelTask') peer.agent.release()
        return false
      },
    })
    peer.agent.deafToCancel = true
    delegator = await openOnPeer(peer.url)
    const id = await start(delegator, 'wait')
    await eventually(() => peer.agent.released.size === 1)
    await delegator.interrupt(id, { graceMs: 20_000 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'did\nwait' })
  })

  it('a subscription is held for a long task; when it breaks, looking goes on', async () => {
    const peer = await sdkPeer()
    const delegator = await openOnPeer(peer.url)
    const id = await start(delegator, 'wait')
    await eventually(() => peer.count('SubscribeToTask') > 0)
    peer.drop()
    await eventually(() => peer.agent.released.size === 1)
    peer.agent.release()
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'did\nwait' })
    expect(peer.agent.executed).toHaveLength(1)
  })

  it('a peer that neither streams nor lists is polled', async () => {
    const peer = await sdkPeer({ streaming: false, lists: false })
    const delegator = await openOnPeer(peer.url)
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => start(delegator, `pause ${n}`)))
    for (const id of ids) expect(await delegator.wait(id)).toMatchObject({ status: 'completed' })
    expect(peer.count('SubscribeToTask')).toBe(0)
    expect(peer.count('ListTasks')).toBeLessThanOrEqual(4)
  })

  it('1,000 followed tasks cost a few connections, and one list in place of a thousand looks', async () => {
    const peer = await sdkPeer()
    const many = 1_000
    const delegator = await openOnPeer(
      peer.url,
      { poll: { initialMs: 50, maxMs: 1_000 } },
      { maxUnits: many },
    )
    const ids = await Promise.all(Array.from({ length: many }, () => start(delegator, 'wait')))
    await eventually(() => peer.agent.released.size === many)
    await eventually(() => peer.count('ListTasks') > 0)
    // 48, and as many as `maxStreams` for subscriptions.
    expect(peer.openSockets()).toBeLessThanOrEqual(48 + 4)
    peer.agent.release()
    for (const id of ids) expect(await delegator.wait(id)).toMatchObject({ status: 'completed' })
    expect(peer.agent.executed).toHaveLength(many)
  }, 120_000)

  it('a push notification makes it look at once', async () => {
    const token = 'a-token-of-the-receiver'
    vi.stubEnv('PUSH_TOKEN', token)
    onTestFinished(() => void vi.unstubAllEnvs())
    const receive = pushReceiver({ token })
    const statuses: number[] = []
    const server = createServer((request, response) => {
      response.once('finish', () => statuses.push(response.statusCode))
      receive(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401)
    const peer = await sdkPeer({ push: true, streaming: false })
    // Without the push the next look is far away.
    const delegator = await openOnPeer(peer.url, {
      poll: { initialMs: 600_000, maxMs: 600_000 },
      push: { url, tokenEnv: 'PUSH_TOKEN' },
    })
    const id = await start(delegator, 'wait')
    await eventually(() => peer.agent.released.size === 1 && statuses.length > 1)
    peer.agent.release()
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'did\nwait' })
    expect(statuses.slice(1).every((status) => status === 204)).toBe(true)
  })

  it('what goes on from an ended child stays in its context', async () => {
    const peer = await sdkPeer()
    const delegator = await openOnPeer(peer.url)
    const first = await start(delegator, 'one')
    await delegator.wait(first)
    const outcome = await delegator.dispatch({ goal: 'two', continueFrom: first })
    if (outcome.status === 'rejected') throw new Error(outcome.error)
    await delegator.wait(outcome.delegationId)
    expect(peer.agent.contexts[1]?.contextId).toBe(peer.agent.contexts[0]?.contextId)
    expect(peer.agent.contexts[1]?.taskId).not.toBe(peer.agent.contexts[0]?.taskId)
  })
})

describe('who may talk to it', () => {
  it('the token goes along, from the variable that is named', async () => {
    const peer = await sdkPeer({ token: 'secret-of-the-peer' })
    vi.stubEnv('PEER_TOKEN', 'secret-of-the-peer')
    onTestFinished(() => void vi.unstubAllEnvs())
    const told = await delegate(peer.url, 'hello', { auth: { tokenEnv: 'PEER_TOKEN' } })
    expect(told).toMatchObject({ status: 'completed' })
    const silent = await delegate(peer.url, 'hello')
    expect(silent).toMatchObject({ status: 'failed', failure_reason: 'PEER_HTTP' })
    expect(silent.error).toContain('401')
    const unset = await delegate(peer.url, 'hello', { auth: { tokenEnv: 'NO_SUCH_TOKEN' } })
    expect(unset).toMatchObject({ status: 'failed', failure_reason: 'PEER_TOKEN_MISSING' })
  })

  it('options that cannot be used are told all at once, and no value is shown', () => {
    const make = (): unknown =>
      peerRunner({ url: 'ftp://x', auth: { tokenEnv: 'sk-secret value' }, retry: { maxRetries: -1 } })
    expect(make).toThrow(DelegationError)
    expect(make).toThrow(/url: expected an http[\s\S]*auth.tokenEnv[\s\S]*retry.maxRetries/)
    expect(make).not.toThrow(/sk-secret/)
    expect(() => peerRunner({})).toThrow(/exactly one of `url` and `card`/)
  })

  it('a card can say that messages are de-duplicated', async () => {
    const peer = await sdkPeer({ extensions: [{ uri: deduplicatingExtension }] })
    const { pingPeer } = await import('../../src/a2a/peer-runner.js')
    expect(await pingPeer(peerRunner({ url: peer.url }))).toMatchObject({
      name: 'Told agent',
      deduplicates: true,
    })
  })
})
