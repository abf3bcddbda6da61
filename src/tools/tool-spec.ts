/** What a tool is: one record from which every consumer's form of it is generated (R1). */
import type { Delegator, DelegatorLimits, RunnerContext } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import type * as z from 'zod'
import type { MemoryOptions } from './memory.js'
import type { PeerDirectory } from './peer-directory.js'

export type ToolSection = 'delegation' | 'peers' | 'memory'

/**
 * How the results of subagents come: as a new turn, in the answer of the call that waits for them, or when they are asked
 * for, as `dispatchNote` says.
 */
export type Arrival = 'turn' | 'answer' | 'request'

/** What tools are run against. */
export interface ToolHost {
  readonly delegator: Delegator
  readonly peers: PeerDirectory | null
  readonly memory: MemoryOptions | null
  readonly onRefusal: 'reject' | 'inline'
  readonly acceptsLaterResults: boolean
  readonly dispatchNote: string
  readonly arrival: Arrival
  readonly child: ToolChild | null
  /** Aborts when nobody waits for the answer any more; null where nobody would say so. */
  readonly signal: AbortSignal | null
  sessionKey(): string
  isPaused(): boolean
}

/** What tasks are checked by: a part of every `ToolHost`. */
export interface TaskRules {
  readonly delegator: {
    readonly limits: Pick<DelegatorLimits, 'maxConcurrentChildren' | 'maxDepth' | 'orchestratorEnabled'>
  }
  readonly child: Pick<ToolChild, 'depth'> | null
}

/** Tools in the hands of a child: its units run below it, and it waits for them. */
export interface ToolChild {
  /** Of the child; from 1. */
  readonly depth: number
  /** Which child it is, as its task says: it lists, steers and stops what it has started. @defaultValue it can do none of these */
  readonly delegationId?: string
  readonly taskIndex?: number
  readonly delegate: RunnerContext['delegate']
}

export interface ToolSpec {
  readonly name: string
  readonly section: ToolSection
  /** One line: the description everywhere, and the bullet of the prompt. */
  short(limits: DelegatorLimits, arrival: Arrival): string
  /** Two or three sentences for the prompt. */
  readonly whenToUse: string | ((arrival: Arrival) => string)
  /** What an agent types that only has a shell; null for what has no command. */
  readonly shell: string | null
  readonly input: z.ZodObject
  /** Not for subagents (spec 4.3). */
  readonly isHostsOnly?: boolean
  /** What is to be read of an input; called before anything of it is read. @throws {ToolProblem} */
  readonly prepare?: (input: JsonObject, host: ToolHost) => JsonObject
  /** Gets its own properties alone, each of its declared type. @throws {ToolProblem} */
  run(input: JsonObject, host: ToolHost): Promise<JsonObject>
}

/** What the model did wrong, or cannot have, in words for the model. */
export class ToolProblem extends Error {
  override readonly name = 'ToolProblem'
  readonly facts: JsonObject

  constructor(message: string, facts: JsonObject = {}) {
    super(message)
    this.facts = facts
  }
}

/** A text that has been checked, or null where there is none. */
export function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null
}

/** An id of the model's, as it is said to it again: it may have sent anything. */
export function shownId(id: string): string {
  return id.slice(0, 80)
}
