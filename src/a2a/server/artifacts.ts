/** What children returned, whole: one artifact for each that returned anything. */
import { createHash } from 'node:crypto'
import { lstat, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Artifact, Part } from '@a2a-js/sdk'
import type { AsyncDelegationEvent, ChildResult } from '../../index.js'
import type { Json, JsonObject } from '../../runner.js'
import { dataPart, ownMetadata, rawPart, textPart, urlPart } from './parts.js'

/** A longer summary stays cut, and says so. */
const longestTextBytes = 16 * 1024 * 1024
const nameCharacters = 80

export async function artifactsOf(event: AsyncDelegationEvent): Promise<Artifact[]> {
  const { delegation_id } = event
  const ended: readonly (readonly [ChildResult, string])[] =
    event.is_batch === true
      ? event.results.map((result) => [result, event.goals[result.task_index] ?? event.goal])
      : [[{ ...(event as unknown as JsonObject), task_index: 0 }, event.goal]]
  const made = await Promise.all(ended.map(([result, goal]) => artifactOf(delegation_id, goal, result)))
  return made.filter((artifact) => artifact !== null)
}

/** Null for a child that returned nothing to read. */
export async function artifactOf(
  delegationId: string,
  goal: string,
  result: ChildResult,
): Promise<Artifact | null> {
  const { task_index: index, summary, output } = result
  const full = await fullSummary(delegationId, result)
  const text = full ?? summary
  const parts: Part[] = [
    ...(typeof text === 'string' && text !== '' ? [textPart(text)] : []),
    ...(output === undefined ? [] : [dataPart(output)]),
    ...listOf(result['data']).map(dataPart),
    ...listOf(result['files']).flatMap(filePart),
  ]
  if (parts.length === 0) return null
  return {
    artifactId: `child-${index}`,
    name: goal.slice(0, nameCharacters),
    description: '',
    parts,
    metadata: ownMetadata({
      task_index: index,
      status: result.status ?? null,
      ...(result.error && { error: result.error }),
      ...(result['summary_truncated'] === true && full === null && { summary_truncated: true }),
    }),
    extensions: [],
  }
}

/**
 * Of one that was too long to travel. A child's result says where it is: only the file that bears this very child's name
 * is read, for a result is what a child wrote, and must open nothing else of this machine.
 */
async function fullSummary(delegationId: string, result: ChildResult): Promise<string | null> {
  const path = result['summary_full_path']
  if (result['summary_truncated'] !== true || typeof path !== 'string') return null
  if (basename(path) !== `${delegationId}-${result.task_index}.txt`) return null
  try {
    const entry = await lstat(path)
    if (!entry.isFile() || entry.nlink !== 1 || entry.size > longestTextBytes) return null
    const text = await readFile(path, 'utf8')
    const digest = createHash('sha256').update(text).digest('hex')
    return digest === result['summary_full_sha256'] ? text : null
  } catch {
    // It is kept for a week; after that there is what travelled.
    return null
  }
}

/** Of `files` of a result: `{ name, media_type, base64 | url }`. What is none is left out. */
function filePart(file: Json): Part[] {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return []
  const { name, media_type, base64, url } = file as JsonObject
  const filename = typeof name === 'string' ? name : ''
  const mediaType = typeof media_type === 'string' ? media_type : 'application/octet-stream'
  if (typeof base64 === 'string') return [rawPart(Buffer.from(base64, 'base64'), filename, mediaType)]
  return typeof url === 'string' ? [urlPart(url, filename, mediaType)] : []
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}
