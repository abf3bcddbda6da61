import type { UsageOptions, UsageRow } from '../index.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printTable } from './render.js'

/** Options of `usage`, as commander hands them over. */
export interface UsageCommandOptions extends CommandOptions {
  readonly by: NonNullable<UsageOptions['by']>
  /** Unix seconds. */
  readonly since?: number
}

/** Shows what units of every process have used, added up, and all of it together below. */
export async function usage({ by, since, ...options }: UsageCommandOptions): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const rows = await opened.delegator.usage({ by, ...(since !== undefined && { since }) })
    if (options.json === true) printJson(rows)
    else if (rows.length === 0) printOut('nobody has reported any usage\n')
    else printTable([headerOf(by), ...rows.map(rowOf), ...(rows.length > 1 ? [rowOf(sumOf(rows))] : [])])
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}

const headerOf = (by: string): string[] => [by.toUpperCase(), 'CHILDREN', 'CALLS', 'INPUT', 'OUTPUT', 'USD']

function rowOf({ key, children, api_calls, input_tokens, output_tokens, cost_usd }: UsageRow): string[] {
  return [
    key === null || key === '' ? '-' : key,
    ...[children, api_calls, input_tokens, output_tokens].map(String),
    cost_usd.toFixed(cost_usd > 0 && cost_usd < 0.01 ? 6 : 2),
  ]
}

function sumOf(rows: readonly UsageRow[]): UsageRow {
  const sum = (name: Exclude<keyof UsageRow, 'key'>): number =>
    rows.reduce((total, row) => total + row[name], 0)
  return {
    key: '(all)',
    children: sum('children'),
    api_calls: sum('api_calls'),
    input_tokens: sum('input_tokens'),
    output_tokens: sum('output_tokens'),
    cost_usd: sum('cost_usd'),
  }
}
