/** What a peer's task or message says, as fields of a result. Texts, files and data are kept as they are. */
import type { Message, Part, Task } from '@a2a-js/sdk'
import type { Json, JsonObject } from '../runner.js'

/** Of all files of a result that came as bytes, base64; a result has 1 MB in all. */
const inlineCharacters = 400_000
const dataCharacters = 200_000

/** What is in a peer's answer beside its state. Fields without anything in them are absent. */
export interface PeerAnswer {
  readonly text: string
  readonly fields: JsonObject
}

/** Artifacts first; the status message, and then the last message of the agent, only where those have no text. */
export function answerOfTask(task: Task): PeerAnswer {
  const fromArtifacts = task.artifacts.flatMap((artifact) => artifact.parts)
  const fromStatus = task.status?.message?.parts ?? []
  const last = [...task.history].reverse().find((message) => !isUser(message))
  const texts = [fromArtifacts, fromStatus, last?.parts ?? []].map(textOf)
  const text = texts.find((found) => found !== '') ?? ''
  return { text, fields: keptParts([...fromArtifacts, ...fromStatus]) }
}

export function answerOfMessage(message: Message): PeerAnswer {
  const { parts } = message
  return { text: textOf(parts), fields: keptParts(parts) }
}

/** What a task that waits for something says of it. */
export function questionOf(task: Task): string {
  return textOf(task.status?.message?.parts ?? []) || answerOfTask(task).text
}

/** 1 stands for the user's role; what it says came from us. */
const isUser = (message: Message): boolean => (message.role as number) === 1

function textOf(parts: readonly Part[]): string {
  return parts
    .flatMap(({ content }) => (content?.$case === 'text' ? [content.value] : []))
    .filter((text) => typeof text === 'string' && text !== '')
    .join('\n')
}

function keptParts(parts: readonly Part[]): JsonObject {
  let room = inlineCharacters
  let dataRoom = dataCharacters
  const files: JsonObject[] = []
  const data: Json[] = []
  for (const { content, filename, mediaType } of parts) {
    const named = { ...(filename && { name: filename }), ...(mediaType && { media_type: mediaType }) }
    if (content?.$case === 'url') files.push({ ...named, url: content.value })
    if (content?.$case === 'raw') {
      const text = Buffer.from(content.value).toString('base64')
      const fits = text.length <= room
      if (fits) room -= text.length
      files.push({ ...named, bytes: content.value.length, ...(fits ? { base64: text } : { omitted: true }) })
    }
    if (content?.$case === 'data' && content.value !== undefined) {
      const length = JSON.stringify(content.value).length
      if (length <= dataRoom) data.push(content.value as Json)
      else data.push({ omitted: true, characters: length })
      dataRoom -= Math.min(length, dataRoom)
    }
  }
  return { ...(files.length > 0 && { files }), ...(data.length > 0 && { data }) }
}
