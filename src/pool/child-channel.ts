/** What a runner is handed, in a thread and on the host's own loop alike. */
import type { Clock } from '../core/clock.js'
import { graceBelow } from '../core/grace.js'
import type { Json, JsonObject } from '../core/json.js'
import { transcriptLine } from '../core/transcript-line.js'
import type { Delegated, LeaseOffer, RunnerContext, SpawnOptions, SpawnedProcess } from '../runner.js'
import { ask } from './child-ask.js'
import { createChildTalk, type ChildTalk } from './child-talk.js'
import { errorDetail } from './error-detail.js'
import type { ChildActivity } from './executor.js'
import type { ChildWord, HostWord } from './messages.js'
import { toPlain } from './plain-data.js'

/** How many lines travel together. */
export const keptLines = 20
const progressCharacters = 16_384
export const checkpointCharacters = 1_048_576

interface Line {
  readonly at: number
  readonly role: string
  readonly text: string
}

/** Takes a line into the child's transcript. */
type WriteLine = (line: Line) => void

export interface ChildChannel {
  readonly context: RunnerContext
  /** Aborts the child's signal, and kills its processes shortly before the grace ends. Only the first reason counts. */
  interrupt(reason: unknown, graceMs?: number): void
  /** What the host answers, or says by itself. */
  hear(word: HostWord): void
  /** Adds text that the child wrote to a stream, line by line. */
  output(role: 'stdout' | 'stderr', text: string): void
  /** What became visible since the last call, or null when nothing did. */
  takeActivity(): ChildActivity | null
  /** The child is over: from now on its context does nothing. */
  end(): void
}

interface ChannelOptions {
  readonly options: Json
  readonly resumeFrom: Json
  readonly writeLine: WriteLine
  readonly spawn: (argv: readonly string[], options?: SpawnOptions) => SpawnedProcess
  readonly killProcesses: () => void
  readonly after: Clock['after']
  readonly say: (word: ChildWord) => void
  /** Called with all news there is. It decides when to take them. */
  readonly onActivity: () => void
}

const makeSignal = Symbol('makeSignal')
type ContextToBe = Omit<RunnerContext, 'signal'> & { readonly [makeSignal]: () => AbortSignal }

/**
 * An own property, so that a copy of the context has it. One getter serves all contexts: an object with a getter of
 * its own has a hidden class of its own, which V8 keeps, with all that the getter reaches, until a major collection.
 */
const signalProperty = {
  enumerable: true,
  get(this: ContextToBe): AbortSignal {
    return this[makeSignal]()
  },
}

function withSignal(context: ContextToBe): RunnerContext {
  return Object.defineProperty(context, 'signal', signalProperty) as ContextToBe & RunnerContext
}

/** Joins a runner to whoever watches it. Progress is merged here, so a flood of it costs nobody else anything (P7). */
export function createChildChannel({
  options,
  resumeFrom,
  writeLine,
  spawn,
  killProcesses,
  after,
  say,
  onActivity,
}: ChannelOptions): ChildChannel {
  /** Made when the runner first looks: most never do, and it is the dearest part of a context. */
  let abort: AbortController | null = null
  let interrupted: { readonly reason: unknown } | null = null
  let talk: ChildTalk | null = null
  const progress: Record<string, unknown> = {}
  const partial = { stdout: '', stderr: '' }
  let lines: Line[] = []
  let hasProgress = false
  let checkpoint: { readonly state: Json } | null = null
  let isNew = false
  let isEnded = false
  let stopKillTimer = (): void => undefined

  function mark(): void {
    isNew = true
    onActivity()
  }

  function addLine(role: string, text: string): void {
    const line = { at: Date.now() / 1000, role, text }
    writeLine(line)
    lines.push(line)
    if (lines.length > keptLines) lines.shift()
    mark()
  }

  function log(role: string, text: unknown): void {
    if (!isEnded) addLine(role, String(text))
  }

  function flushPartial(): void {
    for (const role of ['stdout', 'stderr'] as const) {
      if (partial[role] !== '') addLine(role, partial[role])
      partial[role] = ''
    }
  }

  function signal(): AbortSignal {
    if (abort === null) {
      abort = new AbortController()
      if (interrupted !== null) abort.abort(interrupted.reason)
    }
    return abort.signal
  }

  function talks(): ChildTalk {
    if (talk === null) {
      talk = createChildTalk(say)
      if (interrupted !== null) talk.interrupt(interrupted.reason)
      if (isEnded) talk.end()
    }
    return talk
  }

  /** What a child throws while it is steered is its own to note, and not the end of it. */
  async function steer(take: (text: string) => unknown, text: string): Promise<void> {
    try {
      await take(text)
    } catch (error) {
      log('error', `onSteer: ${errorDetail(error).message}`)
    }
  }

  const context: ContextToBe = {
    [makeSignal]: signal,
    options,
    progress(fields) {
      if (isEnded) return
      Object.assign(progress, fields)
      hasProgress = true
      mark()
    },
    resumeFrom,
    log: (text, role = 'log') => log(role, text),
    checkpoint(state) {
      if (isEnded) return
      checkpoint = { state: toPlain(state, 'checkpoint', checkpointCharacters) }
      mark()
    },
    spawn,
    delegate: (call) => talks().request('delegate', call, true) as unknown as Promise<Delegated>,
    lease: (names, change = {}) =>
      talks().request('lease', { ...change, names }) as unknown as Promise<readonly LeaseOffer[]>,
    ask: (question, given) => ask(talks(), question, given),
    onSteer: (take) => talks().onTold('steer', (text) => void steer(take, text as string)),
    logger: {
      debug: (text) => log('debug', text),
      info: (text) => log('info', text),
      warn: (text) => log('warn', text),
      error: (text) => log('error', text),
    },
  }

  return {
    context: withSignal(context),
    interrupt(reason, graceMs) {
      stopKillTimer()
      if (graceMs !== undefined) stopKillTimer = after(graceBelow(graceMs), killProcesses)
      if (interrupted !== null) return
      interrupted = { reason }
      abort?.abort(reason)
      talk?.interrupt(reason)
    },
    hear: (word) => talks().hear(word),
    output(role, text) {
      if (isEnded) return
      const parts = (partial[role] + text).split('\n')
      partial[role] = (parts.pop() ?? '').slice(-progressCharacters)
      for (const line of parts) addLine(role, line)
    },
    takeActivity() {
      if (!isNew) return null
      isNew = false
      const activity = {
        progress: hasProgress ? plainProgress(progress) : null,
        // Written out here: of a flood of lines, most are never shown to anyone.
        lines: lines.map((line) => transcriptLine(line)),
        ...(checkpoint !== null && { checkpoint: checkpoint.state }),
      }
      lines = []
      checkpoint = null
      return activity
    },
    end() {
      stopKillTimer()
      if (!isEnded) flushPartial()
      isEnded = true
      talk?.end()
    },
  }
}

/** Progress is a courtesy: what of it is no plain data is named instead of breaking the child. */
export function plainProgress(progress: Readonly<Record<string, unknown>>): JsonObject {
  try {
    return toPlain(progress, 'progress', progressCharacters) as JsonObject
  } catch (error) {
    return { progress_error: error instanceof Error ? error.message : 'progress is not plain data' }
  }
}
