/** Which thread takes a child: pure, so that the queue may ask before the balancer does. */

/** What the choice depends on. */
export interface ThreadStanding {
  /** Runner and session of its children; null while it is new. */
  readonly affinity: string | null
  readonly children: { readonly size: number }
  /** Not null once it takes no more children. */
  readonly leaving: string | null
}

/** For shared children: the thread with the fewest. Null while every one is busy and one more may be started. */
export function leastBusy<Thread extends ThreadStanding>(
  candidates: Iterable<Thread>,
  mayGrow: () => boolean,
): Thread | null {
  let best: Thread | null = null
  for (const thread of candidates) {
    if (thread.leaving !== null) continue
    if (best === null || thread.children.size < best.children.size) best = thread
  }
  return best !== null && best.children.size > 0 && mayGrow() ? null : best
}

/** For shared children that want to be together: where the others of that word are. Null where there are none. */
export function threadOfGroup<
  Thread extends Pick<ThreadStanding, 'leaving'> & { readonly groups: ReadonlyMap<string, number> },
>(candidates: readonly Thread[], word: string | undefined): Thread | null {
  if (word === undefined) return null
  return candidates.find(({ groups, leaving }) => leaving === null && groups.has(word)) ?? null
}

/** For an isolated child: an idle thread of its own runner and session, else an unused one (T1 of thread-pool.ts). */
export function ownThread<Thread extends ThreadStanding>(
  child: { readonly affinity: string },
  candidates: Iterable<Thread>,
): Thread | null {
  let unused: Thread | null = null
  for (const thread of candidates) {
    if (thread.leaving !== null || thread.children.size > 0) continue
    if (thread.affinity === child.affinity) return thread
    if (thread.affinity === null) unused ??= thread
  }
  return unused
}
