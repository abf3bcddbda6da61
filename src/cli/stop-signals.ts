import { exitAtOnce } from './exit.js'
import { exitCodes } from './render.js'

const codes = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const

/** The signals that ask a command to stop. */
export type StopSignal = keyof typeof codes

/** Whether the user has asked for an end. */
export interface StopSignals {
  /** The signal that came first; null as long as none did. */
  readonly first: StopSignal | null
  /** Its exit code. */
  readonly code: number | null
  /** Gives the signals back to Node. */
  release(): void
}

/** The first signal is a request, the second one an order: it ends the process at once. */
export function onStopSignal(stop: (name: StopSignal) => void): StopSignals {
  let first: StopSignal | null = null
  const hear = (name: NodeJS.Signals): void => {
    const signal = name as StopSignal
    if (first !== null) return void exitAtOnce(codes[signal])
    first = signal
    stop(signal)
  }
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
  return {
    get first() {
      return first
    },
    get code() {
      return first === null ? null : codes[first]
    },
    release() {
      process.off('SIGINT', hear)
      process.off('SIGTERM', hear)
    },
  }
}
