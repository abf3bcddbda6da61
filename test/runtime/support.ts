import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  createDelegator,
  memoryLedger,
  moduleRunner,
  type AsyncDelegationEvent,
  type Clock,
  type Delegator,
  type DelegatorEventMap,
  type DelegatorOptions,
  type Dispatched,
  type Ledger,
  type ModuleRunnerOptions,
  type Rejected,
  type Runner,
  type RunnerReference,
} from '../../src/index.js'

/** A delegator that is closed when the test ends. Its grace is short, so that a deaf child costs a test little. */
export async function open(options: DelegatorOptions = {}): Promise<Delegator> {
  const delegator = await createDelegator({ interruptGraceMs: 200, ...options })
  onTestFinished(() => delegator.close({ graceMs: 0 }))
  return delegator
}

/** The same, with its ledger at hand. */
export async function openWithLedger(
  options: DelegatorOptions = {},
): Promise<{ delegator: Delegator; ledger: Ledger }> {
  let ledger: Ledger | null = null
  const delegator = await open({ ledger: (given) => (ledger = memoryLedger(given)), ...options })
  return { delegator, ledger: ledger! }
}

const fixtures = new URL('../fixtures/runtime/', import.meta.url)
export const fixtureUrl = (name: string): URL => new URL(name, fixtures)

/** A runner of test/fixtures/runtime, in a thread. */
export function fixture(
  name: string,
  options: ModuleRunnerOptions = {},
  file = 'runners.js',
): RunnerReference {
  return moduleRunner(fixtureUrl(file), { export: name, ...options })
}

export const faulty = (name: string, options: ModuleRunnerOptions = {}): RunnerReference =>
  fixture(name, options, 'faulty.js')

/** A plain function that runs until it is interrupted. */
export const polite: Runner = async (task, { signal }) => {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  return { status: 'interrupted', summary: `half of ${task.goal}` }
}

export const quick: Runner = (task) => ({ summary: `did ${task.goal}` })

export interface Gate<T = void> {
  readonly promise: Promise<T>
  open(value: T): void
}

/** A promise that the test resolves. */
export function gate<T = void>(): Gate<T> {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, open: (value) => resolve(value) }
}

/** The id of a dispatch that was admitted. */
export function idOf(outcome: Dispatched | Rejected): string {
  if (outcome.status === 'rejected') throw new Error(`it was refused: ${outcome.error}`)
  return outcome.delegationId
}

export function refused(outcome: Dispatched | Rejected): Rejected {
  if (outcome.status === 'dispatched') throw new Error(`it was admitted: ${outcome.delegationId}`)
  return outcome
}

/** Resolves with the next event of that name that fits. Call it before what causes the event. */
export function next<Name extends keyof DelegatorEventMap>(
  delegator: Delegator,
  name: Name,
  fits: (payload: DelegatorEventMap[Name][0]) => boolean = () => true,
): Promise<DelegatorEventMap[Name][0]> {
  return new Promise((resolve) => {
    const listener = (...[payload]: DelegatorEventMap[Name]): void => {
      if (!fits(payload)) return
      delegator.events.off(name, listener)
      resolve(payload)
    }
    delegator.events.on(name, listener)
  })
}

/** Resolves once child `index` of any unit has been called in its thread. */
export const childRuns = (delegator: Delegator, index = 0): Promise<unknown> =>
  next(delegator, 'child', ({ state, task_index }) => state === 'running' && task_index === index)

/** All final events that are told, in order. */
export function completionsOf(delegator: Delegator): AsyncDelegationEvent[] {
  const seen: AsyncDelegationEvent[] = []
  delegator.events.on('completion', (event) => void seen.push(event))
  return seen
}

/** Resolves when `holds` does; looks again after each change of the ledger. */
export async function until(ledger: Ledger, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (;;) {
    let stop = (): void => undefined
    // Subscribed before it is looked, so that no change falls between the two.
    const changed = new Promise<void>((resolve) => (stop = ledger.subscribe(resolve)))
    const isTrue = await holds()
    if (!isTrue) await changed
    stop()
    if (isTrue) return
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hermes-runtime-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A file that a child waits for; `open` writes it. */
export function fileGate(): { readonly path: string; open(): void } {
  const path = join(temporaryFolder(), 'open')
  return { path, open: () => writeFileSync(path, '') }
}

/** Time in the test's hand. */
export function manualClock(): Clock & { advance(ms: number): void } {
  let nowMs = 0
  const timers = new Set<{ readonly at: number; readonly fn: () => void }>()
  return {
    now: () => 1_700_000_000 + nowMs / 1000,
    monotonicMs: () => nowMs,
    after(ms, fn) {
      const timer = { at: nowMs + ms, fn }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    advance(ms) {
      nowMs += ms
      for (const timer of [...timers].filter(({ at }) => at <= nowMs).sort((a, b) => a.at - b.at)) {
        if (timers.delete(timer)) timer.fn()
      }
    },
  }
}

/** The code of the DelegationError that `promise` is rejected with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return (error as { code?: unknown }).code ?? error
  }
  return 'it was not rejected'
}
