/** P5: who may talk to whom. Pure over one look-up, so that no other rule can hide anywhere. */
export type ParentOf = (id: string) => string | null | undefined

const mostLevels = 32

/**
 * The same, siblings (two roots are), or ancestor and descendant. `parentOf` answers null for a root, undefined for an
 * unknown workspace, which may talk to nobody.
 */
export function canCommunicate(a: string, b: string, parentOf: ParentOf): boolean {
  const parentA = parentOf(a)
  const parentB = parentOf(b)
  if (parentA === undefined || parentB === undefined) return false
  return a === b || parentA === parentB || isBelow(a, b, parentOf) || isBelow(b, a, parentOf)
}

export function isBelow(id: string, ancestor: string, parentOf: ParentOf): boolean {
  let at = parentOf(id)
  for (let level = 0; level < mostLevels && typeof at === 'string'; level += 1) {
    if (at === ancestor) return true
    at = parentOf(at)
  }
  return false
}
