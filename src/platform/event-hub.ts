/** Who listens to a workspace (P25). Live only: what happened stands in the lists of activities and delegations. */
import type { Clock } from '../index.js'
import type { JsonObject } from '../runner.js'
import { isoTime } from './workspaces.js'

export type PlatformEvent =
  | 'ACTIVITY_LOGGED'
  | 'AGENT_CARD_UPDATED'
  | 'AGENT_MESSAGE'
  | 'DELEGATION_COMPLETE'
  | 'DELEGATION_FAILED'
  | 'DELEGATION_SENT'
  | 'DELEGATION_STATUS'
  | 'WORKSPACE_OFFLINE'
  | 'WORKSPACE_ONLINE'

export interface EventHub {
  tell(workspaceId: string, event: PlatformEvent, payload: JsonObject): void
  /** Server-sent events. Null where too many listen already. */
  stream(workspaceId: string): ReadableStream<Uint8Array> | null
  close(): void
}

type Listener = ReadableStreamDefaultController<Uint8Array>

const mostListeners = 32
/** Of events that a listener has not taken; then it is let go, and comes back to lists that are whole. */
const mostWaiting = 1_000
const beatMs = 15_000

export function createEventHub(clock: Clock): EventHub {
  const listeners = new Map<string, Set<Listener>>()
  const encoder = new TextEncoder()
  let isClosed = false
  let stopBeat = clock.after(beatMs, beat)

  function send(id: string, to: Iterable<Listener>, text: string): void {
    const bytes = encoder.encode(text)
    for (const listener of [...to]) {
      if ((listener.desiredSize ?? 0) > 0) listener.enqueue(bytes)
      else {
        remove(id, listener)
        listener.error(new Error('too many events wait'))
      }
    }
  }

  function remove(id: string, listener: Listener): void {
    const own = listeners.get(id)
    own?.delete(listener)
    if (own?.size === 0) listeners.delete(id)
  }

  /** So that a connection that is gone is found out. */
  function beat(): void {
    for (const [id, own] of listeners) send(id, own, ': \n\n')
    if (!isClosed) stopBeat = clock.after(beatMs, beat)
  }

  return {
    tell(workspaceId, event, payload) {
      const own = listeners.get(workspaceId)
      if (own === undefined) return
      const message = { event, workspace_id: workspaceId, timestamp: isoTime(clock.now()), payload }
      send(workspaceId, own, `event: ${event}\ndata: ${JSON.stringify(message)}\n\n`)
    },
    stream(workspaceId) {
      const own = listeners.get(workspaceId) ?? new Set<Listener>()
      if (isClosed || own.size >= mostListeners) return null
      let listener: Listener
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            listener = controller
            listeners.set(workspaceId, own.add(controller))
            controller.enqueue(encoder.encode(': connected\n\n'))
          },
          cancel: () => remove(workspaceId, listener),
        },
        new CountQueuingStrategy({ highWaterMark: mostWaiting }),
      )
    },
    close() {
      isClosed = true
      stopBeat()
      for (const own of listeners.values()) for (const listener of own) listener.close()
      listeners.clear()
    },
  }
}
