/** What of a long summary enters the parent's context. Pure. */

/** Characters a child's summary may have, and all summaries of a unit together; 0 for no bound. */
export interface SummaryBudget {
  readonly childCharacters: number
  readonly unitCharacters: number
}

export const defaultSummaryBudget: SummaryBudget = { childCharacters: 8_000, unitCharacters: 48_000 }

/** What is less than this says nothing, characters: the line that says where the whole is takes half of it. */
export const leastShare = 400

/**
 * Each child's share, at least `leastShare` unless a child may have less anyway: a unit of more children than that allows
 * goes over its bound by that much. What one saves is not another one's to spend, so that nothing depends on who ends first. */
export function shareOfBudget(
  { childCharacters, unitCharacters }: SummaryBudget,
  childCount: number,
): number {
  if (unitCharacters === 0) return childCharacters
  const share = Math.max(leastShare, Math.floor(unitCharacters / Math.max(1, childCount)))
  return childCharacters === 0 ? share : Math.min(childCharacters, share)
}

/** Splits `total` fairly: nobody gets more than it needs, and what the modest leave goes to the others. */
export function fairShares(needs: readonly number[], total: number): readonly number[] {
  const shares = new Array<number>(needs.length).fill(0)
  const order = needs.map((need, position) => ({ need, position })).sort((a, b) => a.need - b.need)
  let left = total
  for (const [done, { need, position }] of order.entries()) {
    const share = Math.min(need, Math.floor(left / (order.length - done)))
    shares[position] = share
    left -= share
  }
  return shares
}

/** Two thirds for the beginning, the rest for the end: a conclusion stands at either. */
const headShare = 2 / 3
/** A cut moves at most this share of its part to find the end of a line. */
const borderShare = 0.2

/**
 * The head and the tail of `text`, cut at line borders, with a line between them that says where the whole is; all of it
 * no longer than `characters`, unless that line alone is.
 */
export function headAndTail(text: string, characters: number, wholeIn: string): string {
  if (text.length <= characters) return text
  const note = (missing: number): string =>
    `\n[${missing} of ${text.length} characters are left out here; the whole text: ${wholeIn}]\n`
  const room = Math.max(0, characters - note(text.length).length)
  const head = headOf(text, Math.floor(room * headShare))
  const tail = tailOf(text, room - Math.floor(room * headShare))
  return head + note(text.length - head.length - tail.length) + tail
}

function headOf(text: string, characters: number): string {
  const cut = text.slice(0, characters)
  const border = cut.lastIndexOf('\n')
  return border >= characters * (1 - borderShare) ? cut.slice(0, border) : withoutHalf(cut)
}

function tailOf(text: string, characters: number): string {
  const cut = characters === 0 ? '' : text.slice(-characters)
  const border = cut.indexOf('\n')
  if (border >= 0 && border <= characters * borderShare) return cut.slice(border + 1)
  return /^[\uDC00-\uDFFF]/.test(cut) ? cut.slice(1) : cut
}

/** A cut may have split a character in two: then its first half goes with the second. */
export function withoutHalf(cut: string): string {
  return cut.length > 1 && /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
}
