/** The executor port: where children run. One contract suite (test/contract/executor.ts) holds every implementation. */
import type { ErrorDetail } from '../core/event.js'
import type { Json, JsonObject } from '../core/json.js'
import type { Runner, RunnerReference, RunnerTask } from '../runner.js'

/** One child to run. `spillDirectory` and `transcriptPath` are where its own thread may write. */
export interface ChildJob<Work extends RunnerReference | Runner = RunnerReference | Runner> {
  readonly task: RunnerTask
  readonly runner: Work
  /** `null`: the child's lines go to observers only. */
  readonly transcriptPath: string | null
  readonly spillDirectory: string
  /** What of its summary goes on; 0 for no bound. The rest is spilled. */
  readonly summaryCharacters: number
  /** The last checkpoint of an earlier run. */
  readonly resumeFrom?: Json
}

/** What became visible of a child since the last time. */
export interface ChildActivity {
  /** All progress fields so far, merged. */
  readonly progress: JsonObject | null
  /** The newest transcript lines, at most 20. */
  readonly lines: readonly string[]
  /** Set when the runner kept one since the last time. */
  readonly checkpoint?: Json
}

/**
 * How a child ended. `lost`: its thread went away under it (`memory`, `exit`: it called process.exit, `crash`,
 * `terminated`: by force).
 */
export type ChildEnd =
  | { readonly kind: 'returned'; readonly result: JsonObject }
  | { readonly kind: 'threw'; readonly error: ErrorDetail }
  | {
      readonly kind: 'lost'
      readonly cause: 'memory' | 'exit' | 'crash' | 'terminated'
      readonly error: ErrorDetail
    }

/** What a child asks its host. Settled once; when the child has ended, or was interrupted, an answer is dropped. */
export interface ChildRequest {
  readonly kind: string
  readonly payload: Json
  answer(value: Json): void
  /** The child's promise is rejected with this error. */
  fail(error: ErrorDetail): void
}

/** Told by the executor, always on the host's thread. Contract: must not throw. */
export interface ChildObserver {
  /** The runner is loaded and called. At most once, before anything else. */
  onStarted(): void
  /** A few times a second at most. Never after `onEnd`. */
  onActivity(activity: ChildActivity): void
  /** The child asks, and goes on meanwhile. Never before `onStarted`, never after `onEnd`; 32 at most are open. */
  onRequest(request: ChildRequest): void
  /**
   * Exactly once, and only when nothing of the child can run any more: its run returned, or the `exit` event of its
   * very thread came (P6). A child that cannot be stopped never gets here.
   */
  onEnd(end: ChildEnd): void
}

/** A child that was handed over. */
export interface ChildRun {
  /**
   * Polite: aborts the child's signal. Repeating it changes the grace alone, at whose end the caller is going to
   * terminate it; shortly before that its processes are killed.
   */
  interrupt(reason: string, graceMs?: number): void
  /** Forced: ends its thread and kills its process groups. False where this placement has no such means. */
  terminate(): boolean
  /**
   * Says something to the child. It waits until the child is started and takes what is said under this `kind`. `onTaken`
   * is called once: true then; false when the child ended before, and then before its end is told, or when it has left
   * 64 messages waiting.
   */
  tell(kind: string, payload: Json, onTaken: (taken: boolean) => void): void
  /** Resolves true when the child's event loop answered, false when it had not within `withinMs`. */
  heartbeat(withinMs: number): Promise<boolean>
}

export interface Executor {
  /** Hands a child over and returns at once. @throws when it cannot be handed over: then nothing of it runs (R18). */
  run(job: ChildJob, observer: ChildObserver): ChildRun
  /** Ends what is idle, waits at most `withinMs` for threads to exit, and lets go of what cannot be stopped. */
  close(withinMs: number): Promise<void>
}
