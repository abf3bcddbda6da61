/**
 * Inside the thread, or the process of one child. In an isolated thread Piscina hands over one child per task and
 * carries the answer; everything else, and all of a process, travels over the one control channel. Nothing reachable from here imports zod, pino, piscina or the index: a thread of a
 * runner that imports nothing stays lean.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setPriority } from 'node:os'
import { Writable } from 'node:stream'
import { createChildChannel, type ChildChannel } from './child-channel.js'
import { endOf, spillAtOnce, spillPath } from './child-result.js'
import { isProcess, openControl } from './control-channel.js'
import { errorDetail } from './error-detail.js'
import type { ChildEnd } from './executor.js'
import { createGroupWatcher } from './group-watcher.js'
import { createLifeline, type Lifeline } from './lifeline.js'
import { loadRunner } from './load-runner.js'
import { createMemorySampler } from './memory-sampler.js'
import type { ControlMessage, InterruptMessage, JobMessage, Reply, WordMessage } from './messages.js'
import type { Json, Runner, RunnerContext } from '../runner.js'
import { createResidueWatch } from './residue.js'
import { appendAtOnce, createTranscript, type Transcript } from './transcript.js'

/** How often the host hears of progress, ms. */
const activityIntervalMs = 100
/** Nice value of what runs children: the host's own loop goes first. */
const childNiceness = 10
const maxEarly = 10_000
const maxEarlyWords = 100
const maxTimerMs = 2 ** 31 - 1
const maxRepliesTogether = 16

interface Child {
  readonly run: number
  readonly channel: ChildChannel
  readonly transcript: Transcript
  /** Ends the child for something thrown outside of its promise. */
  readonly fail: (error: unknown) => void
}

const children = new Map<number, Child>()
/** Interrupts that came before their child did. One that came after its end stays; so there is a bound. */
const early = new Map<number, InterruptMessage>()
/** What the host said to a child of an isolated thread before its job came, by another channel than its own. */
let earlyWords: WordMessage[] = []
let siblingsAreGuarded = false
const whose = new AsyncLocalStorage<Child>()
/** The one child of an isolated thread; in a shared one the async context tells. */
let sole: Child | null = null

const tell = openControl(hear)

const fresh = new Set<number>()
let lastFlushMs = -Infinity
const flushTimer = setTimeout(flushActivity, activityIntervalMs).unref()
const memory = createMemorySampler()
const residue = createResidueWatch((resource) => resource === flushTimer || resource === memory.timer)
/** It stays for the thread's later children, and is no residue of the one that needed it first. */
const watcher = createGroupWatcher((start) => residue.except(start))

/** A timer of the thread's own, no residue of its child. */
function after(ms: number, fn: () => void): () => void {
  const timer = residue.except(() => setTimeout(fn, Math.min(ms, maxTimerMs)).unref())
  return () => clearTimeout(timer)
}

function flushActivity(): void {
  const activity: [number, NonNullable<ReturnType<ChildChannel['takeActivity']>>][] = []
  for (const run of fresh) {
    const child = children.get(run)
    const seen = child?.channel.takeActivity() ?? null
    child?.transcript.flush()
    if (seen !== null) activity.push([run, seen])
  }
  fresh.clear()
  if (activity.length === 0) return
  lastFlushMs = performance.now()
  tell({ type: 'activity', children: activity })
}

/** News after a quiet while goes out at once, so that a child that blocks its loop is seen too; the rest waits for the timer. */
function noteActivity(run: number): void {
  if (fresh.size === 0) flushTimer.refresh()
  fresh.add(run)
  if (performance.now() - lastFlushMs > 2 * activityIntervalMs) flushActivity()
}

function currentChild(): Child | null {
  return sole ?? whose.getStore() ?? null
}

function hear(message: ControlMessage): void {
  if (message.type === 'ping') {
    tell({ type: 'pong', ping: message.ping })
    return
  }
  if (message.type === 'jobs') {
    for (const job of message.jobs) void runChild(job).then((reply) => answer(job.run, reply))
    return
  }
  if (message.type === 'word') return hearWord(message)
  const child = children.get(message.run)
  if (child !== undefined) child.channel.interrupt(message.reason, message.graceMs)
  else if (early.size < maxEarly) early.set(message.run, message)
}

function hearWord(message: WordMessage): void {
  const child = children.get(message.run)
  if (child !== undefined) whose.run(child, () => child.channel.hear(message.word))
  else if (!siblingsAreGuarded && earlyWords.length < maxEarlyWords) earlyWords.push(message)
}

function redirectOutput(): void {
  const sink = (role: 'stdout' | 'stderr'): Writable =>
    new Writable({
      decodeStrings: false,
      write(chunk: string | Buffer, _encoding, done) {
        currentChild()?.channel.output(role, chunk.toString())
        done()
      },
    })
  for (const role of ['stdout', 'stderr'] as const) {
    const stream = sink(role)
    Object.defineProperty(process, role, { configurable: true, get: () => stream })
  }
}

/** An error outside of any promise ends the child it came from, and never the thread under its siblings. */
const onStray = (error: unknown): void => currentChild()?.fail(error)

/** What one child of a shared thread does to `process` must end no other: not by an exit, nor by `removeAllListeners`. */
function guardSiblings(): void {
  if (siblingsAreGuarded) return
  siblingsAreGuarded = true
  process.exit = refuseExit
  process.setUncaughtExceptionCaptureCallback(onStray)
}

redirectOutput()
process.on('uncaughtException', onStray)
try {
  // Elsewhere the priority of a thread is its process's, and would slow its host.
  if (isProcess || process.platform === 'linux') setPriority(childNiceness)
} catch {
  // Not permitted here: the children then run as important as their host.
}

/** Runners that this thread has loaded, by reference. */
const runners = new Map<string, Runner>()

/** The task that Piscina calls: one child, from its loading to its reply. Never rejects. */
export async function runChild(job: JobMessage): Promise<Reply> {
  const key = `${job.runner.url}#${job.runner.export ?? 'default'}`
  let runner = runners.get(key)
  if (runner === undefined) {
    const loaded = await loadRunner(job.runner, job.importTimeoutMs)
    if ('error' in loaded) {
      return { end: { kind: 'threw', error: loaded.error }, activity: null, started: false, clean: false }
    }
    runner = loaded.runner
    runners.set(key, runner)
    tell({ type: 'started', run: job.run })
  }
  if (job.shared) guardSiblings()
  return run(job, runner)
}

/** The task of a shared thread: it never ends, and its children come and go by the control channel. */
export function serveChildren(): Promise<never> {
  return new Promise(() => undefined)
}

let replies: [run: number, Reply][] = []

/** Replies of one turn of the loop travel together, but not so many that the host waits for work meanwhile. */
function answer(run: number, reply: Reply): void {
  replies.push([run, reply])
  if (replies.length === 1) setImmediate(flushReplies)
  if (replies.length >= maxRepliesTogether) flushReplies()
}

function flushReplies(): void {
  if (replies.length === 0) return
  const due = replies
  replies = []
  tell({ type: 'replies', replies: due })
}

function refuseExit(): never {
  throw Object.assign(new Error('process.exit would end other children of this shared thread'), {
    code: 'RUNNER_EXIT_REFUSED',
  })
}

async function run(job: JobMessage, runner: Runner): Promise<Reply> {
  let isOver = false
  const transcript = createTranscript(job.transcriptPath, appendAtOnce)
  let lifeline: Lifeline | null = null
  const channel = createChildChannel({
    options: job.runner.options ?? null,
    resumeFrom: job.resumeFrom ?? null,
    writeLine: (line) => transcript.write(line),
    spawn(argv, options) {
      lifeline ??= createLifeline(`${job.task.delegationId}:${job.task.taskIndex}`, watcher)
      if (isOver) lifeline.cut()
      return lifeline.spawn(argv, options)
    },
    killProcesses: () => lifeline?.kill(),
    after,
    say: (word) => tell({ type: 'word', run: job.run, word }),
    onActivity: () => noteActivity(job.run),
  })
  if (!job.shared) residue.start()
  if (job.memoryLimitBytes !== null)
    memory.start(job.memoryLimitBytes, () => tell({ type: 'memory', run: job.run }))
  const { end, strayed } = await execute(job, runner, channel, transcript)
  isOver = true
  memory.stop()
  channel.end()
  cut(lifeline)
  if (job.transcriptPath !== null)
    transcript.write({ at: Date.now() / 1000, role: 'final', text: endLine(end) })
  transcript.flush()
  const activity = channel.takeActivity()
  children.delete(job.run)
  fresh.delete(job.run)
  const clean = job.shared || (!strayed && (await residue.isClean()))
  sole = null
  return { end, activity, started: true, clean }
}

/** Most children start no process, and so have no lifeline. */
function cut(lifeline: Lifeline | null): void {
  lifeline?.cut()
}

function execute(
  job: JobMessage,
  runner: Runner,
  channel: ChildChannel,
  transcript: Transcript,
): Promise<{ readonly end: ChildEnd; readonly strayed: boolean }> {
  return new Promise((resolve) => {
    const threw = (error: unknown): ChildEnd => ({ kind: 'threw', error: errorDetail(error) })
    const fail = (error: unknown): void => resolve({ end: threw(error), strayed: true })
    const child: Child = { run: job.run, channel, transcript, fail }
    children.set(job.run, child)
    const interrupt = early.get(job.run)
    early.delete(job.run)
    if (interrupt !== undefined) channel.interrupt(interrupt.reason, interrupt.graceMs)
    for (const { run, word } of earlyWords) if (run === job.run) channel.hear(word)
    earlyWords = []
    const spill = (text: string): string => {
      const path = spillPath(job)
      spillAtOnce(path, text)
      return path
    }
    const limit = { characters: job.summaryCharacters, spill }
    const call = async (): Promise<ChildEnd> => endOf(await called(job, runner, channel.context), limit)
    const start = (): void =>
      void call()
        .catch(threw)
        .then((end) => resolve({ end, strayed: false }))
    if (job.shared) whose.run(child, start)
    else {
      sole = child
      start()
    }
  })
}

/** What judges an output is loaded only where there is something to judge. */
function called(job: JobMessage, runner: Runner, context: RunnerContext): unknown {
  const { outputSchema } = job.task
  if (outputSchema === undefined) return runner(job.task, context)
  return import('./checked-output.js').then(({ runChecked }) =>
    runChecked(outputSchema, runner, job, context),
  )
}

function endLine(end: ChildEnd): string {
  if (end.kind !== 'returned') return `end status=error exit_reason=${end.error.name}`
  const { status, exit_reason } = end.result
  const word = (value: Json | undefined, missing: string): string =>
    typeof value === 'string' ? value : missing
  return `end status=${word(status, 'completed')} exit_reason=${word(exit_reason, 'none')}`
}
