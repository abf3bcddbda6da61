/** From a message to what is dispatched. What cannot be taken is refused, never dropped. */
import type { Message, Part } from '@a2a-js/sdk'
import { ContentTypeNotSupportedError, RequestMalformedError } from '@a2a-js/sdk/errors'

export interface Work {
  readonly goal: string
  /** Of a batch. */
  readonly goals: readonly string[] | null
  readonly context: string | null
}

const idCharacters = 200
const controls = /[\u0000-\u001f\u007f]/

/** @throws {A2AError} RequestMalformedError */
export function checkedId(name: string, id: string): string {
  if (id.length <= idCharacters && !controls.test(id)) return id
  throw new RequestMalformedError(`${name} has at most ${idCharacters} characters, and no control characters`)
}

/** @throws {A2AError} RequestMalformedError */
export function checkedMessage(message: Message | undefined): Message {
  if (message === undefined) throw new RequestMalformedError('message is missing')
  if (message.messageId === '') throw new RequestMalformedError('message.messageId is missing')
  if (message.parts.length === 0) throw new RequestMalformedError('message.parts is empty')
  for (const name of ['messageId', 'contextId', 'taskId'] as const) checkedId(name, message[name])
  return message
}

/** All that was said, for a child that asked. @throws {A2AError} ContentTypeNotSupportedError */
export function answerText({ parts }: Message): string {
  return parts.map((part) => textOf(part) ?? attachment(part)).join('\n')
}

/**
 * Texts are the goal; a data part `{ "goals": [...] }` makes a batch of them; all other data, links and files of text are
 * the context. @throws {A2AError} RequestMalformedError, ContentTypeNotSupportedError
 */
export function workOf({ parts }: Message): Work {
  const goal = parts.flatMap((part) => textOf(part) ?? []).join('\n\n')
  const lists = parts.flatMap((part) => goalsOf(part) ?? [])
  const rest = parts.filter((part) => textOf(part) === null && goalsOf(part) === null)
  const attached = rest.map(attachment)
  if (lists.length > 0) {
    const context = [...(goal === '' ? [] : [goal]), ...attached].join('\n\n')
    return { goal, goals: lists, context: context === '' ? null : context }
  }
  if (goal.trim() === '') throw new RequestMalformedError('the message has no text that says what to do')
  return { goal, goals: null, context: attached.length === 0 ? null : attached.join('\n\n') }
}

function textOf({ content }: Part): string | null {
  return content?.$case === 'text' ? content.value : null
}

function goalsOf({ content }: Part): readonly string[] | null {
  if (content?.$case !== 'data') return null
  const { goals } = (content.value ?? {}) as { readonly goals?: unknown }
  if (goals === undefined) return null
  if (Array.isArray(goals) && goals.every((goal) => typeof goal === 'string')) return goals
  throw new RequestMalformedError('`goals` of a data part is a list of texts')
}

/** As it stands in the context of a child: a name, and what it is. */
function attachment({ content, filename, mediaType }: Part): string {
  const name = filename === '' ? 'attachment' : filename
  switch (content?.$case) {
    case 'data':
      return `${name} (JSON):\n${jsonOf(content.value)}`
    case 'url':
      return `${name}${mediaType === '' ? '' : ` (${mediaType})`}: ${content.value}`
    case 'raw':
      if (/^(?:text\/|application\/(?:json|xml|yaml)\b)/.test(mediaType))
        return `${name} (${mediaType}):\n${content.value.toString('utf8')}`
      throw new ContentTypeNotSupportedError(
        `a file of type '${mediaType}' cannot be taken as bytes: send a text, or a link to it`,
      )
    case 'text':
      return content.value
    case undefined:
      throw new RequestMalformedError('a part of the message is empty')
  }
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw new RequestMalformedError(`a data part cannot be read: ${(error as Error).message}`)
  }
}
