import type { Executor } from './executor.js'

/** Runs a reference where its placement says: in a process of its own, or in a thread. */
export function createPlacedExecutor({
  threads,
  processes,
}: {
  readonly threads: Executor
  readonly processes: Executor
}): Executor {
  return {
    run(job, observer) {
      const wantsProcess = typeof job.runner !== 'function' && job.runner.placement === 'process'
      return (wantsProcess ? processes : threads).run(job, observer)
    },
    async close(withinMs) {
      await Promise.all([threads.close(withinMs), processes.close(withinMs)])
    },
  }
}
