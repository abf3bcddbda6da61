import type { Clock, Instant } from '../core/clock.js'
import { usageKeepSeconds } from './budget-rules.js'
import type { ChildUsage, Settlement, UnitDraft, UsageQuery, UsageSum } from './shapes.js'

/** What children have used. */
export interface Usages {
  add(unit: Pick<UnitDraft, 'slotKey' | 'route'>, usage: Settlement['usage']): void
  sums(query: UsageQuery): readonly UsageSum[]
}

interface Entry extends ChildUsage {
  readonly session: string
  readonly tree: string
  readonly endedAt: Instant
}

/** What a process that stays remembers at most, children: the oldest are forgotten first. */
const entriesLimit = 10_000

export function createUsages(clock: Clock): Usages {
  let entries: Entry[] = []

  return {
    add({ slotKey, route }, usage = []) {
      const endedAt = clock.now()
      for (const each of usage) entries.push({ ...each, session: route.sessionKey, tree: slotKey, endedAt })
      if (entries.length > 2 * entriesLimit) entries = entries.slice(-entriesLimit)
    },
    sums({ by, since, limit }) {
      const from = Math.max(since ?? 0, clock.now() - usageKeepSeconds)
      const sums = new Map<string | null, UsageSum>()
      for (const entry of entries) {
        if (entry.endedAt < from) continue
        const key = entry[by]
        sums.set(key, plus(sums.get(key) ?? { key, ...empty }, entry))
      }
      return [...sums.values()].sort(dearestFirst).slice(0, limit)
    },
  }
}

const empty = { children: 0, apiCalls: 0, inputTokens: 0, outputTokens: 0, costMicros: 0 }

function plus(sum: UsageSum, { apiCalls, inputTokens, outputTokens, costMicros }: ChildUsage): UsageSum {
  return {
    key: sum.key,
    children: sum.children + 1,
    apiCalls: sum.apiCalls + apiCalls,
    inputTokens: sum.inputTokens + inputTokens,
    outputTokens: sum.outputTokens + outputTokens,
    costMicros: sum.costMicros + costMicros,
  }
}

const tokens = ({ inputTokens, outputTokens }: UsageSum): number => inputTokens + outputTokens

const dearestFirst = (a: UsageSum, b: UsageSum): number =>
  b.costMicros - a.costMicros || tokens(b) - tokens(a) || ((a.key ?? '') < (b.key ?? '') ? -1 : 1)
