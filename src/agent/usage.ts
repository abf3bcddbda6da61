import type { LanguageModelUsage } from 'ai'
import type { AgentSettings } from './agent-options.js'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'

/** Tokens and money of all calls of one child. */
export interface UsageCount {
  add(usage: LanguageModelUsage): void
  /** As it is reported while the child runs, and in its result. */
  fields(): { readonly usage: JsonObject; readonly tokens: JsonObject; readonly cost: JsonObject }
}

type Prices = NonNullable<AgentSettings['prices']>

interface Counted {
  input: number
  output: number
  cached: number
  /** Calls whose server did not say. */
  uncounted: number
}

/** `before` is what an earlier run of the same child had counted, as `usage` of `fields` said it. */
export function createUsageCount(prices: Prices | null, before: Json = null): UsageCount {
  const sum: Counted = countedBefore(before)

  function costUsd({ input, output, cachedInput = input }: Prices): number {
    const usd =
      ((sum.input - sum.cached) * input + sum.cached * cachedInput + sum.output * output) / 1_000_000
    return Math.round(usd * 1_000_000) / 1_000_000
  }

  return {
    add({ inputTokens, outputTokens, inputTokenDetails }) {
      if (inputTokens === undefined && outputTokens === undefined) sum.uncounted += 1
      const input = tokens(inputTokens)
      sum.input += input
      sum.output += tokens(outputTokens)
      sum.cached += Math.min(input, tokens(inputTokenDetails.cacheReadTokens))
    },
    fields() {
      const cost = prices === null ? {} : { cost_usd: costUsd(prices) }
      return {
        usage: {
          input_tokens: sum.input,
          output_tokens: sum.output,
          ...(sum.cached > 0 && { cached_input_tokens: sum.cached }),
          ...(sum.uncounted > 0 && { uncounted_calls: sum.uncounted }),
          ...cost,
        },
        tokens: { input: sum.input, output: sum.output },
        cost,
      }
    },
  }
}

/** What was used since `before`, both as `fields` said it: another run is added up with the one before it. */
export function usedSince(now: JsonObject, before: JsonObject): JsonObject {
  const rest = Object.entries(now).map(([name, value]) => {
    const used = (value as number) - ((before[name] as number | undefined) ?? 0)
    return [name, Math.round(used * 1_000_000) / 1_000_000] as const
  })
  return Object.fromEntries(rest)
}

function countedBefore(before: Json): Counted {
  const at = (key: string): number => (isJsonObject(before) ? tokens(before[key]) : 0)
  return {
    input: at('input_tokens'),
    output: at('output_tokens'),
    cached: at('cached_input_tokens'),
    uncounted: at('uncounted_calls'),
  }
}

/** What a server says of tokens is not believed blindly. */
function tokens(given: unknown): number {
  return typeof given === 'number' && Number.isFinite(given) && given > 0 ? Math.floor(given) : 0
}
