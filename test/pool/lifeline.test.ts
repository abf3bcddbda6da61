import { execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Executor } from '../../src/pool/executor.js'
import { createGroupWatcher } from '../../src/pool/group-watcher.js'
import { createLifeline, processMarker, type Lifeline } from '../../src/pool/lifeline.js'
import { createPiscinaExecutor } from '../../src/pool/piscina-executor.js'
import type { SpawnedProcess } from '../../src/runner.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { hasLine, taskOf, watch, type Watched } from '../contract/executor.js'

const host = fileURLToPath(new URL('../fixtures/hosts/spawn-and-wait.js', import.meta.url))
const url = new URL('../fixtures/runners/spawner.js', import.meta.url).href

/** No other process on the machine sleeps for exactly this long. */
let seconds: string
beforeEach(() => {
  seconds = `8640${randomInt(1_000_000, 9_999_999)}.${randomInt(1_000_000, 9_999_999)}`
})

function processesOf(marker: string): string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,stat=,args=', '-ww'], { encoding: 'utf8' })
  // A zombie waits for its parent to read its code; it runs no more.
  return all.split('\n').filter((line) => line.includes(marker) && !/^\s*\d+\s+Z/.test(line))
}

function allGone(): Promise<void> {
  return vi.waitFor(() => expect(processesOf(seconds)).toEqual([]), { timeout: 30_000, interval: 50 })
}

function said(stream: Readable, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part
      if (output.includes(word)) resolve()
    })
    stream.once('end', () => reject(new Error(`ended before it said ${word}: ${output}`)))
  })
}

describe('a process on a lifeline', () => {
  let lifeline: Lifeline
  beforeEach(() => {
    lifeline = createLifeline('deleg_test:0', createGroupWatcher())
  })
  afterEach(async () => {
    lifeline.cut()
    await allGone()
  })

  const shell = (script: string): SpawnedProcess => lifeline.spawn(['/bin/sh', '-c', script, 'sh', seconds])

  it.each([
    ['exit 0', 0],
    ['exit 7', 7],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ])('reports how it ended: %s is %i', async (script, code) => {
    expect(await shell(script).ended).toEqual({ code })
  })

  it('says so when it cannot be started', async () => {
    const missing = lifeline.spawn(['/there/is/no/such/program'])
    expect((await missing.ended).code).toBe(127)
    const nowhere = lifeline.spawn(['/bin/true'], { cwd: '/there/is/no/such/folder' })
    expect(await nowhere.ended).toMatchObject({
      code: 127,
      error: 'there is no folder /there/is/no/such/folder to work in',
    })
    expect(() => lifeline.spawn([])).toThrow(TypeError)
  })

  it('reads its output to the end before it is over, and passes nothing through a shell', async () => {
    const echo = lifeline.spawn(['/bin/echo', '$HOME', '; exit 3', '"'])
    const [output, end] = await Promise.all([text(echo.stdout), echo.ended])
    expect(output).toBe('$HOME ; exit 3 "\n')
    expect(end).toEqual({ code: 0 })
  })

  it('has standard input when asked, and the environment that was given, with the marker', async () => {
    const cat = lifeline.spawn(['/bin/cat'], { stdin: true })
    cat.stdin?.end('through and through')
    expect(await text(cat.stdout)).toBe('through and through')
    const env = lifeline.spawn(['/usr/bin/env'], { env: { PATH: '/usr/bin:/bin', ONLY: 'this' } })
    const lines = (await text(env.stdout)).split('\n')
    expect(lines).toContain('ONLY=this')
    expect(lines).toContain(`${processMarker}=deleg_test:0`)
    expect(lines.some((line) => line.startsWith('HOME='))).toBe(false)
  })

  it('P6: is killed by cut with its whole group', async () => {
    const group = shell('sleep "$1" & sleep "$1" & echo up; wait')
    await said(group.stdout, 'up')
    expect(processesOf(seconds).length).toBeGreaterThanOrEqual(3)
    lifeline.cut()
    expect(await group.ended).toEqual({ code: 137 })
    await allGone()
  })

  it('P6: dies on cut even if it ignores SIGTERM', async () => {
    const stubborn = shell('trap "" TERM HUP INT; echo up; while :; do sleep "$1"; done')
    await said(stubborn.stdout, 'up')
    stubborn.signal('SIGTERM')
    stubborn.signal('SIGINT')
    stubborn.signal('SIGHUP')
    expect(processesOf(seconds)).not.toEqual([])
    lifeline.cut()
    expect(await stubborn.ended).toEqual({ code: 137 })
    await allGone()
  })

  it('P6: dies on cut even if it was stopped with SIGSTOP', async () => {
    const stopped = shell('echo up; exec sleep "$1"')
    await said(stopped.stdout, 'up')
    stopped.signal('SIGSTOP')
    await vi.waitFor(() => expect(processesOf(seconds).some((line) => /^\s*\d+\s+T/.test(line))).toBe(true))
    lifeline.cut()
    expect(await stopped.ended).toEqual({ code: 137 })
    await allGone()
  })

  it('a polite signal reaches the command, which says itself how it ends', async () => {
    const polite = shell('trap "exit 5" TERM; echo up; while :; do sleep 0.05; done')
    await said(polite.stdout, 'up')
    polite.signal('SIGTERM')
    expect(await polite.ended).toEqual({ code: 5 })
  })

  it('a polite signal reaches a command whose whole group was stopped', async () => {
    const stopped = shell('trap "exit 5" TERM; echo up; kill -STOP 0; while :; do sleep 0.05; done')
    await said(stopped.stdout, 'up')
    await vi.waitFor(() => expect(processesOf(seconds).some((line) => /^\s*\d+\s+T/.test(line))).toBe(true))
    stopped.signal('SIGTERM')
    expect(await stopped.ended).toEqual({ code: 5 })
  })

  it('P6: is not run where nothing can watch it', async () => {
    const unwatched = createLifeline('deleg_test:0', { watch: () => false, forget: () => undefined })
    const never = unwatched.spawn(['/bin/echo', 'ran'])
    const [output, end] = await Promise.all([text(never.stdout), never.ended])
    expect(output).toBe('')
    expect(end).toEqual({ code: 127, error: 'nothing could watch over the process, so it was not run' })
  })

  it('P6: what it leaves in the background of its group is killed when it ends', async () => {
    const leaving = shell('sleep "$1" & sleep "$1" & echo up; exit 4')
    await said(leaving.stdout, 'up')
    expect(await leaving.ended).toEqual({ code: 4 })
    await allGone()
  })

  it('P6: a process that is started after the cut dies at once', async () => {
    lifeline.cut()
    const late = shell('exec sleep "$1"')
    expect(await late.ended).toEqual({ code: 137 })
    await allGone()
    late.signal('SIGTERM')
  })
})

describe('a process that a child started by ctx.spawn', () => {
  let executor: Executor
  beforeEach(() => {
    const limits = { maxThreads: 4, maxSharedThreads: 1, childMemoryMb: 128, importTimeoutMs: 30_000 }
    executor = createPiscinaExecutor({ clock: systemClock, ...limits })
  })
  afterEach(() => executor.close(10_000))

  const child = (name: string, placement: 'isolated' | 'shared' = 'isolated'): Watched =>
    watch(executor, { url, export: name, placement }, taskOf(seconds))

  it.each(['isolated', 'shared'] as const)('P6: dies when the child ends (%s)', async (placement) => {
    const watched = child('returnsAtOnce', placement)
    await watched.until(hasLine('up'))
    expect(processesOf(seconds)).not.toEqual([])
    watched.run.interrupt('enough')
    expect(await watched.ended).toMatchObject({ result: { summary: 'returned' } })
    await allGone()
  })

  it.each(['throwsWithProcess', 'exitsWithProcess'])(
    'P6: dies when the child ends badly (%s)',
    async (name) => {
      const end = await child(name).ended
      expect(end.kind).not.toBe('returned')
      await allGone()
    },
  )

  it('P6: dies when its thread is terminated', async () => {
    const watched = child('blocksWithProcess')
    await watched.until(hasLine('up'))
    expect(processesOf(seconds)).not.toEqual([])
    watched.run.terminate()
    expect(await watched.ended).toMatchObject({ kind: 'lost', cause: 'terminated' })
    await allGone()
  })

  it('its thread is used again by the next child: the watcher is no residue', async () => {
    const threadIds = []
    for (const round of [1, 2, 3]) {
      const end = await child('runsToItsEnd').ended
      threadIds.push(end.kind === 'returned' ? end.result['summary'] : `${end.kind} in round ${round}`)
    }
    expect(threadIds).toEqual([threadIds[0], threadIds[0], threadIds[0]])
  })

  it.each([1, 2, 3])('P6, P7: dies when its host is killed with SIGKILL (round %i)', async () => {
    const env = { ...process.env, SECONDS_TO_SLEEP: seconds }
    const killed = spawn(process.execPath, [host, 'waitsWithProcesses'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const gone = new Promise((resolve) => killed.once('exit', (_code, signal) => resolve(signal)))
    await said(killed.stdout, 'up')
    expect(processesOf(seconds).length).toBeGreaterThanOrEqual(5)
    killed.kill('SIGKILL')
    expect(await gone).toBe('SIGKILL')
    await allGone()
  })

  it.each([1, 2, 3, 4, 5])(
    'P6, P7: dies when its host is killed between the spawn and any report of it (round %i)',
    async () => {
      const env = { ...process.env, SECONDS_TO_SLEEP: seconds }
      const killed = spawn(process.execPath, [host, 'killsHostAtOnce'], { env, stdio: 'ignore' })
      const signal = await new Promise((resolve) => killed.once('exit', (_code, by) => resolve(by)))
      expect(signal).toBe('SIGKILL')
      await allGone()
    },
  )
})
