/** Front 1, the host's side. Any name added here becomes public API. */
export { createDelegator } from './runtime/create-delegator.js'
export { withSession } from './runtime/session-context.js'
export { attachHost } from './host/attach-host.js'
export { commandRunner } from './runners/command.js'
export { moduleRunner } from './runners/module.js'
export { shellRunner } from './runners/shell.js'
export { createMemoryLedger as memoryLedger } from './ledger/memory-ledger.js'
export { sqliteLedger } from './ledger/sqlite-ledger.js'
export { sqliteMemoryStore } from './memory/sqlite-memory-store.js'
export { transientMemoryStore } from './memory/transient-memory-store.js'
export { ledgerFacts } from './ledger/sqlite-facts.js'
export { openOwnFile as openSqliteFile } from './ledger/sqlite-file.js'
export { inspectLedger } from './runtime/inspect.js'
export { formatCompletion } from './core/format.js'
export { renderTurn } from './core/render-turn.js'
export { plainText } from './core/plain-text.js'
export { redact } from './core/redact.js'
export { buildSessionKey, parseSessionKey } from './core/session-key.js'
export { readTraceContext } from './core/trace-context.js'
export { DelegationError } from './core/errors.js'

export type { DelegatorOptions, Isolation, LedgerFactory, RunnerInput } from './runtime/options.js'
export type { ActivityTouch } from './runtime/activity-clock.js'
export type { Gate, GatedCall, OnUnitStarted } from './runtime/gate.js'
export type { Capacity, DelegatorLimits } from './runtime/capacity.js'
export type { CloseOptions, Delegator } from './runtime/delegator.js'
export type { Dispatched } from './runtime/dispatched.js'
export type { PartHandle } from './runtime/groups.js'
export type {
  BatchTask,
  BatchTells,
  CallOptions,
  ContinueFrom,
  DispatchBatchOptions,
  DispatchOptions,
  WholeBatchResult,
  WholeBatchRun,
} from './runtime/call-options.js'
export type { ClaimOptions, Completion, Completions, FollowOptions } from './runtime/completions.js'
export type { CompletionSelect } from './runtime/completion-select.js'
export type { DeliveryView, PublishedEvent, PublishOptions, ReadOptions } from './runtime/deliveries.js'
export type { DelegatorEvent, DelegatorEventMap, DelegatorEvents } from './runtime/events.js'
export type { ChildSnapshot, DelegatorSnapshot, UnitSnapshot, UnitTotals } from './runtime/snapshot.js'
export type { EndedSession, EndSession, EndSessionOptions } from './runtime/end-session.js'
export type { ChildView, DelegationRecord, ListOptions } from './runtime/records.js'
export type { BudgetOptions, UnitBudget } from './runtime/budget-options.js'
export type { BudgetWarning } from './runtime/budget-charges.js'
export type { UsageOptions, UsageRow } from './runtime/usage-report.js'
export type { InterruptOptions, SessionSelect, UnitInterruptOptions } from './runtime/interrupts.js'
export type { AnswerOptions, AnswerReport, SteerOptions, SteerReport } from './runtime/talks.js'
export type { OpenQuestion } from './core/question.js'
export type { InterruptReport } from './runtime/stop-report.js'
export type { StallOptions } from './runtime/stall-monitor.js'
export type { ClaimedEnd, WaitOptions } from './runtime/unit-wait.js'
export type { WaitingFeed, WaitingSession, WaitingWatch, WatchOptions } from './runtime/waiting-feed.js'
export type { AttachedHost, AttachHostOptions, ResolvedSession } from './host/attach-host.js'
export type { AgentName } from './runners/agent-presets.js'
export type { CommandReferenceOptions } from './runners/command.js'
export type { CommandEnvironment } from './core/program-environment.js'
export type { CommandField, CommandMap } from './runners/command-map.js'
export type { CommandRunnerOptions } from './runners/command-options.js'
export type { CommandTemplate } from './runners/command-template.js'
export type { ModuleRunnerOptions } from './runners/module.js'
export type { ShellRunnerOptions } from './runners/shell.js'
export type { AsyncDelegationEvent, BatchEvent, ChildResult, ErrorDetail, SingleEvent } from './core/event.js'
export type { ChildFacts, ChildUsage } from './core/child-facts.js'
export type { ErrorCode } from './core/errors.js'
export type { CapacityScope, Refusal, Rejected, SlotHolder } from './core/refusal.js'
export type { Clock } from './core/clock.js'
export type { TraceContext } from './core/trace-context.js'
export type { SqliteLedgerOptions } from './ledger/sqlite-ledger.js'
export type { LedgerFacts } from './ledger/sqlite-facts.js'
export type { Sqlite, SqliteStatement, SqliteValue, SqliteValues } from './ledger/sqlite-driver.js'
export type { FileSchema as SqliteSchema } from './ledger/file-schema.js'
export type { FileFinding } from './ledger/sqlite-findings.js'
export type { AuditFinding } from './runtime/audit.js'
export type { Leftover, LedgerInspection, OwnerView } from './runtime/inspect.js'
export type { Ledger } from './ledger/ledger.js'
export type {
  Memory,
  MemoryScope,
  MemorySelect,
  MemorySpace,
  MemoryStore,
  MemoryStoreOptions,
} from './memory/memory-store.js'
export type { SqliteMemoryStoreOptions } from './memory/sqlite-memory-store.js'
export type { Executor } from './pool/executor.js'
export type {
  ContinuedTask,
  Placement,
  Runner,
  RunnerContext,
  RunnerReference,
  RunnerResult,
  RunnerTask,
} from './runner.js'
