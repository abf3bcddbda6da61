import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { retryAfterMs } from '../../src/agent/provider-error.js'
import { temporaryFolder } from '../runtime/support.js'
import { calls, chunk, event, fails, resets, says, staysSilent, type Turn } from './scripted-server.js'
import { runAgent } from './support.js'

const halfAChunk: Turn = (response) => {
  event(response, chunk({ content: 'the beginning' }))
  response.write('data: {"id":"chat-1","choi', () => response.socket?.destroy())
}
const endsTooEarly: Turn = (response) => {
  event(response, chunk({ content: 'the beginning' }))
  response.end()
}
const emptyChoices: Turn = (response) => {
  event(response, { id: 'chat-1', created: 1, model: 'm', choices: [] })
  event(response, '[DONE]')
  response.end()
}
const noJson: Turn = (response) => {
  event(response, '{"choices": [')
  event(response, '[DONE]')
  response.end()
}
const otherShape: Turn = (response) => {
  event(response, { choices: 'none', id: 7 })
  response.end()
}
const aPage: Turn = (response) => {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.end('<h1>It works!</h1>')
}
const errorInStream =
  (error: object): Turn =>
  (response) => {
    event(response, chunk({ content: 'so ' }))
    event(response, { error })
    response.end()
  }

describe('a provider that fails for a moment', () => {
  const passing: [what: string, turn: Turn][] = [
    ['429', fails(429, 'slow down')],
    ['429 that says when', fails(429, 'slow down', { 'retry-after': '0' })],
    ['500', fails(500, 'oops')],
    ['503', fails(503, 'overloaded')],
    ['529', fails(529, 'overloaded')],
    ['a reset connection', resets],
    ['half a chunk', halfAChunk],
    ['a stream without an end', endsTooEarly],
    ['empty choices', emptyChoices],
    ['events that are no JSON', noJson],
    ['events of another shape', otherShape],
    ['a page instead of a stream', aPage],
    ['a call of a tool without a name', calls(['', {}])],
    ['an error in mid-stream', errorInStream({ message: 'the backend went away', code: 502 })],
    [
      'a rate limit in mid-stream',
      errorInStream({ message: 'Rate limit reached', code: 'rate_limit_exceeded' }),
    ],
  ]

  it.each(passing)('%s: the call is made again, and counted', async (_what, turn) => {
    const { result, server } = await runAgent([turn, says('back again')])
    expect(result).toMatchObject({ status: 'completed', summary: 'back again', api_calls: 1, retries: 1 })
    expect(server.requests).toHaveLength(2)
    expect(server.requests[1]?.body.messages).toEqual(server.requests[0]?.body.messages)
  })

  it('nothing that was asked for in a broken answer is run', async () => {
    const broken: Turn = (response) => {
      const call = {
        index: 0,
        id: 'c',
        function: { name: 'write_file', arguments: '{"path":"a","content":"b"}' },
      }
      event(response, chunk({ tool_calls: [call] }))
      response.socket?.end()
    }
    const { result } = await runAgent([broken, says('ok')])
    expect(result).toMatchObject({ status: 'completed', tool_trace: [] })
  })

  it('a silent one is left after the idle time', async () => {
    const { result, server } = await runAgent([staysSilent, says('awake')], { idleTimeoutSeconds: 3 })
    expect(result).toMatchObject({ status: 'completed', summary: 'awake', retries: 1 })
    await server.abandoned
  })

  it('one that falls silent in mid-stream is left, too', async () => {
    const stalls: Turn = (response) => event(response, chunk({ content: 'hm' }))
    const { result } = await runAgent([stalls], { idleTimeoutSeconds: 3, retry: { maxRetries: 0 } })
    expect(result).toMatchObject({
      status: 'failed',
      failure_reason: 'connection',
      error: 'the model sent nothing for 3 s',
      summary: 'hm',
    })
  })
})

describe('a provider that fails for good', () => {
  const lasting: [what: string, turn: Turn, reason: string, error: RegExp][] = [
    [
      '400',
      fails(400, 'temperature is out of range'),
      'bad_request',
      /^HTTP 400: temperature is out of range$/,
    ],
    ['401', fails(401, 'Incorrect API key'), 'auth', /^HTTP 401: Incorrect API key$/],
    ['403', fails(403, 'not for you'), 'auth', /^HTTP 403/],
    ['402', fails(402, 'pay'), 'quota', /^HTTP 402: pay/],
    ['404', fails(404, 'no such model'), 'not_found', /^HTTP 404: no such model/],
    [
      '429 without money',
      fails(429, 'You exceeded your current quota', {}, { code: 'insufficient_quota' }),
      'quota',
      /quota/,
    ],
    ['a redirect', fails(302, '', { location: 'http://127.0.0.1:1/' }), 'bad_response', /./],
    [
      'an error page',
      (response) => void response.writeHead(418).end('<h1>teapot</h1>'),
      'bad_request',
      /^HTTP 418/,
    ],
  ]

  it.each(lasting)('%s ends the child as failed, in a word', async (_what, turn, reason, error) => {
    const { result, server } = await runAgent([turn], { retry: { maxRetries: 0 } })
    expect(result).toMatchObject({
      status: 'failed',
      exit_reason: 'error',
      failure_reason: reason,
      summary: null,
      api_calls: 0,
      error: expect.stringMatching(error) as unknown,
    })
    expect(server.requests).toHaveLength(1)
  })

  it.each(lasting.slice(0, 6))('%s is not tried again', async (_what, turn) => {
    expect((await runAgent([turn])).server.requests).toHaveLength(1)
  })

  it('tries are bounded, and told', async () => {
    const { result, server } = await runAgent([fails(503, 'overloaded')], {
      retry: { maxRetries: 3, initialMs: 1, maxMs: 2 },
    })
    expect(server.requests).toHaveLength(4)
    expect(result).toMatchObject({
      status: 'failed',
      failure_reason: 'server_error',
      error: 'HTTP 503: overloaded (tried 4 times)',
      retries: 3,
    })
  })

  it('what a server asks to be waited is waited, however short the back-off is', async () => {
    const at: number[] = []
    const turn: Turn = (response, request) => {
      at.push(performance.now())
      const answer = at.length === 1 ? fails(429, 'slow down', { 'retry-after': '0.4' }) : says('ok')
      return answer(response, request)
    }
    const { result } = await runAgent([turn])
    expect(result).toMatchObject({ status: 'completed', retries: 1 })
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(390)
  })

  it('without that the wait doubles, up to its bound', async () => {
    const { event } = await runAgent(
      [fails(503, 'no')],
      { retry: { maxRetries: 4, initialMs: 100, maxMs: 200 } },
      {},
      { transcripts: { folder: temporaryFolder() } },
    )
    const transcript = readFileSync(event.live_transcripts?.['0'] ?? '', 'utf8')
    const waits = [...transcript.matchAll(/tried again in (\d\.\d) s/g)].map(([, seconds]) => Number(seconds))
    expect(waits).toHaveLength(4)
    // Half of it is left to chance.
    const bounds = [100, 200, 200, 200]
    for (const [index, seconds] of waits.entries()) {
      expect(seconds * 1_000).toBeGreaterThanOrEqual((bounds[index] ?? 0) / 2)
      expect(seconds * 1_000).toBeLessThanOrEqual(bounds[index] ?? 0)
    }
  })

  it('a server that asks for a longer wait than is granted is not asked again', async () => {
    const { result, server } = await runAgent([fails(429, 'slow down', { 'retry-after': '3600' })])
    expect(server.requests).toHaveLength(1)
    expect(result).toMatchObject({
      failure_reason: 'rate_limit',
      error: 'HTTP 429: slow down; the server asks for a wait of 3600 s',
    })
  })

  it('nobody listens: connection', async () => {
    const { result } = await runAgent([says('')], {
      baseUrl: 'http://127.0.0.1:1/v1',
      retry: { maxRetries: 1, initialMs: 1 },
    })
    expect(result).toMatchObject({ status: 'failed', failure_reason: 'connection', retries: 1 })
    expect(result.error).toContain('ECONNREFUSED')
  })

  it('a failure after work keeps the account of it', async () => {
    const { result } = await runAgent([calls(['list_files', {}]), fails(400, 'no')], {
      prices: { input: 1, output: 1 },
    })
    expect(result).toMatchObject({
      status: 'failed',
      api_calls: 1,
      tokens: { input: 100, output: 10 },
      cost_usd: 0.00011,
      tool_trace: [{ tool: 'list_files' }],
    })
  })
})

describe('a conversation that is too long', () => {
  const overflow =
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
  const tooLong: [what: string, turn: Turn][] = [
    ['as OpenAI says it', fails(400, overflow, {}, { code: 'context_length_exceeded' })],
    ['as llama.cpp says it', fails(400, 'the request exceeds the available context size, try increasing it')],
    ['as Anthropic says it', fails(400, 'prompt is too long: 210000 tokens > 200000 maximum')],
    ['as vLLM says it', fails(400, 'Input is too long. Please reduce the length of the messages.')],
    ['by its status', fails(413, 'Payload Too Large')],
    ['in mid-stream', errorInStream({ message: overflow })],
  ]

  it.each(tooLong)(
    '%s: older results of tools are dropped once, and the child goes on',
    async (_what, turn) => {
      const write = calls(['write_file', { path: 'a', content: 'x'.repeat(9_000) }])
      const read = calls(['read_file', { path: 'a' }])
      const list = calls(['list_files', {}])
      const run = await runAgent([write, read, list, turn, says('fits now')])
      expect(run.result).toMatchObject({ status: 'completed', summary: 'fits now', api_calls: 4 })
      expect(run.toolResults(3)[1]?.length).toBeGreaterThan(1_000)
      const kept = run.toolResults(4)
      expect(kept).toHaveLength(3)
      expect(kept[1]).toBe('[dropped, to make room]')
      expect(kept[2]).toBe('a')
    },
  )

  it('one that is still too long has failed', async () => {
    const { result, server } = await runAgent([
      calls(['list_files', { path: '.', recursive: true }]),
      calls(['list_files', { path: 'nowhere' }]),
      tooLong[0]![1],
    ])
    expect(result).toMatchObject({ status: 'failed', failure_reason: 'context_overflow' })
    expect(server.requests.length).toBeLessThanOrEqual(4)
  })

  it('where there is nothing to drop it is not asked again', async () => {
    const { result, server } = await runAgent([tooLong[0]![1]])
    expect(server.requests).toHaveLength(1)
    expect(result).toMatchObject({ failure_reason: 'context_overflow', exit_reason: 'error' })
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-11-21T00:00:00Z')
  const cases: [Record<string, string>, number | null][] = [
    [{}, null],
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Sat, 21 Nov 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 21 Nov 2020 00:00:30 GMT' }, 0],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '-5' }, null],
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
  ]

  it.each(cases)('%j is %s ms', (headers, expected) => {
    expect(retryAfterMs(headers, now)).toBe(expected)
  })
})
