/** Samples the resident memory of processes from outside, so that one that blocks its loop is seen, too. */
import { readFileSync } from 'node:fs'
import type { Clock } from '../core/clock.js'

const sampleMs = 100

export interface ResidentWatch {
  /** Calls `onOver` when the process is found above the limit. Returns what ends the watch. */
  add(pid: number, onOver: () => void): () => void
}

/** Where the kernel tells the size of other processes. Elsewhere each has to sample itself. */
export const canWatchResident = process.platform === 'linux'

/** One timer for all processes, and none while there are none. */
export function createResidentWatch(clock: Clock, limitBytes: number): ResidentWatch {
  const watched = new Map<number, () => void>()
  let isScheduled = false

  function schedule(): void {
    if (isScheduled || watched.size === 0) return
    isScheduled = true
    clock.after(sampleMs, sample)
  }

  function sample(): void {
    isScheduled = false
    for (const [pid, onOver] of watched) if (residentBytes(pid) > limitBytes) onOver()
    schedule()
  }

  return {
    add(pid, onOver) {
      if (!canWatchResident) return () => undefined
      watched.set(pid, onOver)
      schedule()
      return () => void watched.delete(pid)
    },
  }
}

/** The kernel answers from memory: no disk is waited for (P11). */
function residentBytes(pid: number): number {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes ?? 0) * 1024
  } catch {
    // It is gone: its exit is told elsewhere.
    return 0
  }
}
