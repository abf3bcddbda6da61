/** The dialect as a runner: a delegation to a workspace is a unit of the ledger, and outlives its process. */
import { DelegationError, type RunnerReference } from '../index.js'
import type { JsonObject } from '../runner.js'
import { readSettings, type MoleculeConnection } from './settings.js'

/** Plain data; tokens go in as names of variables. */
export interface MoleculeRunnerOptions extends MoleculeConnection {
  /** The workspace that is to do the task. */
  readonly target: string
  /** Which of `workspaces` sends. @defaultValue the first */
  readonly source?: string
  /**
   * `platform`: the platform sends and keeps it, and a repeated dispatch of the same child starts nothing twice. `proxy`
   * and `direct`: the child sends it itself, through the platform or to the peer's own address. @defaultValue 'platform'
   */
  readonly route?: 'platform' | 'proxy' | 'direct'
}

const childUrl = new URL('./molecule-child.js', import.meta.url).href

/**
 * Children that wait for a workspace of a Molecule platform: many of them in one thread. When their host dies, another one
 * that adopts goes on with those that the platform runs; those that were sent by the child itself are reported `unknown`.
 * Let them be adopted only where the peer does nothing twice for one `messageId`.
 * @throws {DelegationError} RUNNER_INVALID with a line for each problem.
 */
export function moleculeRunner(
  options: MoleculeRunnerOptions,
  reference: Pick<RunnerReference, 'placement' | 'onOwnerDeath'> = {},
): RunnerReference {
  const settings = readSettings(options, process.env)
  const problems = 'problems' in settings ? [...settings.problems] : []
  const { target, source } = options
  if (typeof target !== 'string' || target.trim() === '')
    problems.push('target: expected the id of a workspace, got none')
  if (!('problems' in settings)) {
    const ids = settings.workspaces.map(({ id }) => id)
    if (source !== undefined && !ids.includes(source))
      problems.push(`source: expected one of ${ids.join(', ')}, got ${source}`)
    if (target === (source ?? ids[0])) problems.push('target: expected another workspace, got the own one')
  }
  if (problems.length > 0) throw new DelegationError('RUNNER_INVALID', { problems })
  return {
    url: childUrl,
    export: 'runMolecule',
    name: 'molecule',
    options: options as unknown as JsonObject,
    placement: 'shared',
    // A queue at a peer may be silent for hours.
    reportsProgress: false,
    // A key that the platform knows starts nothing twice; a peer may do twice what it gets twice.
    onOwnerDeath: (options.route ?? 'platform') === 'platform' ? 'adopt' : 'unknown',
    ...reference,
  }
}

/** True for what `moleculeRunner` made. */
export function isMoleculeRunner({ url, export: name }: RunnerReference): boolean {
  return name === 'runMolecule' && url === childUrl
}
