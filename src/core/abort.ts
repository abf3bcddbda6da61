/** A controller that aborts with `parent`, and lets go of it on its own abort: nothing accumulates on a long-lived parent. */
export function linkAbort(parent: AbortSignal): AbortController {
  const child = new AbortController()
  if (parent.aborted) child.abort(parent.reason)
  else
    parent.addEventListener('abort', () => child.abort(parent.reason), { once: true, signal: child.signal })
  return child
}
