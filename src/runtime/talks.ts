/** What a caller says to children that run: the answer that one waits for, and what it should know from now on. */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { Json } from '../core/json.js'
import { kindOf } from '../core/shown-value.js'
import type { OpenQuestion } from '../core/question.js'
import { talkCharacters } from '../core/question-shape.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Letter } from '../ledger/mail.js'
import type { UnitDraft } from '../ledger/shapes.js'
import { checkTexts } from './checked.js'
import type { Child } from './child.js'
import { createConversation, type AskedQuestion } from './conversation.js'
import { ownIndexes, unknownDelegation } from './groups.js'
import type { ProcessHold } from './process-hold.js'
import type { RemoteTalks } from './remote-talks.js'
import type { Unit } from './unit.js'

export interface AnswerOptions {
  /** Which child; from 0. @defaultValue the one that waits */
  readonly taskIndex?: number
  /** Which of its questions, such as `ask-1`. @defaultValue the one that is open */
  readonly questionId?: string
}

export interface SteerOptions {
  /** Which child; from 0. @defaultValue all that run */
  readonly taskIndex?: number
}

/**
 * What came of an answer. `not_waiting`: no question of that kind is open. `ambiguous`: several are, and `questions` lists
 * them. `no_reply`: the process that runs the unit did not say in time whether it took the answer.
 */
export interface AnswerReport {
  readonly status: 'answered' | 'not_waiting' | 'ambiguous' | 'no_reply'
  readonly delegation_id: string
  readonly task_index?: number
  readonly question_id?: string
  readonly questions?: readonly OpenQuestion[]
}

/** `taken`: the child has it. `queued`: it waits for the child to take it. `missed_steer`: the child cannot have it any more. */
export type SteerStatus = 'taken' | 'queued' | 'missed_steer'

/** What came of a text: the best that came of it at any child, and each child by itself. */
export interface SteerReport {
  readonly status: SteerStatus | 'no_reply'
  readonly delegation_id: string
  readonly children: readonly { readonly task_index: number; readonly status: SteerStatus }[]
}

export interface Talks {
  /** @throws {DelegationError} UNKNOWN_DELEGATION, OPTION_INVALID */
  answer(id: string, text: string, options?: AnswerOptions): Promise<AnswerReport>
  /** @throws {DelegationError} UNKNOWN_DELEGATION, OPTION_INVALID */
  steer(id: string, text: string, options?: SteerOptions): Promise<SteerReport>
  /** Does what another process asks for, and replies. */
  obey(letter: Letter): Promise<void>
}

interface TalksOptions {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly units: Pick<ReadonlyMap<string, Unit>, 'get'>
  readonly remote: RemoteTalks
  readonly hold: ProcessHold
}

/** How long a child has to take what it is sent before it counts as queued, ms. */
const takeMs = 500
/** What its entry shows of each text that it did not take, and of how many. */
const shownCharacters = 1_000
const maxUntaken = 32

export function createTalks({ clock, ledger, units, remote, hold }: TalksOptions): Talks {
  /** Of a live unit; elsewhere its owner is asked, and `gone` is what an ended one would say. */
  async function said<Report>(
    id: string,
    taskIndex: unknown,
    here: (unit: Unit) => Report | Promise<Report>,
    letter: { readonly kind: string; readonly payload: Json },
    gone: Report,
    silent: Report,
  ): Promise<Report> {
    const unit = units.get(id)
    if (unit !== undefined) {
      checkTaskIndex(taskIndex, unit.draft)
      return here(unit)
    }
    const record = await ledger.get(id)
    if (record === null) throw await unknownDelegation(ledger, id, unknownNote)
    checkTaskIndex(taskIndex, record)
    if (record.endedAt !== null || !ledger.info.shared) return gone
    const found = await remote.send(id, letter.kind, letter.payload)
    if (found === null) return gone
    return found === 'no_reply' ? silent : (found.reply as unknown as Report)
  }

  return {
    async answer(id, given, options = {}) {
      const text = checkedText(given)
      const { taskIndex, questionId } = checkedAnswerOptions(options)
      const select = {
        ...(taskIndex !== undefined && { taskIndex }),
        ...(questionId !== undefined && { questionId }),
      }
      const base = { delegation_id: id } as const
      return said<AnswerReport>(
        id,
        taskIndex,
        (unit) => answerIn(unit, text, select),
        { kind: 'answer', payload: { text, ...select } },
        { ...base, status: 'not_waiting' },
        { ...base, status: 'no_reply' },
      )
    },
    async steer(id, given, options = {}) {
      const text = checkedText(given)
      const { taskIndex } = options
      const select = taskIndex === undefined ? {} : { taskIndex }
      const base = { delegation_id: id, children: [] } as const
      return said<SteerReport>(
        id,
        taskIndex,
        (unit) => hold.during(steerIn(unit, text, select, clock)),
        { kind: 'steer', payload: { text, ...select } },
        { ...base, status: 'missed_steer' },
        { ...base, status: 'no_reply' },
      )
    },
    async obey({ id, unitId, kind, payload }) {
      const unit = units.get(unitId)
      if (unit === undefined) return
      const { text, ...select } = payload as unknown as { readonly text: string } & AnswerOptions
      const report =
        kind === 'answer' ? answerIn(unit, text, select) : await steerIn(unit, text, select, clock)
      await ledger.mail.reply(id, report as unknown as Json)
    },
  }
}

/** @throws {DelegationError} OPTION_INVALID */
function checkedAnswerOptions(options: AnswerOptions): AnswerOptions {
  checkTexts(options, ['questionId'], '')
  return options
}

/** @throws {DelegationError} OPTION_INVALID */
function checkedText(text: unknown): string {
  if (typeof text !== 'string')
    throw new DelegationError('OPTION_INVALID', { text: kindOf(text), expected: 'a string' })
  if (text.length <= talkCharacters) return text
  throw new DelegationError('OPTION_INVALID', { text: `${text.length} characters`, at_most: talkCharacters })
}

/** @throws {DelegationError} OPTION_INVALID for one that the unit does not have. */
export function checkTaskIndex(index: unknown, unit: UnitDraft): void {
  const own = ownIndexes(unit)
  if (index === undefined || own.includes(index as number)) return
  const taskIndex = typeof index === 'number' ? index : kindOf(index)
  const expected = unit.part === undefined ? `0 to ${own.length - 1}` : own.join(', ')
  throw new DelegationError('OPTION_INVALID', { taskIndex, expected })
}

export const unknownNote = 'it never was, or retention has dropped it'

function answerIn(unit: Unit, text: string, { taskIndex, questionId }: AnswerOptions): AnswerReport {
  const waiting = openQuestions(unit).filter(
    ({ question: { task_index, question_id } }) =>
      (taskIndex ?? task_index) === task_index && (questionId ?? question_id) === question_id,
  )
  const [first, second] = waiting
  const base = { delegation_id: unit.id }
  if (first === undefined) return { ...base, status: 'not_waiting' }
  if (second !== undefined)
    return { ...base, status: 'ambiguous', questions: waiting.map(({ question }) => question) }
  first.close({ how: 'answered', text })
  const { task_index, question_id } = first.question
  return { ...base, status: 'answered', task_index, question_id }
}

/** A child that is being stopped hears no answer any more. */
function openQuestions({ children }: Unit): readonly AskedQuestion[] {
  return children.flatMap(({ word, conversation }) =>
    conversation !== null && (word === 'input_required' || word === 'auth_required')
      ? [...conversation.questions.values()]
      : [],
  )
}

async function steerIn(
  unit: Unit,
  text: string,
  { taskIndex }: SteerOptions,
  clock: Clock,
): Promise<SteerReport> {
  const wanted = unit.children.filter(({ index, isLive }) =>
    taskIndex === undefined ? isLive : index === taskIndex,
  )
  const children = await Promise.all(
    wanted.map(async (child) => ({ task_index: child.index, status: await steerOne(child, text, clock) })),
  )
  const has = (status: SteerStatus): boolean => children.some((child) => child.status === status)
  const status = has('taken') ? 'taken' : has('queued') ? 'queued' : 'missed_steer'
  return { status, delegation_id: unit.id, children }
}

function steerOne(child: Child, text: string, clock: Clock): Promise<SteerStatus> {
  if (child.outcome !== null) return Promise.resolve('missed_steer')
  const { untaken } = (child.conversation ??= createConversation())
  if (untaken.size >= maxUntaken) return Promise.resolve('missed_steer')
  const sent = { text: text.slice(0, shownCharacters) }
  untaken.add(sent)
  return new Promise((resolve) => {
    const stopTimer = clock.after(takeMs, () => resolve('queued'))
    child.tell('steer', text, (taken) => {
      stopTimer()
      if (taken) untaken.delete(sent)
      resolve(taken ? 'taken' : 'missed_steer')
    })
  })
}
