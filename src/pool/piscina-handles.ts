/**
 * The one place that reaches behind Piscina's public interface. Piscina references a message port of its own while a
 * thread has a task, which would keep the process alive (R5), and references a thread again once its port closed. Both
 * are undone here. test/pool/piscina-handles.test.ts fails when a release moves what this relies on.
 */
import type { Worker } from 'node:worker_threads'
import { Piscina, type TaskQueue } from 'piscina'

/** What the load balancer and `workerCreate` are handed. */
export type PoolWorker = Parameters<
  NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer'] & object
>[1][number]

/** A task as the queue and the balancer see it. */
export type PoolTask = Parameters<TaskQueue['push']>[0]

/** Puts `label` on a task, for the queue and the balancer to find; it does not travel to the thread. */
export function labelled<T extends object>(message: T, label: object): T {
  return Object.assign(message, { [Piscina.queueOptionsSymbol]: label })
}

/** The label that the task was given. */
export function labelOf(task: PoolTask): unknown {
  return (task as unknown as Readonly<Record<symbol, unknown>>)[Piscina.queueOptionsSymbol]
}

interface WorkerInfo {
  readonly worker: Worker
  readonly port: { unref(): void; on(event: 'close', listener: () => void): void }
}

/** @throws {Error} when Piscina keeps its threads elsewhere than it did. */
export function workerInfoOf(poolWorker: PoolWorker): WorkerInfo {
  infoSymbol ??= Object.getOwnPropertySymbols(poolWorker).find(
    (symbol) => read(poolWorker, symbol)?.worker !== undefined,
  )
  const info = infoSymbol === undefined ? undefined : read(poolWorker, infoSymbol)
  if (info !== undefined) return info
  throw new Error('this release of Piscina hides its threads elsewhere: see piscina-handles.ts')
}

/** Under which Piscina keeps a thread's own record. The symbol is not exported, so it is found once. */
let infoSymbol: symbol | undefined

function read(poolWorker: PoolWorker, symbol: symbol): WorkerInfo | undefined {
  return (poolWorker as unknown as Readonly<Record<symbol, WorkerInfo | undefined>>)[symbol]
}

/** Call as a task is given to the thread: once Piscina has referenced its port, the reference is taken back. */
export function letProcessExitDuringTask(info: WorkerInfo): void {
  queueMicrotask(() => info.port.unref())
}

/** Call once per thread: its end is never what a process waits for. */
export function letProcessExitDuringTermination(info: WorkerInfo): void {
  // Piscina's own listener came first and has just referenced the thread.
  info.port.on('close', () => info.worker.unref())
}
