/**
 * What a caller wants passed on, written anew from known fields: of each there are two spellings in use (JSON of protocol
 * buffers), and a workspace that read the one which was not looked at would go on with somebody else's task.
 */
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { Refused } from './refusal.js'
import { sendMethods, taskMethods } from './task-call.js'

export interface Incoming {
  readonly method: string
  readonly params: JsonObject
  readonly id: Json
  /** The whole of it, in full JSON-RPC (P30). */
  readonly envelope: JsonObject
  /** P34: how long it may wait, in seconds; null: as long as the platform says. */
  readonly expiresInSeconds: number | null
}

export const mostIdCharacters = 512
const mostReferences = 100

const messageFields = ['kind', 'role', 'parts', 'metadata', 'extensions'] as const
const configurationFields = ['acceptedOutputModes', 'historyLength', 'blocking', 'returnImmediately'] as const
const lookFields = ['historyLength', 'metadata'] as const

/** @throws {Refused} invalid_request, method_unsupported */
export function incomingOf(given: Json, newId: () => string): Incoming {
  if (!isJsonObject(given)) throw new Refused('invalid_request', 'the body must be a JSON-RPC object')
  const isBare = given['jsonrpc'] === undefined
  const method = isBare && given['method'] === undefined ? 'message/send' : given['method']
  if (typeof method !== 'string' || !(sendMethods.has(method) || taskMethods.has(method)))
    throw new Refused('method_unsupported', 'the method is none that the platform passes on', {
      supported: [...sendMethods, ...taskMethods],
    })
  const named = isBare && given['params'] === undefined ? given : given['params']
  if (!isJsonObject(named)) throw new Refused('invalid_request', 'params must be an object')
  const id = given['id'] ?? newId()
  if (typeof id !== 'string' && typeof id !== 'number')
    throw new Refused('invalid_request', 'id must be a text or a number')
  const params = sendMethods.has(method) ? sendParams(named, newId) : lookParams(named)
  const seconds = valueOf(named, 'expiresInSeconds')
  return {
    method,
    params,
    id,
    envelope: { jsonrpc: '2.0', id, method, params },
    expiresInSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : null,
  }
}

function sendParams(given: JsonObject, newId: () => string): JsonObject {
  const configuration = given['configuration']
  return {
    message: messageOf(given['message'], newId),
    ...(isJsonObject(configuration) && { configuration: configurationOf(configuration) }),
    ...fieldsOf(given, ['metadata']),
  }
}

/** The id is checked by whoever knows the caller's tasks. */
function lookParams(given: JsonObject): JsonObject {
  const id = given['id'] ?? given['name']
  return {
    ...(typeof id === 'string' && { id: id.replace(/^tasks\//, '') }),
    ...fieldsOf(given, lookFields),
  }
}

function messageOf(message: unknown, newId: () => string): JsonObject {
  if (!isJsonObject(message)) throw new Refused('invalid_request', 'params.message must be an object')
  if (!Array.isArray(message['parts']))
    throw new Refused('invalid_request', 'params.message.parts must be a list')
  const messageId = valueOf(message, 'messageId') ?? newId()
  if (!isId(messageId))
    throw new Refused(
      'invalid_request',
      `params.message.messageId must be a text of 1 to ${mostIdCharacters} characters`,
    )
  return {
    ...fieldsOf(message, messageFields),
    messageId,
    ...idsOf(message, 'taskId'),
    ...idsOf(message, 'contextId'),
    ...referencesOf(message),
  }
}

/** An empty one is none: so JSON of protocol buffers may write it. */
function idsOf(message: JsonObject, name: 'taskId' | 'contextId'): JsonObject {
  const id = valueOf(message, name) ?? ''
  if (id === '') return {}
  if (!isId(id))
    throw new Refused(
      'invalid_request',
      `params.message.${name} must be a text of at most ${mostIdCharacters} characters`,
    )
  return { [name]: id }
}

function referencesOf(message: JsonObject): JsonObject {
  const ids = valueOf(message, 'referenceTaskIds') ?? []
  if (!Array.isArray(ids) || ids.length > mostReferences || !ids.every(isId))
    throw new Refused(
      'invalid_request',
      `params.message.referenceTaskIds must be a list of at most ${mostReferences} ids`,
    )
  return ids.length === 0 ? {} : { referenceTaskIds: ids }
}

/** A caller who asks for push notifications would wait for them in vain: the platform has none (docs/platform.md). */
function configurationOf(given: JsonObject): JsonObject {
  const push = Object.keys(given).find((name) => /push_?notification/i.test(name) && given[name] !== null)
  if (push !== undefined)
    throw new Refused('invalid_request', `params.configuration.${push}: there are no push notifications here`)
  return fieldsOf(given, configurationFields)
}

function fieldsOf(given: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = valueOf(given, name)
      return value === null ? [] : [[name, value]]
    }),
  )
}

/** Under the name or, where that is not set, its snake_case: as the SDKs read it. Null: under neither. */
function valueOf(given: JsonObject, name: string): Json {
  return given[name] ?? given[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] ?? null
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= mostIdCharacters
}
