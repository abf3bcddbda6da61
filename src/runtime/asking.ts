/** What children ask whoever dispatched them: told, answered once, and forgotten with their child. */
import type { Clock } from '../core/clock.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { questionEvent, questionEventId, type OpenQuestion } from '../core/question.js'
import { questionProblem, type AskedText } from '../core/question-shape.js'
import type { Ledger } from '../ledger/ledger.js'
import { runnerError } from '../pool/error-detail.js'
import type { ChildRequest } from '../pool/executor.js'
import type { Child } from './child.js'
import { createConversation, type Closing } from './conversation.js'
import type { EventHub } from './events.js'
import type { Unit } from './unit.js'

export interface Asking {
  /** The child waits: `answer`, a time-out or its end comes of it. */
  ask(unit: Unit, child: Child, request: ChildRequest): void
  /** The child is stopped, or has ended: nobody can answer it any more. */
  drop(child: Child): void
}

interface AskingOptions {
  readonly clock: Clock
  readonly hub: EventHub
  readonly ledger: Ledger
  readonly publish: (event: AsyncDelegationEvent) => Promise<unknown>
}

/** A child that asks in a loop would fill the ledger with its questions. */
const maxQuestions = 100
/** The longest time a timer takes, s: what is longer is as good as no limit. */
const maxTimerSeconds = 2_000_000

export function createAsking({ clock, hub, ledger, publish }: AskingOptions): Asking {
  const attempt = (step: Promise<unknown>): void =>
    void step.catch((error: unknown) => hub.emit('fault', error as Error))

  /** Ids of a unit that was taken over begin anew, and must not meet those of its dead owner. */
  function questionId({ hold: { fence }, children }: Unit): string {
    const asked = children.reduce((sum, { conversation }) => sum + (conversation?.asked ?? 0), 0)
    return fence === 1 ? `ask-${asked}` : `ask-${fence}-${asked}`
  }

  function tell(unit: Unit, question: OpenQuestion, state: 'open' | Closing['how']): void {
    hub.emit('question', { ...question, delegation_id: unit.id, state })
  }

  /** The ledger shows it to other processes. */
  function record(unit: Unit, child: Child, question: OpenQuestion | null): void {
    const patch = { child: { index: child.index, state: child.word, question } }
    attempt(ledger.record(unit.hold, patch))
    unit.tellChild(child)
  }

  /** Resolves once it is on the rail; null where it does not go there. */
  function putOnRail(unit: Unit, question: OpenQuestion): Promise<unknown> | null {
    const { plan, draft } = rootOf(unit)
    if (plan.tells.askAs === 'event' || draft.delivery !== 'claim') return null
    const published = publish(questionEvent(unit.facts(), unit.draft.goals, question))
    attempt(published)
    return published
  }

  function open(unit: Unit, child: Child, request: ChildRequest, asked: AskedText): void {
    const conversation = (child.conversation ??= createConversation())
    if (conversation.asked >= maxQuestions) {
      const why = `a child may ask ${maxQuestions} questions, and this one has`
      return request.fail(runnerError('QUESTIONS_TOO_MANY', why))
    }
    conversation.asked += 1
    const { timeout_seconds: seconds, default: otherwise, choices } = asked
    const question: OpenQuestion = {
      question_id: questionId(unit),
      task_index: child.index,
      text: asked.question,
      ...(choices !== null && { choices }),
      ...(otherwise !== null && { default: otherwise }),
      ...(seconds !== null && { timeout_seconds: seconds }),
      asked_at: clock.now(),
    }
    const onTime = (): void => close({ how: 'timed_out' })
    const hasTimer = seconds !== null && seconds <= maxTimerSeconds
    const stopTimer = hasTimer ? clock.after(seconds * 1000, onTime) : (): void => undefined
    const close = (closing: Closing): void => {
      if (!conversation.questions.delete(question.question_id)) return
      stopTimer()
      conversation.answeredMs = clock.monotonicMs()
      settle(request, question, closing)
      // What nobody has taken from the rail yet is no question any more.
      const eventId = questionEventId(unit.id, question.question_id)
      if (published !== null) attempt(published.then(() => ledger.collect(eventId)))
      const [next] = conversation.questions.values()
      if (closing.how !== 'dropped') record(unit, child, next?.question ?? null)
      tell(unit, question, closing.how)
    }
    conversation.questions.set(question.question_id, { question, close })
    record(unit, child, question)
    const published = putOnRail(unit, question)
    tell(unit, question, 'open')
  }

  return {
    ask(unit, child, request) {
      const problem = questionProblem(request.payload)
      if (problem === null) open(unit, child, request, request.payload as unknown as AskedText)
      else request.fail(runnerError('QUESTION_INVALID', problem))
    },
    drop({ conversation }) {
      if (conversation === null) return
      for (const { close } of [...conversation.questions.values()]) close({ how: 'dropped' })
    },
  }
}

/** What is below a unit asks the one who dispatched that: nobody else could answer. */
function rootOf(unit: Unit): Unit {
  const { parent } = unit.plan
  return parent === null ? unit : rootOf(parent.unit)
}

function settle(request: ChildRequest, question: OpenQuestion, closing: Closing): void {
  if (closing.how === 'answered') request.answer(closing.text)
  if (closing.how !== 'timed_out') return
  if (question.default !== undefined) return request.answer(question.default)
  const why = `nobody answered within ${question.timeout_seconds} s`
  request.fail(runnerError('QUESTION_TIMEOUT', why))
}
