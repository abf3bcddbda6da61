import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuditLog, readAudit } from '../../src/molecule/molecule.js'
import {
  moleculeAt,
  own,
  peer,
  says,
  sendJson,
  stands,
  startPlatform,
  type SmallPlatform,
} from './small-platform.js'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-audit-'))
  path = join(folder, 'log', 'audit.log')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const event = {
  event_type: 'delegation',
  workspace_id: own,
  action: 'delegate',
  resource: peer,
  outcome: 'success',
}

describe('the audit log', () => {
  it('is its owner’s alone, whoever made the file', async () => {
    mkdirSync(join(folder, 'log'))
    writeFileSync(path, '', { mode: 0o644 })
    const log = createAuditLog({ path })
    log.record(event)
    await log.flushed()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('loses no line to a rotation that fails', async () => {
    const warnings: string[] = []
    // Among the oldest, and no file that could be removed.
    mkdirSync(`${path}.2020-01-01T000000`, { recursive: true })
    const log = createAuditLog({ path, maxBytes: 1, keepFiles: 0, onWarning: (line) => warnings.push(line) })
    log.record({ ...event, trace_id: 't1' })
    await log.flushed()
    log.record({ ...event, trace_id: 't2' })
    await log.flushed()
    expect(readFileSync(path, 'utf8')).toContain('t2')
    expect(warnings).toEqual([expect.stringContaining('the audit cannot be rotated')])
  })

  it('is read once where it is rotated meanwhile', async () => {
    const log = createAuditLog({ path })
    log.record(event)
    await log.flushed()
    // The same file by the name that it gets.
    linkSync(path, `${path}.2025-01-01T000000-x`)
    expect((await readAudit(path)).events).toHaveLength(1)
  })

  it('has the mandatory fields, which extra ones cannot replace, in a file of its owner (M84)', async () => {
    const log = createAuditLog({ path, now: () => 1_750_000_000 })
    const traceId = log.record({ ...event, extra: { outcome: 'faked', timestamp: 'faked', attempt: 2 } })
    log.record({ ...event, trace_id: 't1', actor: 'somebody' })
    await log.flushed()
    const { events, unreadable } = await readAudit(path)
    expect(unreadable).toBe(0)
    expect(events).toEqual([
      {
        timestamp: '2025-06-15T15:06:40.000+00:00',
        event_type: 'delegation',
        workspace_id: own,
        actor: own,
        action: 'delegate',
        resource: peer,
        outcome: 'success',
        trace_id: traceId,
        attempt: 2,
      },
      expect.objectContaining({ trace_id: 't1', actor: 'somebody' }),
    ])
    expect(traceId).toMatch(/^[0-9a-f-]{36}$/)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('rotates without losing a line, also with several writers, and keeps so many files', async () => {
    const logs = [1, 2, 3].map(() => createAuditLog({ path, maxBytes: 2_000, keepFiles: 1_000 }))
    for (let round = 0; round < 40; round += 1) {
      for (const [index, log] of logs.entries()) log.record({ ...event, trace_id: `${index}-${round}` })
      await Promise.all(logs.map((log) => log.flushed()))
    }
    const { events } = await readAudit(path)
    expect(new Set(events.map(({ trace_id }) => trace_id)).size).toBe(120)
    expect(readdirSync(join(folder, 'log')).length).toBeGreaterThan(5)
    const last = createAuditLog({ path, maxBytes: 1, keepFiles: 2 })
    for (let round = 0; round < 4; round += 1) {
      last.record(event)
      await last.flushed()
    }
    const files = readdirSync(join(folder, 'log'))
    expect(files).toHaveLength(3)
    for (const file of files) expect(statSync(join(folder, 'log', file)).mode & 0o777).toBe(0o600)
  })

  it('what a crash has cut off costs its own line alone', async () => {
    const log = createAuditLog({ path })
    log.record(event)
    await log.flushed()
    appendFileSync(path, '{"timestamp":"2026')
    log.record({ ...event, trace_id: 'after' })
    await log.flushed()
    const { events, unreadable } = await readAudit(path)
    expect(events.map(({ trace_id }) => trace_id)).toContain('after')
    expect([events.length, unreadable]).toEqual([2, 1])
  })

  it('filters by each field and by time', async () => {
    let now = 1_000
    const log = createAuditLog({ path, now: () => now })
    log.record({ ...event, trace_id: 'a' })
    now = 2_000
    log.record({ ...event, trace_id: 'b', outcome: 'failure' })
    log.record({ ...event, trace_id: 'c', event_type: 'rbac', resource: 'other' })
    await log.flushed()
    const traces = async (filter: Parameters<typeof readAudit>[1]) =>
      (await readAudit(path, filter)).events.map(({ trace_id }) => trace_id as string).join('')
    expect(await traces({ outcome: 'failure' })).toBe('b')
    expect(await traces({ eventType: 'rbac' })).toBe('c')
    expect(await traces({ resource: peer })).toBe('ab')
    expect(await traces({ traceId: 'a' })).toBe('a')
    expect(await traces({ workspaceId: 'nobody' })).toBe('')
    expect(await traces({ since: 1_500 })).toBe('bc')
    expect(await traces({ until: 1_500 })).toBe('a')
    expect((await readAudit(join(folder, 'none'))).events).toEqual([])
  })

  it('what cannot be written is a warning, and nothing else', async () => {
    const warnings: string[] = []
    const log = createAuditLog({ path: join(folder, '\0bad'), onWarning: (text) => warnings.push(text) })
    expect(log.record(event)).toMatch(/\w/)
    await log.flushed()
    expect(warnings).toEqual([expect.stringMatching(/^the audit cannot be written: /)])
  })
})

describe('what delegations leave in it', () => {
  let platform: SmallPlatform
  beforeEach(async () => {
    platform = await startPlatform()
  })
  afterEach(() => platform.close())

  async function outcomes(): Promise<unknown[][]> {
    const { events } = await readAudit(path)
    for (const { event_type, trace_id, resource } of events) {
      expect(event_type).toMatch(/^(delegation|rbac)$/)
      expect(trace_id).toMatch(/^[0-9a-f-]{36}$/)
      expect([peer, own]).toContain(resource)
    }
    return events.map(({ outcome, reason, via }) =>
      [outcome, reason, via].filter((part) => part !== undefined),
    )
  }

  it('dispatched, queued, success (M85), also by a later look (B28: M87 left it out)', async () => {
    platform.on('POST /peer', (_seen, response, nth) =>
      nth === 1 ? sendJson(response, 200, says('x')) : sendJson(response, 202, { queued: true }),
    )
    const audit = createAuditLog({ path })
    const molecule = moleculeAt(platform.url, { audit })
    const first = molecule.delegateAsync(peer, `token=${'a1B2c3D4'.repeat(5)} ${'x'.repeat(500)}`)
    await stands(molecule, first.success ? first.task_id : '', 'completed')
    const second = molecule.delegateAsync(peer, 'y')
    const id = second.success ? second.task_id : ''
    await stands(molecule, id, 'queued')
    platform.on(`GET /workspaces/${own}/delegations`, [
      { type: 'delegation', delegation_id: id, status: 'completed', response_preview: 'z' },
    ])
    await molecule.checkTaskStatus(id)
    await molecule.close()
    expect(await outcomes()).toEqual([
      ['dispatched'],
      ['success'],
      ['dispatched'],
      ['queued'],
      ['success', 'refresh'],
    ])
    const [dispatched, success] = (await readAudit(path)).events
    expect(dispatched?.['task_preview']).not.toContain('a1B2c3D4')
    expect((dispatched?.['task_preview'] as string).length).toBeLessThanOrEqual(230)
    expect(success).toMatchObject({ attempt: 1, action: 'delegate', workspace_id: own })
  })

  it('B28: every failure with its reason, those of M87 too', async () => {
    const audit = createAuditLog({ path })
    const molecule = moleculeAt(platform.url, { audit, timeoutSeconds: 1 })
    const discover = `GET /registry/discover/${peer}`
    const failing = async (): Promise<void> => {
      const accepted = molecule.delegateAsync(peer, 'x')
      await stands(molecule, accepted.success ? accepted.task_id : '', 'failed')
    }
    for (const answer of [
      { url: '' },
      { url: 'ftp://x' },
      { url: `${platform.url}/peer`, status: 'offline' },
    ]) {
      platform.on(discover, answer)
      await failing()
    }
    platform.on(discover, { url: `${platform.url}/peer` })
    platform.on('POST /peer', (_seen, response) => response.end('no JSON'))
    await failing()
    platform.on('POST /peer', { error: { message: 'no' } })
    await failing()
    platform.on('POST /peer', () => undefined)
    await failing()
    const stopped = molecule.delegateAsync(peer, 'x')
    await platform.came('POST /peer', 4)
    molecule.cancel(stopped.success ? stopped.task_id : '')
    await molecule.close()
    expect((await outcomes()).filter(([outcome]) => outcome !== 'dispatched')).toEqual(
      ['no_url', 'discovery_error', 'offline', 'invalid_json', 'rpc_error', 'timeout', 'canceled'].map(
        (reason) => ['failure', reason],
      ),
    )
  })

  it('denials and self-delegation (M86, M10)', async () => {
    const audit = createAuditLog({ path })
    const denied = moleculeAt(platform.url, { audit, rbac: { roles: ['no-delegation'] } })
    denied.delegateAsync(peer, 'x')
    await denied.close()
    const allowed = moleculeAt(platform.url, { audit })
    allowed.delegateAsync(own, 'x')
    await allowed.close()
    expect(await outcomes()).toEqual([['denied'], ['rejected_self_delegation']])
    const [denial] = (await readAudit(path)).events
    expect(denial).toMatchObject({
      event_type: 'rbac',
      action: 'rbac.deny',
      resource: peer,
      attempted_action: 'delegate',
      roles: ['no-delegation'],
    })
    expect(readFileSync(path, 'utf8').endsWith('\n')).toBe(true)
  })
})
