// The conversation a completion belongs to, as a gateway writes it (spec 5.3).

/** `agent:<agent>:<platform>:<chatType>:<chatId>[:<threadId>]`, taken apart. */
export interface SessionKeyParts {
  readonly agent: string
  readonly platform: string
  /** `dm`, `group`, or the platform's own word. */
  readonly chatType: string
  /** A string also where the platform counts: group ids may be negative. */
  readonly chatId: string
  /** `null` when the chat has no threads, or the message was in none. */
  readonly threadId: string | null
}

const PREFIX = 'agent'

/** The parts of `key`, or `null` when it names no chat: an empty or unknown key is left unrouted, never guessed. */
export function parseSessionKey(key: string): SessionKeyParts | null {
  const fields = key.split(':')
  if (fields.length > 6 || fields.includes('')) return null
  const [prefix, agent, platform, chatType, chatId, threadId] = fields
  if (prefix !== PREFIX || agent === undefined || platform === undefined) return null
  if (chatType === undefined || chatId === undefined) return null
  return { agent, platform, chatType, chatId, threadId: threadId ?? null }
}

/**
 * The key of these parts; `parseSessionKey` takes it apart again.
 * @throws {TypeError} naming the part that is empty or contains `:`.
 */
export function buildSessionKey(parts: SessionKeyParts): string {
  const { agent, platform, chatType, chatId, threadId } = parts
  const named = { agent, platform, chatType, chatId, ...(threadId !== null && { threadId }) }
  for (const [name, value] of Object.entries(named)) {
    if (value === '' || value.includes(':')) {
      throw new TypeError(
        `Expected \`${name}\` of a session key to be non-empty, without ':', got '${value}'`,
      )
    }
  }
  return [PREFIX, ...Object.values(named)].join(':')
}
