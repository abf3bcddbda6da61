import { shownValue } from '../core/shown-value.js'
import { defaultStallThresholds } from '../core/stall.js'
import type { DelegatorOptions } from './options.js'
import type { StallOptions } from './stall-monitor.js'

const defaultSweepSeconds = 30

/** @throws {TypeError} naming the threshold, its bounds and the value given. */
export function stallOptions(given: DelegatorOptions['stall']): StallOptions | null {
  if (given === false) return null
  const stall = { ...defaultStallThresholds, sweepSeconds: defaultSweepSeconds, ...given }
  for (const [name, value] of Object.entries(stall)) {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) continue
    throw new TypeError(
      `Expected \`stall.${name}\` to be a number of seconds from 0 up, got ${shownValue(value)}`,
    )
  }
  return stall
}
