/**
 * Tasks of MCP are units: the id is the unit's, and the state is what the ledger says, so that it survives a restart. Two
 * wire forms of one thing: the experimental one of 2025-11-25, and the extension of 2026-07-28.
 */
import type { DelegationRecord } from '../index.js'
import { shownText } from '../tools/tools.js'

type TaskWord = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

/** As both forms have it. */
interface TaskFields {
  readonly taskId: string
  readonly status: TaskWord
  readonly statusMessage: string
  /** ISO 8601, as all times of MCP. */
  readonly createdAt: string
  readonly lastUpdatedAt: string
}

/** What a client is advised to leave between two questions, ms. */
const pollMs = 1_000

export const hasEnded = ({ completed_at: at }: DelegationRecord): boolean => at !== null

const good: ReadonlySet<string> = new Set(['completed', 'success'])

/**
 * A unit of which nothing but what was stopped is missing: the word of a batch itself does not say so (R35). Where a
 * sibling had finished the task is completed, with what there is (P5).
 */
function isCancelled({ status, children }: DelegationRecord): boolean {
  if (status === 'interrupted') return true
  return !good.has(status) && children.length > 0 && children.every(({ state }) => state === 'interrupted')
}

export interface Task2025 extends TaskFields {
  readonly ttl: null
  readonly pollInterval: number
}

/** In this form a task whose result is an error has failed. */
export function task2025(record: DelegationRecord): Task2025 {
  const word = isCancelled(record) ? 'cancelled' : good.has(record.status) ? 'completed' : 'failed'
  return { ...fields(record, hasEnded(record) ? word : 'working'), ttl: null, pollInterval: pollMs }
}

export interface Task2026 extends TaskFields {
  readonly ttlMs: null
  readonly pollIntervalMs: number
}

/** In this form only a fault of the protocol is a failure: a bad end is a result with `isError`. */
export function task2026(record: DelegationRecord, isAsking = false): Task2026 {
  const ended = isCancelled(record) ? 'cancelled' : 'completed'
  const live = isAsking ? 'input_required' : 'working'
  return { ...fields(record, hasEnded(record) ? ended : live), ttlMs: null, pollIntervalMs: pollMs }
}

function fields(record: DelegationRecord, status: TaskWord): TaskFields {
  const { delegation_id: taskId, dispatched_at: startedAt, completed_at: endedAt } = record
  return {
    taskId,
    status,
    statusMessage: message(record),
    createdAt: isoTime(startedAt),
    lastUpdatedAt: isoTime(endedAt ?? lastActivity(record)),
  }
}

function message(record: DelegationRecord): string {
  const { status, children } = record
  if (hasEnded(record)) return `It ended as ${status}.`
  const asking = children.find(({ question }) => question !== undefined)?.question
  if (asking !== undefined) return shownText(`It waits for an answer (${asking.question_id}): ${asking.text}`)
  const states = children.map(({ state }) => state)
  return children.length === 1 ? `It is ${states.join('')}.` : `Its subagents are ${states.join(', ')}.`
}

function lastActivity({ dispatched_at: startedAt, children }: DelegationRecord): number {
  const quiet = children.flatMap(({ seconds_since_activity: seconds }) => seconds ?? [])
  return quiet.length === 0 ? startedAt : Math.max(startedAt, Date.now() / 1_000 - Math.min(...quiet))
}

const isoTime = (seconds: number): string => new Date(seconds * 1_000).toISOString()
