import { isSuccess } from './delegation.js'

/**
 * R35, to the letter: `error` if and only if there are results and every entry's status is neither `completed`
 * nor `success`; otherwise `completed`. An entry without a status has not succeeded.
 */
export function joinStatus(results: readonly { readonly status?: unknown }[]): 'completed' | 'error' {
  return results.length > 0 && results.every((entry) => !isSuccess(entry.status)) ? 'error' : 'completed'
}

const labelGoalCharacters = 40

/** R33: the single goal itself, else `<n> parallel subagents: ` and each goal, cut to 40 characters, joined by `; `. */
export function batchLabel(goals: readonly string[]): string {
  if (goals.length === 1) return goals[0] ?? ''
  // No character is longer than two code units: the rest of a long goal is not looked at.
  const cut = goals.map((goal) =>
    Array.from(goal.slice(0, 2 * labelGoalCharacters))
      .slice(0, labelGoalCharacters)
      .join(''),
  )
  return `${goals.length} parallel subagents: ${cut.join('; ')}`
}
