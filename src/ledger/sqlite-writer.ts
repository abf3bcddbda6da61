/**
 * Every write of a connection, in the order it was asked for. Writes of one tick share one transaction: with many
 * units in flight that is what makes a durable ledger fast. Invariants:
 *
 * W1. A step runs inside `BEGIN IMMEDIATE` and is committed before its promise resolves. A step that throws a
 *     DelegationError has written nothing yet, and fails alone.
 * W2. The event loop never waits for a lock: a busy file is tried again by a timer, until the step's patience ends (P11).
 */
import { stat } from 'node:fs'
import { DelegationError } from '../core/errors.js'
import { failPoint } from '../core/fail-point.js'
import { ledgerError, type Sqlite } from './sqlite-driver.js'

export interface SqliteWriter {
  /** @throws {DelegationError} LEDGER_BUSY after `busyMs`, LEDGER_FULL, LEDGER_IO, and what the step throws */
  write<T>(step: () => T, options?: WriteOptions<T>): Promise<T>
  /** Reads what is committed, at once; in the rare moments when even that is locked it is tried again by a timer. */
  read<T>(step: () => T): Promise<T>
  /** Resolves once nothing is under way. */
  idle(): Promise<void>
}

export interface WriteOptions<T> {
  /** What can be said without writing, or null. Asked again while the file is busy: a no waits for no lock. */
  readonly answer?: () => T | null
  /** Tried in this very tick if nothing else waits: what was just read is then the least out of date. */
  readonly isAtOnce?: boolean
  /** Resolves only when a power cut cannot take it away any more, where the ledger promises that. */
  readonly isResult?: boolean
  /** Tried for as long as the ledger is open: nobody would do it instead. */
  readonly isPatient?: boolean
}

interface WriterOptions {
  readonly db: Sqlite
  readonly path: string
  readonly busyMs: number
  /** Called after every commit: by the next tick at the latest others may be told. */
  readonly onCommit: () => void
  /** Makes the commits so far safe against a power cut; null where that is not promised. */
  readonly sync: (() => Promise<void>) | null
}

interface Job {
  readonly step: () => unknown
  readonly answer: (() => unknown) | null
  readonly isResult: boolean
  readonly deadlineMs: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly value: unknown } | { readonly error: unknown }
/** 'busy': nothing happened, and another try may help. */
type Tried = Outcome | 'busy'

interface Done {
  readonly job: Job
  readonly outcome: Outcome
}

/** Bounds how long one commit may hold the loop. */
const maxStepsPerCommit = 64
/** Most locks are held for less than this, ms: so long a busy file is tried again as soon as the CPU was let go of. */
const atOnceMs = 1
const firstPauseMs = 1
const longestPauseMs = 8

export function createSqliteWriter({ db, path, busyMs, onCommit, sync }: WriterOptions): SqliteWriter {
  let queue: Job[] = []
  let isScheduled = false
  let pauseMs = firstPauseMs
  let busySinceMs: number | null = null
  let idlers: (() => void)[] = []
  let syncing = 0

  function enqueue<T>(
    step: () => T,
    { isResult = false, isPatient = false, isAtOnce = false, answer }: WriteOptions<T> = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const deadlineMs = isPatient ? Infinity : performance.now() + busyMs
      const told = { resolve: resolve as Job['resolve'], reject }
      queue.push({ step, answer: answer ?? null, isResult, deadlineMs, ...told })
      if (isAtOnce && queue.length === 1 && !isScheduled) flush()
      else schedule(() => setImmediate(flush))
    })
  }

  function schedule(start: () => void): void {
    if (isScheduled) return
    isScheduled = true
    start()
  }

  /**
   * Who holds the lock may wait for this very CPU, and would get none from one turn of the loop after the other: a call
   * that goes through the thread pool puts this thread to sleep, for less time than any timer does.
   */
  function flushAfterNap(): void {
    let isFlushed = false
    const flushOnce = (): void => {
      clearTimeout(pool)
      if (!isFlushed) flush()
      isFlushed = true
    }
    // The threads of the pool may all be busy.
    const pool = setTimeout(flushOnce, firstPauseMs)
    stat(path, flushOnce)
  }

  function flush(): void {
    isScheduled = false
    const batch = queue.splice(0, maxStepsPerCommit)
    const done: Done[] = []
    const busy: Job[] = []
    for (const [index, tried] of commit(batch).entries()) {
      const job = batch[index]
      if (job === undefined) continue
      if (tried === 'busy') busy.push(job)
      else done.push({ job, outcome: tried })
    }
    if (done.length > 0) settle(done)
    if (busy.length > 0) retryLater(busy)
    if (queue.length > 0) schedule(() => setImmediate(flush))
    tellIdle()
  }

  /** One for each of the batch. */
  function commit(batch: readonly Job[]): readonly Tried[] {
    try {
      db.sql('BEGIN IMMEDIATE').run()
    } catch (error) {
      return failed(batch, error)
    }
    try {
      failPoint('commit:begun')
      const outcomes = batch.map(({ step }) => attempt(step))
      failPoint('commit:before')
      db.sql('COMMIT').run()
      failPoint('commit:done')
      busySinceMs = null
      return outcomes
    } catch (error) {
      rollBack()
      // One bad step must not fail its neighbours: each gets a transaction of its own.
      return batch.length > 1 && !isBusy(error) ? batch.flatMap((job) => commit([job])) : failed(batch, error)
    }
  }

  function failed(batch: readonly Job[], error: unknown): readonly Tried[] {
    return batch.map(() => (isBusy(error) ? 'busy' : { error: ledgerError(error, path) }))
  }

  function rollBack(): void {
    try {
      db.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself, as it does on a full disk.
    }
  }

  function retryLater(batch: readonly Job[]): void {
    const now = performance.now()
    const late = batch.filter(({ deadlineMs }) => deadlineMs <= now)
    for (const job of late) job.reject(new DelegationError('LEDGER_BUSY', { path, waited_ms: busyMs }))
    const waiting = batch.filter((job) => job.deadlineMs > now && !isAnswered(job))
    queue = [...waiting, ...queue]
    if (queue.length === 0) {
      busySinceMs = null
      return
    }
    if (busySinceMs === null) {
      busySinceMs = now
      pauseMs = firstPauseMs
    }
    if (now - busySinceMs < atOnceMs) return schedule(flushAfterNap)
    const afterMs = pauseMs
    schedule(() => setTimeout(flush, afterMs))
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }

  function settle(done: readonly Done[]): void {
    onCommit()
    const waitsForDisk = sync !== null && done.some(({ job }) => job.isResult)
    const synced = waitsForDisk ? sync() : null
    if (synced !== null) syncing += 1
    for (const { job, outcome } of done) {
      if (synced === null || !job.isResult) tell(job, outcome)
      else synced.then(() => tell(job, outcome), job.reject)
    }
    void synced
      ?.catch(() => undefined)
      .finally(() => {
        syncing -= 1
        tellIdle()
      })
  }

  async function read<T>(step: () => T): Promise<T> {
    const deadlineMs = performance.now() + busyMs
    for (let afterMs = firstPauseMs; ; afterMs = Math.min(afterMs * 2, longestPauseMs)) {
      try {
        return await Promise.resolve(step())
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadlineMs) throw ledgerError(error, path)
      }
      await new Promise((resolve) => setTimeout(resolve, afterMs))
    }
  }

  const isIdle = (): boolean => queue.length === 0 && syncing === 0

  function tellIdle(): void {
    if (!isIdle()) return
    const told = idlers
    idlers = []
    for (const tellOne of told) tellOne()
  }

  return {
    write: enqueue,
    read,
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  }
}

/** W1: what is no DelegationError is SQLite's, and ends the transaction. */
function attempt(step: () => unknown): Outcome {
  try {
    return { value: step() }
  } catch (error) {
    if (error instanceof DelegationError) return { error }
    throw error
  }
}

function isAnswered({ answer, resolve }: Job): boolean {
  if (answer === null) return false
  try {
    const value = answer()
    if (value !== null) resolve(value)
    return value !== null
  } catch {
    // The step itself will say what is wrong.
    return false
  }
}

function tell({ resolve, reject }: Job, outcome: Outcome): void {
  if ('error' in outcome) reject(outcome.error)
  else resolve(outcome.value)
}

function isBusy(error: unknown): boolean {
  const named = ledgerError(error, '')
  return named instanceof DelegationError && named.code === 'LEDGER_BUSY'
}
