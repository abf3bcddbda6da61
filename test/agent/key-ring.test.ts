import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentRunner } from '../../src/agent/agent-runner.js'
import { createKeyRing } from '../../src/agent/key-ring.js'
import { ProviderFailure, type FailureReason } from '../../src/agent/provider-error.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { fails, says, serve, staysSilent, type SeenRequest, type Turn } from './scripted-server.js'
import { quickRetry, runAgent } from './support.js'

const apiKeyEnvs = ['HERMES_TEST_KEY_A', 'HERMES_TEST_KEY_B', 'HERMES_TEST_KEY_C'] as const
beforeAll(() => apiKeyEnvs.forEach((name, index) => (process.env[name] = `key-${index}`)))
afterAll(() => apiKeyEnvs.forEach((name) => Reflect.deleteProperty(process.env, name)))

const keyOf = ({ headers }: SeenRequest): string => headers.authorization ?? ''
const keysOf = (requests: readonly SeenRequest[]): string[] => requests.map(keyOf)
/** Refuses the first so many keys that it sees. */
function refuses(count: number, refusal: Turn): Turn {
  const refused = new Set<string>()
  return (response, request) => {
    const key = keyOf(request)
    if (refused.size < count) refused.add(key)
    return (refused.has(key) ? refusal : says('ok'))(response, request)
  }
}

describe('the keys of an agent', () => {
  it('each child stays with one, and the children of a batch begin with different ones', async () => {
    const held: (() => void)[] = []
    // None ends, and gives its key back, before the last one has one.
    const server = await serve((response, request) => {
      held.push(() => void says('ok')(response, request))
      if (held.length === 3) for (const answer of held) answer()
    })
    const delegator = await open()
    const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir: temporaryFolder(), apiKeyEnvs })
    await delegator.wait(idOf(await delegator.dispatchBatch({ goals: ['a', 'b', 'c'], runner })))
    expect(keysOf(server.requests).sort()).toEqual(['Bearer key-0', 'Bearer key-1', 'Bearer key-2'])
  })

  const refusals: [what: string, refusal: Turn][] = [
    ['401', fails(401, 'Incorrect API key')],
    ['402', fails(402, 'pay')],
    ['429', fails(429, 'slow down', { 'retry-after': '60' })],
  ]

  it.each(refusals)('%s: it goes on with another one at once, and stays there', async (_what, refusal) => {
    const turn = refuses(1, refusal)
    const { result, server } = await runAgent([turn], { apiKeyEnvs, retry: { ...quickRetry, maxRetries: 0 } })
    expect(result).toMatchObject({ status: 'completed', summary: 'ok', api_calls: 1, retries: 1 })
    expect(new Set(keysOf(server.requests)).size).toBe(2)
  })

  it('when all are refused the child has failed, and each was tried once', async () => {
    const { result, server } = await runAgent([fails(401, 'no')], { apiKeyEnvs })
    expect(result).toMatchObject({ status: 'failed', failure_reason: 'auth' })
    expect(new Set(keysOf(server.requests)).size).toBe(3)
    expect(server.requests).toHaveLength(3)
  })

  it('when all rest, the one that is ready first is waited for, and tries are bounded', async () => {
    const turn = fails(429, 'slow down')
    const { result, server } = await runAgent([turn], { apiKeyEnvs, retry: { ...quickRetry, maxRetries: 2 } })
    expect(result).toMatchObject({ status: 'failed', failure_reason: 'rate_limit' })
    expect(server.requests.length).toBeGreaterThanOrEqual(5)
    expect(server.requests.length).toBeLessThanOrEqual(9)
  })

  it('those that are not set are left out; when none is, all are named', async () => {
    const some = await runAgent([says('ok')], { apiKeyEnvs: ['HERMES_NOT_SET', 'HERMES_TEST_KEY_B'] })
    expect(keysOf(some.server.requests)).toEqual(['Bearer key-1'])
    const none = await runAgent([says('ok')], { apiKeyEnvs: ['HERMES_NOT_SET', 'HERMES_NOR_THIS'] })
    expect(none.result).toMatchObject({
      status: 'error',
      error: 'AgentError: none of the variables HERMES_NOT_SET, HERMES_NOR_THIS, which hold the keys, is set',
      error_detail: { code: 'AGENT_KEY_MISSING' },
    })
  })

  it('a key that one child was refused is not tried by the next, of whatever unit', async () => {
    const server = await serve(refuses(1, fails(429, 'slow down', { 'retry-after': '60' })))
    const delegator = await open()
    const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir: temporaryFolder(), apiKeyEnvs })
    const run = async () => delegator.wait(idOf(await delegator.dispatch({ goal: 'go', runner })))
    await run()
    const refused = keyOf(server.requests[0]!)
    expect(server.requests).toHaveLength(2)
    for (let n = 0; n < 3; n += 1) expect(await run()).toMatchObject({ status: 'completed' })
    expect(server.requests).toHaveLength(5)
    expect(keysOf(server.requests.slice(1))).not.toContain(refused)
  })

  it('a child that is stopped by force gives its key back', async () => {
    const server = await serve(staysSilent, says('ok'))
    const delegator = await open()
    const two = ['HERMES_TEST_KEY_A', 'HERMES_TEST_KEY_B']
    const runner = agentRunner({
      baseUrl: server.url,
      model: 'm',
      workdir: temporaryFolder(),
      apiKeyEnvs: two,
    })
    const running = next(delegator, 'progress')
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await Promise.all([running, server.received(1)])
    const beside = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await delegator.wait(beside)
    await delegator.interrupt(id, { graceMs: 0 })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'go', runner })))
    expect(keysOf(server.requests)).toEqual(['Bearer key-0', 'Bearer key-1', 'Bearer key-0'])
  })

  it("one key alone is every child's", async () => {
    const only = ['HERMES_TEST_KEY_A'] as const
    const server = await serve(staysSilent, says('ok'))
    const delegator = await open()
    const runner = agentRunner({
      baseUrl: server.url,
      model: 'm',
      workdir: temporaryFolder(),
      apiKeyEnvs: only,
    })
    const running = next(delegator, 'progress')
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await Promise.all([running, server.received(1)])
    await delegator.interrupt(id, { graceMs: 0 })
    const again = idOf(await delegator.dispatch({ goal: 'go', runner }))
    expect(await delegator.wait(again)).toMatchObject({ status: 'completed', summary: 'ok' })
    expect(keysOf(server.requests)).toEqual(['Bearer key-0', 'Bearer key-0'])
  })

  it('no transcript names a key: only its variable', async () => {
    const { event } = await runAgent(
      [refuses(1, fails(401, 'no'))],
      { apiKeyEnvs },
      {},
      { transcripts: { folder: temporaryFolder() } },
    )
    const { readFileSync } = await import('node:fs')
    const transcript = readFileSync(event.live_transcripts?.['0'] ?? '', 'utf8')
    expect(transcript).toMatch(/tried again in 0\.0 s, with the key of HERMES_TEST_KEY_[ABC]/)
    expect(transcript).not.toMatch(/key-\d/)
  })
})

describe('a ring of keys', () => {
  const key = (variable: string) => ({ variable, value: variable })
  const failure = (reason: FailureReason, ms: number | null = null) => new ProviderFailure(reason, reason, ms)
  const ring = () => createKeyRing({ keys: [key('b'), key('c'), key('a')], maxWaitMs: 10_000 })

  it('begins with the first, and turns to the one that is ready first', () => {
    const keys = ring()
    expect(keys.current.variable).toBe('b')
    expect(keys.waitAfter(failure('rate_limit', 5_000), 10, 0)).toBe(0)
    expect(keys.current.variable).toBe('c')
    expect(keys.waitAfter(failure('rate_limit', 3_000), 10, 0)).toBe(0)
    expect(keys.current.variable).toBe('a')
    expect(keys.waitAfter(failure('auth'), 10, 1_000)).toBe(2_000)
    expect(keys.current.variable).toBe('c')
    expect(keys.waitAfter(failure('rate_limit', 9_000), 10, 3_000)).toBe(2_000)
    expect(keys.current.variable).toBe('b')
  })

  it('one that is to rest for too long is not waited for', () => {
    const keys = createKeyRing({ keys: [key('a')], maxWaitMs: 10_000 })
    expect(keys.waitAfter(failure('rate_limit', 10_001), 10, 0)).toBeNull()
    expect(keys.waitAfter(failure('server_error', 10_001), 10, 0)).toBeNull()
  })

  it('what is not about the key stays with it', () => {
    const keys = ring()
    expect(keys.waitAfter(failure('server_error'), 10, 0)).toBe(10)
    expect(keys.waitAfter(failure('connection', 500), 10, 0)).toBe(500)
    expect(keys.waitAfter(failure('bad_request'), 10, 0)).toBeNull()
    expect(keys.current.variable).toBe('b')
  })
})
