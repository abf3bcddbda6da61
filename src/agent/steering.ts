/** What is said to a child while it works, kept until its model can be told: between two calls (spec 4.8). */
import type { RunnerContext } from '../runner.js'

export interface Steering {
  /** What came since `take` was last called, in its order. */
  readonly waiting: readonly string[]
  take(): readonly string[]
}

export function openSteering({ onSteer }: Pick<RunnerContext, 'onSteer'>): Steering {
  let waiting: string[] = []
  onSteer((text) => void waiting.push(text))
  return {
    get waiting() {
      return waiting
    },
    take() {
      const taken = waiting
      waiting = []
      return taken
    },
  }
}
