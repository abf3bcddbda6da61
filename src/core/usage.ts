/** What work costs: read from what runners report, and added up. Pure. */
import { isJsonObject, type JsonObject } from './json.js'

/**
 * Tokens and money of a child, so far, or of all below it. A field is there when somebody reported it: money that nobody
 * counted is not free.
 */
export interface Usage {
  readonly input_tokens?: number
  readonly output_tokens?: number
  readonly cost_usd?: number
}

const fields = ['input_tokens', 'output_tokens', 'cost_usd'] as const
/** More than any one child comes to; a larger number is a mistake, and would spoil every sum that it enters. */
const bounds = { input_tokens: 1e12, output_tokens: 1e12, cost_usd: 1e6 } as const
const microsPerUsd = 1_000_000

/** What of it can be counted; null when nothing can. Anything but a number from 0 up is passed over. */
export function usageOf(reported: unknown): Usage | null {
  if (!isJsonObject(reported)) return null
  const usage: Partial<Record<(typeof fields)[number], number>> = {}
  for (const name of fields) {
    const value = reported[name]
    if (typeof value === 'number' && value >= 0 && value <= bounds[name]) usage[name] = value
  }
  return Object.keys(usage).length === 0 ? null : usage
}

/** Null when nobody reported anything. */
export function sumOfUsages(usages: readonly (Usage | null)[]): Usage | null {
  const sum: Partial<Record<(typeof fields)[number], number>> = {}
  for (const usage of usages) {
    for (const name of fields) {
      const value = usage?.[name]
      if (value !== undefined) sum[name] = (sum[name] ?? 0) + value
    }
  }
  if (Object.keys(sum).length === 0) return null
  // Money is added in whole millionths: 0.1 and 0.2 make 0.3.
  return sum.cost_usd === undefined ? sum : { ...sum, cost_usd: usdOf(microsOf(sum)) }
}

/** What a budget of tokens counts: those that went in, and those that came out. */
export function tokensOf(usage: Usage | null): number {
  return (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0)
}

/** Whole millionths of a dollar: sums of them are exact. */
export function microsOf(usage: Usage | null): number {
  return microsOfUsd(usage?.cost_usd ?? 0)
}

export function microsOfUsd(usd: number): number {
  return Math.round(usd * microsPerUsd)
}

export function usdOf(micros: number): number {
  return micros / microsPerUsd
}

/** What the runner returned, with the usage that it last reported where it did not return any. */
export function withUsage(returned: JsonObject, progress: JsonObject | null): JsonObject {
  if (usageOf(returned['usage']) !== null) return returned
  const reported = progress?.['usage']
  return usageOf(reported) === null ? returned : { ...returned, usage: reported }
}
