/** What the agent says of itself to anyone. */
import type { AgentCard, AgentExtension } from '@a2a-js/sdk'
import { deduplicatingExtension } from '../card.js'

export interface SkillOptions {
  readonly id: string
  readonly name: string
  readonly description: string
  /** @defaultValue none */
  readonly tags?: readonly string[]
  /** @defaultValue none */
  readonly examples?: readonly string[]
}

export interface CardOptions {
  readonly name: string
  readonly description: string
  /** Of the agent, not of the protocol. */
  readonly version: string
  readonly skills: readonly SkillOptions[]
}

/** A caller that does not know whether its message arrived may send it again (7.3, 7). */
const deduplicates: AgentExtension = {
  uri: deduplicatingExtension,
  description: 'A message with a messageId of its caller that is known gets the task that it began.',
  required: false,
  params: undefined,
}

/** Below the server's URL. */
export const paths = {
  card: '/.well-known/agent-card.json',
  legacyCard: '/.well-known/agent.json',
  jsonRpc: '/a2a',
  rest: '/a2a/rest',
} as const

/** @param url where callers reach the server, without a slash at its end */
export function agentCard({ name, description, version, skills }: CardOptions, url: string): AgentCard {
  const interfaceAt = (path: string, protocolBinding: string, protocolVersion: string) => ({
    url: url + path,
    protocolBinding,
    protocolVersion,
    tenant: '',
  })
  return {
    name,
    description,
    version,
    supportedInterfaces: [
      interfaceAt(paths.jsonRpc, 'JSONRPC', '1.0'),
      interfaceAt(paths.rest, 'HTTP+JSON', '1.0'),
      interfaceAt(paths.jsonRpc, 'JSONRPC', '0.3'),
    ],
    provider: undefined,
    capabilities: {
      streaming: true,
      pushNotifications: true,
      extendedAgentCard: false,
      extensions: [deduplicates],
    },
    securitySchemes: {
      bearer: {
        scheme: {
          $case: 'httpAuthSecurityScheme',
          value: { scheme: 'Bearer', description: '', bearerFormat: '' },
        },
      },
    },
    securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    defaultInputModes: ['text/plain', 'application/json'],
    defaultOutputModes: ['text/plain', 'application/json'],
    skills: skills.map(({ tags = [], examples = [], ...skill }) => ({
      ...skill,
      tags: [...tags],
      examples: [...examples],
      inputModes: [],
      outputModes: [],
      securityRequirements: [],
    })),
    signatures: [],
  }
}
