/** One trace across gateways in processes of their own, with a real SDK in each and a collector that they export to. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { serving, tokens } from '../a2a/server/serving.js'
import { until } from './cli-process.js'
import { startGateway, type Gateway } from './gateways.js'

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** Which of the processes told of it. */
  readonly from: string
}

interface Body {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Omit<Span, 'from'>[] }[]
  }[]
}

/** Takes what OTLP exporters send; each sender has a path of its own. */
async function collector() {
  const spans: Span[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      const [, from = ''] = (request.url ?? '').split('/')
      const { resourceSpans } = JSON.parse(text) as Body
      for (const { scopeSpans } of resourceSpans)
        for (const scope of scopeSpans) for (const span of scope.spans) spans.push({ ...span, from })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const named = (from: string, name: string): Span[] =>
    spans.filter((span) => span.from === from && span.name === name)
  return { spans, named, endpoint: (from: string) => `${url}/${from}` }
}

const preload = (name: string): string =>
  `--import=${new URL(`../fixtures/telemetry/${name}`, import.meta.url).href}`
const sdkTo = (endpoint: string) => ({
  NODE_OPTIONS: preload('sdk.js'),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
})

async function start(name: string, env: Readonly<Record<string, string>>): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'traces-'))
  const gateway = await startGateway({ name, ledger: join(folder, 'state.db'), env })
  onTestFinished(async () => {
    await gateway.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return gateway
}

type Collector = Awaited<ReturnType<typeof collector>>

/** Each span below the one that it has to be below; all of one trace. */
function expectOneTrace({ spans, named }: Collector): void {
  const [call] = named('near', 'task_delegate')
  const [received] = named('far', 'task_receive')
  expect(call?.parentSpanId ?? '').toBe('')
  expect(named('near', 'invoke_agent').map(({ parentSpanId }) => parentSpanId)).toEqual([call?.spanId])
  expect(received?.parentSpanId).toBe(call?.spanId)
  expect(named('far', 'invoke_agent').map(({ parentSpanId }) => parentSpanId)).toEqual([received?.spanId])
  expect(spans.map(({ from, name }) => `${from} ${name}`).sort()).toEqual([
    'far invoke_agent',
    'far task_receive',
    'near invoke_agent',
    'near task_delegate',
  ])
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1)
}

it('M88, M89: a delegation of one gateway to another is one trace', async () => {
  const traces = await collector()
  const [near, far] = await Promise.all([
    start('near', sdkTo(traces.endpoint('near'))),
    start('far', sdkTo(traces.endpoint('far'))),
  ])
  await far.join({ peer: near.address })
  await near.join({ peer: far.address })
  const id = await near.delegate('the length of the Danube')
  expect(await near.end(id)).toMatchObject({ status: 'completed' })
  await until(() => traces.spans.length >= 4)
  expectOneTrace(traces)
})

it('M88: so is one to `hermes-delegate serve`, where an SDK is registered', async () => {
  const traces = await collector()
  await using server = await serving({ env: sdkTo(traces.endpoint('far')) })
  const near = await start('near', { ...sdkTo(traces.endpoint('near')), PEER_TOKEN: tokens.alice })
  await near.join({ peer: server.url })
  expect(await near.end(await near.delegate('echo hello'))).toMatchObject({ summary: 'hello' })
  await until(() => traces.spans.length >= 4)
  expectOneTrace(traces)
})

it('M90: without the package, and with a header that is none, `serve` serves all the same', async () => {
  await using server = await serving({ env: { NODE_OPTIONS: preload('without-api.js') } })
  const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'echo hello' }] }
  const response = await fetch(`${server.url}/a2a`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      authorization: `Bearer ${tokens.alice}`,
      traceparent: 'nonsense',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message } }),
  })
  expect(await response.json()).toMatchObject({
    result: { task: { status: { state: 'TASK_STATE_COMPLETED' } } },
  })
})

it('M90: a collector that is not there costs a gateway nothing', async () => {
  const nobody = sdkTo('http://127.0.0.1:9')
  const [near, far] = await Promise.all([start('near', nobody), start('far', nobody)])
  await far.join({ peer: near.address })
  await near.join({ peer: far.address })
  const id = await near.delegate('the length of the Danube')
  expect(await near.end(id)).toMatchObject({ status: 'completed' })
})
