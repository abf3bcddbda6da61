import type { Clock } from '../core/clock.js'
import type { Json } from '../core/json.js'
import { maxLetters, type Letter, type Mail } from './mail.js'
import type { Sqlite } from './sqlite-driver.js'

interface LetterRow {
  readonly id: string
  readonly unit: string
  readonly kind: string
  readonly payload: string
  readonly sent_at: number
}

type Run = <T>(step: () => T) => Promise<T>

/** `read` and `write` run a step at the right time. */
export function createSqliteMail(db: Sqlite, clock: Clock, read: Run, write: Run): Mail {
  function post({ id, unitId, kind, payload }: Omit<Letter, 'sentAt'>): 'posted' | 'not_live' | 'too_many' {
    const unit = db.sql('SELECT 1 FROM units WHERE id = :unitId AND ended_at IS NULL').get({ unitId })
    if (unit === undefined) return 'not_live'
    const waiting = db
      .sql('SELECT count(*) AS count FROM letters WHERE unit = :unitId AND reply IS NULL')
      .get<{ readonly count: number }>({ unitId })
    if ((waiting?.count ?? 0) >= maxLetters) return 'too_many'
    db.sql(
      'INSERT INTO letters (id, unit, kind, payload, sent_at) VALUES (:id, :unitId, :kind, :payload, :now)',
    ).run({ id, unitId, kind, payload: JSON.stringify(payload), now: clock.now() })
    return 'posted'
  }

  /** The letters come first: there are next to none, however many units there are. */
  function waiting(ownerId: string): Letter[] {
    return db
      .sql(
        `SELECT letters.id, unit, kind, payload, sent_at FROM letters CROSS JOIN units ON units.id = unit
         WHERE reply IS NULL AND units.owner = :ownerId AND ended_at IS NULL ORDER BY letters.n`,
      )
      .all<LetterRow>({ ownerId })
      .map(({ id, unit, kind, payload, sent_at }) => ({
        id,
        unitId: unit,
        kind,
        payload: JSON.parse(payload) as Json,
        sentAt: sent_at,
      }))
  }

  return {
    post: (letter) => write(() => post(letter)),
    waiting: (ownerId) => read(() => waiting(ownerId)),
    reply: (id, reply) =>
      write(() => {
        const text = JSON.stringify(reply)
        return (
          db.sql('UPDATE letters SET reply = coalesce(reply, :text) WHERE id = :id').run({ id, text }) > 0
        )
      }),
    replyTo: (id) =>
      read(() => {
        const row = db
          .sql('SELECT reply FROM letters WHERE id = :id AND reply IS NOT NULL')
          .get<{ readonly reply: string }>({ id })
        return row === undefined ? null : { reply: JSON.parse(row.reply) as Json }
      }),
    forget: (id) => write(() => void db.sql('DELETE FROM letters WHERE id = :id').run({ id })),
  }
}
