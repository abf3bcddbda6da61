/** What children have used, one small row for each that reported any: sums need no event. */
import type { Clock } from '../core/clock.js'
import { usageKeepSeconds } from './budget-rules.js'
import type { Settlement, UsageKey, UsageQuery, UsageSum } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'

export interface SqliteUsages {
  add(
    unit: string,
    of: { readonly slot_key: string; readonly session_key: string },
    usage: Settlement['usage'],
  ): void
  sums(query: UsageQuery): readonly UsageSum[]
}

const columns: Readonly<Record<UsageKey, string>> = {
  session: 'session_key',
  model: 'model',
  runner: 'runner',
  tree: 'tree',
}

export function createSqliteUsages(db: Sqlite, clock: Clock): SqliteUsages {
  return {
    add(unit, { slot_key: tree, session_key: session }, usage = []) {
      for (const { model, runner, apiCalls, inputTokens, outputTokens, costMicros } of usage) {
        db.sql(
          `INSERT INTO usages (unit, tree, session_key, model, runner, ended_at, api_calls, input_tokens, output_tokens,
             cost_micros)
           VALUES (:unit, :tree, :session, :model, :runner, :now, :apiCalls, :inputTokens, :outputTokens, :costMicros)`,
        ).run({
          unit,
          tree,
          session,
          model,
          runner,
          now: clock.now(),
          apiCalls,
          inputTokens,
          outputTokens,
          costMicros,
        })
      }
    },
    sums({ by, since, limit }) {
      const from = Math.max(since ?? 0, clock.now() - usageKeepSeconds)
      return db
        .sql(
          `SELECT ${columns[by]} AS key, count(*) AS children, sum(api_calls) AS apiCalls,
             sum(input_tokens) AS inputTokens, sum(output_tokens) AS outputTokens, sum(cost_micros) AS costMicros
           FROM usages WHERE ended_at >= :from GROUP BY 1
           ORDER BY costMicros DESC, sum(input_tokens + output_tokens) DESC, key LIMIT :limit`,
        )
        .all<UsageSum>({ from, limit })
    },
  }
}
