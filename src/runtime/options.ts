import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../core/clock.js'
import type { CapacityScope } from '../core/refusal.js'
import { shownValue } from '../core/shown-value.js'
import { defaultSummaryBudget, type SummaryBudget } from '../core/summary-budget.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Executor } from '../pool/executor.js'
import type { Runner, RunnerReference } from '../runner.js'
import type { ActivityTouch } from './activity-clock.js'
import type { Gate } from './gate.js'
import { resolveBudgets, secondsProblem, type BudgetOptions, type ResolvedBudgets } from './budget-options.js'
import { checkShapes } from './option-shapes.js'
import type { StallOptions } from './stall-monitor.js'
import { stallOptions } from './stall-options.js'

/** A runner by reference, by the name of a configured one, or a plain function that runs on the host's own event loop. */
export type RunnerInput = RunnerReference | Runner | string

/** Opens a ledger once time and chance are known. */
export type LedgerFactory = (given: {
  readonly clock: Clock
  readonly random: () => number
}) => Ledger | Promise<Ledger>

/** What keeps an isolated child apart from its host. */
export type Isolation = 'thread' | 'process'

export interface DelegatorOptions {
  /**
   * Most units that may be live at once (Hermes' `max_async_children`, R14). 0 refuses everything.
   * @defaultValue 3
   */
  readonly maxUnits?: number
  /**
   * Most children of one unit that run at once; from 1.
   * @defaultValue 3
   */
  readonly maxConcurrentChildren?: number
  /**
   * Most worker threads, and processes, of isolated children at once, from 1 to 64. A unit that needs more is refused
   * (`THREADS`).
   * @defaultValue `maxUnits` × `maxConcurrentChildren` × `maxDepth`, at most 64
   */
  readonly maxThreads?: number
  /**
   * Threads that carry all children of runners with `placement: 'shared'`; from 1 to 64.
   * @defaultValue 2
   */
  readonly maxSharedThreads?: number
  /**
   * Over what `maxUnits` counts.
   * @defaultValue 'process'
   */
  readonly capacityScope?: CapacityScope
  /** @defaultValue a ledger in memory */
  readonly ledger?: LedgerFactory
  /**
   * How long an interrupted child may go on before it is stopped by force, ms; from 0.
   * @defaultValue 5_000
   */
  readonly interruptGraceMs?: number
  /**
   * Wall clock limit of each child, seconds; 0 for none. The clock starts when the child is handed to its thread.
   * @defaultValue 0
   */
  readonly childTimeoutSeconds?: number
  /**
   * Wall clock limit of a unit from its dispatch, seconds, at most 2,147,483; 0 for none. At its end what runs is stopped as
   * `timeout`, what waits never starts, and what had ended is in the event.
   * @defaultValue 0
   */
  readonly deadlineSeconds?: number
  /**
   * How many turns a runner that loops may take, handed to it as `task.maxIterations`; from 1.
   * @defaultValue 250
   */
  readonly maxIterations?: number
  /**
   * Most children that one session may ever start, nested ones too; none are given back. 0 refuses everything.
   * @defaultValue no bound
   */
  readonly maxSpawnsPerSession?: number
  /**
   * What units may use, by what their runners report. Reserved when a call is admitted, and replaced by what was used
   * when it ends; what does not fit is refused (`BUDGET`).
   * @defaultValue no bound
   */
  readonly budgets?: BudgetOptions
  /**
   * Where isolated children run: `process` makes each killable for certain, and costs the start of a Node process. It says
   * nothing about references with a placement of their own, `shared` or `process`.
   * @defaultValue 'thread'
   */
  readonly isolation?: Isolation
  /**
   * Heap of each isolated child, MB; from 16. What it holds outside of its heap ends it beyond 128 MB more.
   * @defaultValue 512
   */
  readonly childMemoryMb?: number
  /**
   * How long a runner's module may take to import, ms; from 1.
   * @defaultValue 30_000
   */
  readonly importTimeoutMs?: number
  /** Runners that a dispatch may call by name. */
  readonly runners?: Readonly<Record<string, RunnerReference | Runner>>
  /** What runs a dispatch that names no runner. */
  readonly runner?: RunnerInput
  /**
   * Where children's live transcripts go: `<folder>/<delegation_id>/task-<n>.log`. They are kept for 7 days.
   * @defaultValue false: a child's lines reach the `progress` event only
   */
  readonly transcripts?: { readonly folder: string } | false
  /**
   * Where a summary goes that is too long to travel, one file each, readable by this user alone. They are kept for 7 days.
   * @defaultValue `hermes-delegate-<user>` in the system's temporary folder
   */
  readonly spillFolder?: string
  /**
   * When a child that shows no progress any more is stopped as `stalled`; false for never. Only children that have
   * reported progress are looked at, and those whose runner says that it does.
   * @defaultValue 450 s idle, 1,200 s inside a tool, 120 s grace, a look every 30 s (spec 2.7)
   */
  readonly stall?: Partial<StallOptions> | false
  /**
   * Runs unfinished children of dead owners again, where their runners allow it. For hosts that stay.
   * @defaultValue false
   */
  readonly adopt?: boolean
  /**
   * How many levels of units there may be: 1 for none below the host's own, so that no child may delegate; from 1
   * (Hermes' `max_spawn_depth`).
   * @defaultValue 1
   */
  readonly maxDepth?: number
  /**
   * False: no child may delegate, whatever its role (Hermes' kill switch).
   * @defaultValue true
   */
  readonly orchestratorEnabled?: boolean
  /** Lets each call in, or not. @defaultValue all come in */
  readonly gate?: Gate
  /**
   * Called every 30 s for each child that runs and has not fallen silent, so that a watchdog of the host's own knows that
   * its session is not idle (spec 4.7). What it throws is a `fault`.
   */
  readonly onActivity?: (touch: ActivityTouch) => void
  /**
   * Each task of a batch, or each group of tasks, has a completion of its own (Hermes' `independent_completions`).
   * @defaultValue false: one completion when all have ended
   */
  readonly independentCompletions?: boolean
  /**
   * What of a child's summary enters its event, characters; the whole of a longer one is kept in `spillFolder`, and named
   * in the event with its size and digest. 0 for no bound.
   * @defaultValue 8_000
   */
  readonly maxSummaryCharacters?: number
  /**
   * What all summaries of a unit may have together, shared by its children alike, but no less than 400 for each; 0 for no
   * bound.
   * @defaultValue 48_000
   */
  readonly maxUnitSummaryCharacters?: number
  /** @defaultValue a logger that is silent */
  readonly logger?: Logger
  /** @defaultValue the machine's own */
  readonly clock?: Clock
  /** In [0, 1): the jitter of redelivery. @defaultValue `Math.random` */
  readonly random?: () => number
  /** Runs references. @defaultValue worker threads, by Piscina, and processes */
  readonly executor?: Executor
}

export interface ResolvedOptions {
  readonly maxUnits: number
  readonly maxConcurrentChildren: number
  readonly maxThreads: number
  readonly maxSharedThreads: number
  readonly capacityScope: CapacityScope
  readonly isolation: Isolation
  readonly interruptGraceMs: number
  readonly childTimeoutSeconds: number
  readonly childMemoryMb: number
  readonly deadlineSeconds: number
  readonly maxIterations: number
  readonly budgets: ResolvedBudgets
  readonly importTimeoutMs: number
  readonly runners: Readonly<Record<string, RunnerReference | Runner>>
  readonly runner: RunnerInput | null
  readonly transcriptFolder: string | null
  readonly adopt: boolean
  readonly independentCompletions: boolean
  readonly maxDepth: number
  readonly orchestratorEnabled: boolean
  readonly onActivity: ((touch: ActivityTouch) => void) | null
  readonly gate: Gate | null
  readonly stall: StallOptions | null
  readonly spillFolder: string
  readonly summaryBudget: SummaryBudget
}

/** More worker threads than this cost more than they bring on any machine. */
export const maxThreadsBound = 64

const defaults = {
  maxSummaryCharacters: defaultSummaryBudget.childCharacters,
  maxUnitSummaryCharacters: defaultSummaryBudget.unitCharacters,
  maxUnits: 3,
  maxDepth: 1,
  maxConcurrentChildren: 3,
  maxSharedThreads: 2,
  interruptGraceMs: 5_000,
  childTimeoutSeconds: 0,
  maxIterations: 250,
  childMemoryMb: 512,
  importTimeoutMs: 30_000,
} as const

/** @throws {TypeError} naming the option, its bounds and the value given. */
export function resolveOptions(options: DelegatorOptions): ResolvedOptions {
  checkShapes(options)
  const number = (name: keyof typeof defaults, from: number, to = Number.MAX_SAFE_INTEGER): number =>
    wholeNumber(name, options[name] ?? defaults[name], from, to)
  const maxUnits = number('maxUnits', 0)
  const maxConcurrentChildren = number('maxConcurrentChildren', 1)
  const maxDepth = number('maxDepth', 1)
  const product = Math.min(maxThreadsBound, Math.max(1, maxUnits * maxConcurrentChildren * maxDepth))
  const scope = options.capacityScope ?? 'process'
  if (!['process', 'ledger', 'session'].includes(scope)) {
    throw new TypeError(
      `Expected \`capacityScope\` to be 'process', 'ledger' or 'session', got ${shownValue(scope)}`,
    )
  }
  const isolation = options.isolation ?? 'thread'
  if (!isIsolation(isolation)) {
    throw new TypeError(`Expected \`isolation\` to be 'thread' or 'process', got ${shownValue(isolation)}`)
  }
  return Object.freeze({
    maxUnits,
    maxConcurrentChildren,
    maxThreads: wholeNumber('maxThreads', options.maxThreads ?? product, 1, maxThreadsBound),
    maxSharedThreads: number('maxSharedThreads', 1, maxThreadsBound),
    capacityScope: scope,
    isolation,
    interruptGraceMs: number('interruptGraceMs', 0),
    childTimeoutSeconds: positiveSeconds(options.childTimeoutSeconds ?? defaults.childTimeoutSeconds),
    childMemoryMb: number('childMemoryMb', 16),
    deadlineSeconds: deadline(options.deadlineSeconds ?? 0),
    maxIterations: number('maxIterations', 1),
    budgets: resolveBudgets(
      options.budgets ?? {},
      options.maxSpawnsPerSession === undefined
        ? null
        : wholeNumber('maxSpawnsPerSession', options.maxSpawnsPerSession, 0),
      maxUnits,
    ),
    importTimeoutMs: number('importTimeoutMs', 1),
    runners: named(options.runners ?? {}),
    runner: options.runner ?? null,
    adopt: options.adopt ?? false,
    independentCompletions: options.independentCompletions ?? false,
    maxDepth,
    orchestratorEnabled: options.orchestratorEnabled ?? true,
    onActivity: options.onActivity ?? null,
    gate: options.gate ?? null,
    stall: stallOptions(options.stall),
    transcriptFolder: options.transcripts ? options.transcripts.folder : null,
    spillFolder: options.spillFolder ?? join(tmpdir(), `hermes-delegate-${userInfo().username}`),
    summaryBudget: {
      childCharacters: number('maxSummaryCharacters', 0),
      unitCharacters: number('maxUnitSummaryCharacters', 0),
    },
  })
}

function deadline(seconds: number): number {
  const expected = secondsProblem(seconds)
  if (expected === null) return seconds
  throw new TypeError(`Expected \`deadlineSeconds\` to be ${expected}, got ${shownValue(seconds)}`)
}

/** Where usage is added up by runner, each stands under the name that it was given. */
function named(runners: NonNullable<DelegatorOptions['runners']>): ResolvedOptions['runners'] {
  return Object.fromEntries(
    Object.entries(runners).map(([name, runner]) => [
      name,
      typeof runner === 'function' ? runner : { name, ...runner },
    ]),
  )
}

export function isIsolation(given: unknown): given is Isolation {
  return given === 'thread' || given === 'process'
}

/** @throws {TypeError} naming the option, its bounds and the value given. */
export function wholeNumber(
  name: string,
  value: unknown,
  from: number,
  to = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to) return value
  const bounds = to === Number.MAX_SAFE_INTEGER ? `from ${from} up` : `from ${from} to ${to}`
  throw new TypeError(`Expected \`${name}\` to be a whole number ${bounds}, got ${shownValue(value)}`)
}

function positiveSeconds(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new TypeError(
    `Expected \`childTimeoutSeconds\` to be 0 or a number of seconds, got ${shownValue(value)}`,
  )
}
