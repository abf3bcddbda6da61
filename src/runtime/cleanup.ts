import type { Clock } from '../core/clock.js'
import { pruneKeptFiles } from '../pool/kept-files.js'

export interface Cleanup {
  /** Looks once for what was kept long enough, a while after the first call. */
  soon(): void
}

interface CleanupOptions {
  readonly clock: Clock
  readonly folders: readonly string[]
  readonly isLive: (id: string) => Promise<boolean>
  readonly closing: AbortSignal
}

/** By then a first dispatch is on its way, ms. */
const quietMs = 1_000

export function createCleanup({ clock, folders, isLive, closing }: CleanupOptions): Cleanup {
  let isDue = true

  async function prune(): Promise<void> {
    for (const folder of folders) await pruneKeptFiles({ folder, now: clock.now(), isLive, signal: closing })
  }

  return {
    soon() {
      if (!isDue) return
      isDue = false
      clock.after(quietMs, () => void prune())
    },
  }
}
