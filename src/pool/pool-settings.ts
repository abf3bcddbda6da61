import type { Piscina } from 'piscina'

/** How long an idle thread is kept for the next child of its kind, ms. */
export const idleThreadMs = 10_000
const stackMb = 4

type PoolSettings = NonNullable<ConstructorParameters<typeof Piscina>[0]>

/** What both kinds of pool ask of Piscina. */
export function poolSettings({ memoryMb }: { readonly memoryMb: number }): PoolSettings {
  return {
    filename: new URL('./worker.js', import.meta.url).href,
    name: 'runChild',
    minThreads: 0,
    idleTimeout: idleThreadMs,
    // A thread goes on serving its control channel and its children's timers between two tasks.
    atomics: 'async',
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, stackSizeMb: stackMb },
  }
}
