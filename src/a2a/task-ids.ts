const longestId = 1_000

/** Ids are kept in checkpoints, results and memory, and sent back: a peer's choice of them is bounded. */
export function mayBeId(id: unknown): boolean {
  return id === undefined || id === null || (typeof id === 'string' && id.length <= longestId)
}
