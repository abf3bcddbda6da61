/** Front 1, the host's side. Any name added here becomes public API. */
export { createDelegator } from './runtime/create-delegator.js'
export { withSession } from './runtime/session-context.js'
export { attachHost } from './host/attach-host.js'
export { moduleRunner } from './runners/module.js'
export { shellRunner } from './runners/shell.js'
export { createMemoryLedger as memoryLedger } from './ledger/memory-ledger.js'
export { sqliteLedger } from './ledger/sqlite-ledger.js'
export { formatCompletion } from './core/format.js'
export { renderTurn } from './core/render-turn.js'
export { buildSessionKey, parseSessionKey } from './core/session-key.js'
export { DelegationError } from './core/errors.js'

export type { DelegatorOptions, Isolation, LedgerFactory, RunnerInput } from './runtime/options.js'
export type { Capacity, CloseOptions, Delegator } from './runtime/delegator.js'
export type { Dispatched } from './runtime/admission.js'
export type {
  BatchTask,
  CallOptions,
  DispatchBatchOptions,
  DispatchOptions,
  WholeBatchResult,
  WholeBatchRun,
} from './runtime/request.js'
export type {
  ClaimOptions,
  Completion,
  Completions,
  CompletionSelect,
  FollowOptions,
} from './runtime/completions.js'
export type { DelegatorEventMap, DelegatorEvents } from './runtime/events.js'
export type { ChildView, DelegationRecord } from './runtime/records.js'
export type { InterruptOptions, InterruptReport, SessionSelect } from './runtime/interrupts.js'
export type { StallOptions } from './runtime/stall-monitor.js'
export type { WaitOptions } from './runtime/unit-wait.js'
export type { AttachedHost, AttachHostOptions } from './host/attach-host.js'
export type { ModuleRunnerOptions } from './runners/module.js'
export type { ShellRunnerOptions } from './runners/shell.js'
export type { AsyncDelegationEvent, BatchEvent, ChildResult, ErrorDetail, SingleEvent } from './core/event.js'
export type { ErrorCode } from './core/errors.js'
export type { CapacityScope, Refusal, Rejected, SlotHolder } from './core/refusal.js'
export type { Clock } from './core/clock.js'
export type { SqliteLedgerOptions } from './ledger/sqlite-ledger.js'
export type { Ledger } from './ledger/ledger.js'
export type { Executor } from './pool/executor.js'
export type { Placement, Runner, RunnerContext, RunnerReference, RunnerResult, RunnerTask } from './runner.js'
