import type { Json, JsonObject } from './json.js'
import type { OpenQuestion } from './question.js'

/**
 * The result of one child of a batch, as the runner gave it (spec 4.6). `task_index` counts from 0 within the
 * call; every other field may be missing, and a runner may add its own.
 */
export interface ChildResult extends JsonObject {
  readonly task_index: number
  readonly status?: string
  readonly summary?: string | null
  readonly error?: string | null
  readonly api_calls?: number | null
  readonly duration_seconds?: number | null
  readonly model?: string | null
  readonly exit_reason?: string | null
  /** Of a task with a schema (spec 4.6): `output` is there if it fits, at most ten errors if it does not. */
  readonly output?: Json
  readonly schema_valid?: boolean
  readonly schema_retries?: number
  readonly schema_errors?: readonly string[]
  /** Path of the child's complete trace, when one was written. */
  readonly live_transcript?: string
  /** The beginnings of what it was sent while it ran, and did not take. */
  readonly missed_steer?: readonly string[]
}

/** An error as data: the class, the name and the code survive the thread boundary. */
export interface ErrorDetail extends JsonObject {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly stack?: string
  readonly cause?: ErrorDetail
}

/** Where an event belongs: what a consumer proves ownership by. */
export interface EventRoute extends JsonObject {
  /** `''` means the CLI: a host with a single session (R20). */
  readonly session_key: string
  readonly parent_session_id?: string
  readonly origin_ui_session_id?: string
  readonly origin_session_id?: string
}

interface CommonFields extends EventRoute {
  readonly type: 'async_delegation'
  readonly delegation_id: string
  readonly goal: string
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly role: string | null
  readonly model: string | null
  readonly status: string
  readonly error: string | null
  /** Unix seconds, float. */
  readonly dispatched_at: number | null
  /** Unix seconds, float. */
  readonly completed_at: number | null
  /** The key a consumer de-duplicates by; the final event's equals `delegation_id` (P3). */
  readonly event_id?: string
  /** Position in the ledger, increasing; comparable within one ledger only. */
  readonly seq?: number
  /** Who dispatched it has left or died before it was delivered. */
  readonly restored?: true
  /** Of a unit that showed no progress any more (spec 2.7). */
  readonly stalled_after_quiet_seconds?: number
  readonly stall_threshold_seconds?: number
  readonly stall_phase?: 'idle' | 'in_tool'
  readonly stall_grace_seconds?: number
  /** Its event loop did not even answer. */
  readonly stall_loop_blocked?: boolean
  /** Of a unit whose owner died: its state when it was last heard of, and the ends of its transcripts by child index. */
  readonly last_known_status?: string
  readonly transcript_tails?: Readonly<Record<string, string>>
  readonly live_transcripts?: Readonly<Record<string, string>>
  /** Of a unit that still runs: a child of it waits for an answer. */
  readonly question?: OpenQuestion
  /** Of a notice, or a question: how many children the batch has. */
  readonly n_tasks?: number
  readonly metadata?: JsonObject
  /** Of a unit that a child of another one started. Such an event is told to listeners, and never delivered. */
  readonly parent_delegation_id?: string
  /**
   * Tokens and money of the whole unit, its nested units too (`input_tokens`, `output_tokens`, `cost_usd`), as far as its
   * children reported them. Of a child's entry in `results`: its own.
   */
  readonly usage?: JsonObject
}

/** The completion of a single delegation: Hermes' sixteen fields (spec 1.7) and our additive ones. */
export interface SingleEvent extends CommonFields {
  readonly is_batch?: false
  readonly summary: string | null
  readonly api_calls: number | null
  readonly duration_seconds: number | null
  readonly exit_reason: string | null
  readonly error_detail?: ErrorDetail
  /** Of the child that was stopped because its unit's budget was used up: what was counted, its limit, what was used. */
  readonly budget_exceeded?: JsonObject
  /** The agent's own session, for a later run to go on with. */
  readonly session_id?: string
  /** Of a child that changed something in a git worktree of its own: where it is, its branch, and what it began with. */
  readonly worktree?: JsonObject
  /** Why it failed, in a word that a program can test (docs/agent-runner.md). */
  readonly failure_reason?: string
  /** What a peer sent along: `{ name?, media_type?, url }`, or `base64` in place of `url`; `omitted` when it was too long. */
  readonly files?: readonly JsonObject[]
  /** Structured parts of a peer's answer. */
  readonly data?: readonly Json[]
  /** Under which ids a peer knows it, and how it was spoken to (docs/a2a.md). */
  readonly peer?: JsonObject
  /** Spec 4.6. */
  readonly tool_trace?: readonly JsonObject[]
  readonly cost_usd?: number
  /** The beginnings of what it was sent while it ran, and did not take. */
  readonly missed_steer?: readonly string[]
  readonly truncated?: boolean
  /** Of a task with a schema (spec 4.6): `output` is there if it fits, at most ten errors if it does not. */
  readonly output?: Json
  readonly schema_valid?: boolean
  readonly schema_retries?: number
  readonly schema_errors?: readonly string[]
  readonly summary_truncated?: boolean
  readonly summary_full_path?: string
  readonly summary_full_characters?: number
  readonly summary_full_sha256?: string
}

/** The completion of a batch: Hermes' sixteen fields (R37) and our additive ones. */
export interface BatchEvent extends CommonFields {
  readonly is_batch: true
  readonly goals: readonly string[]
  readonly results: readonly ChildResult[]
  readonly total_duration_seconds?: number | null
  /** Of one of several units of a call: which of its `goals` are this unit's, and what their `group` is called. */
  readonly task_indexes?: readonly number[]
  readonly group?: string
  /** Of a notice: the unit still runs, `results` has the one child that ended, `n_tasks` is how many there are. */
  readonly task_failure_notice?: true
  readonly task_result_notice?: true
  readonly error_detail?: ErrorDetail
}

/** What one delegation ends in: stored, sent and rendered as it is (DESIGN 3). */
export type AsyncDelegationEvent = SingleEvent | BatchEvent
