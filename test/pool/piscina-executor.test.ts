import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPiscinaExecutor, type PiscinaExecutorOptions } from '../../src/pool/piscina-executor.js'
import type { Executor } from '../../src/pool/executor.js'
import type { RunnerReference } from '../../src/runner.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import {
  executorContract,
  hasLine,
  lateTimerContract,
  spillDirectory,
  taskOf,
  watch,
  type Watched,
} from '../contract/executor.js'

const fixtures = new URL('../fixtures/runners/', import.meta.url)
type Placement = 'isolated' | 'shared'

function create(more: Partial<PiscinaExecutorOptions> = {}): Executor {
  return createPiscinaExecutor({
    clock: systemClock,
    maxThreads: 4,
    maxSharedThreads: 1,
    childMemoryMb: 256,
    importTimeoutMs: 30_000,
    ...more,
  })
}

function reference(placement: Placement, name: string, file = 'outcomes.js'): RunnerReference {
  return { url: new URL(file, fixtures).href, export: name, placement }
}

for (const placement of ['isolated', 'shared'] as const) {
  const runner = (name: string): RunnerReference => reference(placement, name)
  executorContract(`piscina, ${placement},`, { create: () => create(), runner })
}
lateTimerContract('piscina, shared,', { create: () => create(), runner: (name) => reference('shared', name) })

let executor: Executor
beforeEach(() => {
  executor = create()
})
afterEach(() => executor.close(10_000))
afterAll(() => rmSync(spillDirectory, { recursive: true, force: true }))

/** A child of test/fixtures/runners/hostile.js, on a thread of its own. */
function hostile(name: string, task = taskOf()): Watched {
  return watch(executor, reference('isolated', name, 'hostile.js'), task)
}

async function threadOf(name: string, task = taskOf()): Promise<unknown> {
  const end = await hostile(name, task).ended
  return end.kind === 'returned' ? end.result['thread'] : end
}

/** Workers that start from now on, and the order in which they exit among other things that are noted. */
function noteWorkers(): { readonly workers: readonly Worker[]; readonly notes: string[]; stop(): void } {
  const workers: Worker[] = []
  const notes: string[] = []
  const note = (worker: Worker): void => {
    workers.push(worker)
    worker.once('exit', () => notes.push('exit'))
  }
  process.on('worker', note)
  return { workers, notes, stop: () => process.off('worker', note) }
}

describe('a hostile child on a thread of its own', () => {
  it('P6: a busy loop is terminated, and ends only at the exit of that very Worker', async () => {
    const noted = noteWorkers()
    const child = hostile('busyLoop')
    await child.started
    expect(await child.run.heartbeat(50)).toBe(false)
    expect(child.run.terminate()).toBe(true)
    expect(child.told).not.toContain('end')
    const end = await child.ended
    noted.notes.push('end')
    noted.stop()
    expect(end).toMatchObject({ kind: 'lost', cause: 'terminated' })
    expect(noted.workers).toHaveLength(1)
    expect(noted.notes).toEqual(['exit', 'end'])
  })

  it('P6: terminating twice ends it once', async () => {
    const child = hostile('busyLoop')
    await child.started
    child.run.terminate()
    child.run.terminate()
    await child.ended
    expect(child.run.terminate()).toBe(true)
    expect(child.told).toEqual(['started', 'end'])
  })

  it('P6: one that is terminated before its thread is there never starts', async () => {
    const child = hostile('busyLoop')
    expect(child.run.terminate()).toBe(true)
    expect(await child.ended).toMatchObject({ kind: 'lost', cause: 'terminated' })
    expect(child.told).toEqual(['end'])
  })

  it('P7: what it said before it blocked its loop is seen, on a thread that has just started, too', async () => {
    const child = hostile('reportsThenBlocks')
    await child.until(({ activities }) => activities.length > 0)
    expect(child.activities[0]?.progress).toEqual({ seen: true })
    child.run.terminate()
    await child.ended
  })

  it('P7: process.exit ends that child alone', async () => {
    const sibling = hostile('sharedThreadWait')
    await sibling.until(hasLine('ready'))
    const error = { code: 'CHILD_EXITED', message: 'the child ended its thread with process.exit(7)' }
    expect(await hostile('exits').ended).toMatchObject({ kind: 'lost', cause: 'exit', error })
    sibling.run.interrupt('enough')
    expect(await sibling.ended).toMatchObject({ kind: 'returned' })
  })

  it('P7: a stack overflow is a RangeError of that child', async () => {
    expect(await hostile('overflowsStack').ended).toMatchObject({
      kind: 'threw',
      error: { name: 'RangeError' },
    })
  })

  it('P7: out of memory at childMemoryMb ends that child alone', async () => {
    const small = create({ childMemoryMb: 24 })
    const sibling = watch(small, reference('isolated', 'untilInterrupted'))
    await sibling.until(hasLine('ready'))
    const eater = watch(small, reference('isolated', 'eatsMemory', 'hostile.js'))
    const error = { code: 'CHILD_OUT_OF_MEMORY' }
    expect(await eater.ended).toMatchObject({ kind: 'lost', cause: 'memory', error })
    sibling.run.interrupt('enough')
    expect(await sibling.ended).toMatchObject({ kind: 'returned' })
    await small.close(10_000)
  })

  it('P7: memory outside of the heap ends that child alone once it stays above the limit', async () => {
    const small = create({ childMemoryMb: 24 })
    const sibling = watch(small, reference('isolated', 'untilInterrupted'))
    await sibling.until(hasLine('ready'))
    const eater = watch(small, reference('isolated', 'eatsOffHeapSlowly', 'in-process.js'))
    const error = { code: 'CHILD_OUT_OF_MEMORY' }
    expect(await eater.ended).toMatchObject({ kind: 'lost', cause: 'memory', error })
    sibling.run.interrupt('enough')
    expect(await sibling.ended).toMatchObject({ kind: 'returned' })
    await small.close(10_000)
  })

  it('P7: memory that only passes through its hands ends nobody', async () => {
    const end = await watch(executor, reference('isolated', 'churnsOffHeap', 'in-process.js')).ended
    expect(end).toEqual({ kind: 'returned', result: { summary: 'kept nothing' } })
  })

  it('P7: a summary of 200 MB is spilled inside the worker, to a file of this user alone', async () => {
    const large = create({ childMemoryMb: 1_024 })
    const task = taskOf('g', { delegationId: 'deleg_spilled' })
    const end = await watch(large, reference('isolated', 'hugeSummary', 'hostile.js'), task).ended
    expect(end.kind).toBe('returned')
    const { result } = end as { readonly result: Readonly<Record<string, unknown>> }
    const { summary, summary_full_path: path, ...rest } = result
    expect(rest).toMatchObject({
      api_calls: 3,
      summary_truncated: true,
      summary_full_characters: 200_000_000,
    })
    expect(summary).toMatch(/^x{43500,}\n\[\d+ of 200000000 characters .+\]\nx{21700,}$/)
    const file = statSync(String(path))
    expect(file.size).toBe(200_000_000)
    expect(file.mode & 0o777).toBe(0o600)
    expect(statSync(spillDirectory).mode & 0o777).toBe(0o700)
    await large.close(10_000)
  })

  it('P7: any other field of 200 MB is refused with RESULT_TOO_LARGE', async () => {
    const large = create({ childMemoryMb: 1_024 })
    const end = await watch(large, reference('isolated', 'hugeField', 'hostile.js')).ended
    expect(end).toMatchObject({ kind: 'threw', error: { code: 'RESULT_TOO_LARGE' } })
    expect(end).toMatchObject({ error: { message: expect.stringContaining('result.trace') as string } })
    await large.close(10_000)
  })

  it("P7: a million progress messages reach the host a few at a time, and the host's loop goes on", async () => {
    const child = hostile('floodsProgress')
    await child.until(({ activities }) => activities.length > 0)
    for (let turns = 0; turns < 1_000; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    child.run.interrupt('enough')
    const end = await child.ended
    const index = end.kind === 'returned' ? Number(end.result['index']) : 0
    expect(index).toBeGreaterThanOrEqual(1_000_000)
    expect(child.activities.at(-1)?.progress).toEqual({ index })
    expect(child.activities.length).toBeLessThan(index / 1_000)
  })

  it.each(['strays', 'straysByRejection'])(
    'P7: an error outside of its promise (%s) ends it',
    async (name) => {
      expect(await hostile(name).ended).toMatchObject({ kind: 'threw', error: { name: 'RangeError' } })
    },
  )
})

describe('a runner module', () => {
  const load = (url: string, name?: string, importTimeoutMs = 30_000): Promise<unknown> => {
    const quick = create({ importTimeoutMs })
    const child = watch(quick, { url, ...(name !== undefined && { export: name }) })
    return child.ended.then(async (end) => {
      expect(child.told).toEqual(['end'])
      await quick.close(10_000)
      return end
    })
  }
  const failure = (code: string): unknown => ({ kind: 'threw', error: { name: 'RunnerError', code } })

  it('P7: that is missing is RUNNER_NOT_FOUND', async () => {
    expect(await load(new URL('nowhere.js', fixtures).href)).toMatchObject(
      failure('RUNNER_NOT_FOUND') as object,
    )
    expect(await load('a-package-that-is-not-there')).toMatchObject(failure('RUNNER_NOT_FOUND') as object)
  })

  it('P7: that imports what is missing is RUNNER_IMPORT_FAILED, with the reason', async () => {
    const end = await load(new URL('import-missing-dependency.js', fixtures).href)
    expect(end).toMatchObject(failure('RUNNER_IMPORT_FAILED') as object)
    expect(end).toMatchObject({
      error: { message: expect.stringContaining('there-is-no-such-module.js') as string },
    })
  })

  it('P7: without that export is RUNNER_NO_EXPORT', async () => {
    const { href } = new URL('outcomes.js', fixtures)
    expect(await load(href, 'neverExported')).toMatchObject(failure('RUNNER_NO_EXPORT') as object)
    expect(await load(href)).toMatchObject(failure('RUNNER_NO_EXPORT') as object)
  })

  it('P7: that throws at import is RUNNER_IMPORT_FAILED, with the cause', async () => {
    const cause = { name: 'TypeError', message: 'broken at import' }
    expect(await load(new URL('import-throws.js', fixtures).href)).toMatchObject({
      kind: 'threw',
      error: { code: 'RUNNER_IMPORT_FAILED', cause },
    })
  })

  it.each(['import-never-ends.js', 'import-blocks.js'])(
    'P7: that hangs at import (%s) is RUNNER_IMPORT_TIMEOUT',
    async (file) => {
      const end = await load(new URL(file, fixtures).href, undefined, 200)
      expect(end).toMatchObject(failure('RUNNER_IMPORT_TIMEOUT') as object)
    },
  )

  it('P7: in TypeScript is RUNNER_IS_TYPESCRIPT where Node cannot run it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hermes-delegate-'))
    // Recent releases of Node run .ts by themselves; none runs .tsx.
    const files = 'typescript' in process.features ? ['runner.tsx'] : ['runner.ts', 'runner.tsx']
    for (const file of files) {
      const path = join(folder, file)
      writeFileSync(path, 'export default (): object => ({})\n')
      expect(await load(pathToFileURL(path).href)).toMatchObject(failure('RUNNER_IS_TYPESCRIPT') as object)
    }
    rmSync(folder, { recursive: true })
  })
})

describe('threads (T1)', () => {
  const here = taskOf()
  const elsewhere = taskOf('g', { sessionKey: 'agent:main:telegram:dm:1' })

  it('the same runner and session reuse a thread that was left clean', async () => {
    const first = await threadOf('tellsThread')
    expect(first).toBeTypeOf('number')
    expect(await threadOf('tellsThread')).toBe(first)
    const waited = await threadOf('finishedTimer')
    expect(await threadOf('finishedTimer')).toBe(waited)
  })

  it.each(['leavesTimer', 'leavesUnrefdTimer', 'leavesInterval'])(
    'P7: a late timer (%s) never runs beside the next child: the thread is retired, and exits',
    async (name) => {
      const noted = noteWorkers()
      const first = await threadOf(name)
      const [worker] = noted.workers
      const exited = new Promise((resolve) => worker?.once('exit', resolve))
      expect(await threadOf(name)).not.toBe(first)
      if (!noted.notes.includes('exit')) await exited
      noted.stop()
    },
  )

  it('P8: another session gets another thread, also when one is idle', async () => {
    const first = await threadOf('tellsThread', here)
    expect(await threadOf('tellsThread', elsewhere)).not.toBe(first)
    expect(await threadOf('tellsThread', here)).toBe(first)
  })

  it('P8: another runner of the same module gets another thread', async () => {
    expect(await threadOf('tellsThread')).not.toBe(await threadOf('finishedTimer'))
  })

  it('a child beside a running one gets a thread of its own', async () => {
    const one = hostile('sharedThreadWait')
    const two = hostile('sharedThreadWait')
    await Promise.all([one.until(hasLine('ready')), two.until(hasLine('ready'))])
    for (const { run } of [one, two]) run.interrupt('enough')
    const [first, second] = await Promise.all([one.ended, two.ended])
    expect(first).not.toEqual(second)
  })

  it('P6: close ends the threads that run and those that idle', async () => {
    const noted = noteWorkers()
    await threadOf('tellsThread')
    const busy = hostile('busyLoop')
    await busy.started
    await executor.close(30_000)
    noted.stop()
    expect(noted.workers).toHaveLength(2)
    expect(noted.notes).toEqual(['exit', 'exit'])
    expect(await busy.ended).toMatchObject({ kind: 'lost', cause: 'terminated' })
  })
})

describe('the output of a child', () => {
  it('console and process.stdout become lines of its transcript, in memory and on disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hermes-delegate-'))
    const transcriptPath = join(folder, 'deeper', 'task-0.log')
    const runner = reference('isolated', 'printsToStreams', 'hostile.js')
    const child = watch(executor, runner, taskOf(), { transcriptPath })
    await child.ended
    const printed = [
      'stdout | by console.log',
      'stderr | by console.error',
      'stdout | by process.stdout',
      'stderr | without a line break',
    ]
    expect(child.lines().map((line) => line.slice(9))).toEqual(printed)
    const lines = readFileSync(transcriptPath, 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => line.slice(9))).toEqual([
      ...printed,
      'final | end status=completed exit_reason=none',
    ])
    expect(statSync(transcriptPath).mode & 0o777).toBe(0o600)
    rmSync(folder, { recursive: true })
  })

  it("P7: nothing of it reaches the host's own stdout or stderr", () => {
    const script = fileURLToPath(new URL('../fixtures/hosts/print.js', import.meta.url))
    const printed = execFileSync(process.execPath, [script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(printed).toBe('isolated returned\nshared returned\n')
  })
})

describe('children that share a thread', () => {
  const shared = (name: string, task = taskOf()): Watched =>
    watch(executor, reference('shared', name, 'hostile.js'), task)

  it('output goes to the child that wrote it, whoever else is running', async () => {
    const goals = ['one', 'two', 'three']
    const children = goals.map((goal, taskIndex) => shared('printsGoal', taskOf(goal, { taskIndex })))
    const ends = await Promise.all(children.map(({ ended }) => ended))
    expect(new Set(ends.map((end) => JSON.stringify(end))).size, 'one thread for all').toBe(1)
    for (const [index, child] of children.entries()) {
      const expected = Array.from({ length: 5 }, (_, turn) => [
        `stdout | ${goals[index]} ${turn} by console`,
        `stdout | ${goals[index]} ${turn} by stream`,
      ])
      expect(child.lines().map((line) => line.slice(9))).toEqual(expected.flat())
    }
  })

  it('P7: process.exit is refused, and ends no sibling', async () => {
    const sibling = shared('sharedThreadWait')
    await sibling.until(hasLine('ready'))
    const error = { code: 'RUNNER_EXIT_REFUSED' }
    expect(await shared('triesToExit').ended).toMatchObject({ kind: 'threw', error })
    sibling.run.interrupt('enough')
    expect(await sibling.ended).toMatchObject({ kind: 'returned' })
  })

  it.each(['strays', 'straysByRejection', 'straysUnheard'])(
    'P7: an error outside of any promise (%s) ends the child it came from, and no sibling',
    async (name) => {
      const sibling = shared('sharedThreadWait')
      await sibling.until(hasLine('ready'))
      expect(await shared(name).ended).toMatchObject({ kind: 'threw', error: { name: 'RangeError' } })
      expect(sibling.told).not.toContain('end')
      sibling.run.interrupt('enough')
      expect(await sibling.ended).toMatchObject({ kind: 'returned' })
    },
  )

  it('P6: a single one cannot be stopped by force, and terminate says so', async () => {
    const child = shared('sharedThreadWait')
    await child.until(hasLine('ready'))
    expect(child.run.terminate()).toBe(false)
    expect(child.told).not.toContain('end')
    child.run.interrupt('politely, then')
    expect(await child.ended).toMatchObject({ kind: 'returned' })
  })

  it('they are spread over no more threads than there may be', async () => {
    const two = create({ maxSharedThreads: 2 })
    const children: Watched[] = []
    for (let taskIndex = 0; taskIndex < 6; taskIndex += 1) {
      const runner = reference('shared', 'sharedThreadWait', 'hostile.js')
      const child = watch(two, runner, taskOf('g', { taskIndex }))
      await child.until(hasLine('ready'))
      children.push(child)
    }
    for (const { run } of children) run.interrupt('enough')
    const ends = await Promise.all(children.map(({ ended }) => ended))
    expect(new Set(ends.map((end) => JSON.stringify(end))).size).toBe(2)
    await two.close(10_000)
  })

  it('those of one word are together, whatever runs beside them, and two words need not be', async () => {
    const three = create({ maxSharedThreads: 3 })
    const children: Watched[] = []
    for (const [taskIndex, together] of ['a', undefined, 'b', 'a', 'b', undefined, 'a'].entries()) {
      const runner = {
        ...reference('shared', 'sharedThreadWait', 'hostile.js'),
        ...(together !== undefined && { together }),
      }
      const child = watch(three, runner, taskOf('g', { taskIndex }))
      await child.until(hasLine('ready'))
      children.push(child)
    }
    for (const { run } of children) run.interrupt('enough')
    const ends = (await Promise.all(children.map(({ ended }) => ended))).map((end) => JSON.stringify(end))
    expect(ends[3], 'a').toBe(ends[0])
    expect(ends[6], 'a').toBe(ends[0])
    expect(ends[4], 'b').toBe(ends[2])
    expect(new Set(ends).size).toBe(3)
    await three.close(10_000)
  })
})

it('R18: a plain function cannot be handed over, and nothing of it runs', () => {
  expect(() => watch(executor, () => ({}))).toThrow(TypeError)
})
