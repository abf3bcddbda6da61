import { afterEach, describe, expect, it } from 'vitest'
import { createCallers, type CallerOptions } from '../../../src/a2a/server/callers.js'
import { createA2AServer, createHttpServer, type A2AServerOptions } from '../../../src/a2a/server/server.js'
import { createDelegator, DelegationError, type Delegator, type Runner } from '../../../src/index.js'
import { receiver, tokens, type WireAnswer } from './serving.js'

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function served(runner: Runner, more: Partial<A2AServerOptions> = {}, given?: Delegator) {
  const delegator = given ?? (await createDelegator())
  if (given === undefined) open.push(() => delegator.close())
  const server = await createA2AServer(delegator, {
    card: { name: 'n', description: 'd', version: '1', skills: [] },
    url: 'http://here',
    callers: { alice: { token: tokens.alice, runner } },
    ...more,
  })
  const http = createHttpServer([server.routes], { tell: () => undefined })
  const port = await http.listen(0, '127.0.0.1')
  open.push(async () => {
    await server.stop()
    await http.close()
  })
  const call = async (method: string, params: unknown, token: string = tokens.alice) => {
    const response = await fetch(`http://127.0.0.1:${port}/a2a`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'a2a-version': '1.0',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    return (await response.json()) as WireAnswer
  }
  return { delegator, call, stop: () => server.stop() }
}

const message = (messageId: string, more: object = {}) => ({
  message: { messageId, role: 'ROLE_USER', parts: [{ text: 'go' }] },
  ...more,
})
const untilAborted: Runner = (_task, { signal }) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({})))
const quick: Runner = () => ({ summary: 'done' })

describe('in a host of one’s own', () => {
  it('a task that is older than it is kept is let go; its state stays as long as the ledger has it', async () => {
    const first = await served(quick)
    const { result } = await first.call('SendMessage', message('old'))
    const { id } = result.task
    expect(result.task.artifacts).toHaveLength(1)
    await first.stop()
    const second = await served(quick, { keepSeconds: 0 }, first.delegator)
    const originUiSessionId = 'a2a:alice'
    await expect.poll(() => first.delegator.completions.read({ originUiSessionId })).toEqual([])
    const got = await second.call('GetTask', { id })
    expect(got.result).toMatchObject({ id, status: { state: 'TASK_STATE_COMPLETED' } })
  })

  it('P8: the host’s own drain and turns never see it', async () => {
    const { delegator, call } = await served(quick)
    await call('SendMessage', message('quiet'))
    expect(await delegator.completions.claim({ all: true })).toEqual([])
    const seen: unknown[] = []
    delegator.completions.watch({ all: true }, (sessions) => seen.push(...sessions)).stop()
    expect(seen).toEqual([])
  })

  it('files and data of a batch’s child are parts of its artifact', async () => {
    const files = [
      { name: 'a.txt', media_type: 'text/plain', base64: Buffer.from('hi').toString('base64') },
      { name: 'b', url: 'https://example.com/b' },
      'none',
    ]
    const { call } = await served(() => ({ summary: 's', files, data: [{ n: 1 }], output: { o: 1 } }))
    const parts = [{ data: { goals: ['a'] } }]
    const { result } = await call('SendMessage', { message: { messageId: 'm', role: 'ROLE_USER', parts } })
    expect(result.task.artifacts[0]?.parts).toMatchObject([
      { text: 's' },
      { data: { o: 1 } },
      { data: { n: 1 } },
      { raw: 'aGk=', filename: 'a.txt', mediaType: 'text/plain' },
      { url: 'https://example.com/b', filename: 'b' },
    ])
  })

  it('a caller has as many tasks at one time as it was given, alone too, and the others theirs', async () => {
    const callers = {
      alice: { token: tokens.alice, runner: untilAborted, maxTasks: 1 },
      bob: { token: tokens.bob, runner: untilAborted, maxTasks: 2 },
    }
    const states = async (given: Record<string, CallerOptions>) => {
      const { call } = await served(quick, { callers: given })
      const found: string[] = []
      for (const [name, { token }] of Object.entries(given))
        for (const n of [1, 2, 3]) {
          const params = message(`${name}-${n}`, { configuration: { returnImmediately: true } })
          const { result } = await call('SendMessage', params, token)
          found.push(`${name} ${result.task.status.state === 'TASK_STATE_REJECTED' ? 'rejected' : 'runs'}`)
        }
      return found
    }
    expect(await states({ alice: callers.alice })).toEqual(['alice runs', 'alice rejected', 'alice rejected'])
    expect(await states(callers)).toEqual([
      'alice runs',
      'alice rejected',
      'alice rejected',
      'bob runs',
      'bob runs',
      'bob rejected',
    ])
  })

  it('a caller has as many streams as it was given: a call that would wait beyond them answers at once', async () => {
    const maxed = { token: tokens.alice, runner: untilAborted, maxStreams: 1 }
    const { call, delegator } = await served(quick, { callers: { alice: maxed } })
    const waits = call('SendMessage', message('first'))
    await expect.poll(() => delegator.activeCount()).toBe(1)
    const { result } = await call('SendMessage', message('second'))
    expect(result.task.status.state).toMatch(/SUBMITTED|WORKING/)
    expect((await call('SendStreamingMessage', message('third'))).error?.code).toBe(-32004)
    await delegator.interruptAll('enough')
    expect((await waits).result.task.status.state).toBe('TASK_STATE_COMPLETED')
  })

  it('one that was stopped for its budget was canceled by nobody: it FAILED', async () => {
    const spends: Runner = async (_task, ctx) => {
      ctx.progress({ usage: { input_tokens: 100, output_tokens: 0, cost_usd: 0 } })
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      return { status: 'interrupted' }
    }
    const delegator = await createDelegator({ budgets: { tokensPerUnit: 10 } })
    open.push(() => delegator.close())
    const { call } = await served(spends, {}, delegator)
    const { result } = await call('SendMessage', message('dear'))
    expect(result.task.status.state).toBe('TASK_STATE_FAILED')
    expect(result.task.metadata['hermes-delegate']?.['status']).toBe('interrupted')
  })

  it.each([
    [
      'the one that is missing, where it is named',
      { permission: 'paint', roles: ['secret-role'] },
      "the agent has not the permission 'paint', which the task needs",
    ],
    [
      'no more than that, where it is not',
      { roles: ['secret-role'] },
      'the permissions of the agent do not allow the task',
    ],
  ])('what its gate denies is REJECTED, and says %s', async (_what, detail, words) => {
    let isDenied = true
    const delegator = await createDelegator({
      gate() {
        if (isDenied) throw new DelegationError('PERMISSION_DENIED', detail)
        return null
      },
    })
    open.push(() => delegator.close())
    const { call } = await served(quick, {}, delegator)
    const { result } = await call('SendMessage', message('m'))
    expect(result.task.status.state).toBe('TASK_STATE_REJECTED')
    expect(JSON.stringify(result)).toContain(words)
    expect(JSON.stringify(result)).not.toContain('secret-role')
    expect(await delegator.list()).toEqual([])
    // Nothing had come of it: the same message is a new try.
    isDenied = false
    const again = await call('SendMessage', message('m'))
    expect(again.result.task.status.state).toBe('TASK_STATE_COMPLETED')
  })

  it('what its gate throws beside that is an error of the server', async () => {
    const gate = (): never => {
      throw new Error('the gate is broken')
    }
    const delegator = await createDelegator({ gate })
    open.push(() => delegator.close())
    const { call } = await served(quick, {}, delegator)
    expect((await call('SendMessage', message('m'))).error?.code).toBe(-32603)
  })

  it('a push that is two days old is given up', async () => {
    await using hook = await receiver(() => 500)
    let aheadSeconds = 0
    const told: string[] = []
    const clock = {
      now: () => Date.now() / 1000 + aheadSeconds,
      after(ms: number, fn: () => void) {
        const timer = setTimeout(fn, Math.min(ms, 50))
        return () => clearTimeout(timer)
      },
    }
    const push = { allowPrivateHosts: [hook.host] }
    const { call, delegator } = await served(quick, { push, clock, tell: (line) => told.push(line) })
    await call(
      'SendMessage',
      message('m', { configuration: { taskPushNotificationConfig: { url: hook.url } } }),
    )
    await expect.poll(() => hook.received.length).toBeGreaterThan(0)
    aheadSeconds = 49 * 3600
    await expect.poll(() => told.at(-1), { timeout: 20_000 }).toMatch(/it answered 500; it is given up$/)
    await expect.poll(() => delegator.completions.read({ sessionKey: 'a2a-push:alice' })).toEqual([])
  })

  it('there are at most ten push configurations of a task', async () => {
    const { call } = await served(untilAborted)
    const { result } = await call('SendMessage', message('m', { configuration: { returnImmediately: true } }))
    const set = (id: string) =>
      call('CreateTaskPushNotificationConfig', { id, taskId: result.task.id, url: 'https://93.184.215.14/' })
    for (let n = 0; n < 10; n += 1) expect((await set(`c${n}`)).error).toBeUndefined()
    expect((await set('c10')).error?.message).toContain('at most 10')
    expect((await set('c9')).error).toBeUndefined()
  })
})

describe('callers', () => {
  const runner = 'r'
  it.each([
    ['no caller', {}, /at least one caller/],
    ['a name that is none', { 'a:b': { token: tokens.alice, runner } }, /name of a caller/],
    ['a short token', { a: { token: 'short', runner } }, /at least 16/],
    [
      'a token that two have',
      { a: { token: tokens.alice, runner }, b: { token: tokens.alice, runner } },
      /share/,
    ],
  ])('%s is a TypeError that says so', (_what, callers, expected) => {
    expect(() => createCallers(callers)).toThrow(expected)
    expect(() => createCallers(callers)).toThrow(TypeError)
  })

  it.each(['maxTasks', 'maxStreams'])('%s is a whole number from 1 up', (option) => {
    for (const value of [0, -1, 1.5, NaN, '2'])
      expect(() => createCallers({ a: { token: tokens.alice, runner, [option]: value } })).toThrow(
        new TypeError(`Expected ${option} of caller 'a' to be a whole number from 1 up, got ${value}`),
      )
  })

  it('are told apart by their tokens alone', () => {
    const callers = createCallers({
      alice: { token: tokens.alice, runner },
      bob: { token: tokens.bob, runner },
    })
    expect(callers.byAuthorization(`Bearer ${tokens.bob}`)?.name).toBe('bob')
    expect(callers.byAuthorization(`bearer ${tokens.alice}`)?.name).toBe('alice')
    for (const header of [undefined, '', tokens.bob, `Bearer ${tokens.bob}x`, 'Bearer '])
      expect(callers.byAuthorization(header)).toBeNull()
  })
})
