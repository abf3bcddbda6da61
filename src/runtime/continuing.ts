/** Going on from a child that has ended: what it was, what it left, and from where its runner can resume. */
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import { kindOf } from '../core/shown-value.js'
import type { Ledger } from '../ledger/ledger.js'
import type { DeliveryState, UnitRecord } from '../ledger/shapes.js'
import type { ContinuedTask, RunnerReference } from '../runner.js'
import type { ContinueFrom, DispatchOptions } from './call-options.js'
import { ownIndexes, unknownDelegation } from './groups.js'
import { checkTaskIndex, unknownNote } from './talks.js'
import { transcriptTail } from './transcript-tail.js'

/** What the new child is handed, and the call with what it did not say filled in from the earlier one. */
export interface Continuation {
  readonly call: DispatchOptions
  readonly continued: ContinuedTask
  readonly resumeFrom: Json
}

const summaryCharacters = 16_000
const tailCharacters = 8_000
const tailLines = 100
const everyState: readonly DeliveryState[] = [
  'pending',
  'claimed',
  'delivered',
  'dead',
  'dropped',
  'dismissed',
]

/** @throws {DelegationError} UNKNOWN_DELEGATION, DELEGATION_LIVE, OPTION_INVALID */
export async function continuation(ledger: Ledger, call: DispatchOptions): Promise<Continuation> {
  const { id, taskIndex: given } = target(call.continueFrom)
  const unit = await ledger.get(id)
  if (unit === null) throw await unknownDelegation(ledger, id, unknownNote)
  checkTaskIndex(given, unit)
  const own = ownIndexes(unit)
  if (given === undefined && own.length !== 1)
    throw new DelegationError('OPTION_INVALID', {
      continueFrom: id,
      children: own.length,
      expected: 'a taskIndex with it',
    })
  if (unit.endedAt === null) throw new DelegationError('DELEGATION_LIVE', { id, status: unit.state })
  // Its event is there, but a child that could not be stopped would work beside its successor.
  if (unit.slotHeld) throw new DelegationError('DELEGATION_LIVE', { id, note: 'a child of it still runs' })
  const index = given ?? own[0] ?? 0
  const result = await resultOf(ledger, unit, index)
  const path = unit.transcripts?.[index] ?? null
  return {
    call: inherited(call, unit, index),
    continued: {
      delegation_id: id,
      task_index: index,
      goal: unit.goals?.[index] ?? unit.goal,
      status: textOf(result['status']) ?? unit.state,
      summary: textOf(result['summary'])?.slice(0, summaryCharacters) ?? null,
      transcript_tail: path === null ? '' : await transcriptTail(path, tailCharacters, tailLines),
    },
    resumeFrom: unit.children[index]?.checkpoint ?? sessionOf(result),
  }
}

function target(given: ContinueFrom | undefined): { readonly id: string; readonly taskIndex?: number } {
  if (typeof given === 'string') return { id: given }
  if (isJsonObject(given) && typeof given['id'] === 'string') return given
  throw new DelegationError('OPTION_INVALID', {
    continueFrom: kindOf(given),
    expected: 'an id, or { id, taskIndex }',
  })
}

/** As its final event has it, where that is still kept; else as it was recorded. */
async function resultOf(ledger: Ledger, unit: UnitRecord, index: number): Promise<JsonObject> {
  const found = await ledger.deliveries({ eventIds: [unit.id] }, everyState, { limit: 1 })
  const event: AsyncDelegationEvent | undefined = found[0]?.event
  if (event === undefined) return unit.children[index]?.result ?? {}
  if (event.is_batch !== true) return event
  return event.results.find(({ task_index }) => task_index === index) ?? unit.children[index]?.result ?? {}
}

/** A program that names its session in its result alone has kept no checkpoint. */
function sessionOf({ session_id }: JsonObject): Json {
  return typeof session_id === 'string' ? { session_id } : null
}

function inherited(call: DispatchOptions, unit: UnitRecord, index: number): DispatchOptions {
  const runner = runnerOf(unit, index)
  return {
    ...call,
    ...(call.runner === undefined && runner !== null && { runner }),
    model: call.model ?? unit.model,
    toolsets: call.toolsets ?? unit.toolsets,
    role: call.role ?? unit.role,
  }
}

/** Of a batch whose children cannot be run again, only the first one's is recorded. */
function runnerOf({ work, runner }: UnitRecord, index: number): RunnerReference | null {
  const { children } = (work ?? {}) as {
    readonly children?: readonly { readonly runner: RunnerReference | null }[]
  }
  return children?.[index]?.runner ?? (runner as RunnerReference | null)
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}
