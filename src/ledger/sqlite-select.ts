/** Selectors as SQL. The rules are those of `matches` in select.ts, which the contract suite holds both to. */
import { assertNever } from '../core/errors.js'
import type { Select, SessionScope } from './shapes.js'
import type { SqliteValues } from './sqlite-driver.js'

export interface Where {
  readonly sql: string
  readonly values: SqliteValues
}

const nothing: Where = { sql: 'FALSE', values: {} }

/** How a table's rows are found by id, with a `?` for the list. */
export interface ById {
  readonly ids: string
  readonly eventIds: string
  /** Null for a table whose rows have no parent. */
  readonly parent: string | null
}

/** For a table with the columns of a route. */
export function whereOf(select: Select, byId: ById): Where {
  if ('all' in select) return { sql: 'TRUE', values: {} }
  if ('ids' in select) {
    return { sql: listed(byId.ids), values: { ids: JSON.stringify(select.ids) } }
  }
  if ('eventIds' in select) {
    return { sql: listed(byId.eventIds), values: { ids: JSON.stringify(select.eventIds) } }
  }
  if ('sessionKey' in select) return ofSession(select)
  if ('parentSessionId' in select) {
    const { parentSessionId } = select
    return parentSessionId === ''
      ? nothing
      : { sql: 'parent_session_id = :parentSessionId', values: { parentSessionId } }
  }
  if ('parentId' in select) {
    if (byId.parent === null) return nothing
    return { sql: `${byId.parent} = :parentId`, values: { parentId: select.parentId } }
  }
  if ('originUiSessionId' in select) {
    const { originUiSessionId } = select
    if (originUiSessionId === '') return nothing
    // The second term lets SQLite use the index, which holds no empty ones.
    const sql = "origin_ui_session_id = :originUiSessionId AND origin_ui_session_id <> ''"
    return { sql, values: { originUiSessionId } }
  }
  if ('dispatchedBy' in select) {
    return { sql: 'dispatched_by = :dispatchedBy', values: { dispatchedBy: select.dispatchedBy } }
  }
  return assertNever(select)
}

function ofSession({ sessionKey, dispatchedBy, parentSessionId }: SessionScope): Where {
  if (sessionKey === '' && dispatchedBy === undefined) return nothing
  const terms = [
    'session_key = :sessionKey',
    ...(dispatchedBy === undefined ? [] : ['dispatched_by = :dispatchedBy']),
    // A plus: the index of the session serves, not that of the parent.
    ...(parentSessionId === undefined ? [] : ['+parent_session_id IS :parentSessionId']),
  ]
  const values = {
    sessionKey,
    ...(dispatchedBy !== undefined && { dispatchedBy }),
    ...(parentSessionId !== undefined && { parentSessionId }),
  }
  return { sql: terms.join(' AND '), values }
}

function listed(sql: string): string {
  return sql.replaceAll('?', '(SELECT value FROM json_each(:ids))')
}
