/** From what a delegator tells to spans. One writer of the spans of its units and children. */
import {
  context,
  defaultTextMapGetter,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import type { AsyncDelegationEvent, DelegatorEventMap, Dispatched, Rejected } from '../index.js'
import { isJsonObject, type JsonObject } from '../runner.js'

type Payload<Name extends keyof DelegatorEventMap> = DelegatorEventMap[Name][0]

/** The span of one call, and how many of its units have yet to end. */
interface Call {
  readonly span: Span
  live: number
  isAnswered: boolean
}

interface UnitSpan {
  readonly call: Call
  readonly below: Context
  /** `null` once it has ended. */
  readonly children: Map<number, Span | null>
}

export interface ExpectedCall {
  answered(outcome: Dispatched | Rejected): void
  failed(error: unknown): void
}

export interface UnitSpans {
  /** The units that will be dispatched under this trace parent belong to the span. */
  expect(traceparent: string, span: Span): ExpectedCall
  onDispatched(told: Payload<'dispatched'>): void
  onChild(told: Payload<'child'>): void
  onQuestion(told: Payload<'question'>): void
  onBudget(told: Payload<'budget'>): void
  onCompletion(event: AsyncDelegationEvent): void
  onGone(told: Payload<'gone'>): void
}

/** Words of an end that did not go as it should; a runner's own word is none of them. */
const badEnds = new Set(['error', 'failed', 'timeout', 'interrupted', 'stalled', 'unknown'])

export function createUnitSpans({
  tracer,
  attributes,
}: {
  readonly tracer: Tracer
  readonly attributes: Attributes
}): UnitSpans {
  const expected = new Map<string, Call>()
  const units = new Map<string, UnitSpan>()

  function endIfOver(call: Call): void {
    if (call.isAnswered && call.live === 0) call.span.end()
  }

  function callOf({
    parent_id: parentId,
    trace_context: carrier,
    taken_over: takenOver,
  }: Payload<'dispatched'>): Call | null {
    const own = carrier === undefined ? undefined : expected.get(carrier.traceparent)
    if (own !== undefined && parentId === undefined) return own
    const parent = parentId === undefined ? undefined : units.get(parentId)
    const above =
      parent?.below ??
      (carrier === undefined ? null : propagation.extract(context.active(), carrier, defaultTextMapGetter))
    // Neither ours, nor of a trace: dispatched past us.
    if (above === null) return null
    const span = tracer.startSpan(
      'task_delegate',
      {
        kind: SpanKind.INTERNAL,
        attributes: { ...attributes, ...(takenOver && { 'delegation.taken_over': true }) },
      },
      above,
    )
    return { span, live: 0, isAnswered: true }
  }

  function endUnit(id: string): void {
    const unit = units.get(id)
    if (unit === undefined) return
    units.delete(id)
    for (const child of unit.children.values()) child?.end()
    unit.call.live -= 1
    endIfOver(unit.call)
  }

  return {
    expect(traceparent, span) {
      const call: Call = { span, live: 0, isAnswered: false }
      expected.set(traceparent, call)
      const over = (): void => {
        expected.delete(traceparent)
        call.isAnswered = true
        endIfOver(call)
      }
      return {
        answered(outcome) {
          if (outcome.status === 'rejected') {
            span.setAttribute('delegation.refusal', outcome.refusal?.code ?? 'rejected')
            span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.error })
          } else span.setAttribute('a2a.task_id', outcome.delegationId)
          over()
        },
        failed(error) {
          if (error instanceof Error) span.recordException(error)
          span.setStatus({ code: SpanStatusCode.ERROR })
          over()
        },
      }
    },
    onDispatched(told) {
      const call = callOf(told)
      if (call === null) return
      call.live += 1
      call.span.setAttribute('a2a.task_id', told.delegation_id)
      const below = trace.setSpan(context.active(), call.span)
      units.set(told.delegation_id, { call, below, children: new Map() })
    },
    onChild({ delegation_id: id, task_index: index, state, result }) {
      const unit = units.get(id)
      if (unit === undefined || state === 'waiting') return
      let span = unit.children.get(index)
      if (span === null) return
      span ??= tracer.startSpan(
        'invoke_agent',
        { attributes: childAttributes(attributes, id, index) },
        unit.below,
      )
      unit.children.set(index, result === undefined ? span : null)
      // Of children that one function runs, only the unit knows the ends.
      if (result === undefined) return void span.addEvent(`child ${state}`)
      describeEnd(span, state, result)
      span.end()
    },
    onQuestion({ delegation_id: id, task_index: index, state }) {
      units.get(id)?.children.get(index)?.addEvent(`question ${state}`)
    },
    onBudget({ delegation_id: id }) {
      units.get(id)?.call.span.addEvent('budget nearly used')
    },
    onCompletion(event) {
      const unit = units.get(event.delegation_id)
      if (unit === undefined) return
      describeEnd(unit.call.span, event.status, event)
      endUnit(event.delegation_id)
    },
    onGone: ({ delegation_id: id }) => endUnit(id),
  }
}

function childAttributes(shared: Attributes, id: string, index: number): Attributes {
  return {
    ...shared,
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.conversation.id': id,
    'a2a.task_id': id,
    'delegation.task_index': index,
  }
}

/** No text of a child is on a span: how long its answer is tells enough (M88). */
function describeEnd(span: Span, status: string, end: JsonObject): void {
  const { summary, model, usage, exit_reason: exitReason } = end
  span.setAttribute('delegation.status', status)
  span.setAttribute('task.has_response', typeof summary === 'string' && summary !== '')
  if (typeof summary === 'string') span.setAttribute('task.response_length', summary.length)
  if (typeof model === 'string') span.setAttribute('gen_ai.response.model', model)
  if (typeof exitReason === 'string') span.setAttribute('delegation.exit_reason', exitReason)
  if (isJsonObject(usage)) {
    const { input_tokens: input, output_tokens: output } = usage
    if (typeof input === 'number') span.setAttribute('gen_ai.usage.input_tokens', input)
    if (typeof output === 'number') span.setAttribute('gen_ai.usage.output_tokens', output)
  }
  if (badEnds.has(status)) span.setStatus({ code: SpanStatusCode.ERROR, message: status })
}
