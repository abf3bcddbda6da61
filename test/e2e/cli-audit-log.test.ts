import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuditLog } from '../../src/molecule/molecule.js'
import { start, type Ended } from './cli-process.js'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const run = (args: string[], env: Record<string, string> = {}): Promise<Ended> =>
  start(args, { cwd, env }).ended

async function written(path: string): Promise<void> {
  const log = createAuditLog({ path })
  const event = { event_type: 'delegation', workspace_id: 'lead', action: 'delegate', resource: 'analyst' }
  log.record({ ...event, outcome: 'dispatched', trace_id: 't1', extra: { task_preview: 'count the rows' } })
  log.record({ ...event, outcome: 'failure', trace_id: 't1', extra: { reason: 'timeout' } })
  log.record({
    ...event,
    event_type: 'rbac',
    outcome: 'denied',
    trace_id: 't2',
    extra: { roles: ['read-only'] },
  })
  await log.flushed()
}

describe('audit-log', () => {
  it('prints what was audited, filters it, and takes the newest', async () => {
    await written(join(cwd, 'hermes-delegate/audit.log'))
    const { code, stdout } = await run(['audit-log'])
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toMatch(/^TIME +EVENT +OUTCOME +RESOURCE +TRACE +MORE$/)
    expect(stdout).toMatch(/ delegation +dispatched +analyst +t1 +task_preview=count the rows\n/)
    expect(stdout).toMatch(/ rbac +denied +analyst +t2 +roles=\["read-only"\]\n/)
    const traces = async (...args: string[]) =>
      (await run(['audit-log', '--json', ...args])).stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { outcome: string }).outcome)
    expect(await traces()).toEqual(['dispatched', 'failure', 'denied'])
    expect(await traces('--trace', 't1', '--outcome', 'failure')).toEqual(['failure'])
    expect(await traces('--event', 'rbac')).toEqual(['denied'])
    expect(await traces('--resource', 'other')).toEqual([])
    expect(await traces('--since', '2099-01-01')).toEqual([])
    expect(await traces('--until', '2020-01-01')).toEqual([])
    expect(await traces('--until', '2099-01-01')).toHaveLength(3)
    expect(await traces('--workspace', 'lead', '--limit', '1')).toEqual(['denied'])
  })

  it('finds the log by --file, AUDIT_LOG_PATH and audit.path; says what it cannot read', async () => {
    const path = join(cwd, 'own.log')
    expect((await run(['audit-log'])).stdout).toBe('nothing that fits was audited\n')
    await written(path)
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), 'audit: { path: own.log }\n')
    for (const [args, env] of [
      [['--file', path], {}],
      [[], { AUDIT_LOG_PATH: path }],
      [[], {}],
    ] as const)
      expect((await run(['audit-log', ...args], env)).stdout).toContain('denied')
    writeFileSync(path, 'no event\n', { flag: 'a' })
    const { code, stderr } = await run(['audit-log', '--file', path])
    expect([code, stderr]).toEqual([0, `hermes-delegate: warning: 1 lines of ${path} are no events\n`])
    expect((await run(['audit-log', '--limit', '0'])).code).toBe(2)
  })
})
