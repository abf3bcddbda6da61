import { execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createProcessExecutor, type ProcessExecutorOptions } from '../../src/pool/process-executor.js'
import type { ChildEnd, Executor } from '../../src/pool/executor.js'
import type { RunnerReference } from '../../src/runner.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import {
  executorContract,
  hasLine,
  spillDirectory,
  taskOf,
  watch,
  type Watched,
} from '../contract/executor.js'

const fixtures = new URL('../fixtures/runners/', import.meta.url)

function create(more: Partial<ProcessExecutorOptions> = {}): Executor {
  return createProcessExecutor({ clock: systemClock, childMemoryMb: 256, importTimeoutMs: 30_000, ...more })
}

function reference(name: string, file = 'outcomes.js'): RunnerReference {
  return { url: new URL(file, fixtures).href, export: name, placement: 'process' }
}

executorContract('the process executor', { create: () => create(), runner: (name) => reference(name) })

let executor: Executor
/** No other process on the machine sleeps for exactly this long. */
let seconds: string
beforeEach(() => {
  executor = create()
  seconds = `8640${randomInt(1_000_000, 9_999_999)}.${randomInt(1_000_000, 9_999_999)}`
})
afterEach(() => executor.close(10_000))
afterAll(() => rmSync(spillDirectory, { recursive: true, force: true }))

const child = (name: string, task = taskOf(seconds), file = 'in-process.js'): Watched =>
  watch(executor, reference(name, file), task)
const hostile = (name: string): Watched => child(name, taskOf(), 'hostile.js')

/** Processes, zombies aside, with the marker in their command line. */
function processesOf(marker: string): string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,stat=,args=', '-ww'], { encoding: 'utf8' })
  return all.split('\n').filter((line) => line.includes(marker) && !/^\s*\d+\s+Z/.test(line))
}
const allGone = (marker: string): Promise<void> =>
  vi.waitFor(() => expect(processesOf(marker)).toEqual([]), { timeout: 30_000, interval: 50 })

/** Processes of this one that still run or wait for their code to be read. */
function ownChildren(): string[] {
  const all = execFileSync('ps', ['-eo', 'ppid=,stat=,args='], { encoding: 'utf8' })
  return all
    .split('\n')
    .filter((line) => Number.parseInt(line, 10) === process.pid && !line.includes('ps -eo'))
}

const lostBy = (cause: string, code: string): object => ({ kind: 'lost', cause, error: { code } })
const terminated = lostBy('terminated', 'THREAD_TERMINATED')

describe('a child in a process of its own is killable for certain', () => {
  it.each(['sleepsInExecSync', 'derivesKeys', 'holdsProcessesBusily'])(
    'P6: inside one synchronous call (%s)',
    async (name) => {
      const watched = child(name)
      await watched.until(hasLine('up'))
      expect(await watched.run.heartbeat(50)).toBe(false)
      expect(watched.run.terminate()).toBe(true)
      expect(watched.told).not.toContain('end')
      expect(await watched.ended).toMatchObject(terminated)
      await allGone(seconds)
    },
  )

  it('P6: in a busy loop; twice is once', async () => {
    const watched = hostile('busyLoop')
    await watched.started
    watched.run.terminate()
    watched.run.terminate()
    expect(await watched.ended).toMatchObject(terminated)
    expect(watched.run.terminate()).toBe(true)
    expect(watched.told).toEqual(['started', 'end'])
  })

  it('P6: while it is stopped by SIGSTOP', async () => {
    const watched = child('stopsItself')
    await watched.until(hasLine('up'))
    await vi.waitFor(async () => expect(await watched.run.heartbeat(100)).toBe(false))
    watched.run.interrupt('it does not hear')
    watched.run.terminate()
    expect(await watched.ended).toMatchObject(terminated)
  })

  it('P6: before it has started', async () => {
    const watched = hostile('busyLoop')
    watched.run.terminate()
    expect(await watched.ended).toMatchObject(terminated)
    expect(watched.told).toEqual(['end'])
  })

  it('P6: its end is told when the process is gone, and not before', async () => {
    const end = await child('tellsPid').ended
    const { pid, marker } = end.kind === 'returned' ? end.result : {}
    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
    expect(marker).toBe('deleg_0123456789abcdef0123:0')
  })

  it('P6: what it left in its group or on its lifeline goes with it', async () => {
    expect(await child('leavesProcesses').ended).toMatchObject({ kind: 'returned' })
    await allGone(seconds)
    const holding = child('holdsProcesses')
    await holding.until(hasLine('up'))
    expect(processesOf(seconds)).toHaveLength(2)
    holding.run.terminate()
    await holding.ended
    await allGone(seconds)
  })

  it('P4: what it answered is its end, whatever it does afterwards', async () => {
    expect(await hostile('leavesInterval').ended).toEqual({ kind: 'returned', result: { thread: 0 } })
    // The rest of a long answer may be lost with the loop; the child is not.
    const blocked = hostile('blocksAfterItsEnd')
    await blocked.started
    blocked.run.terminate()
    expect(['returned', 'lost']).toContain((await blocked.ended).kind)
  })

  it('P6: close ends all of them', async () => {
    const running = [hostile('busyLoop'), child('derivesKeys')]
    await Promise.all(running.map(({ started }) => started))
    await executor.close(30_000)
    for (const { ended } of running) expect(await ended).toMatchObject(terminated)
  })
})

describe('a child in a process of its own cannot hurt its host', () => {
  it('P7: process.exit ends that child alone', async () => {
    const sibling = hostile('sharedThreadWait')
    await sibling.until(hasLine('ready'))
    expect(await hostile('exits').ended).toMatchObject({
      ...lostBy('exit', 'CHILD_EXITED'),
      error: { message: 'the child ended its process with process.exit(7)' },
    })
    sibling.run.interrupt('enough')
    expect(await sibling.ended).toMatchObject({ kind: 'returned' })
  })

  it('P7: a crash says which signal ended it', async () => {
    const end = await child('aborts').ended
    expect(end).toMatchObject(lostBy('crash', 'CHILD_CRASHED'))
    expect(end).toMatchObject({ error: { message: expect.stringContaining('SIGABRT') as string } })
  })

  it('P7: a full heap, and a full memory beside the heap, end it as out of memory', async () => {
    const small = create({ childMemoryMb: 48 })
    for (const runner of [reference('eatsMemory', 'hostile.js'), reference('eatsOffHeap', 'in-process.js')])
      expect(await watch(small, runner).ended).toMatchObject(lostBy('memory', 'CHILD_OUT_OF_MEMORY'))
    await small.close(10_000)
  })

  it.each(['strays', 'straysByRejection'])(
    'P7: an error outside of its promise (%s) ends it',
    async (name) => {
      expect(await hostile(name).ended).toMatchObject({ kind: 'threw', error: { name: 'RangeError' } })
    },
  )

  it('P7: a stack overflow is a RangeError', async () => {
    expect(await hostile('overflowsStack').ended).toMatchObject({
      kind: 'threw',
      error: { name: 'RangeError' },
    })
  })

  it("P7: a million progress messages reach the host a few at a time, and the host's loop goes on", async () => {
    const watched = hostile('floodsProgress')
    await watched.until(({ activities }) => activities.length > 0)
    watched.run.interrupt('enough')
    const end = await watched.ended
    const index = end.kind === 'returned' ? Number(end.result['index']) : 0
    expect(index).toBeGreaterThanOrEqual(1_000_000)
    expect(watched.activities.at(-1)?.progress).toEqual({ index })
    expect(watched.activities.length).toBeLessThan(index / 1_000)
  })

  it('P7: a summary of 200 MB is spilled inside the process, and other fields of that size are refused', async () => {
    const large = create({ childMemoryMb: 1_024 })
    const task = taskOf('g', { delegationId: `deleg_process_${process.pid}` })
    const end = await watch(large, reference('hugeSummary', 'hostile.js'), task).ended
    expect(end).toMatchObject({ kind: 'returned', result: { summary_truncated: true, api_calls: 3 } })
    const refusedEnd = await watch(large, reference('hugeField', 'hostile.js')).ended
    expect(refusedEnd).toMatchObject({ kind: 'threw', error: { code: 'RESULT_TOO_LARGE' } })
    await large.close(10_000)
  })

  it('P7: nonsense on its pipe is not heard, and its own words still are', async () => {
    const watched = child('writesNonsense')
    expect(await watched.ended).toEqual({ kind: 'returned', result: { summary: 'unharmed' } })
    expect(watched.told.at(-1)).toBe('end')
    expect(watched.activities.every(({ progress }) => progress === null)).toBe(true)
    expect(watched.lines()).toEqual(['| forged'])
  })

  it("P7: a line without end costs the host neither its loop nor the child's end", async () => {
    const watched = child('writesAnEndlessLine')
    await watched.started
    for (let turns = 0; turns < 500; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    watched.run.terminate()
    expect(await watched.ended).toMatchObject(terminated)
  })

  it.each<[string, string, ChildEnd['kind']]>([
    ['nothing', 'null', 'threw'],
    ['one that only a host can tell', '{"end":{"kind":"lost","cause":"memory"}}', 'threw'],
    ['a text', '{"end":{"kind":"returned","result":"text"}}', 'threw'],
    ['an error of no texts', '{"end":{"kind":"threw","error":{"name":1,"message":{}}}}', 'threw'],
    [
      'a well',
      `{"end":{"kind":"returned","result":{"deep":${'['.repeat(9_000)}${']'.repeat(9_000)}}}}`,
      'threw',
    ],
    ['a result', '{"started":1,"activity":7,"end":{"kind":"returned","result":{"a":1}}}', 'returned'],
  ])('P7: a forged end (%s) is a well-formed one', async (_what, reply, kind) => {
    const end = await child('forgesItsEnd', taskOf(reply)).ended
    expect(end.kind).toBe(kind)
    if (end.kind !== 'threw') return
    const texts = { name: expect.any(String) as string, message: expect.any(String) as string }
    expect(end.error).toMatchObject(texts)
  })

  it('P7: one that closes its pipe ends', async () => {
    expect(await child('closesItsPipe').ended).toMatchObject(lostBy('crash', 'CHILD_CRASHED'))
  })

  it('P7: a runner that blocks its import is RUNNER_IMPORT_TIMEOUT', async () => {
    const quick = create({ importTimeoutMs: 1_000 })
    const runner = { url: new URL('import-blocks.js', fixtures).href, placement: 'process' } as const
    expect(await watch(quick, runner).ended).toMatchObject({
      kind: 'threw',
      error: { code: 'RUNNER_IMPORT_TIMEOUT' },
    })
    await quick.close(10_000)
  })

  it('R18: a plain function cannot be handed over, nor what JSON cannot say, and nothing of them runs', () => {
    expect(() => watch(executor, () => ({}))).toThrow(TypeError)
    const before = ownChildren().length
    const runner = { ...reference('completes'), options: 1n as never }
    expect(() => watch(executor, runner)).toThrow(TypeError)
    expect(ownChildren()).toHaveLength(before)
  })
})

describe('the output of a child in a process of its own', () => {
  it('console and process.stdout become lines of its transcript, in memory and on disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hermes-delegate-'))
    const transcriptPath = join(folder, 'deeper', 'task-0.log')
    const watched = watch(executor, reference('printsToStreams', 'hostile.js'), taskOf(), { transcriptPath })
    await watched.ended
    const printed = [
      'stdout | by console.log',
      'stderr | by console.error',
      'stdout | by process.stdout',
      'stderr | without a line break',
    ]
    expect(watched.lines().map((line) => line.slice(9))).toEqual(printed)
    const lines = readFileSync(transcriptPath, 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => line.slice(9))).toEqual([
      ...printed,
      'final | end status=completed exit_reason=none',
    ])
    rmSync(folder, { recursive: true })
  })

  it('P7: what it prints past Node hurts nobody; the end of its raw standard error is the cause of a bad end', async () => {
    const watched = child('printsPastNode')
    expect(await watched.ended).toMatchObject({
      ...lostBy('exit', 'CHILD_EXITED'),
      error: { cause: { message: expect.stringContaining('raw output') as string } },
    })
    expect(watched.lines().map((line) => line.slice(9))).toEqual(['log | printed'])
  })
})

describe('processes and their host', () => {
  it('50 children leave neither file descriptors nor zombies behind', async () => {
    const runTen = async (): Promise<void> => {
      const names = ['tellsPid', 'aborts', 'leavesProcesses', 'tellsPid', 'closesItsPipe']
      const children = [...names, ...names].map((name) => child(name))
      await Promise.all(children.map(({ ended }) => ended))
    }
    const open = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0)
    await runTen()
    const [files, processes] = [open(), ownChildren().length]
    for (let round = 0; round < 4; round += 1) await runTen()
    await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(files))
    expect(ownChildren().length).toBeLessThanOrEqual(processes)
    await allGone(seconds)
  })

  const host = fileURLToPath(new URL('../fixtures/hosts/process-children.js', import.meta.url))
  const startHost = (mode: string) => {
    const args = [host, mode, seconds]
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void started.kill('SIGKILL'))
    return started
  }

  it.each(['holdsProcesses', 'holdsProcessesBusily', 'sleepsInExecSync', 'stopsItself'])(
    'P6: kill -9 of the host leaves nothing behind (%s)',
    async (name) => {
      const killed = startHost(name)
      killed.stdout.setEncoding('utf8')
      const pid = await new Promise<string>((resolve) =>
        killed.stdout.once('data', (said: string) => resolve(said)),
      )
      killed.kill('SIGKILL')
      await allGone(seconds)
      await vi.waitFor(() => expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH'), { timeout: 30_000 })
    },
  )

  it('R5: a running child does not keep its host alive, and goes with it', async () => {
    const idle = startHost('cold')
    const [printed, code] = await Promise.all([
      text(idle.stdout),
      new Promise((resolve) => idle.once('exit', resolve)),
    ])
    expect([printed, code]).toEqual(['reached its end\n', 0])
    await allGone(seconds)
  })
})
