import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDelegator, sqliteLedger } from '../../src/index.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { start, until, type Ended } from './cli-process.js'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const goalsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { goal: string }).goal)

/** What a program of the host leaves in the ledger that the commands use. */
async function leave(sessionKey: string, ...goals: string[]): Promise<void> {
  const ledger = sqliteLedger(join(cwd, 'hermes-delegate/ledger.db'))
  const delegator = await createDelegator({ ledger })
  for (const goal of goals) {
    const handle = await delegator.dispatch({ goal, sessionKey, runner: () => ({ summary: goal }) })
    if (handle.status === 'dispatched') await delegator.wait(handle.delegationId)
  }
  await delegator.close()
}

describe('drain', () => {
  it('takes those of one session, in order, once', async () => {
    await leave('s', 'a', 'b')
    await leave('other', 'c')
    const { code, stdout, stderr } = await run('drain', '--session', 's', '--json')
    expect({ code, stderr, goals: goalsOf(stdout) }).toEqual({ code: 0, stderr: '', goals: ['a', 'b'] })
    expect(await run('drain', '--session', 's')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await run('drain', '--session', 'never-was')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await run('drain', '--session', 'other')).stdout).toMatch(/^\[ASYNC DELEGATION COMPLETE — /)
  })

  it('--all takes those without a session, too, and up to --limit', async () => {
    await leave('', 'a')
    await leave('s', 'b', 'c')
    expect(goalsOf((await run('drain', '--all', '--json', '--limit', '2')).stdout)).toEqual(['a', 'b'])
    expect(goalsOf((await run('drain', '--all', '--json')).stdout)).toEqual(['c'])
  })

  it('--no-ack takes nothing', async () => {
    await leave('s', 'a', 'b', 'c')
    const look = (...args: string[]) => run('drain', '--session', 's', '--no-ack', '--json', ...args)
    expect(goalsOf((await look('--limit', '2')).stdout)).toEqual(['a', 'b'])
    expect(goalsOf((await look()).stdout)).toEqual(['a', 'b', 'c'])
    expect(goalsOf((await run('drain', '--session', 's', '--json')).stdout)).toEqual(['a', 'b', 'c'])
  })

  it('R3: an event of the host itself is printed as it is', async () => {
    const delegator = await createDelegator({ ledger: sqliteLedger(join(cwd, 'hermes-delegate/ledger.db')) })
    await delegator.completions.publish({ type: 'process_exit', session_key: 's', code: 3 })
    await delegator.close()
    expect(JSON.parse((await run('drain', '--session', 's')).stdout)).toMatchObject({
      type: 'process_exit',
      code: 3,
    })
  })

  it('P3: what nobody reads any more goes back', async () => {
    const running = start(['drain', '--all', '--follow', '--json'], { cwd })
    running.process.stdout?.destroy()
    await leave('s', 'a')
    await until(() => running.process.exitCode !== null)
    expect(running.process.exitCode).toBe(0)
    expect(goalsOf((await run('drain', '--session', 's', '--json')).stdout)).toEqual(['a'])
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '--follow prints what comes until %s, which is no failure',
    async (signal) => {
      const running = start(['drain', '--session', 's', '--follow', '--json'], { cwd })
      await leave('s', 'a')
      await until(() => goalsOf(running.printed()).includes('a'))
      await leave('other', 'x')
      await leave('s', 'b')
      await until(() => goalsOf(running.printed()).includes('b'))
      running.process.kill(signal)
      const { code, stdout } = await running.ended
      expect({ code, goals: goalsOf(stdout) }).toEqual({ code: 0, goals: ['a', 'b'] })
    },
  )

  it('P3: a run and a follower of its session never both print an event', async () => {
    const follower = start(['drain', '--session', 's', '--follow', '--json'], { cwd })
    await leave('s', 'first')
    await until(() => goalsOf(follower.printed()).includes('first'))
    const own = (goal: string) => run('run', '-r', 'shell', '--session', 's', '--json', goal)
    const printed: string[] = []
    for (let round = 1; round <= 2; round++) {
      const ended = await Promise.all([own(`echo ${round}a`), own(`echo ${round}b`), own(`echo ${round}c`)])
      printed.push(...ended.flatMap(({ stdout }) => goalsOf(stdout)))
    }
    await leave('s', 'last')
    await until(() => goalsOf(follower.printed()).includes('last'))
    follower.process.kill('SIGINT')
    expect(printed).toHaveLength(6)
    expect(goalsOf((await follower.ended).stdout)).toEqual(['first', 'last'])
  })

  it('P3: nor where the run joined the unit of another process, and then it says so', async () => {
    const goal = 'while ! test -e go; do sleep 0.05; done; echo done'
    const args = ['run', '-r', 'shell', '--session', 's', '--key', 'k', '--json', goal]
    const detached = await run(...args.slice(0, 1), '--detach', ...args.slice(1))
    const { delegation_id: id } = JSON.parse(detached.stdout) as { delegation_id: string }
    const follower = start(['drain', '--session', 's', '--follow', '--json'], { cwd })
    await leave('s', 'first')
    await until(() => goalsOf(follower.printed()).includes('first'))
    const joined = [start(args, { cwd }), start(args, { cwd })]
    writeFileSync(join(cwd, 'go'), '')
    const ended = await Promise.all(joined.map((one) => one.ended))
    await leave('s', 'last')
    await until(() => goalsOf(follower.printed()).includes('last'))
    follower.process.kill('SIGINT')
    const followed = goalsOf((await follower.ended).stdout)
    const printed = [...followed, ...ended.flatMap(({ stdout }) => goalsOf(stdout))]
    expect(printed.sort()).toEqual(['first', 'last', goal].sort())
    const silent = ended.filter(({ stdout }) => stdout === '')
    expect(silent.length).toBeGreaterThan(0)
    for (const { code, stderr } of silent) {
      expect(code).toBe(0)
      expect(stderr).toContain(`the completion of ${id} was taken by another consumer`)
    }
    expect((await run('show', id)).stdout).toContain('delivery: delivered')
  })

  it('P3: a run that is killed before its completion was acknowledged leaves it to a drain', async () => {
    const hook = `const write = process.stdout.write.bind(process.stdout)
      process.stdout.write = (...args) => { write(...args); process.kill(process.pid, 'SIGKILL') }`
    writeFileSync(join(cwd, 'hook.mjs'), hook)
    const env = { NODE_OPTIONS: `--import ${join(cwd, 'hook.mjs')}` }
    const killed = await start(['run', '-r', 'shell', '--session', 's', '--json', 'echo a'], { cwd, env })
      .ended
    expect(killed.code).toBe(null)
    expect(
      goalsOf((await run('drain', '--session', 's', '--follow', '--limit', '1', '--json')).stdout),
    ).toEqual(['echo a'])
  })

  it('P3: what a run could write to nobody is there for a drain', async () => {
    const running = start(['run', '-r', 'shell', '--session', 's', 'sleep 0.2; echo a'], { cwd })
    running.process.stdout?.destroy()
    expect((await running.ended).code).toBe(0)
    expect(goalsOf((await run('drain', '--session', 's', '--json')).stdout)).toEqual(['sleep 0.2; echo a'])
  })

  it('P3: two drains share a session, and none prints what the other one does', async () => {
    const goals = Array.from({ length: 20 }, (_, index) => `goal ${index}`)
    await leave('s', ...goals)
    const both = await Promise.all([
      run('drain', '--session', 's', '--json'),
      run('drain', '--session', 's', '--json'),
    ])
    expect(both.flatMap(({ stdout }) => goalsOf(stdout)).sort()).toEqual([...goals].sort())
  })
})

describe('deliveries', () => {
  it('lists what waits; what is dead is retried or dismissed', async () => {
    expect((await run('deliveries')).stdout).toBe('everything is delivered\n')
    const ledger = sqliteLedger(join(cwd, 'hermes-delegate/ledger.db'), { rules: { maxAttempts: 1 } })
    const delegator = await createDelegator({ ledger })
    for (const event_id of ['one', 'two', 'three'])
      await delegator.completions.publish({ type: 'notice', session_key: 's', event_id })
    const [one, two] = await delegator.completions.claim({ sessionKey: 's', limit: 2 })
    await one?.release('the chat is gone')
    await two?.release('the chat is gone')
    await delegator.close()
    const { stdout } = await run('deliveries')
    expect(stdout).toMatch(/^EVENT +STATE +.*\none +dead +1 +- +s +the chat is gone +notice\n/)
    expect(stdout).toMatch(/\nthree +pending +0 /)
    const retried = await run('deliveries', 'retry', 'one', 'three')
    expect(retried).toMatchObject({
      code: 1,
      stdout: 'one: pending again\nthree: neither dead nor dropped; left as it is\n',
    })
    expect(await run('deliveries', 'dismiss', 'two', '--json')).toMatchObject({
      code: 0,
      stdout: '[{"event_id":"two","done":true}]\n',
    })
    const listed = JSON.parse((await run('deliveries', 'list', '--all', '--json')).stdout) as {
      state: string
    }[]
    expect(listed.map(({ state }) => state)).toEqual(['pending', 'dismissed', 'pending'])
    expect(JSON.parse((await run('deliveries', '--json')).stdout)).toHaveLength(2)
  })
})

describe('a ledger that cannot be used', () => {
  it.each(['list', 'capacity', 'deliveries'])('is one line to %s', async (command) => {
    writeFileSync(join(cwd, 'broken.db'), 'this is no database')
    const { code, stdout, stderr } = await run('--ledger', 'broken.db', command)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^hermes-delegate: the ledger is damaged, or no database at all \(path: .*\)\n$/)
  })

  it('is not waited for longer than the configuration says, where another program keeps it locked', async () => {
    await run('list')
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), 'ledger: { busy_ms: 100 }')
    const db = await openSqlite(join(cwd, 'hermes-delegate/ledger.db'))
    db.exec('BEGIN IMMEDIATE')
    const { code, stderr } = await run('list')
    db.close()
    expect(code).toBe(1)
    expect(stderr).toMatch(/^hermes-delegate: another process keeps the ledger locked \(.*\)\n$/)
  })

  it.each([
    ['PRAGMA user_version = 9001', 1, 'the ledger was written by a newer major version'],
    ['PRAGMA application_id = 7', 2, 'the file is a database of another program'],
  ])('%s exits %d and says: %s', async (change, expected, words) => {
    await run('list')
    const db = await openSqlite(join(cwd, 'hermes-delegate/ledger.db'))
    db.exec(change)
    db.close()
    const { code, stdout, stderr } = await run('list')
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' })
    expect(stderr).toContain(words)
    expect(stderr.split('\n')).toHaveLength(2)
  })
})
