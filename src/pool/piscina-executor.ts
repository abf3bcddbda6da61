import type { Clock } from '../core/clock.js'
import type { RunnerReference } from '../runner.js'
import type { ChildJob, Executor } from './executor.js'
import { createSharedPool } from './shared-pool.js'
import { createThreadPool, type ThreadPool } from './thread-pool.js'
import { waitAtMost } from './wait-at-most.js'

export interface PiscinaExecutorOptions {
  readonly clock: Clock
  /** Threads of isolated children, in use and idle together, before an idle one is retired. */
  readonly maxThreads: number
  /** Threads that carry all shared children. */
  readonly maxSharedThreads: number
  /** Heap of one isolated child, MB. */
  readonly childMemoryMb: number
  /** How long a runner's module may take to import, ms. */
  readonly importTimeoutMs: number
}

/** Heap of a shared thread, MB: it carries many children, each of which only waits for I/O. */
const sharedMemoryMb = 2_048

/** Runs references on worker threads. Each kind of pool is made by its first child. */
export function createPiscinaExecutor(options: PiscinaExecutorOptions): Executor {
  const { clock, importTimeoutMs } = options
  let isolated: ThreadPool | null = null
  let shared: ThreadPool | null = null

  function poolFor({ placement }: RunnerReference): ThreadPool {
    if (placement === 'shared') {
      shared ??= createSharedPool({
        clock,
        importTimeoutMs,
        maxThreads: options.maxSharedThreads,
        memoryMb: sharedMemoryMb,
      })
      return shared
    }
    isolated ??= createThreadPool({
      clock,
      importTimeoutMs,
      maxThreads: options.maxThreads,
      memoryMb: options.childMemoryMb,
    })
    return isolated
  }

  return {
    run(job, observer) {
      const { runner } = job
      if (typeof runner === 'function') throw new TypeError('Expected a runner reference, got a function')
      const referenced: ChildJob<RunnerReference> = { ...job, runner }
      return poolFor(runner).run(referenced, observer)
    },
    async close(withinMs) {
      const closing = [isolated, shared].filter((pool) => pool !== null).map((pool) => pool.close().exited)
      await waitAtMost(clock, withinMs, Promise.all(closing))
    },
  }
}
