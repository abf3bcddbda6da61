/** A workspace of a Molecule platform as a runner, as it is written in the file. */
import * as z from 'zod'
import { DelegationError } from '../index.js'
import type { MoleculeRunnerOptions } from '../molecule/molecule.js'
import type { JsonObject } from '../runner.js'
import { agentProblem, camelCased } from './configured-agent.js'
import { problemLines } from './problems.js'

const words = (expected: string) => z.string(expected).min(1, expected)
const seconds = z.number('a number of seconds').optional()
const workspaceId = 'the id of a workspace'

const shape = z.strictObject({
  target: words(workspaceId),
  source: words(workspaceId).optional(),
  route: z.enum(['platform', 'proxy', 'direct'], 'one of platform, proxy, direct').optional(),
  platform_url: words('a URL of http or https').optional(),
  workspaces: z
    .array(
      z.strictObject(
        { id: words(workspaceId), token_env: words('the name of an environment variable').optional() },
        'a mapping of id and token_env',
      ),
      'a list of workspaces',
    )
    .optional(),
  retry_attempts: z.number('a whole number').optional(),
  retry_delay_seconds: seconds,
  timeout_seconds: seconds,
  poll_seconds: seconds,
})

/** What the maker takes; it checks the numbers. @throws {DelegationError} RUNNER_INVALID */
export function moleculeOptions(given: JsonObject): MoleculeRunnerOptions {
  const result = shape.safeParse(given)
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => shapeProblems(given, issue))
    throw new DelegationError('RUNNER_INVALID', { problems })
  }
  const { workspaces, ...rest } = result.data
  const own = workspaces?.map((each) => camelCased(each))
  const options: JsonObject = {
    ...camelCased(rest),
    ...(own !== undefined && { workspaces: own }),
  }
  return options as unknown as MoleculeRunnerOptions
}

function shapeProblems(given: JsonObject, issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code !== 'unrecognized_keys') return problemLines(given, [issue])
  const known = issue.path.length === 0 ? Object.keys(shape.shape).join(', ') : 'id, token_env'
  return issue.keys.map((key) => {
    // A key in the maker's own spelling stays as it was written.
    const path = [...issue.path, /[A-Z]/.test(key) ? `_${key}` : key].map(String).join('.')
    return `${path}: unknown key; known here: ${known}`
  })
}

/** A problem of the maker with its key as it is written in the file; a variable of the environment keeps its name. */
export function moleculeProblem(problem: string): string {
  return /^[A-Z_]+:/.test(problem) ? problem : agentProblem(problem)
}
