/**
 * What children share and each uses one of at a time, such as the keys of a provider. Only names are known here. A lease
 * ends with its child, however that ends: those of children that are over are not counted.
 */
import type { Clock } from '../core/clock.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import { kindOf, shownValue } from '../core/shown-value.js'
import { runnerError } from '../pool/error-detail.js'
import type { ChildRequest } from '../pool/executor.js'
import type { LeaseOffer } from '../runner.js'
import type { Child } from './child.js'

export interface Leases {
  /** Answers a child, always. */
  hear(child: Child, request: ChildRequest): void
}

const mostNames = 64
const mostCharacters = 200
/** Nobody may keep a name from the others for longer, s. */
const longestRest = 3_600
/** So many names may rest; of more, those that rest longest are forgotten first. */
const mostResting = 1_000

interface Wanted {
  readonly names: readonly string[]
  /** Null: the first that is offered. */
  readonly use: string | null
  /** Seconds by name. */
  readonly rest: Readonly<Record<string, number>>
}

export function createLeases(clock: Clock): Leases {
  const held = new Map<Child, Set<string>>()
  /** Ends of rests, monotonic ms. */
  const resting = new Map<string, number>()

  function usesOf(name: string): number {
    return [...held.values()].reduce((uses, names) => uses + (names.has(name) ? 1 : 0), 0)
  }

  function lease(child: Child, { names, use, rest }: Wanted): readonly LeaseOffer[] {
    const nowMs = clock.monotonicMs()
    for (const other of held.keys()) if (!other.isLive) held.delete(other)
    for (const [name, untilMs] of resting) if (untilMs <= nowMs) resting.delete(name)
    for (const [name, seconds] of Object.entries(rest)) {
      resting.delete(name)
      resting.set(name, nowMs + seconds * 1000)
    }
    for (const name of resting.keys()) {
      if (resting.size <= mostResting) break
      resting.delete(name)
    }
    // What it holds of the same names it gives back first: it is not in its own way.
    const own = held.get(child) ?? new Set()
    for (const name of names) own.delete(name)
    const offers = names
      .map((name) => ({ name, ready_in_seconds: Math.max(0, ((resting.get(name) ?? nowMs) - nowMs) / 1000) }))
      .map((offer) => ({ offer, uses: usesOf(offer.name) }))
      .sort((a, b) => a.offer.ready_in_seconds - b.offer.ready_in_seconds || a.uses - b.uses)
      .map(({ offer }) => offer)
    const chosen = use ?? offers[0]?.name
    if (chosen !== undefined) own.add(chosen)
    held.set(child, own)
    return offers
  }

  return {
    hear(child, { payload, answer, fail }) {
      const wanted = wantedOf(payload)
      if (typeof wanted === 'string') fail(runnerError('REQUEST_INVALID', `ctx.lease: ${wanted}`))
      else answer(lease(child, wanted) as unknown as Json)
    },
  }
}

/** A sentence for what is none. */
function wantedOf(payload: Json): Wanted | string {
  const { names, use = null, rest = {} }: JsonObject = isJsonObject(payload) ? payload : {}
  if (!Array.isArray(names) || names.length === 0 || names.length > mostNames)
    return `it takes a list of 1 to ${mostNames} names, and was given ${kindOf(names)}`
  const misfit = (names as readonly Json[]).find(
    (name) => typeof name !== 'string' || name === '' || name.length > mostCharacters,
  )
  if (misfit !== undefined)
    return `a name is a text of 1 to ${mostCharacters} characters, not ${kindOf(misfit)}`
  const known = [...new Set(names as readonly string[])]
  if (use !== null && !known.includes(use as string)) return `'use' is none of the names: ${shownValue(use)}`
  if (!isJsonObject(rest)) return `'rest' has seconds by name, and was given ${kindOf(rest)}`
  for (const [name, seconds] of Object.entries(rest)) {
    const fits = typeof seconds === 'number' && seconds >= 0 && seconds <= longestRest
    if (!known.includes(name) || !fits)
      return `'rest' is 0 to ${longestRest} s for one of the names: ${shownValue(name)} has ${shownValue(seconds)}`
  }
  return { names: known, use: use as string | null, rest: rest as Readonly<Record<string, number>> }
}
