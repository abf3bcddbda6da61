import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, trace, type Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import type { RunnerTask } from '../../src/index.js'
import { traced } from '../../src/telemetry/telemetry.js'
import { fixture, gate, idOf, open, polite, quick } from '../runtime/support.js'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

afterEach(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

/** A real SDK; what it exported. */
function sdk(): { readonly spans: () => ReadableSpan[]; readonly named: (name: string) => ReadableSpan[] } {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register()
  onTestFinished(() => provider.shutdown())
  const spans = (): ReadableSpan[] => exporter.getFinishedSpans()
  return { spans, named: (name) => spans().filter((span) => span.name === name) }
}

describe('a traced delegator', () => {
  it('has a span for each call below the active one, and one for each child below that', async () => {
    const { named, spans } = sdk()
    const delegator = traced(await open(), { attributes: { 'workspace.id': 'ws-1' } })
    const host = trace.getTracer('host').startSpan('turn')
    const id = await context.with(trace.setSpan(context.active(), host), async () =>
      idOf(await delegator.dispatchBatch({ goals: ['one', 'two'], runner: quick })),
    )
    await delegator.wait(id)
    host.end()
    const [call] = named('task_delegate')
    expect(call?.parentSpanContext?.spanId).toBe(host.spanContext().spanId)
    expect(call?.attributes).toMatchObject({
      'workspace.id': 'ws-1',
      'a2a.task_id': id,
      'delegation.status': 'completed',
    })
    const children = named('invoke_agent')
    expect(children.map(({ attributes }) => attributes['delegation.task_index'])).toEqual([0, 1])
    for (const child of children) {
      expect(child.parentSpanContext?.spanId).toBe(call?.spanContext().spanId)
      expect(child.attributes).toMatchObject({ 'task.has_response': true, 'task.response_length': 7 })
    }
    expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(1)
    expect(JSON.stringify(spans().map(({ attributes }) => attributes))).not.toContain('did one')
  })

  it('gives a child the context of its call, to be passed on; one that came with the call is above it', async () => {
    const { named } = sdk()
    const seen: (RunnerTask['traceContext'] | null)[] = []
    const delegator = traced(await open())
    const runner = (task: RunnerTask) => void seen.push(task.traceContext ?? null)
    const id = idOf(
      await delegator.dispatch({ goal: 'from elsewhere', runner, traceContext: { traceparent } }),
    )
    await delegator.wait(id)
    const [call] = named('task_receive')
    const { traceId, spanId } = call!.spanContext()
    expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c')
    expect(call!.parentSpanContext?.spanId).toBe('b7ad6b7169203331')
    expect(seen).toEqual([{ traceparent: `00-${traceId}-${spanId}-01` }])
  })

  it('hands the context to a child in a thread', async () => {
    const { named } = sdk()
    const delegator = traced(await open())
    const id = idOf(await delegator.dispatch({ goal: 'far', runner: fixture('tellsTask') }))
    const { summary } = (await delegator.wait(id)) as { summary: string }
    expect((JSON.parse(summary) as RunnerTask).traceContext?.traceparent).toContain(
      named('task_delegate')[0]!.spanContext().traceId,
    )
  })

  it('what a child starts is a span below its unit', async () => {
    const { named } = sdk()
    const delegator = traced(await open({ maxDepth: 2 }))
    const id = idOf(
      await delegator.dispatch({
        goal: 'lead',
        role: 'orchestrator',
        runner: async ({ role }, { delegate }) =>
          role === 'orchestrator'
            ? { summary: JSON.stringify(await delegate({ goal: 'below' })) }
            : quickResult,
      }),
    )
    await delegator.wait(id)
    const [below, call] = named('task_delegate')
    expect(below?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId)
    expect(named('invoke_agent')).toHaveLength(2)
  })

  it('a refusal, an error of the call and a stop are errors of the span', async () => {
    const { named } = sdk()
    const delegator = traced(await open({ maxUnits: 1 }))
    const begun = gate()
    const id = idOf(
      await delegator.dispatch({ goal: 'a', runner: (task, ctx) => (begun.open(), polite(task, ctx)) }),
    )
    await begun.promise
    await delegator.dispatch({ goal: 'b', runner: quick })
    await expect(delegator.dispatch({ goal: ' ', runner: quick })).rejects.toMatchObject({
      code: 'GOAL_BLANK',
    })
    await delegator.interrupt(id)
    const calls = named('task_delegate')
    expect(calls.map(({ status, attributes }) => [status.code, attributes['delegation.refusal']])).toEqual([
      [2, 'CAPACITY'],
      [2, undefined],
      [2, undefined],
    ])
    expect(calls[1]?.events[0]?.attributes?.['exception.message']).toContain('goal')
    expect(calls[2]?.attributes['delegation.status']).toBe('interrupted')
  })

  it('a call that was split ends with the last of its units', async () => {
    const { named } = sdk()
    const delegator = traced(await open())
    const last = gate()
    const runner = async ({ goal }: RunnerTask) => (goal === 'b' ? await last.promise : undefined)
    const id = idOf(
      await delegator.dispatchBatch({
        tasks: [{ goal: 'a' }, { goal: 'b' }],
        independentCompletions: true,
        runner,
      }),
    )
    await delegator.wait(`${id}-1`)
    expect(named('task_delegate')).toHaveLength(0)
    last.open()
    await delegator.wait(`${id}-2`)
    expect(named('task_delegate')).toHaveLength(1)
    expect(named('invoke_agent')).toHaveLength(2)
  })

  it('text is on a span only where that was asked for', async () => {
    const { named } = sdk()
    const delegator = traced(await open(), { capturesInput: true })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'g'.repeat(300), runner: quick })))
    expect(named('task_delegate')[0]?.attributes['a2a.input_preview']).toBe('g'.repeat(256))
  })

  it('without an SDK nothing is recorded, and what came with a call is passed on as it came', async () => {
    const delegator = traced(await open())
    const seen: unknown[] = []
    const runner = (task: RunnerTask) => void seen.push(task.traceContext)
    for (const more of [{}, { traceContext: { traceparent } }])
      await delegator.wait(idOf(await delegator.dispatch({ goal: 'x', runner, ...more })))
    expect(seen).toEqual([undefined, { traceparent }])
  })

  it('M90: a tracer that throws harms nothing', async () => {
    const tracer: Tracer = {
      startSpan() {
        throw new Error('broken')
      },
      startActiveSpan() {
        throw new Error('broken')
      },
    }
    const delegator = traced(await open(), { tracer })
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: quick }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed' })
  })

  it('reaches a collector through the OTLP exporter', async () => {
    const bodies: string[] = []
    const collector = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        bodies.push(body)
        response.end('{}')
      })
    }).listen(0, '127.0.0.1')
    await once(collector, 'listening')
    onTestFinished(() => void collector.close())
    const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`
    const exporter = new OTLPTraceExporter({ url })
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    provider.register()
    const delegator = traced(await open())
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'x', runner: quick })))
    await provider.shutdown()
    const names = bodies.flatMap((body) =>
      [...body.matchAll(/"name":"(task_delegate|invoke_agent)"/g)].map(([, name]) => name),
    )
    expect(names.sort()).toEqual(['invoke_agent', 'task_delegate'])
  })
})

const quickResult = { summary: 'done' }
