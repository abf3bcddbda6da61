import { attachHost, type AttachHostOptions } from '../../src/index.js'
import type { AdapterGiven, HostAdapter } from '../../src/testing/host-conformance.js'

/** What a test may do wrong in the smallest agent there can be. */
export interface Wrong {
  readonly host?: (right: AttachHostOptions, agent: SmallAgent) => Partial<AttachHostOptions>
  readonly reset?: () => void
  readonly close?: () => void
  /** What becomes of the key of a conversation, and of a turn's text. */
  readonly keyOf?: (sessionKey: string) => string
  readonly textOf?: (text: string) => string
}

export interface SmallAgent {
  readonly busy: Set<string>
  readonly waiting: Map<string, string[]>
  /** Runs a turn to its end; then what the user has typed meanwhile. */
  run(sessionKey: string, text: string): Promise<void>
}

/** A gateway of one line per rule: it is right unless it is told otherwise. */
export function smallAgent({ delegator, sessions, model }: AdapterGiven, wrong: Wrong = {}): HostAdapter {
  const { keyOf = (key: string) => key, textOf = (text: string) => text } = wrong
  const agent: SmallAgent = {
    busy: new Set(),
    waiting: new Map(),
    async run(sessionKey, text) {
      agent.busy.add(sessionKey)
      try {
        await model({ sessionKey, text })
      } finally {
        agent.busy.delete(sessionKey)
        const typed = agent.waiting.get(sessionKey)?.shift()
        if (typed !== undefined) void agent.run(sessionKey, typed).catch(() => undefined)
        else host.idle(sessionKey)
      }
    },
  }
  const right: AttachHostOptions = {
    owns: ({ session_key }) => sessions.includes(session_key),
    isIdle: (sessionKey) => !agent.busy.has(keyOf(sessionKey)),
    startTurn(text, _events, sessionKey) {
      void agent.run(keyOf(sessionKey), textOf(text)).catch(() => undefined)
      return 'started'
    },
  }
  const host = attachHost(delegator, { ...right, ...wrong.host?.(right, agent) })
  return {
    say(sessionKey, text) {
      if (!agent.busy.has(sessionKey)) return agent.run(sessionKey, text)
      const waiting = agent.waiting.get(sessionKey) ?? []
      agent.waiting.set(sessionKey, [...waiting, text])
      return undefined
    },
    reset: wrong.reset ?? ((sessionKey) => delegator.endSession(sessionKey, { reason: '/reset' })),
    close: wrong.close ?? (() => host.detach()),
  }
}
