import type { Clock } from '../core/clock.js'
import type { Json } from '../core/json.js'
import { letterSeconds, maxLetters, type Letter, type Mail } from './mail.js'
import type { UnitRecord } from './shapes.js'

/** The steps of `Mail`, and what retention takes. */
export type MemoryMail = {
  readonly [Step in keyof Mail]: (...args: Parameters<Mail[Step]>) => Awaited<ReturnType<Mail[Step]>>
} & { prune(): number }

export function createMemoryMail(
  clock: Clock,
  liveUnit: (id: string) => Pick<UnitRecord, 'owner'> | undefined,
): MemoryMail {
  const letters = new Map<string, { readonly letter: Letter; reply?: { readonly reply: Json } }>()
  const unanswered = () => [...letters.values()].filter(({ reply }) => reply === undefined)

  return {
    post(given) {
      if (liveUnit(given.unitId) === undefined) return 'not_live'
      if (unanswered().filter(({ letter }) => letter.unitId === given.unitId).length >= maxLetters)
        return 'too_many'
      letters.set(given.id, { letter: { ...given, sentAt: clock.now() } })
      return 'posted'
    },
    waiting: (ownerId) =>
      unanswered()
        .map(({ letter }) => letter)
        .filter(({ unitId }) => liveUnit(unitId)?.owner === ownerId),
    reply(letterId, reply) {
      const entry = letters.get(letterId)
      if (entry === undefined) return false
      entry.reply ??= { reply }
      return true
    },
    replyTo: (letterId) => letters.get(letterId)?.reply ?? null,
    forget: (letterId) => void letters.delete(letterId),
    prune() {
      let count = 0
      for (const [id, { letter }] of letters)
        if (letter.sentAt < clock.now() - letterSeconds && letters.delete(id)) count += 1
      return count
    },
  }
}
