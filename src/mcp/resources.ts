/** What came of a unit, and what its children wrote meanwhile, as resources of the session that they belong to. */
import { open } from 'node:fs/promises'
import {
  ResourceNotFoundError,
  type ListResourcesResult,
  type ListResourceTemplatesResult,
  type ReadResourceResult,
  type Resource,
} from '@modelcontextprotocol/server'
import { redact, type DelegationRecord } from '../index.js'
import { isOwn, ownUnit } from '../tools/tools.js'
import type { McpHost } from './mcp-host.js'
import { resultOf } from './task-access.js'
import { hasEnded } from './tasks.js'

const newestUnits = 100
/** The end of a longer transcript, bytes. */
const transcriptBytes = 1_000_000

export const resourceTemplates: ListResourceTemplatesResult = {
  resourceTemplates: [
    {
      name: 'result',
      uriTemplate: 'delegation://{task_id}/result',
      description: 'What came of a task that has ended.',
      mimeType: 'application/json',
    },
    {
      name: 'transcript',
      uriTemplate: 'delegation://{task_id}/transcript/{number}',
      description: 'What a subagent of a task wrote; the first one is 1.',
      mimeType: 'text/plain',
    },
  ],
}

/** Of the newest units. */
export async function listResources(host: McpHost): Promise<ListResourcesResult> {
  const records = await host.delegator.list()
  const own = records.filter((record) => isOwn(record, host)).slice(0, newestUnits)
  return { resources: own.flatMap(resourcesOf) }
}

function resourcesOf(record: DelegationRecord): readonly Resource[] {
  const { delegation_id: id, goal, children, live_transcripts: paths = {} } = record
  const result = {
    uri: `delegation://${id}/result`,
    name: `result of ${id}`,
    description: goal,
    mimeType: 'application/json',
  }
  const transcripts = children
    .filter(({ task_index: index }) => (paths[String(index)] ?? '') !== '')
    .map(({ task_index: index, goal: of }) => ({
      uri: `delegation://${id}/transcript/${index + 1}`,
      name: `transcript ${index + 1} of ${id}`,
      description: of,
      mimeType: 'text/plain',
    }))
  return hasEnded(record) ? [result, ...transcripts] : transcripts
}

/** @throws {ResourceNotFoundError} for what is not there, and for what is another session's. */
export async function readResource(uri: string, host: McpHost): Promise<ReadResourceResult> {
  const [, id, kind, number] =
    /^delegation:\/\/([\w-]{1,100})\/(?:(result)|transcript\/(\d{1,5}))$/.exec(uri) ?? []
  const record = id === undefined ? null : await ownUnit(id, host)
  if (record === null || id === undefined) throw new ResourceNotFoundError(uri)
  if (kind === 'result') {
    if (!hasEnded(record)) throw new ResourceNotFoundError(uri)
    const { structuredContent } = await resultOf(id, host)
    return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(structuredContent) }] }
  }
  const path = record.live_transcripts?.[String(Number(number) - 1)] ?? ''
  const text = path === '' ? null : await endOf(path)
  if (text === null) throw new ResourceNotFoundError(uri)
  return { contents: [{ uri, mimeType: 'text/plain', text: redact(text) }] }
}

/** Null where it was cleared away. */
async function endOf(path: string): Promise<string | null> {
  const file = await open(path).catch(() => null)
  if (file === null) return null
  try {
    const { size } = await file.stat()
    const length = Math.min(size, transcriptBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
