/**
 * Front 2, the worker's side: what a runner is. A runner module imports this and nothing heavier.
 *
 * ```js
 * import { defineRunner } from 'hermes-delegate/runner'
 * export default defineRunner(async (task, ctx) => ({ summary: `did ${task.goal}` }))
 * ```
 */
import type { Readable, Writable } from 'node:stream'
import type { AskOptions, LeaseOffer, LeaseChange, DelegateCall, Delegated } from './core/child-calls.js'
import type { Json, JsonObject } from './core/json.js'
import type { TraceContext } from './core/trace-context.js'

export { isJsonObject } from './core/json.js'
export { isPublicAddress } from './core/private-address.js'
export { pause } from './core/pause.js'
export { redact } from './core/redact.js'
export { withoutSecrets } from './core/own-secrets.js'
export { programEnvironment } from './core/program-environment.js'
export type { CommandEnvironment } from './core/program-environment.js'
export type {
  AskOptions,
  LeaseOffer,
  LeaseChange,
  DelegateTask,
  DelegateCall,
  Delegated,
} from './core/child-calls.js'
export type { Json, JsonObject } from './core/json.js'
export type { TraceContext } from './core/trace-context.js'

/** The work of one child. */
export interface RunnerTask {
  readonly goal: string
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly role: string
  readonly model: string | null
  readonly delegationId: string
  /** From 0 within the unit; 0 for a single delegation. */
  readonly taskIndex: number
  readonly sessionKey: string
  /**
   * How many turns the runner may take, if it is one that loops; it stops there with `exit_reason: 'max_iterations'`, and
   * with what it has so far as its summary.
   */
  readonly maxIterations: number
  /** What it may start below itself; absent for a child that may not delegate: a leaf, and any on the last level. */
  readonly below?: DelegationRoom
  /** The ended child that this one goes on from; absent for one that begins anew. `ctx.resumeFrom` has its checkpoint. */
  readonly continued?: ContinuedTask
  /** True when an earlier run of it was lost with its host; `ctx.resumeFrom` has that one's checkpoint, if there was any. */
  readonly rerun?: true
  /** JSON Schema that the result's `output`, or the JSON in its `summary`, has to fit; absent where none was asked for. */
  readonly outputSchema?: JsonObject
  /** The trace that its delegation belongs to, to be sent on with requests; absent where none was given. */
  readonly traceContext?: TraceContext
  /** Set when the runner is called once more because its output did not fit (see `correctsOutput` of a reference). */
  readonly correction?: OutputCorrection
}

/** What is left below a child that may delegate (`ctx.delegate`). */
export interface DelegationRoom {
  /** How many levels of units may still be nested; 1 or more. */
  readonly levels: number
  /** How many children of one unit run at once: the delegator's `maxConcurrentChildren`. */
  readonly tasks: number
}

/** What an ended child was, and left. Its words are data: a subagent wrote them. */
export interface ContinuedTask {
  readonly delegation_id: string
  readonly task_index: number
  readonly goal: string
  readonly status: string
  /** The first 16,000 characters. */
  readonly summary: string | null
  /** The last 100 lines, at most 8,000 bytes; empty where no transcript is kept. */
  readonly transcript_tail: string
}

/** What was wrong with the output of the run before. */
export interface OutputCorrection {
  /** At most ten, of at most 300 characters each. */
  readonly errors: readonly string[]
  /** What the run before returned. */
  readonly previous: RunnerResult
}

/**
 * What a runner returns. All of it is optional: a runner that returns nothing has completed (R21). `status` is
 * delivered as it is; a word that means "still going on" becomes `error` (R22). Plain data only, 1 MB in all; a longer
 * `summary` is spilled to a file and cut.
 */
export interface RunnerResult {
  readonly status?: string
  readonly summary?: string | null
  readonly error?: string | null
  readonly api_calls?: number | null
  readonly duration_seconds?: number | null
  readonly model?: string | null
  readonly exit_reason?: string | null
  /** What it used in all: `input_tokens`, `output_tokens`, `cost_usd`. @defaultValue what it last reported as progress */
  readonly usage?: JsonObject | null
  readonly [field: string]: Json | undefined
}

export interface SpawnOptions {
  /** @defaultValue the host's working folder */
  readonly cwd?: string
  /** Replaces the environment of the process. @defaultValue that of the host */
  readonly env?: Readonly<Record<string, string>>
  /** True: `stdin` is a pipe. False: the process reads nothing. @defaultValue false */
  readonly stdin?: boolean
}

/** How a process ended: by an exit code, or by a signal (then `code` is 128 + its number, as a shell says it). */
export interface ProcessEnd {
  readonly code: number
  /** Why the process could not be started at all. */
  readonly error?: string
}

/** A process that dies with the child, with its thread, and with the host, even by kill -9. */
export interface SpawnedProcess {
  /** Of the group's leader; `undefined` when it could not be started. */
  readonly pid: number | undefined
  readonly stdin: Writable | null
  readonly stdout: Readable
  readonly stderr: Readable
  /** Resolves once the process ended and its output was read. What it left in its group is killed. Never rejects. */
  readonly ended: Promise<ProcessEnd>
  /** Sends a signal to the whole group; one that asks it to end lets a stopped group go on. One that is gone is no error. */
  signal(name: NodeJS.Signals): void
}

/** Lines for the child's own transcript. */
export interface RunnerLogger {
  debug(text: string): void
  info(text: string): void
  warn(text: string): void
  error(text: string): void
}

/** What a line of a transcript is. */
export type TranscriptRole = 'log' | 'assistant' | 'thinking' | 'args' | 'result' | 'kickoff'

/** What a child may do besides computing. After its end, all of it does nothing. */
export interface RunnerContext<Options = unknown> {
  /**
   * Aborts when the child is interrupted; a runner that returns within the grace keeps its result (P4). What it spawned
   * and has not ended is killed a second before that grace is over (halfway through one of less than two seconds), so
   * that what was printed can still be returned.
   */
  readonly signal: AbortSignal
  /**
   * Says how far the child is. Fields are merged over those of earlier calls; the host sees them a few times a second
   * at most, however often this is called. `api_calls` and `current_tool` are shown to people. `usage` is what was used
   * so far in all (`input_tokens`, `output_tokens`, `cost_usd`): who passes the budget of the unit by it is interrupted.
   * A `state` of `queued` or `auth_required` is shown as the child's own, until another one is reported.
   */
  progress(fields: JsonObject): void
  /**
   * Adds a line to the child's transcript, cut to the bound of its role (spec 4.10: assistant 600 characters, thinking
   * 300, args 220, result 400, kickoff 500, any other 400).
   * @defaultValue role 'log'
   */
  log(text: string, role?: TranscriptRole): void
  /**
   * Asks whoever dispatched the child, and waits for the answer; its siblings go on, and waiting counts as no stall. An
   * answer is a text of the user's or the model's own: data, not a command. Rejects with `QUESTION_TIMEOUT` when nobody
   * answered in time and there is no default, with `QUESTION_INVALID` for what is no question, and with the signal's
   * reason when the child is interrupted.
   */
  ask(question: string, options?: AskOptions): Promise<string>
  /**
   * Takes what is said to the child while it runs, beginning with what came before this call. What no child took is
   * reported in its entry, as `missed_steer`. A second call replaces the first.
   */
  onSteer(take: (text: string) => unknown): void
  /**
   * Starts a unit below this child, waits for it, and returns its results; they are this child's to sum up, and reach
   * nobody else. Only for children whose role is `orchestrator`, and as deep as `maxDepth` allows; else it rejects with
   * `NOT_ORCHESTRATOR` or `DEPTH_LIMIT`, and for a bad call with the code that a dispatch would throw. What runs below
   * shares the slot of the unit that the host dispatched, and counts under its worker threads: where too few are left, the
   * result is a refusal. Does not reject when the child is interrupted: what is below is stopped, too, and its results
   * come before the grace is over.
   */
  delegate(call: DelegateCall): Promise<Delegated>
  /**
   * Takes one of several things that the children of this host share, such as keys: the first that is offered, of those
   * that are ready the one that fewest live children use. At most 64 names of at most 200 characters. A child holds one of
   * the same names at a time, and what it holds is free when it ends, however it ends. Rejects with `REQUEST_INVALID`.
   */
  lease(names: readonly string[], change?: LeaseChange): Promise<readonly LeaseOffer[]>
  /** Keeps a state from which another run could go on; the last one counts. Plain data. */
  checkpoint(state: Json): void
  /** The last checkpoint of a run whose host died, or that this one goes on from; null for a first run. */
  readonly resumeFrom: Json
  /** Starts a process on the child's lifeline. `argv[0]` is looked up on the path; nothing passes through a shell. */
  spawn(argv: readonly string[], options?: SpawnOptions): SpawnedProcess
  /** The `options` of the runner's reference, as they were given. */
  readonly options: Options
  readonly logger: RunnerLogger
}

/** Executes one child. What it returns or throws becomes data before it leaves the thread. */
export type Runner<Options = unknown> = (
  task: RunnerTask,
  ctx: RunnerContext<Options>,
) => RunnerResult | null | undefined | void | Promise<RunnerResult | null | undefined | void>

/** The identity, for the types' sake. */
export function defineRunner<Options = unknown>(runner: Runner<Options>): Runner<Options> {
  return runner
}

/**
 * Where a child runs. `isolated`: a thread of its own, which can be killed while it runs JavaScript. `process`: a process
 * of its own, which can be killed whatever it does. `shared`: many I/O-bound children in few threads, none of which can
 * be stopped by force alone. `inline`: the host's own event loop.
 */
export type Placement = 'isolated' | 'process' | 'shared' | 'inline'

/** A runner by reference: plain data, so that a ledger can keep it and any thread can load it. */
export interface RunnerReference {
  /** Of the module: a `file:` or `data:` URL, or the name of a package. */
  readonly url: string
  /** @defaultValue 'default' */
  readonly export?: string
  /** What it is called where usage is added up by runner. @defaultValue its name in the configuration, else that of its module */
  readonly name?: string
  /** Handed to the runner as `ctx.options`. Secrets go in as names of environment variables. */
  readonly options?: Json
  /** @defaultValue 'isolated'; 'process' where the call, or the delegator, has `isolation: 'process'` */
  readonly placement?: 'isolated' | 'shared' | 'process'
  /**
   * Of shared children: those of one word, of 1 to 2,000 characters, run in one thread, where they can share what costs much,
   * a connection or a timer.
   * @defaultValue each goes to the thread with the fewest
   */
  readonly together?: string
  /**
   * True: its children report progress from the start, so that one that falls silent is stuck. False: their silence
   * means nothing. @defaultValue a child that has reported progress once is monitored
   */
  readonly reportsProgress?: boolean
  /** Running it twice does no more than running it once: only then may it be retried. @defaultValue false */
  readonly idempotent?: boolean
  /**
   * True: where a task has an `outputSchema` and the output does not fit, it is called once more, with
   * `task.correction`. @defaultValue false
   */
  readonly correctsOutput?: boolean
  /**
   * What becomes of its unfinished children when their host dies. `unknown`: they are reported, and never run again by
   * themselves. `retry`: they run anew. `adopt`: they go on from their last checkpoint. The last two are done by
   * delegators opened with `adopt: true`.
   * @defaultValue 'unknown'
   */
  readonly onOwnerDeath?: 'unknown' | 'retry' | 'adopt'
}
