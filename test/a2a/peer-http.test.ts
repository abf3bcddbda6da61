/** Every request ends in its time, and none takes the place of another. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createPeerHttp } from '../../src/a2a/peer-http.js'
import { systemTime, type PeerTime } from '../../src/a2a/peer-time.js'
import { json, lyingPeer, result, taskOf, type Answer } from './lying-server.js'
import { delegate, openOnPeer, start } from './support.js'

/** Goes on for ever. */
function trickle(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => response.write(': still here\n\n'), 20)
  response.once('close', () => clearInterval(timer))
}

function hang(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/event-stream' }).write('a')
}

describe('what calls itself a stream where an answer is due has to be complete in time', () => {
  const answers: readonly (readonly [string, Answer, string])[] = [
    ['200, trickling', (_q, r) => trickle(r, 200), 'PEER_TIMEOUT'],
    ['200, silent', (_q, r) => hang(r, 200), 'PEER_TIMEOUT'],
    ['500, silent', (_q, r) => hang(r, 500), 'PEER_TIMEOUT'],
    ['404, silent', (_q, r) => hang(r, 404), 'PEER_TIMEOUT'],
    [
      '200, complete',
      (_q, r) => r.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {}\n\n'),
      'PEER_RESPONSE',
    ],
  ]
  it.each(answers)('the answer to a message: %s', async (_name, answer, code) => {
    const { url, posts } = await lyingPeer(answer)
    const event = await delegate(url, 'do it', { requestTimeoutSeconds: 0.3 })
    expect(event).toMatchObject({ status: 'failed', summary: null, failure_reason: code, api_calls: 1 })
    expect(posts).toHaveLength(1)
  })

  it.each([200, 404, 500])('a card: %i', async (status) => {
    const { url } = await lyingPeer((_q, r) => trickle(r, status), { raw: true })
    const event = await delegate(url, 'do it', { requestTimeoutSeconds: 0.3, retry: { maxRetries: 0 } })
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_TIMEOUT' })
  })

  it('a cancel: the slot is free once it was waited for', async () => {
    const { url } = await lyingPeer((_request, response, body) => {
      const { method } = JSON.parse(body) as { method: string }
      if (method === 'CancelTask') trickle(response, 200)
      else if (method === 'SendMessage') result(response, body, taskOf('TASK_STATE_WORKING'))
      else result(response, body, { id: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_WORKING' } })
    })
    const given = { maxUnits: 1, interruptGraceMs: 2_000 }
    const delegator = await openOnPeer(url, { requestTimeoutSeconds: 0.2, cancelTimeoutSeconds: 0.5 }, given)
    const id = await start(delegator, 'do it')
    await delegator.interrupt(id)
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', exit_reason: 'unreachable' })
    await start(delegator, 'the next one')
  })
})

describe('connections', () => {
  /** Answers at `/json` alone; a subscription is held, and anything else never answered. */
  async function server() {
    let held = 0
    const listening = createServer((request, response) => {
      held += 1
      if (request.url === '/json') json(response, 200, { held })
      if (request.url === '/stream') hang(response, 200)
    })
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      listening.close()
      listening.closeAllConnections()
    })
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  }

  function httpTo(url: string, time: PeerTime) {
    const http = createPeerHttp({
      ...{ origins: new Set([url]), headers: {}, timeoutMs: 5_000, maxBytes: 10_000, time },
    })
    onTestFinished(() => http.close())
    return http
  }

  it('as many subscriptions as there may be leave one for a look', async () => {
    const url = await server()
    const http = httpTo(url, systemTime)
    const headers = { accept: 'text/event-stream' }
    const streams = await Promise.all(
      Array.from({ length: 64 }, () => http.fetch(`${url}/stream`, { headers })),
    )
    expect(await (await http.fetch(`${url}/json`)).json()).toEqual({ held: 65 })
    for (const { body } of streams) await body?.cancel()
  })

  it('the wait for one is a part of the time that a request has, and says that nothing was sent', async () => {
    const url = await server()
    const timers: (() => void)[] = []
    const http = httpTo(url, { ...systemTime, after: (_ms, fn) => (timers.push(fn), () => undefined) })
    const asked = Array.from({ length: 49 }, () => http.fetch(`${url}/never`))
    const last = asked.pop()
    for (const each of asked) each.catch(() => undefined)
    expect(timers).toHaveLength(49)
    timers[48]?.()
    await expect(last).rejects.toMatchObject({ code: 'PEER_TIMEOUT', mayBeDelivered: false })
  })
})
