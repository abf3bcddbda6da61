/** The host's side of what it and one child say to each other, in whatever the child runs. */
import type { Json } from '../core/json.js'
import { maxOpenRequests } from './child-talk.js'
import { runnerError } from './error-detail.js'
import type { ChildObserver } from './executor.js'
import type { ChildWord, HostWord } from './messages.js'

export interface HostTalk {
  /** See `ChildRun`. */
  tell(kind: string, payload: Json, onTaken: (taken: boolean) => void): void
  hear(word: ChildWord): void
  /** The child's runner is called: what waited for that goes out. */
  start(): void
  /** The child has ended: its requests are forgotten, and answers to them are dropped. */
  end(): void
}

/** `send` is not called before the child has started, nor after its end. */
export function createHostTalk(
  observer: ChildObserver,
  send: (word: HostWord) => void,
  hasStarted: boolean,
): HostTalk {
  const open = new Set<number>()
  const untaken = new Map<number, (taken: boolean) => void>()
  let unsent: HostWord[] | null = hasStarted ? null : []
  let nextTell = 1
  let isOver = false

  function settle(request: number, word: HostWord): void {
    if (open.delete(request)) send(word)
  }

  function onRequest(request: number, kind: string, payload: Json): void {
    // One in a thread keeps its own bound; one in a process may be hostile.
    if (open.size >= maxOpenRequests) {
      const error = runnerError('REQUESTS_TOO_MANY', `a child may have ${maxOpenRequests} requests open`)
      return send({ type: 'fail', request, error })
    }
    open.add(request)
    observer.onRequest({
      kind,
      payload,
      answer: (value) => settle(request, { type: 'answer', request, value }),
      fail: (error) => settle(request, { type: 'fail', request, error }),
    })
  }

  return {
    tell(kind, payload, onTaken): void {
      if (isOver) return onTaken(false)
      const tell = nextTell++
      const word = { type: 'tell', tell, kind, payload } as const
      untaken.set(tell, onTaken)
      if (unsent === null) send(word)
      else unsent.push(word)
    },
    hear(word): void {
      if (isOver) return
      if (word.type === 'request') return onRequest(word.request, word.kind, word.payload)
      const onTaken = untaken.get(word.tell)
      untaken.delete(word.tell)
      onTaken?.(word.taken)
    },
    start() {
      const waiting = unsent ?? []
      unsent = null
      for (const word of waiting) send(word)
    },
    end() {
      isOver = true
      open.clear()
      for (const onTaken of untaken.values()) onTaken(false)
      untaken.clear()
    },
  }
}
