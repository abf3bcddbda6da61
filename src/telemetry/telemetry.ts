/**
 * Front of the telemetry: OpenTelemetry spans for what a delegator does, and the trace context that its children pass on.
 * Only `@opentelemetry/api` is imported; where the host registers no SDK nothing is recorded and nothing is kept.
 */
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  SpanKind,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import type { Delegator, DelegatorEventMap, Dispatched, Rejected, TraceContext } from '../index.js'
import { createUnitSpans } from './unit-spans.js'

export interface TracedOptions {
  /** @defaultValue the global provider's, named `hermes-delegate` */
  readonly tracer?: Tracer
  /** On every span, such as `{ 'workspace.id': … }` (M88). @defaultValue none */
  readonly attributes?: Attributes
  /** True: the first 256 characters of the goal are on the span (`a2a.input_preview`). @defaultValue false */
  readonly capturesInput?: boolean
}

const previewCharacters = 256

/**
 * The same delegator, traced. A call is a span, `task_delegate`, below the caller's active one; where the call has a
 * `traceContext` of its own, because it came from elsewhere, it is a `task_receive` below that (M88). It ends when the last
 * of its units has ended. Each child is a span `invoke_agent` below it. Nothing that goes wrong here reaches a caller (M90).
 */
export function traced(delegator: Delegator, options: TracedOptions = {}): Delegator {
  const { tracer = trace.getTracer('hermes-delegate'), attributes = {}, capturesInput = false } = options
  const spans = createUnitSpans({ tracer, attributes })
  const listen = <Name extends keyof DelegatorEventMap>(
    name: Name,
    take: (...payload: DelegatorEventMap[Name]) => void,
  ): void => delegator.events.on(name, (...payload) => quietly(() => take(...payload), undefined))
  listen('dispatched', spans.onDispatched)
  listen('child', spans.onChild)
  listen('question', spans.onQuestion)
  listen('budget', spans.onBudget)
  listen('completion', spans.onCompletion)
  listen('gone', spans.onGone)

  function begin(call: TracedCall): { readonly span: Span; readonly carrier: TraceContext } | null {
    const parent = call.traceContext === undefined ? context.active() : extracted(call.traceContext)
    const isFromElsewhere = call.traceContext !== undefined
    const span = tracer.startSpan(
      isFromElsewhere ? 'task_receive' : 'task_delegate',
      {
        kind: isFromElsewhere ? SpanKind.CONSUMER : SpanKind.PRODUCER,
        attributes: { ...attributes, ...(capturesInput && previewOf(call)) },
      },
      parent,
    )
    const carrier = injected(trace.setSpan(parent, span))
    if (span.isRecording() && carrier !== null) return { span, carrier }
    // Nobody records it: what came is passed on as it came.
    span.end()
    return null
  }

  async function dispatchTraced<Call extends TracedCall>(
    call: Call,
    dispatch: (call: Call) => Promise<Dispatched | Rejected>,
  ): Promise<Dispatched | Rejected> {
    const begun = isCall(call) ? quietly(() => begin(call), null) : null
    if (begun === null) return dispatch(call)
    const { span, carrier } = begun
    const open = spans.expect(carrier.traceparent, span)
    try {
      const outcome = await dispatch({ ...call, traceContext: carrier })
      quietly(() => open.answered(outcome), undefined)
      return outcome
    } catch (error) {
      quietly(() => open.failed(error), undefined)
      throw error
    }
  }

  return {
    ...delegator,
    dispatch: (call) => dispatchTraced(call, delegator.dispatch),
    dispatchBatch: (call) => dispatchTraced(call, delegator.dispatchBatch),
  }
}

interface TracedCall {
  readonly traceContext?: TraceContext
  readonly goal?: string
}

const isCall = (call: unknown): boolean => typeof call === 'object' && call !== null

function extracted(carrier: TraceContext): Context {
  return propagation.extract(context.active(), carrier, defaultTextMapGetter)
}

function injected(from: Context): TraceContext | null {
  const carrier: Record<string, string> = {}
  propagation.inject(from, carrier, defaultTextMapSetter)
  const { traceparent, tracestate, baggage } = carrier
  if (traceparent === undefined) return null
  return {
    traceparent,
    ...(tracestate !== undefined && { tracestate }),
    ...(baggage !== undefined && { baggage }),
  }
}

function previewOf({ goal }: TracedCall): Attributes {
  return typeof goal === 'string' ? { 'a2a.input_preview': goal.slice(0, previewCharacters) } : {}
}

function quietly<T>(step: () => T, otherwise: T): T {
  try {
    return step()
  } catch {
    return otherwise
  }
}
