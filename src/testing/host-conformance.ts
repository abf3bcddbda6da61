/**
 * The host conformance kit: proves of an adapter (the code between an agent and a delegator) that it neither loses,
 * doubles, splices nor misroutes. Run it with any test runner, or by hand.
 */
import { checkDrafts, type CheckDraft } from './host-checks.js'
import { ConformanceError, type Fault, type HostConformanceOptions } from './scene.js'

export { ConformanceError } from './scene.js'
export type { AdapterGiven, Fault, HostAdapter, HostConformanceOptions, ModelTurn } from './scene.js'

export interface HostCheck {
  readonly name: string
  /** Why it does not apply to this adapter; null: it does. */
  readonly skipped: string | null
  /** @throws {ConformanceError} that says what the adapter does wrong; what the adapter throws is passed on. */
  run(): Promise<void>
}

export interface HostCheckResult {
  readonly name: string
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly ms: number
  /** Of one that failed. */
  readonly fault: Fault | null
  /** What was wrong, or why it was skipped. */
  readonly message: string | null
}

export interface HostReport {
  readonly passed: boolean
  readonly checks: readonly HostCheckResult[]
  /** The same for people: one line per check. */
  readonly text: string
}

/** The checks, each with a world of its own, in no particular order: `for (const c of hostConformance({...})) test(c.name, c.run)`. */
export function hostConformance(options: HostConformanceOptions): readonly HostCheck[] {
  return checkDrafts.map((draft) => ({
    name: draft.name,
    skipped: reasonToSkip(draft, options),
    run: () => draft.run(options),
  }))
}

function reasonToSkip(draft: CheckDraft, { manySessions = true, resets = true }: HostConformanceOptions) {
  if (draft.isOfMany === true && !manySessions) return 'it has one conversation'
  return draft.isOfReset === true && !resets ? 'its sessions are never reset' : null
}

/** Runs all checks, one after the other, and never throws. */
export async function runHostConformance(options: HostConformanceOptions): Promise<HostReport> {
  const checks: HostCheckResult[] = []
  for (const check of hostConformance(options)) checks.push(await resultOf(check))
  const passed = checks.every(({ status }) => status !== 'failed')
  return { passed, checks, text: textOf(checks) }
}

async function resultOf({ name, skipped, run }: HostCheck): Promise<HostCheckResult> {
  if (skipped !== null) return { name, status: 'skipped', ms: 0, fault: null, message: skipped }
  const startMs = performance.now()
  const after = (): number => Math.round(performance.now() - startMs)
  try {
    await run()
    return { name, status: 'passed', ms: after(), fault: null, message: null }
  } catch (error) {
    const fault = error instanceof ConformanceError ? error.fault : 'breaks'
    return {
      name,
      status: 'failed',
      ms: after(),
      fault,
      message: error instanceof Error ? error.message : String(error),
    }
  }
}

function textOf(checks: readonly HostCheckResult[]): string {
  const count = (status: HostCheckResult['status']): number =>
    checks.filter((check) => check.status === status).length
  const icons = { passed: '✓', failed: '✗', skipped: '-' } as const
  const lines = checks.map(({ name, status, ms, message }) => {
    const end = status === 'passed' ? `${ms} ms` : (message ?? '')
    return `  ${icons[status]} ${name} (${end})`
  })
  const head = `host conformance: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
  return [head, ...lines].join('\n')
}
