/**
 * Inside the thread, or the process: samples the memory that no heap limit bounds, while a child runs. Best effort
 * (P7): one that blocks its loop while it allocates is seen when it is done.
 */
import { isProcess } from './control-channel.js'

const sampleMs = 250
/** Buffers that nobody holds any more count until they are collected: only what stays is held against a child. */
const samplesOver = 2

export interface MemorySampler {
  /** Its only resource, which is no child's. */
  readonly timer: object
  /** Calls `onOver` once if more than `limitBytes` are in use for a while. */
  start(limitBytes: number, onOver: () => void): void
  stop(): void
}

export function createMemorySampler(): MemorySampler {
  let watched: { readonly limitBytes: number; readonly onOver: () => void } | null = null
  let over = 0
  const timer = setTimeout(sample, sampleMs).unref()

  function sample(): void {
    if (watched === null) return
    over = usedBytes() > watched.limitBytes ? over + 1 : 0
    if (over < samplesOver) timer.refresh()
    else watched.onOver()
  }

  return {
    timer,
    start(limitBytes, onOver) {
      watched = { limitBytes, onOver }
      over = 0
      timer.refresh()
    },
    stop: () => void (watched = null),
  }
}

/** Of a thread: `external` leaves shared array buffers out, `arrayBuffers` the memory of WebAssembly. */
function usedBytes(): number {
  if (isProcess) return process.memoryUsage.rss()
  const { external, arrayBuffers } = process.memoryUsage()
  return Math.max(external, arrayBuffers)
}
