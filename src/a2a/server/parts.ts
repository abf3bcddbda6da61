/** Makers of A2A's data. */
import { Role, type Message, type Part } from '@a2a-js/sdk'
import type { JsonObject } from '../../runner.js'

const none = { metadata: undefined, filename: '', mediaType: '' } as const

export function textPart(text: string): Part {
  return { ...none, content: { $case: 'text', value: text }, mediaType: 'text/plain' }
}

export function dataPart(value: unknown): Part {
  return { ...none, content: { $case: 'data', value }, mediaType: 'application/json' }
}

export function rawPart(bytes: Buffer, filename: string, mediaType: string): Part {
  return { ...none, content: { $case: 'raw', value: bytes }, filename, mediaType }
}

export function urlPart(url: string, filename: string, mediaType: string): Part {
  return { ...none, content: { $case: 'url', value: url }, filename, mediaType }
}

/** Which task, of which context. */
export interface TaskPlace {
  readonly taskId: string
  readonly contextId: string
}

export function agentMessage(place: TaskPlace, messageId: string, parts: Part[]): Message {
  return messageOf(place, messageId, Role.ROLE_AGENT, parts)
}

export function userMessage(place: TaskPlace, messageId: string, parts: Part[]): Message {
  return messageOf(place, messageId, Role.ROLE_USER, parts)
}

function messageOf({ taskId, contextId }: TaskPlace, messageId: string, role: Role, parts: Part[]): Message {
  return {
    messageId,
    contextId,
    taskId,
    role,
    parts,
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  }
}

/** What is ours in the metadata of what is sent stands under one name. */
export const ownMetadata = (fields: JsonObject): Readonly<Record<'hermes-delegate', JsonObject>> => ({
  'hermes-delegate': fields,
})
