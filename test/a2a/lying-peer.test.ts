/** What a peer can answer that is no answer: each ends the child in its time, and tells why. */
import { describe, expect, it } from 'vitest'
import type { PeerRunnerOptions } from '../../src/a2a/peer-runner.js'
import type { SingleEvent } from '../../src/index.js'
import { idIn, json, lyingPeer, result, taskOf, type Answer } from './lying-server.js'
import { delegate, eventually, openOnPeer, start } from './support.js'

async function endOf(answer: Answer, options: Partial<PeerRunnerOptions> = {}) {
  const peer = await lyingPeer(answer)
  return { event: await delegate(peer.url, 'do it', options), posts: peer.posts }
}

describe('an acknowledgement of a queue is no answer (P29)', () => {
  const acks: readonly (readonly [string, number, unknown])[] = [
    ['202 with queued: true', 202, { queued: true, queue_id: 'q1', queue_depth: 3, message: 'busy' }],
    [
      'B29: 200 with status: queued',
      200,
      { status: 'queued', delivery_mode: 'poll', method: 'message/send' },
    ],
  ]
  it.each(acks)(
    'B6: %s is the state queued, sent once, and never a failure or an answer',
    async (_name, status, body) => {
      const peer = await lyingPeer((_request, response) => json(response, status, body))
      const delegator = await openOnPeer(peer.url, { deduplicates: true })
      const id = await start(delegator, 'do it')
      await eventually(async () => (await delegator.get(id)).children[0]?.state === 'queued')
      expect((await delegator.get(id)).status).toBe('running')
      await delegator.interrupt(id)
      const event = (await delegator.wait(id)) as SingleEvent
      expect(event).toMatchObject({ status: 'interrupted', exit_reason: 'queued', summary: null })
      expect(peer.posts).toHaveLength(1)
    },
  )

  it('B16: one that stays in the queue ends as timeout', async () => {
    const { event, posts } = await endOf((_request, response) => json(response, 202, { queued: true }), {
      queuedTimeoutSeconds: 0.2,
    })
    expect(event).toMatchObject({ status: 'timeout', exit_reason: 'queued' })
    expect(posts).toHaveLength(1)
  })

  it.each([
    ['a bare 202', 202, {}],
    ['queued as a text', 202, { queued: 'true' }],
  ])('%s is none, and ends failed without another try (M24)', async (_name, status, body) => {
    const { event, posts } = await endOf((_request, response) => json(response, status, body))
    expect(event.status).toBe('failed')
    expect(posts).toHaveLength(1)
  })
})

describe('B9: whatever shape comes, the child ends', () => {
  const shapes: readonly (readonly [string, Answer, string])[] = [
    [
      'wrong JSON',
      (_q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc": '),
      'PEER_RESPONSE',
    ],
    [
      'another content type',
      (_q, r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<p>ok'),
      'PEER_RESPONSE',
    ],
    ['a list', (_q, r) => json(r, 200, []), 'PEER_RESPONSE'],
    ['null', (_q, r) => json(r, 200, null), 'PEER_RESPONSE'],
    [
      'neither result nor error',
      (_q, r, body) => json(r, 200, { jsonrpc: '2.0', id: idIn(body) }),
      'PEER_RESPONSE',
    ],
    ['a result that is no object', (_q, r, body) => result(r, body, 7), 'PEER_RESPONSE'],
    ['a task without a state', (_q, r, body) => result(r, body, { task: { id: 't' } }), 'PEER_RESPONSE'],
    [
      'a task in an unknown state',
      (_q, r, body) => result(r, body, taskOf('TASK_STATE_HAPPY')),
      'PEER_RESPONSE',
    ],
    [
      'artifacts: null',
      (_q, r, body) => result(r, body, { task: { id: 't', artifacts: null } }),
      'PEER_RESPONSE',
    ],
    [
      'error as a text',
      (_q, r, body) => json(r, 200, { jsonrpc: '2.0', id: idIn(body), error: 'no' }),
      'PEER_RE',
    ],
    [
      'an error of the protocol',
      (_q, r, body) =>
        json(r, 200, { jsonrpc: '2.0', id: idIn(body), error: { code: -32602, message: 'bad parts' } }),
      'PEER_REFUSED',
    ],
    [
      'a message without parts',
      (_q, r, body) => result(r, body, { message: { messageId: 'm', role: 'ROLE_AGENT' } }),
      'PEER_RESPONSE',
    ],
    [
      "another request's id",
      (_q, r) => json(r, 200, { jsonrpc: '2.0', id: 999, result: taskOf('TASK_STATE_COMPLETED') }),
      'PEER_RESPONSE',
    ],
    ['HTTP 500', (_q, r) => r.writeHead(500).end('oops'), 'PEER_HTTP'],
    ['HTTP 403', (_q, r) => json(r, 403, { error: 'access denied' }), 'PEER_HTTP'],
    ['a reset', (q) => q.socket.destroy(), 'PEER_UNREACHABLE'],
    [
      'a content length that is too long',
      (_q, r) => {
        r.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        r.write('{}')
        setTimeout(() => r.destroy(), 20)
      },
      'PEER_UNREACHABLE',
    ],
    [
      'a content length that is too short',
      (_q, r) => {
        r.strictContentLength = false
        r.writeHead(200, { 'content-type': 'application/json', 'content-length': 5 })
        r.end('{"jsonrpc":"2.0"}')
      },
      'PEER_RE',
    ],
    ['silence', () => undefined, 'PEER_TIMEOUT'],
    [
      'an answer that never ends',
      (_q, r) => {
        r.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => r.write(' '.repeat(50_000)), 1)
        r.once('close', () => clearInterval(timer))
      },
      'PEER_TOO_LARGE',
    ],
    [
      'an answer that trickles',
      (_q, r) => {
        r.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => r.write(' '), 50)
        r.once('close', () => clearInterval(timer))
      },
      'PEER_TIMEOUT',
    ],
    ['a redirect', (_q, r) => r.writeHead(307, { location: '/elsewhere' }).end(), 'PEER_REDIRECT'],
  ]
  it.each(shapes)('%s', async (_name, answer, code) => {
    const { event, posts } = await endOf(answer, { requestTimeoutSeconds: 0.5, maxResponseMb: 0.2 })
    expect(event).toMatchObject({ status: 'failed', summary: null })
    expect(event.failure_reason).toMatch(new RegExp(`^${code}`))
    // B4: never the text None, and never sent again when it may have arrived.
    expect(event.error).toMatch(/\w{5}/)
    expect(posts).toHaveLength(1)
  })

  it('a subscription that never ends is left at its bound, and the task is looked at', async () => {
    let isDone = false
    const peer = await lyingPeer(
      (_request, response, body) => {
        const { method } = JSON.parse(body) as { method: string }
        if (method === 'SubscribeToTask') {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          const event = {
            jsonrpc: '2.0',
            id: idIn(body),
            result: {
              artifactUpdate: {
                taskId: 't-1',
                artifact: { artifactId: 'a', parts: [{ text: 'x'.repeat(10_000) }] },
                append: true,
              },
            },
          }
          const timer = setInterval(() => response.write(`data: ${JSON.stringify(event)}\n\n`), 1)
          response.once('close', () => {
            clearInterval(timer)
            isDone = true
          })
          return
        }
        const state = isDone ? 'TASK_STATE_COMPLETED' : 'TASK_STATE_WORKING'
        const task = {
          id: 't-1',
          contextId: 'c',
          status: { state },
          artifacts: [{ artifactId: 'a', parts: [{ text: 'the end' }] }],
        }
        result(response, body, method === 'SendMessage' ? { task } : task)
      },
      { capabilities: { streaming: true } },
    )
    expect(await delegate(peer.url, 'do it', { maxResponseMb: 0.1 })).toMatchObject({
      status: 'completed',
      summary: 'the end',
    })
  })

  it('P4: a peer that answers twice is heard once', async () => {
    let looks = 0
    const { event } = await endOf((_request, response, body) => {
      const { method } = JSON.parse(body) as { method: string }
      if (method === 'SendMessage') {
        result(response, body, taskOf('TASK_STATE_SUBMITTED'))
        return
      }
      looks += 1
      const [state, text] = looks === 1 ? ['TASK_STATE_COMPLETED', 'first'] : ['TASK_STATE_FAILED', 'second']
      result(response, body, {
        id: 't-1',
        contextId: 'c-1',
        status: { state },
        artifacts: [{ artifactId: 'a', parts: [{ text }] }],
      })
    })
    expect(event).toMatchObject({ status: 'completed', summary: 'first' })
    expect(looks).toBe(1)
  })

  it('a peer that dies while its task is followed is given up in time, and not sent to again', async () => {
    const { event, posts } = await endOf(
      (request, response, body) => {
        const { method } = JSON.parse(body) as { method: string }
        if (method === 'SendMessage') result(response, body, taskOf('TASK_STATE_WORKING'))
        else request.socket.destroy()
      },
      { lostAfterSeconds: 0.5 },
    )
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_LOST' })
    expect(posts.filter((body) => body.includes('SendMessage'))).toHaveLength(1)
  })

  it('a task that the peer has forgotten is lost at once', async () => {
    const { event } = await endOf((_request, response, body) => {
      const { method, id } = JSON.parse(body) as { method: string; id: number }
      if (method === 'SendMessage') result(response, body, taskOf('TASK_STATE_WORKING'))
      else json(response, 200, { jsonrpc: '2.0', id, error: { code: -32001, message: 'Task not found' } })
    })
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_LOST' })
  })
})

describe('W6: when it is sent again', () => {
  it('B5: after 429, with the same messageId, and not before the peer said', async () => {
    const { event, posts } = await endOf((_request, response, body, n) => {
      if (n < 3) json(response, 429, { error: 'slow down' }, { 'retry-after': '0' })
      else
        result(response, body, { message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: 'yes' }] } })
    })
    expect(event).toMatchObject({ status: 'completed', summary: 'yes' })
    const ids = posts.map(
      (body) => (JSON.parse(body) as { params: { message: { messageId: string } } }).params.message.messageId,
    )
    expect(ids).toEqual(Array.from({ length: 3 }, () => `${event.delegation_id}-0`))
  })

  it('B4: a busy 503 is sent again only to a peer that de-duplicates', async () => {
    const busy: Answer = (_request, response, body, n) => {
      if (n === 1) json(response, 503, { busy: true, retry_after: 0 }, { 'retry-after': '0' })
      else
        result(response, body, { message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: 'yes' }] } })
    }
    expect((await endOf(busy)).event).toMatchObject({ status: 'failed', failure_reason: 'PEER_HTTP' })
    expect((await endOf(busy, { deduplicates: true })).event).toMatchObject({ status: 'completed' })
  })

  it('a longer wait than the bound ends it at once', async () => {
    const { event, posts } = await endOf((_request, response) =>
      json(response, 429, {}, { 'retry-after': '3600' }),
    )
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_BUSY' })
    expect(posts).toHaveLength(1)
  })

  it('a peer that is not there cannot have taken it: it is tried again, and ends unreachable', async () => {
    const event = await delegate('http://127.0.0.1:9', 'do it', {
      retry: { initialMs: 1, maxMs: 2, maxRetries: 2 },
    })
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_UNREACHABLE' })
  })
})

describe('W12: a card opens no other door', () => {
  it.each([
    'http://10.0.0.1/rpc',
    'http://169.254.169.254/latest',
    'http://127.0.0.1:1/rpc',
    'file:///etc/passwd',
  ])('one that points to %s is refused before anything is sent there', async (url) => {
    const { url: peer } = await lyingPeer((_q, r) => json(r, 200, {}), {
      supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    })
    expect(await delegate(peer, 'do it')).toMatchObject({ status: 'failed', failure_reason: 'PEER_ADDRESS' })
  })

  const cards: readonly (readonly [string, Answer, string])[] = [
    ['redirects for ever', (q, r) => r.writeHead(302, { location: q.url ?? '/' }).end(), 'PEER_REDIRECT'],
    [
      'redirects to another origin',
      (_q, r) => r.writeHead(302, { location: 'http://10.0.0.1/' }).end(),
      'PEER_ADDRESS',
    ],
    ['is no JSON', (_q, r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), 'PEER_CARD'],
    ['is not there', (_q, r) => r.writeHead(404).end(), 'PEER_CARD'],
    ['names no interface', (_q, r) => json(r, 200, { name: 'x' }), 'PEER_CARD'],
    [
      'speaks gRPC only',
      (_q, r) =>
        json(r, 200, {
          supportedInterfaces: [{ url: 'http://x', protocolBinding: 'GRPC', protocolVersion: '1.0' }],
        }),
      'PEER_CARD',
    ],
    ['is null', (_q, r) => json(r, 200, null), 'PEER_CARD'],
  ]
  it.each(cards)('a card that %s', async (_name, answer, code) => {
    const peer = await lyingPeer(answer, { raw: true })
    const event = await delegate(peer.url, 'do it', { retry: { maxRetries: 0 } })
    expect(event).toMatchObject({ status: 'failed', failure_reason: code })
    expect(peer.posts).toHaveLength(0)
  })
})
