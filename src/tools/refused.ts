import type { JsonObject } from '../runner.js'
import { ownLiveUnits } from './own-units.js'
import { shownText } from './shown-results.js'
import { ToolProblem, type ToolHost } from './tool-spec.js'

const noRetryNote =
  'Nothing was started. Do not retry in a loop: no slot gets free while you go on calling. Do this work yourself, or tell ' +
  'the user, and end your turn; a slot is free when a running delegation has reported.'
const noRetryBelowNote =
  'Nothing was started. Do not retry in a loop: do this work yourself, or leave it, and say so in your answer.'
const goalCharacters = 200

/**
 * A refusal, as the model may see it: what others do with their slots is theirs, and settings of the host are not the
 * model's to change.
 */
export async function refused(
  error: string,
  refusal: JsonObject | undefined,
  host: ToolHost,
): Promise<ToolProblem> {
  const note = host.child === null ? noRetryNote : noRetryBelowNote
  // What follows the first sentence tells the host how to raise its limit.
  const [what = error] = /^.*?\.(?=\s|$)/s.exec(error) ?? []
  if (refusal === undefined) return new ToolProblem(shownText(error), { status: 'rejected', note })
  const { holders: given, code, limit, inUse, scope, counter, wanted, spent } = refusal
  const facts = { code, limit, inUse, scope, counter, wanted, spent }
  const known = Object.entries(facts).filter(([, value]) => value !== undefined)
  const holders = Array.isArray(given) ? (given as readonly JsonObject[]) : []
  const own = new Set((await ownLiveUnits(host)).map(({ delegation_id }) => delegation_id))
  const shown = holders.filter(({ delegation_id: id }) => own.has(id as string))
  return new ToolProblem(shownText(what), {
    status: 'rejected',
    refusal: {
      ...Object.fromEntries(known),
      holders: shown.map(({ goal, ...holder }) => ({
        ...holder,
        goal: typeof goal === 'string' ? shownText(goal).slice(0, goalCharacters) : null,
      })),
      other_holders: holders.length - shown.length,
    },
    note,
  })
}
