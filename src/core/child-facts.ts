import { isJsonObject, type Json, type JsonObject } from './json.js'

/** What a child has used of its model so far; 0 where it does not tell. */
export interface ChildUsage {
  readonly input_tokens: number
  readonly output_tokens: number
  /** Money, US dollars. */
  readonly cost_usd: number
}

/** What is shown of a child beside its state: read from what it reports, and from its result once it has one. */
export interface ChildFacts {
  /** Null when it is in none, and after its end. */
  readonly current_tool: string | null
  readonly api_calls: number
  readonly usage: ChildUsage
}

const toolCharacters = 200

export const noFacts: ChildFacts = {
  current_tool: null,
  api_calls: 0,
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
}

/** Reads `api_calls`, `usage` and `current_tool` of `progress`; what the fields of a result say comes first. Pure. */
export function childFacts(progress: JsonObject | null, result: JsonObject | null): ChildFacts {
  const live = isJsonObject(progress?.['usage']) ? progress['usage'] : {}
  const final = isJsonObject(result?.['usage']) ? result['usage'] : {}
  const used = (name: keyof ChildUsage): number => count(final[name]) ?? count(live[name]) ?? 0
  const tool = result === null ? progress?.['current_tool'] : null
  return {
    current_tool: typeof tool === 'string' && tool !== '' ? tool.slice(0, toolCharacters) : null,
    api_calls: count(result?.['api_calls']) ?? count(progress?.['api_calls']) ?? 0,
    usage: {
      input_tokens: used('input_tokens'),
      output_tokens: used('output_tokens'),
      cost_usd: used('cost_usd'),
    },
  }
}

/** What several children used together; none of them is in a tool. */
export function sumOfFacts(all: readonly ChildFacts[]): Omit<ChildFacts, 'current_tool'> {
  const sum = (of: (facts: ChildFacts) => number): number =>
    all.reduce((total, facts) => total + of(facts), 0)
  return {
    api_calls: sum((facts) => facts.api_calls),
    usage: {
      input_tokens: sum(({ usage }) => usage.input_tokens),
      output_tokens: sum(({ usage }) => usage.output_tokens),
      cost_usd: sum(({ usage }) => usage.cost_usd),
    },
  }
}

/** Null for what is no count: a child may report anything. */
function count(value: Json | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}
