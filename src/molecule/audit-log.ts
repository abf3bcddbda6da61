/**
 * The audit: one JSON object a line, appended and synced, in a file that only its owner can read (M84). Several processes
 * may write to it: a line is one append, and a full file is renamed to a name that nobody else chooses. What cannot be
 * written is a warning, and never stops the work.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'

export interface AuditEvent {
  readonly event_type: string
  readonly workspace_id: string
  /** @defaultValue the workspace */
  readonly actor?: string
  readonly action: string
  readonly resource: string
  /** `dispatched`, `queued`, `success`, `failure`, `denied`, `rejected_self_delegation` and others. */
  readonly outcome: string
  /** @defaultValue a new one */
  readonly trace_id?: string
  /** More facts; they never replace the fields above. */
  readonly extra?: JsonObject
}

export interface AuditLog {
  /** Takes the event at once, and returns its trace id. Never throws. */
  record(event: AuditEvent): string
  /** Resolves once all that was recorded so far is on the disk, or was warned about. */
  flushed(): Promise<void>
}

export interface AuditLogOptions {
  readonly path: string
  /** A file that has reached this is rotated, bytes. @defaultValue 10 MB */
  readonly maxBytes?: number
  /** Rotated files that stay; the oldest go. @defaultValue 10 */
  readonly keepFiles?: number
  /** Unix seconds. @defaultValue the wall clock */
  readonly now?: () => number
  /** Must not throw. @defaultValue nobody is told */
  readonly onWarning?: (message: string) => void
}

const defaultMaxBytes = 10_000_000
const defaultKeepFiles = 10
/** Lines that wait for a disk that does not answer. */
const mostWaiting = 10_000

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { path, maxBytes = defaultMaxBytes, keepFiles = defaultKeepFiles } = options
  const { now = () => Date.now() / 1000, onWarning = () => undefined } = options
  let waiting: string[] = []
  let writing: Promise<void> | null = null

  /** Lines that come while others are written share the next sync. */
  async function writeAll(): Promise<void> {
    try {
      while (waiting.length > 0) {
        const lines = waiting.join('')
        waiting = []
        await append(lines).catch((error: unknown) =>
          onWarning(`the audit cannot be written: ${String(error)}`),
        )
      }
    } finally {
      writing = null
    }
  }

  async function append(lines: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    // A file that cannot be renamed grows on: its lines are worth more than its size.
    if ((await sizeOf(path)) >= maxBytes)
      await rotate().catch((error: unknown) => onWarning(`the audit cannot be rotated: ${String(error)}`))
    const file = await open(path, 'a+', 0o600)
    try {
      // Somebody else may have made it.
      if (((await file.stat()).mode & 0o077) !== 0) await file.chmod(0o600)
      await file.appendFile((await endsInMidLine(file)) ? `\n${lines}` : lines)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async function rotate(): Promise<void> {
    const stamp = isoOf(now()).replace(/[:+]/g, '')
    await rename(path, `${path}.${stamp}-${randomUUID().slice(0, 8)}`).catch(unlessGone)
    const files = await rotatedFiles(path)
    for (const file of files.slice(0, Math.max(0, files.length - keepFiles))) await rm(file, { force: true })
  }

  return {
    record(event) {
      const { extra = {}, trace_id = randomUUID(), actor = event.workspace_id, ...rest } = event
      const line = { ...extra, timestamp: isoOf(now()), ...rest, actor, trace_id }
      if (waiting.length < mostWaiting) waiting.push(`${JSON.stringify(line)}\n`)
      else onWarning(`the audit cannot be written: ${mostWaiting} lines are waiting already`)
      writing ??= writeAll()
      return trace_id
    },
    flushed: () => writing ?? Promise.resolve(),
  }
}

export interface AuditFilter {
  /** Each only where it is given; a line has to fit all of them. */
  readonly eventType?: string
  readonly outcome?: string
  readonly resource?: string
  readonly workspaceId?: string
  readonly traceId?: string
  /** Unix seconds. */
  readonly since?: number
  readonly until?: number
}

export interface FoundAudit {
  /** Oldest first. */
  readonly events: readonly JsonObject[]
  /** Lines that are none of ours: cut off by a crash, or written by somebody else. */
  readonly unreadable: number
}

/** All that fits, in the file and in those that were rotated. A file that does not exist holds nothing. */
export async function readAudit(path: string, filter: AuditFilter = {}): Promise<FoundAudit> {
  const events: JsonObject[] = []
  let unreadable = 0
  async function readFrom(handle: FileHandle): Promise<void> {
    for await (const line of handle.readLines()) {
      if (line.trim() === '') continue
      const event = eventIn(line)
      if (event === null) unreadable += 1
      else if (fits(event, filter)) events.push(event)
    }
  }
  // Opened first: rotated meanwhile it is found a second time, and not missed.
  const newest = await open(path, 'r').catch(unlessGone)
  const own = await newest?.stat()
  for (const file of await rotatedFiles(path)) {
    const handle = await open(file, 'r').catch(unlessGone)
    if (handle === undefined) continue
    const { ino, dev } = await handle.stat()
    if (own?.ino === ino && own.dev === dev) await handle.close()
    else await readFrom(handle)
  }
  if (newest !== undefined) await readFrom(newest)
  return { events, unreadable }
}

function eventIn(line: string): JsonObject | null {
  try {
    const value = JSON.parse(line) as Json
    return isJsonObject(value) && 'timestamp' in value && 'outcome' in value ? value : null
  } catch {
    return null
  }
}

function fits(event: JsonObject, filter: AuditFilter): boolean {
  const { eventType, outcome, resource, workspaceId, traceId, since = -Infinity, until = Infinity } = filter
  const wanted = { event_type: eventType, outcome, resource, workspace_id: workspaceId, trace_id: traceId }
  const { timestamp } = event
  const at = typeof timestamp === 'string' ? Date.parse(timestamp) / 1000 : NaN
  return (
    Object.entries(wanted).every(([key, value]) => value === undefined || event[key] === value) &&
    at >= since &&
    at <= until
  )
}

/** Oldest first: their names begin with their time. */
async function rotatedFiles(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`
  const names = (await readdir(dirname(path)).catch(unlessGone)) ?? []
  const own = names.filter(
    (name) => name.startsWith(prefix) && /^\d{4}-\d\d-/.test(name.slice(prefix.length)),
  )
  return own.sort().map((name) => join(dirname(path), name))
}

/** A process that died while it wrote must not take the next line with it. */
async function endsInMidLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] !== 10
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(unlessGone))?.size ?? 0
}

function unlessGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

/** In UTC, with its offset. */
function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('Z', '+00:00')
}
