/** A peer that repeats the token that it was given tells it to nobody. */
import { describe, expect, it } from 'vitest'
import { guardedContext, withoutTokens } from '../../src/a2a/peer-secrets.js'
import { readPeerOptions } from '../../src/a2a/peer-options.js'
import { peerRunner, pingPeer } from '../../src/a2a/peer-runner.js'
import type { RunnerContext } from '../../src/runner.js'
import { json, lyingPeer, result, type Answer } from './lying-server.js'
import { delegate, eventually, openOnPeer, start } from './support.js'

const token = 'peer-7c1d?+/9b3e55aa'
const pushToken = 'push-2f8a==6d0c77bb'
process.env['ECHOED_TOKEN'] = token
process.env['ECHOED_PUSH_TOKEN'] = pushToken
const tokens = {
  auth: { tokenEnv: 'ECHOED_TOKEN' },
  push: { url: 'http://127.0.0.1:9/push', tokenEnv: 'ECHOED_PUSH_TOKEN' },
}

const forms = [token, pushToken].flatMap((each) => [
  each,
  encodeURIComponent(each),
  Buffer.from(each).toString('base64').replace(/=+$/, ''),
])
const echo = `you sent ${forms.join(' and ')}`

function expectNone(seen: unknown): void {
  const text = JSON.stringify(seen)
  expect(text).toContain('[REDACTED:own-secret]')
  for (const form of forms) expect(text).not.toContain(form.slice(0, 14))
}

const ends: readonly (readonly [string, Answer])[] = [
  ['HTTP 500', (_q, r) => r.writeHead(500).end(echo)],
  ['an error of the protocol', (_q, r, body) => refuse(r, body)],
  ['no answer of the protocol', (_q, r) => json(r, 200, { jsonrpc: '2.0', id: echo, result: 1 })],
  [
    'a message',
    (_q, r, body) =>
      result(r, body, { message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: echo }] } }),
  ],
  [
    'artifacts',
    (_q, r, body) =>
      result(r, body, {
        task: {
          id: 't-1',
          contextId: token,
          status: { state: 'TASK_STATE_COMPLETED' },
          artifacts: [{ artifactId: 'a', parts: [{ text: 'done' }, { data: { said: echo } }] }],
        },
      }),
  ],
]

function refuse(response: Parameters<Answer>[1], body: string): void {
  const { id } = JSON.parse(body) as { id: unknown }
  json(response, 200, { jsonrpc: '2.0', id, error: { code: -32602, message: echo } })
}

describe('the tokens of a peer', () => {
  it.each(ends)('are in no result: %s', async (_name, answer) => {
    const { url } = await lyingPeer(answer)
    expectNone(await delegate(url, 'do it', tokens))
  })

  it('are in no question', async () => {
    const task = {
      id: 't-1',
      status: {
        state: 'TASK_STATE_INPUT_REQUIRED',
        message: { messageId: 'q', role: 'ROLE_AGENT', parts: [{ text: echo }] },
      },
    }
    const { url } = await lyingPeer((_q, r, body) =>
      result(r, body, body.includes('SendMessage') ? { task } : task),
    )
    const delegator = await openOnPeer(url, { ...tokens, cancelTimeoutSeconds: 0.1 })
    const id = await start(delegator, 'do it')
    await eventually(async () => (await delegator.get(id)).children[0]?.question !== undefined)
    expectNone((await delegator.get(id)).children[0]?.question)
    await delegator.interrupt(id)
  })

  it('are not in what a ping says', async () => {
    const { url } = await lyingPeer((_q, r) => json(r, 403, { detail: echo }), { raw: true })
    const failed: unknown = await pingPeer(peerRunner({ url, ...tokens })).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'PEER_CARD' })
    const { message, cause } = failed as Error
    expectNone(message)
    expect(cause).toBeUndefined()
    const named = await lyingPeer(() => undefined, { name: echo })
    expectNone(await pingPeer(peerRunner({ url: named.url, ...tokens })))
  })

  it('are in no line, checkpoint or progress', () => {
    const read = readPeerOptions({ url: 'http://127.0.0.1:9', ...tokens })
    if ('problems' in read) throw new Error(read.problems.join())
    const seen: unknown[] = []
    const tell = (told: unknown): void => void seen.push(told)
    const ctx = {
      ...{ checkpoint: tell, progress: tell },
      logger: { debug: tell, info: tell, warn: tell, error: tell },
    } as unknown as RunnerContext
    const guarded = guardedContext(ctx, withoutTokens(read.settings, process.env))
    guarded.checkpoint({ echo })
    guarded.progress({ echo })
    for (const level of ['debug', 'info', 'warn', 'error'] as const) guarded.logger[level](echo)
    expect(seen).toHaveLength(6)
    for (const each of seen) expectNone(each)
  })
})
