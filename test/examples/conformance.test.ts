import { expect, it } from 'vitest'
import { createAgent } from '../../examples/cli-agent/agent.js'
import { createGateway } from '../../examples/gateway/gateway.js'
import {
  runHostConformance,
  type AdapterGiven,
  type HostAdapter,
} from '../../src/testing/host-conformance.js'

type Message = Readonly<Record<'role' | 'content', string>>
type Model = (messages: readonly Message[], specs: unknown, sessionKey: string) => Promise<Message>
interface AgentParts {
  readonly delegator: AdapterGiven['delegator']
  readonly sessionKey: string
  readonly model: Model
}
interface Agent extends Pick<HostAdapter, 'close'> {
  say(text: string): unknown
  reset(): unknown
}
interface Gateway extends Pick<HostAdapter, 'close'> {
  open(sessionKey: string): void
  receive(sessionKey: string, text: string): unknown
  reset(sessionKey: string): unknown
}
const agentOf = createAgent as unknown as (parts: AgentParts) => Agent
const gatewayOf = createGateway as unknown as (
  parts: Omit<AgentParts, 'sessionKey'> & { readonly platform: string; readonly send: () => void },
) => Gateway

const lastOf = (messages: readonly Message[]): string => messages.at(-1)?.content ?? ''

function cliAgent({ delegator, sessions: [sessionKey = ''], model }: AdapterGiven): HostAdapter {
  const agent = agentOf({
    delegator,
    sessionKey,
    model: async (messages) => ({
      role: 'assistant',
      content: await model({ sessionKey, text: lastOf(messages) }),
    }),
  })
  return { say: (_session, text) => agent.say(text), reset: () => agent.reset(), close: () => agent.close() }
}

function gateway({ delegator, sessions, model }: AdapterGiven): HostAdapter {
  const served = gatewayOf({
    delegator,
    platform: 'test',
    send: () => undefined,
    model: async (messages, _specs, sessionKey) => ({
      role: 'assistant',
      content: await model({ sessionKey, text: lastOf(messages) }),
    }),
  })
  for (const session of sessions) served.open(session)
  return {
    say: (session, text) => served.receive(session, text),
    reset: (session) => served.reset(session),
    close: () => served.close(),
  }
}

it.each([
  ['examples/cli-agent', cliAgent, false],
  ['examples/gateway', gateway, true],
])('%s passes the conformance kit', async (name, createAdapter, manySessions) => {
  const report = await runHostConformance({ createAdapter, manySessions, timeoutMs: 20_000 })
  process.stdout.write(`\n${name}: ${report.text}\n`)
  expect(report.passed, report.text).toBe(true)
  expect(report.checks.filter(({ status }) => status === 'skipped')).toHaveLength(manySessions ? 0 : 2)
})
