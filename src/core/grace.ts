/** How long before the end of a grace what is below a child is stopped for good; of a short one, half of it, ms. */
const lastMomentsMs = 1_000

/**
 * The grace of what a child has started: its processes, and the units below it. A little is left to the child itself, so
 * that it can still return what they came to (P5).
 */
export function graceBelow(graceMs: number): number {
  return Math.max(graceMs / 2, graceMs - lastMomentsMs)
}
