/** The dialect's client against our own platform, which is a process of its own. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { serving, tokens } from '../a2a/server/serving.js'
import { start as startCommand } from '../e2e/cli-process.js'
import { createDelegator, type RunnerReference, type SingleEvent } from '../../src/index.js'
import {
  createMolecule,
  createMoleculeDirectory,
  moleculeRunner,
  type Molecule,
  type MoleculeOptions,
} from '../../src/molecule/molecule.js'
import { createTools } from '../../src/tools/tools.js'
import {
  answer,
  atEnd,
  enroll,
  eventually,
  gate,
  json,
  memberOf,
  newFile,
  task,
  workspace,
  type Body,
  type Member,
} from './scene.js'

const program = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))

interface PlatformProcess {
  readonly url: string
  kill(): Promise<void>
}

async function platformProcess(options: object = {}, path = newFile()): Promise<PlatformProcess> {
  const child = spawn(process.execPath, [program('platform-process.js'), path, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = async (): Promise<void> => {
    if (child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  atEnd(kill)
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { url, kill }
}

function moleculeOf(platformUrl: string, { id, token }: Member, options: MoleculeOptions = {}): Molecule {
  const env = { WORKSPACE_AUTH_TOKEN: token }
  const settings = { platformUrl, workspaces: [{ id }], retryDelaySeconds: 0.05, pollSeconds: 0.05 }
  const molecule = createMolecule({ ...settings, env, ...options })
  atEnd(() => molecule.close())
  return molecule
}

/** Looks by id, as a model does. */
const status = (molecule: Molecule, id: string): Promise<Body> =>
  molecule.checkTaskStatus(id) as unknown as Promise<Body>

const ended = (molecule: Molecule, id: string): Promise<Body> =>
  eventually(async () => {
    const seen = await status(molecule, id)
    return ['completed', 'failed'].includes(seen.status) ? seen : undefined
  })

function idOf(accepted: ReturnType<Molecule['delegateAsync']>): string {
  if (!accepted.success) throw new Error(accepted.error)
  return accepted.task_id
}

const rowOf = async (member: Member, id: string): Promise<Body> =>
  (await member.call(`GET /workspaces/:id/delegations/${id}`)).body

const activities = async (member: Member): Promise<readonly (Body & Record<string, unknown>)[]> =>
  (await member.call('GET /workspaces/:id/activity')).rows as never

const long = 'every word of it '.repeat(2_000)

describe('a delegation of the client', () => {
  it('B1, B13: is sent, answered in full, and on the record of the platform, with every mirror taken', async () => {
    const { url } = await platformProcess()
    const peer = await workspace((seen, response) => answer(response, `${seen.text}: ${long}`))
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url, name: 'Researcher' })
    const molecule = moleculeOf(url, caller)
    const id = idOf(molecule.delegateAsync(callee.id, 'count'))
    expect(await ended(molecule, id)).toMatchObject({ status: 'completed', result: `count: ${long}` })
    await molecule.flushed()
    expect(molecule.lostMirrors).toBe(0)
    expect(await rowOf(caller, id)).toMatchObject({ status: 'completed', task: 'count' })
    const told = (await activities(caller)).find(({ method }) => method === 'notify')
    expect(told?.response_body).toMatchObject({
      type: 'delegation_complete',
      task_id: id,
      status: 'completed',
    })
    expect(peer.seen).toHaveLength(1)
    expect(peer.seen[0]?.headers['authorization']).toBeUndefined()
    expect(peer.seen[0]?.headers['x-workspace-id']).toBe(caller.id)
  })

  it('that is waited for is reported before and after, and leaves its workspace free for others', async () => {
    const { url } = await platformProcess()
    const peer = await workspace()
    const caller = await enroll(url, { url: peer.url })
    const callee = await enroll(url, { url: peer.url, name: 'Researcher' })
    const molecule = moleculeOf(url, caller)
    expect(await molecule.delegate(callee.id, 'count')).toMatchObject({ ok: true, text: 'did count' })
    await molecule.flushed()
    expect(molecule.lostMirrors).toBe(0)
    const reports = (await activities(caller)).filter(({ method }) => method === 'message/send')
    expect(reports.map(({ activity_type, summary }) => [activity_type, summary])).toEqual([
      ['a2a_receive', 'Researcher responded (9 chars)'],
      ['a2a_send', `Delegating to ${callee.id.slice(0, 8)}`],
    ])
    const back = moleculeOf(url, callee)
    expect(await back.delegate(caller.id, 'and back')).toMatchObject({ ok: true, text: 'did and back' })
  })

  it('B12: through the platform is the platform’s, and found by a process that knows nothing of it', async () => {
    const { url } = await platformProcess()
    const peer = await workspace((seen, response) => answer(response, `${seen.text}: ${long}`))
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const molecule = moleculeOf(url, caller)
    const waited = await molecule.delegate(callee.id, 'first', { viaPlatform: true })
    expect(waited).toMatchObject({ ok: true, text: `first: ${long}`, isPreview: false })
    const id = idOf(molecule.delegateAsync(callee.id, 'second', { viaPlatform: true }))
    expect(await ended(molecule, id)).toMatchObject({ result: `second: ${long}` })
    const sent = (await caller.call('GET /workspaces/:id/delegations')).rows
    expect(sent).toHaveLength(2)
    const other = moleculeOf(url, caller)
    expect(await status(other, sent[0]!.delegation_id)).toMatchObject({
      status: 'completed',
      result: `second: ${long}`,
    })
  })

  it('to a workspace that may not be reached, and to one that is none, fails with 403 and 404', async () => {
    const { url } = await platformProcess()
    const [left, right] = [await enroll(url), await enroll(url)]
    const caller = await enroll(url, { parent_id: left.id })
    const stranger = await enroll(url, { parent_id: right.id })
    const molecule = moleculeOf(url, caller)
    for (const [target, code] of [
      [stranger.id, 403],
      [randomUUID(), 404],
    ] as const) {
      const failed = await ended(molecule, idOf(molecule.delegateAsync(target, 'x')))
      expect(failed).toMatchObject({ status: 'failed', error: `Discovery failed: HTTP ${code}` })
      const told = await molecule.delegate(target, 'x', { viaPlatform: true })
      expect(told).toMatchObject({ ok: false })
      expect(told.text).toContain(`status ${code}`)
    }
    expect((await moleculeOf(url, { ...caller, token: 'none' }).delegate(left.id, 'x')).text).toContain('401')
  })

  it('whose id is written in capitals is the same workspace’s', async () => {
    const { url } = await platformProcess()
    const peer = await workspace()
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const molecule = moleculeOf(url, { ...caller, id: caller.id.toUpperCase() })
    const told = await molecule.delegate(callee.id.toUpperCase(), 'count', { viaPlatform: true })
    expect(told).toMatchObject({ ok: true, text: 'did count' })
  })

  it('B3: that fails at the peer is failed on both sides, with its cause', async () => {
    const { url } = await platformProcess()
    const peer = await workspace((_seen, response) => json(response, 200, task('failed', 'no such table')))
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const molecule = moleculeOf(url, caller)
    const id = idOf(molecule.delegateAsync(callee.id, 'count'))
    expect(await ended(molecule, id)).toMatchObject({ status: 'failed', error: 'no such table' })
    await molecule.flushed()
    expect(await rowOf(caller, id)).toMatchObject({ status: 'failed', error: 'no such table' })
    const told = await molecule.delegate(callee.id, 'count', { viaPlatform: true })
    expect(told.text).toBe('[A2A_ERROR] no such table')
  })

  it('whose peer works on it is followed and canceled through the platform', async () => {
    const { url } = await platformProcess()
    const done = gate()
    let state = 'working'
    void done.opened.then(() => (state = 'completed'))
    const peer = await workspace(({ method, text }, response) => {
      if (method === 'tasks/cancel') json(response, 200, task('canceled', '', 'forever'))
      else if (method === 'tasks/get') json(response, 200, task(state, 'after all'))
      else json(response, 200, task('working', '', text))
    })
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url, max_concurrent_tasks: 3 })
    const molecule = moleculeOf(url, caller)
    const id = idOf(molecule.delegateAsync(callee.id, 'task-1'))
    await eventually(() => peer.seen.find(({ method }) => method === 'tasks/get'))
    const stopped = idOf(molecule.delegateAsync(callee.id, 'forever'))
    await eventually(() => molecule.get(stopped)?.remote ?? undefined)
    expect(molecule.cancel(stopped)).toBe(true)
    expect((await ended(molecule, stopped)).error).toContain('the peer has stopped, too')
    done.open()
    expect(await ended(molecule, id)).toMatchObject({ status: 'completed', result: 'after all' })
    await molecule.flushed()
    expect(await rowOf(caller, id)).toMatchObject({ status: 'completed', result: 'after all' })
    expect(peer.seen.filter(({ method }) => method === 'message/send')).toHaveLength(2)
  })
})

describe('a message that waits in the queue of the platform', () => {
  const busyOnce = (count: number): boolean => count === 1

  it('B7: of a busy peer: queued on both sides, sent once more when it is free, and found by a look', async () => {
    const { url } = await platformProcess()
    const peer = await workspace((seen, response, count) =>
      busyOnce(count)
        ? json(response, 503, { error: 'busy', busy: true }, { 'retry-after': '1' })
        : answer(response, `${seen.text}: ${long}`),
    )
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const molecule = moleculeOf(url, caller)
    const id = idOf(molecule.delegateAsync(callee.id, 'count'))
    await eventually(() => (molecule.get(id)?.status === 'queued' ? true : undefined))
    expect(await ended(molecule, id)).toMatchObject({ status: 'completed', result: `count: ${long}` })
    await molecule.flushed()
    expect(molecule.lostMirrors).toBe(0)
    expect(await rowOf(caller, id)).toMatchObject({ status: 'completed', result: `count: ${long}` })
    expect(new Set(peer.seen.map(({ messageId }) => messageId)).size).toBe(1)
    expect(peer.seen).toHaveLength(2)
  })

  it('B7: of a workspace that is offline: a heartbeat drains it, also for who waits', async () => {
    const { url } = await platformProcess({ heartbeatTimeoutMs: 300, sweepMs: 50 })
    const peer = await workspace()
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const molecule = moleculeOf(url, caller)
    await eventually(async () => {
      const [row] = (await caller.call('GET /registry/:id/peers')).rows
      return row?.status === 'offline' ? true : undefined
    })
    const id = idOf(molecule.delegateAsync(callee.id, 'later'))
    const waited = molecule.delegate(callee.id, 'too')
    await eventually(() => (molecule.get(id)?.status === 'queued' ? true : undefined))
    expect(peer.seen).toHaveLength(0)
    expect(await status(molecule, id)).toMatchObject({ status: 'queued' })
    await callee.beat()
    expect(await ended(molecule, id)).toMatchObject({ status: 'completed', result: 'did later' })
    await callee.beat()
    expect(await waited).toMatchObject({ ok: true, text: 'did too' })
    expect(peer.seen).toHaveLength(2)
  })

  it('is not sent any more when its caller stops it, whoever keeps the delegation', async () => {
    const { url } = await platformProcess()
    const peer = await workspace()
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    await callee.beat({ active_tasks: 1 })
    const molecule = moleculeOf(url, caller)
    const ids: string[] = []
    for (const viaPlatform of [false, true]) {
      const id = idOf(molecule.delegateAsync(callee.id, 'never', { viaPlatform }))
      await eventually(() => molecule.get(id)?.remote ?? undefined)
      expect(molecule.cancel(id)).toBe(true)
      ids.push(id)
    }
    const waiting = new AbortController()
    const waited = molecule.delegate(callee.id, 'never', { viaPlatform: true, signal: waiting.signal })
    await eventually(async () => {
      const { rows } = await caller.call('GET /workspaces/:id/delegations')
      return rows.length === 3 ? rows : undefined
    })
    waiting.abort()
    expect((await waited).text).toContain('it was stopped; the platform knows')
    await molecule.flushed()
    const { rows } = await caller.call('GET /workspaces/:id/delegations')
    expect(rows.map(({ status: word }) => word)).toEqual(['failed', 'failed', 'failed'])
    for (const id of ids) expect(await status(molecule, id)).toMatchObject({ status: 'failed' })
    await callee.beat()
    expect((await caller.send(callee.id, 'the next')).said).toBe('did the next')
    expect(peer.seen.map(({ text }) => text)).toEqual(['the next'])
  })

  it('a record that comes after the answer has its end at once', async () => {
    const { url } = await platformProcess()
    const peer = await workspace()
    const caller = await enroll(url)
    const callee = await enroll(url, { url: peer.url })
    const sent = await caller.send(callee.id, 'count', { metadata: { delegation_id: 'deleg_0123-0' } })
    expect(sent.said).toBe('did count')
    const body = { target_id: callee.id, task: 'count', delegation_id: 'deleg_0123-0' }
    expect((await caller.call('POST /workspaces/:id/delegations/record', { body })).status).toBe(202)
    expect(await rowOf(caller, 'deleg_0123-0')).toMatchObject({ status: 'completed', result: 'did count' })
  })
})

describe('as a unit of the ledger', () => {
  async function unit(runner: RunnerReference, goal: string): Promise<SingleEvent> {
    const delegator = await createDelegator({ transcripts: false, maxSummaryCharacters: 0 })
    try {
      const outcome = await delegator.dispatch({ goal, runner })
      if (outcome.status !== 'dispatched') throw new Error(outcome.error)
      return (await delegator.wait(outcome.delegationId)) as SingleEvent
    } finally {
      await delegator.close()
    }
  }

  it.each(['platform', 'proxy', 'direct'] as const)(
    'by the route %s it has the whole answer',
    async (route) => {
      const { url } = await platformProcess()
      const peer = await workspace((seen, response) => answer(response, `${seen.text}: ${long}`))
      const caller = await enroll(url)
      const callee = await enroll(url, { url: peer.url })
      process.env['MOLECULE_TEST_TOKEN'] = caller.token
      const workspaces = [{ id: caller.id, tokenEnv: 'MOLECULE_TEST_TOKEN' }]
      const connection = { platformUrl: url, workspaces, pollSeconds: 0.05 }
      const event = await unit(moleculeRunner({ ...connection, target: callee.id, route }), 'count')
      expect(event).toMatchObject({ status: 'completed', summary: `count: ${long}` })
    },
  )

  it('B7, B25: queued, and the platform is killed: the next one drains it, and the unit ends, sent once', async () => {
    const path = newFile()
    const first = await platformProcess({}, path)
    const port = Number(new URL(first.url).port)
    let isBusy = true
    const peer = await workspace((seen, response) =>
      isBusy ? json(response, 503, { error: 'busy' }) : answer(response, `did ${seen.text}`),
    )
    const caller = await enroll(first.url)
    const callee = await enroll(first.url, { url: peer.url })
    process.env['MOLECULE_TEST_TOKEN'] = caller.token
    const workspaces = [{ id: caller.id, tokenEnv: 'MOLECULE_TEST_TOKEN' }]
    const runner = moleculeRunner({
      ...{ platformUrl: first.url, workspaces, pollSeconds: 0.05 },
      ...{ target: callee.id, route: 'proxy' },
    })
    const event = unit(runner, 'count')
    const row = await eventually(async () => {
      const [sent] = (await caller.call('GET /workspaces/:id/delegations')).rows
      return sent
    })
    expect(row.delegation_id).toMatch(/^deleg_.*-0$/)
    await first.kill()
    isBusy = false
    const second = await platformProcess({ port }, path)
    await memberOf(second.url, callee.id, callee.token).beat()
    expect(await event).toMatchObject({ status: 'completed', summary: 'did count' })
    expect(await rowOf(caller, row.delegation_id)).toMatchObject({ status: 'completed', result: 'did count' })
  })
})

it('a runner of the configuration delegates from the command line', async () => {
  const { url } = await platformProcess()
  const peer = await workspace()
  const caller = await enroll(url)
  const callee = await enroll(url, { url: peer.url })
  const folder = dirname(newFile())
  const runners = { analyst: { molecule: { target: callee.id, poll_seconds: 0.05 } } }
  writeFileSync(join(folder, 'hermes-delegate.yaml'), JSON.stringify({ runners }))
  const env = { PLATFORM_URL: url, WORKSPACE_ID: caller.id, WORKSPACE_AUTH_TOKEN: caller.token }
  const { code, stdout } = await startCommand(['run', '-r', 'analyst', 'count'], { cwd: folder, env }).ended
  expect(stdout).toContain('did count')
  expect(code).toBe(0)
  const without = await startCommand(['run', '-r', 'analyst', 'count'], { cwd: folder }).ended
  expect(without).toMatchObject({ code: 2 })
  expect(without.stderr).toContain(
    'runners.analyst.molecule.workspaces: expected the id of the own workspace',
  )
})

it('the tools of a model work on it, one after the other', async () => {
  const { url } = await platformProcess()
  const peer = await workspace()
  const caller = await enroll(url, { name: 'Lead', role: 'lead' })
  const callee = await enroll(url, { url: peer.url, name: 'Researcher', parent_id: caller.id })
  const delegator = await createDelegator({ transcripts: false })
  atEnd(() => delegator.close())
  const peers = createMoleculeDirectory(moleculeOf(url, caller))
  const tools = createTools({ delegator, peers, sessionKey: 's' })
  const called = async (name: string, input: object) => (await tools.call(name, input)).data
  const [listed] = (await called('list_peers', {}))['peers'] as Record<string, unknown>[]
  expect(listed).toMatchObject({ workspace_id: callee.id, name: 'Researcher', status: 'online' })
  expect(await called('get_workspace_info', {})).toMatchObject({
    ...{ workspace_id: caller.id, name: 'Lead', role: 'lead', status: 'online' },
  })
  const answered = await called('delegate_task', { workspace_id: callee.id, task: 'count the rows' })
  expect(answered['result']).toContain('did count the rows')
  const { task_id } = await called('delegate_task_async', {
    workspace_id: callee.id,
    task: 'count them again',
  })
  const seen = await eventually(async () => {
    const look = await called('check_task_status', { workspace_id: callee.id, task_id })
    return look['status'] === 'completed' ? look : undefined
  })
  expect(seen['result']).toContain('did count them again')
  await called('send_message_to_user', { message: 'there are 42', attachments: ['/tmp/rows.csv'] })
  const told = (await activities(caller)).find(({ summary }) => summary === 'there are 42')
  expect(told?.response_body).toMatchObject({ attachments: [{ name: 'rows.csv' }] })
})

it('two workspaces, four processes and a platform: each delegates to the other', async () => {
  const { url } = await platformProcess()
  const members: Member[] = []
  for (const name of ['one', 'two']) {
    const served = await serving()
    atEnd(() => served[Symbol.asyncDispose]())
    const how = { url: `${served.url}/a2a`, inbound_token: tokens.alice, deduplicates: true, name }
    members.push(await enroll(url, how))
  }
  const [one, two] = members as [Member, Member]
  const ask = (member: Member, ...line: unknown[]) => asked(url, member, line)
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const) {
    expect(await ask(from, 'list')).toMatchObject({ value: [{ workspace_id: to.id, status: 'online' }] })
    const { value } = await ask(from, 'delegate', to.id, 'echo hello')
    expect((value as { result: string }).result).toContain('hello')
    expect(await ask(from, 'delegate', to.id, 'refuse')).toMatchObject({
      error: expect.stringContaining('cannot refuse') as string,
    })
  }
})

/** One call in a process of its own, from the names that the environment of such a workspace has. */
async function asked(
  url: string,
  { id, token }: Member,
  line: unknown[],
): Promise<{ value?: unknown; error?: string }> {
  const env = { ...process.env, PLATFORM_URL: url, WORKSPACE_ID: id, WORKSPACE_AUTH_TOKEN: token }
  const child = spawn(process.execPath, [program('molecule-process.js')], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  atEnd(() => void child.kill('SIGKILL'))
  const answered = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>
  child.stdin.end(`${JSON.stringify(line)}\n`)
  return JSON.parse((await answered)[0]) as { value?: unknown; error?: string }
}
