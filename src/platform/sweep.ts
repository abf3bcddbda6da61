/** What nobody asks for: overdue delegations, silent workspaces, expired messages, and what an ended process left. */
import type { Parts } from './context.js'

/** Looks at once, and from then on every `sweepMs`. Returns what stops it. */
export function startSweep(parts: Parts): () => void {
  const { workspaces, delegations, messages, activities, hub, desk, courier, options } = parts
  const { clock, onFault } = options
  const startedMs = clock.monotonicMs()
  let stop = (): void => undefined

  function sweep(): void {
    const now = clock.now()
    for (const id of workspaces.expire(now - options.heartbeatTimeoutMs / 1000))
      hub.tell(id, 'WORKSPACE_OFFLINE', {})
    // First the deadline, then what waits: of an overdue delegation nothing is left to send (P47).
    for (const row of delegations.overdue()) {
      desk.move(row, 'failed', { error: 'deadline exceeded by sweeper' })
      for (const message of messages.ofDelegation(row.caller_id, row.delegation_id))
        if (message.status === 'queued') courier.drop(message, 'deadline exceeded by sweeper')
    }
    for (const row of messages.expired()) courier.drop(row, 'it waited in the queue until it expired')
    // A platform that has just started has heard nobody yet.
    if (clock.monotonicMs() - startedMs > options.stuckMs)
      for (const row of delegations.silent(now - options.stuckMs / 1000)) desk.move(row, 'stuck')
    courier.recover()
    const kept = now - options.retentionMs / 1000
    activities.prune(kept)
    messages.prune(kept)
    delegations.prune(kept)
    for (const target of messages.targetsWaiting()) courier.pump(target)
  }

  function run(): void {
    try {
      sweep()
    } catch (error) {
      onFault(error)
    }
    stop = clock.after(options.sweepMs, run)
  }

  run()
  return () => stop()
}
