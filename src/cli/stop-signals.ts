import { exitAtOnce } from './exit.js'
import { exitCodes } from './render.js'

const codes = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const

/** How long the command may take to end after an order, ms: then the process ends without it. */
const orderedEndMs = 3_000

/** The signals that ask a command to stop. */
export type StopSignal = keyof typeof codes

/** A request leaves the children their grace; an order does not. */
export type Urgency = 'request' | 'order'

/** Whether the user has asked for an end. */
export interface StopSignals {
  /** The signal that came first; null as long as none did. */
  readonly first: StopSignal | null
  /** Its exit code. */
  readonly code: number | null
  /** Gives the signals back to Node. */
  release(): void
}

/** The first signal is a request, the second one an order; a third one ends the process at once, whatever it does. */
export function onStopSignal(stop: (name: StopSignal, urgency: Urgency) => void): StopSignals {
  const heard: StopSignal[] = []
  let deadline: NodeJS.Timeout | undefined
  const hear = (name: NodeJS.Signals): void => {
    const signal = name as StopSignal
    heard.push(signal)
    if (heard.length === 1) return stop(signal, 'request')
    if (heard.length > 2) return void exitAtOnce(codes[signal])
    deadline = setTimeout(() => void exitAtOnce(codes[signal]), orderedEndMs)
    deadline.unref()
    stop(signal, 'order')
  }
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
  return {
    get first() {
      return heard[0] ?? null
    },
    get code() {
      const [first] = heard
      return first === undefined ? null : codes[first]
    },
    release() {
      process.off('SIGINT', hear)
      process.off('SIGTERM', hear)
      clearTimeout(deadline)
    },
  }
}
