import { readAudit } from '../molecule/molecule.js'
import { configFor, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printProblem, printTable } from './render.js'

/** Options of `audit-log`, as commander hands them over. */
export interface AuditLogCommandOptions extends CommandOptions {
  readonly file?: string
  readonly event?: string
  readonly outcome?: string
  readonly resource?: string
  readonly workspace?: string
  readonly trace?: string
  /** Unix seconds. */
  readonly since?: number
  readonly until?: number
  readonly limit?: number
}

/** What was delegated to peers, denied, and how it ended: oldest first. With `--json` each event as its line. */
export async function auditLog(options: AuditLogCommandOptions): Promise<number> {
  const { event, outcome, resource, workspace, trace, since, until, limit } = options
  const path = options.file ?? (await configFor(options)).auditPath
  const { events, unreadable } = await readAudit(path, {
    ...(event !== undefined && { eventType: event }),
    ...(outcome !== undefined && { outcome }),
    ...(resource !== undefined && { resource }),
    ...(workspace !== undefined && { workspaceId: workspace }),
    ...(trace !== undefined && { traceId: trace }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  })
  const newest = limit === undefined ? events : events.slice(-limit)
  if (unreadable > 0) printProblem(`warning: ${unreadable} lines of ${path} are no events`)
  if (options.json === true) for (const found of newest) printJson(found)
  else if (newest.length === 0) printOut('nothing that fits was audited\n')
  else printTable([header, ...newest.map(rowOf)])
  return exitCodes.ok
}

const columns = ['timestamp', 'event_type', 'outcome', 'resource', 'trace_id'] as const
const header = ['TIME', 'EVENT', 'OUTCOME', 'RESOURCE', 'TRACE', 'MORE']
const mandatory: ReadonlySet<string> = new Set([...columns, 'workspace_id', 'actor', 'action'])

function rowOf(event: Readonly<Record<string, unknown>>): string[] {
  const more = Object.entries(event).filter(([key]) => !mandatory.has(key))
  const told = more.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [...columns.map((key) => text(event[key])), told.join(' ')]
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
