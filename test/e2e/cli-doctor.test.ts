import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { start, untilFile, type Ended } from './cli-process.js'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const ledger = (): string => join(cwd, 'hermes-delegate/ledger.db')

/** Leaves the unit of a process that was killed. */
async function orphan(): Promise<string> {
  const { stdout } = await run('run', '--detach', '--json', '-r', 'shell', 'touch started; sleep 600')
  const { delegation_id, pid } = JSON.parse(stdout) as { delegation_id: string; pid: number }
  await untilFile(join(cwd, 'started'))
  process.kill(pid, 'SIGKILL')
  return delegation_id
}

describe('doctor', () => {
  it('says what there is, and makes no ledger', async () => {
    const { code, stdout } = await run('doctor')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ok +node +v\d+\..*\nok +config +no file: every default holds\n/)
    expect(stdout).toMatch(/^ok +sqlite +(?:node:sqlite|better-sqlite3), SQLite 3\./m)
    expect(stdout).toContain(`${ledger()}: not there yet`)
    expect(existsSync(ledger())).toBe(false)
  })

  it('tells what is well', async () => {
    await run('run', '-r', 'shell', 'true')
    const { code, stdout } = await run('doctor', '--json')
    expect(code).toBe(0)
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { name: string; detail: string }[] }
    expect(ok).toBe(true)
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'config',
      'sqlite',
      'ledger',
      'permissions',
      'folder',
      'owners',
      'processes',
      'audit',
    ])
    expect(checks.find(({ name }) => name === 'ledger')?.detail).toMatch(/: \d+ bytes, schema 1\.\d+ \(this/)
  })

  it('names an owner that is gone, without taking anything over, and audit what to do', async () => {
    const id = await orphan()
    for (let round = 1; round <= 2; round++) {
      const { code, stdout } = await run('doctor')
      expect(code).toBe(1)
      expect(stdout).toMatch(/^BAD +owner +process \d+, seen \d+s ago: gone/m)
      expect(stdout).toMatch(/^BAD +audit +1 to look at/m)
    }
    const { code, stdout } = await run('audit')
    expect(code).toBe(1)
    expect(stdout).toContain(`owner_died ${id}: the process that ran it is gone\n  to do: `)
    await run('list')
    expect(await run('audit')).toMatchObject({ code: 0, stdout: 'everything is in order\n' })
  })

  it('names a file beside the ledger that holds no end, as audit does', async () => {
    await run('list')
    const file = `${ledger()}.unsettled.deleg_1.1.json`
    writeFileSync(file, 'cut off')
    const { code, stdout } = await run('doctor')
    expect(code).toBe(1)
    expect(stdout).toContain(`BAD unreadable  ${file}: `)
    expect(stdout).toMatch(/^BAD +audit +1 to look at/m)
    expect((await run('audit')).stdout).toContain(`unreadable ${file}: `)
  })

  it('says what is wrong with the file, and with the configuration', async () => {
    await run('list')
    chmodSync(ledger(), 0o644)
    expect((await run('doctor')).stdout).toMatch(/^BAD +permissions +0644: others may read it; chmod 600$/m)
    writeFileSync(join(cwd, 'broken.db'), 'this is no database')
    const broken = await run('--ledger', 'broken.db', 'doctor')
    expect(broken).toMatchObject({ code: 1, stderr: '' })
    expect(broken.stdout).toMatch(/^BAD +ledger +the ledger is damaged/m)
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), 'ledger: { kind: redis }')
    const { code, stdout } = await run('doctor')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^BAD +config +the configuration is not valid .*\n.*expected one of sqlite, memory, got "redis"/m,
    )
  })
})
