import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  processesOf,
  start,
  uniqueSleep,
  until,
  untilFile,
  type Ended,
  besidesTheTree,
} from './cli-process.js'

let cwd: string
let ids: string[]

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
  ids = []
})
afterEach(async () => {
  if (ids.length > 0) await run('interrupt', '--all')
  rmSync(cwd, { recursive: true, force: true })
})

const path = (name: string): string => join(cwd, name)
const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await run(...args, '--json')).stdout)

/** A unit in a process of its own. */
async function detached(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('run', '--detach', '-r', 'shell', ...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const id = stdout.trim()
  expect(id).toMatch(/^deleg_[0-9a-f]{20}$/)
  ids.push(id)
  return id
}

const pidOf = async (id: string): Promise<number> =>
  ((await json('list')) as { delegation_id: string; owner_pid: number }[]).find(
    ({ delegation_id }) => delegation_id === id,
  )?.owner_pid ?? 0

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('run --detach', () => {
  it('leaves at once; the unit runs on in a process that ends with it, and a drain gets its completion', async () => {
    const id = await detached('--session', 's', 'while ! test -e go; do sleep 0.05; done; echo done')
    const pid = await pidOf(id)
    expect(isAlive(pid)).toBe(true)
    writeFileSync(path('go'), '')
    await until(() => !isAlive(pid))
    const { code, stdout } = await run('drain', '--session', 's', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ delegation_id: id, status: 'completed', restored: true })
  })

  it('--json tells the process, too; what it could not do comes back as if it had been done here', async () => {
    const handle = await json('run', '--detach', '-r', 'shell', 'true')
    expect(handle).toMatchObject({
      status: 'dispatched',
      delegation_id: expect.stringMatching(/^deleg_/) as string,
      pid: expect.any(Number) as number,
    })
    writeFileSync(path('none.yaml'), 'delegation: { max_async_children: 0 }')
    const refused = await run('--config', 'none.yaml', 'run', '--detach', '-r', 'shell', 'true')
    expect(refused).toMatchObject({ code: 75, stdout: '' })
    expect(refused.stderr).toMatch(/^hermes-delegate: Async delegation capacity reached/)
    writeFileSync(path('memory.yaml'), 'ledger: { kind: memory }')
    const lost = await run('--config', 'memory.yaml', 'run', '--detach', '-r', 'shell', 'true')
    expect(lost).toMatchObject({ code: 2, stdout: '' })
    expect(lost.stderr).toContain('needs a ledger in a file')
  })

  it('P6: a signal to its process stops its unit politely', async () => {
    const sleep = uniqueSleep(600)
    const id = await detached('--session', 's', sleep)
    await until(() => processesOf(sleep).length === 1)
    process.kill(await pidOf(id), 'SIGTERM')
    expect(await run('wait', id)).toMatchObject({ code: 1 })
    expect(processesOf(sleep)).toEqual([])
  })

  it('P3: one that is killed is reported to whoever drains', async () => {
    const id = await detached('--session', 's', 'touch started; sleep 600')
    await untilFile(path('started'))
    process.kill(await pidOf(id), 'SIGKILL')
    const { stdout } = await run('drain', '--session', 's', '--follow', '--limit', '1', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ delegation_id: id, status: 'unknown' })
    expect(await json('list')).toEqual([])
  })
})

describe('run', () => {
  it('P1: one cap for all processes that share the ledger', async () => {
    for (const name of ['a', 'b', 'c']) await detached(`touch ${name}; sleep 600`)
    const refused = await run('run', '-r', 'shell', '--json', 'true')
    expect(refused.code).toBe(75)
    const { refusal } = JSON.parse(refused.stdout) as { refusal: { holders: { delegation_id: string }[] } }
    expect(refusal.holders.map(({ delegation_id }) => delegation_id).sort()).toEqual([...ids].sort())
    const { stdout } = await run('capacity')
    expect(stdout).toMatch(
      /^0 of 3 slots are free, 3 in use \(scope: ledger\)\nID +AGE +GOAL\n(?:deleg_.*\n){3}$/,
    )
  })

  it('--key: the same key is the same unit, in another process, and later', async () => {
    const args = ['run', '-r', 'shell', '--json', '--key', 'k', 'echo x >> ran; echo one']
    const ended = await Promise.all([run(...args), run(...args)])
    ended.push(await run(...args))
    const [printed, ...others] = ended.sort((a, b) => b.stdout.length - a.stdout.length)
    const { delegation_id: id } = JSON.parse(printed.stdout) as { delegation_id: string }
    for (const { code, stdout, stderr } of others) {
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
      expect(stderr).toContain(`the completion of ${id} was taken by another consumer`)
    }
    expect(readFileSync(path('ran'), 'utf8')).toBe('x\n')
    expect(await run('run', '-r', 'shell', '--key', 'k', 'echo two')).toMatchObject({ code: 75 })
  })

  it('who gives up on the unit of another process leaves it running', async () => {
    const goal = 'touch started; sleep 600'
    const id = await detached('--key', 'k', goal)
    await untilFile(path('started'))
    // Nothing shows that it waits, so it is asked to say when it watches the ledger.
    const say = `import fs from 'node:fs'\nimport { syncBuiltinESMExports } from 'node:module'\nconst watch = fs.watch\nfs.watch = (...args) => { fs.writeFileSync('waits', ''); return watch(...args) }\nsyncBuiltinESMExports()`
    writeFileSync(path('hook.mjs'), say)
    const env = { NODE_OPTIONS: `--import ${path('hook.mjs')}` }
    const running = start(['run', '-r', 'shell', '--key', 'k', goal], { cwd, env })
    await untilFile(path('waits'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stdout: '' })
    expect(await json('list')).toMatchObject([{ delegation_id: id, status: 'running' }])
  })

  it('--notify-cmd gets the event by its input, and no shell sees it', async () => {
    const goal = 'echo "; touch injected #"'
    const script = `require("fs").writeFileSync("told", require("fs").readFileSync(0))`
    const command = `'${process.execPath}' -e '${script}'`
    const { code, stderr } = await run('run', '-r', 'shell', '--notify-cmd', command, goal)
    expect({ code, others: besidesTheTree(stderr) }).toEqual({ code: 0, others: '' })
    expect(JSON.parse(readFileSync(path('told'), 'utf8'))).toMatchObject({ summary: '; touch injected #' })
    expect(() => readFileSync(path('injected'))).toThrow()
    const detachedArgs = ['--detach', '--notify-cmd', command.replace('told', 'told-later')]
    await run('run', '-r', 'shell', ...detachedArgs, 'true')
    await until(() => readableJson(path('told-later')))
  })

  it('a --notify-cmd that fails is told, and changes nothing', async () => {
    const failing = await run('run', '-r', 'shell', '--notify-cmd', 'false', 'true')
    expect(failing).toMatchObject({ code: 0 })
    expect(failing.stderr).toContain('warning: false, which was to be told of the end, ended with 1')
    const missing = await run('run', '-r', 'shell', '--notify-cmd', './nowhere', 'true')
    expect(missing.stderr).toContain('could not be started')
  })
})

function readableJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, 'utf8'))
    return true
  } catch {
    return false
  }
}

describe('units of other processes', () => {
  it('list shows what runs; with --all, what has ended, too', async () => {
    expect((await run('list')).stdout).toBe('nothing runs\n')
    const id = await detached('--session', 's', 'sleep 600')
    expect((await run('list')).stdout).toMatch(
      new RegExp(`^ID +STATUS +.*\\n${id} +running +- +0/1 +\\ds +\\d+ +s +sleep 600\\n$`),
    )
    await run('interrupt', id)
    expect(await json('list')).toEqual([])
    expect(await json('list', '--all')).toMatchObject([
      { delegation_id: id, status: 'interrupted', delivery_state: 'pending' },
    ])
  })

  it('show tells all there is of one', async () => {
    const id = await detached('--session', 's', 'echo one', 'touch started; sleep 600')
    await untilFile(path('started'))
    await until(() => processesOf('sleep 600').length > 0)
    // Its state is recorded a moment after it has begun.
    const running = /\n2 +running +.*task-1\.log +touch started; sleep 600\n/
    await until(async () => running.test((await run('show', id)).stdout))
    await run('interrupt', id)
    const { stdout } = await run('show', id)
    expect(stdout).toMatch(/^id: +deleg_.*\nstatus: +completed\n/)
    expect(stdout).toMatch(/\n1 +completed .* echo one\n2 +interrupted /)
    expect(stdout).toMatch(/\ndelivery: pending\n\[ASYNC DELEGATION BATCH COMPLETE/)
    expect(await json('show', id)).toMatchObject({
      record: { delegation_id: id, live_transcripts: { 0: expect.stringMatching(/task-0\.log$/) as string } },
      deliveries: [{ event_id: id, state: 'pending', event: { is_batch: true } }],
    })
  })

  it('wait prints what ends, and marks it delivered to nobody', async () => {
    const good = await detached('--session', 's', 'while ! test -e go; do sleep 0.05; done; echo good')
    const waiting = start(['wait', good, '--json'], { cwd })
    writeFileSync(path('go'), '')
    const { code, stdout } = await waiting.ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ delegation_id: good, summary: 'good' })
    const bad = await detached('exit 3')
    const both = await run('wait', good, bad, 'deleg_none')
    expect(both.code).toBe(1)
    expect(both.stdout.match(/^\[ASYNC DELEGATION COMPLETE/gm)).toHaveLength(2)
    expect(both.stderr).toContain('no delegation of that id is known (id: deleg_none')
    expect((await run('drain', '--session', 's')).stdout).toContain(good)
  })

  it('wait --timeout gives up, and the unit goes on', async () => {
    const id = await detached('sleep 600')
    const late = await run('wait', id, '--timeout', '0.1')
    expect(late).toMatchObject({ code: 1, stdout: '' })
    expect(late.stderr).toContain('had not ended in the time given')
    expect(await json('list')).toHaveLength(1)
  })

  it('P6: interrupt reaches each where it runs, and says how that went', async () => {
    const sleeps = [uniqueSleep(600), uniqueSleep(600), uniqueSleep(600)]
    const [byId = '', bySession = '', rest = ''] = sleeps
    const id = await detached(byId)
    await detached('--session', 's', bySession)
    await detached(rest)
    await until(() => sleeps.every((sleep) => processesOf(sleep).length === 1))
    expect(await run('interrupt', id, '--reason', 'enough')).toMatchObject({
      code: 0,
      stdout: '1 unit with 1 subagent: 1 stopped by themselves, 0 by force, 0 could not be reached\n',
    })
    expect(processesOf(byId)).toEqual([])
    expect((await run('wait', id)).stdout).toContain('enough')
    const report = { signalled: 1, stopped: 1, escalated: 0, unreachable: 0, units: 1 }
    expect(await json('interrupt', '--session', 's')).toEqual(report)
    expect(processesOf(rest)).toHaveLength(1)
    expect(await json('interrupt', '--all')).toEqual(report)
    expect(await run('interrupt', '--all')).toMatchObject({ code: 0, stdout: 'nothing of it runs\n' })
    expect(await run('interrupt', 'deleg_none')).toMatchObject({ code: 1, stdout: '' })
  })

  it('P6: what could not be reached is a failure', async () => {
    const sleep = uniqueSleep(600)
    const body = `execSync('exec ${sleep}')`
    writeFileSync(
      path('native.mjs'),
      `import { execSync } from 'node:child_process'\nexport default () => { ${body} }`,
    )
    writeFileSync(path('hermes-delegate.yaml'), 'delegation: { interrupt_grace_ms: 100 }')
    await run('run', '--detach', '-r', './native.mjs', 'hang')
    await until(() => processesOf(sleep).length === 1)
    const { code, stdout } = await run('interrupt', '--all')
    expect(code).toBe(1)
    expect(stdout).toContain('1 could not be reached')
    for (const pid of processesOf(sleep)) process.kill(pid, 'SIGKILL')
  })

  it('logs prints the transcripts of a unit, or of one child of it', async () => {
    const id = await detached('echo one', 'echo two')
    await run('wait', id)
    const { stdout } = await run('logs', id)
    expect(stdout).toMatch(
      /^==> task 1: echo one <==\n.*stdout \| one\n(?:.*\n)*==> task 2: echo two <==\n.*two\n/,
    )
    expect((await run('logs', id, '--task', '2')).stdout).toMatch(/^\d\d:\d\d:\d\d stdout \| two\n/)
    expect(await run('logs', id, '--task', '3')).toMatchObject({ code: 2, stdout: '' })
    expect(await run('logs', 'deleg_none')).toMatchObject({ code: 1, stdout: '' })
  })

  it('logs --follow prints lines as they come, and ends with the unit', async () => {
    const id = await detached('echo one; while ! test -e go; do sleep 0.05; done; echo two')
    const running = start(['logs', '-f', id], { cwd })
    await until(() => running.printed().includes('one'))
    expect(running.printed()).not.toContain('two')
    writeFileSync(path('go'), '')
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/one\n(?:.*\n)*.*two\n/)
  })
})
