/** The child's side of what it and its host say to each other. Made for the first word: most children never say one. */
import type { Json } from '../core/json.js'
import { errorFrom, RunnerError } from './error-detail.js'
import type { ChildWord, HostWord } from './messages.js'
import { toPlain } from './plain-data.js'

/** How many requests of one child may wait for their answers. */
export const maxOpenRequests = 32
/** What may travel with one request. */
export const requestCharacters = 1_048_576
/** How many messages of the host wait for a child that does not take them yet. */
const maxUntaken = 64

/** Takes what the host says under one kind. */
export type Take = (payload: Json) => void

export interface ChildTalk {
  /**
   * Asks the host. Rejects with the reason of an interrupt, unless it `outlasts` one: then the host answers soon. Never
   * settles once the child has ended.
   */
  request(kind: string, payload: unknown, outlasts?: boolean): Promise<Json>
  /** From now on `take` is handed what the host says under `kind`, and first what has waited for it. */
  onTold(kind: string, take: Take): void
  hear(word: HostWord): void
  interrupt(reason: unknown): void
  /** Nothing is said, heard or rejected any more. */
  end(): void
}

interface OpenRequest {
  readonly outlasts: boolean
  readonly resolve: (value: Json) => void
  readonly reject: (reason: unknown) => void
}

type Told = Extract<HostWord, { readonly type: 'tell' }>

export function createChildTalk(say: (word: ChildWord) => void): ChildTalk {
  const open = new Map<number, OpenRequest>()
  const takers = new Map<string, Take>()
  let untaken: Told[] = []
  let nextRequest = 1
  let interrupted: { readonly reason: unknown } | null = null
  let isOver = false

  function ask(kind: string, payload: unknown, settle: OpenRequest): void {
    if (isOver) return
    if (interrupted !== null && !settle.outlasts) return settle.reject(interrupted.reason)
    try {
      const plain = plainRequest(payload)
      if (open.size >= maxOpenRequests) {
        const message = `${open.size} requests of this child wait for an answer; it may have ${maxOpenRequests}`
        throw new RunnerError('REQUESTS_TOO_MANY', message)
      }
      const request = nextRequest++
      open.set(request, settle)
      say({ type: 'request', request, kind, payload: plain })
    } catch (error) {
      settle.reject(error)
    }
  }

  function deliver({ tell, payload }: Told, take: Take | undefined): void {
    say({ type: 'told', tell, taken: take !== undefined })
    take?.(payload)
  }

  function onTell(told: Told): void {
    const take = takers.get(told.kind)
    if (take !== undefined || untaken.length >= maxUntaken) deliver(told, take)
    else untaken.push(told)
  }

  return {
    request(kind, payload, outlasts = false) {
      const answer = new Promise<Json>((resolve, reject) => ask(kind, payload, { resolve, reject, outlasts }))
      // Who does not wait for the answer is not ended by a rejection that nobody took.
      answer.catch(() => undefined)
      return answer
    },
    onTold(kind, take) {
      if (isOver) return
      takers.set(kind, take)
      const waiting = untaken
      untaken = []
      for (const told of waiting) onTell(told)
    },
    hear(word): void {
      if (isOver) return
      if (word.type === 'tell') return onTell(word)
      const settle = open.get(word.request)
      open.delete(word.request)
      if (word.type === 'answer') settle?.resolve(word.value)
      else settle?.reject(errorFrom(word.error))
    },
    interrupt(reason) {
      if (isOver || interrupted !== null) return
      interrupted = { reason }
      for (const [request, { reject, outlasts }] of open) {
        if (outlasts) continue
        open.delete(request)
        reject(reason)
      }
    },
    end() {
      isOver = true
      open.clear()
      takers.clear()
      untaken = []
    },
  }
}

/** @throws {RunnerError} REQUEST_TOO_LARGE, REQUEST_NOT_PLAIN */
function plainRequest(payload: unknown): Json {
  try {
    return toPlain(payload, 'request', requestCharacters)
  } catch (error) {
    const { message, code } = error as Error & { readonly code?: unknown }
    throw new RunnerError(code === 'RESULT_TOO_LARGE' ? 'REQUEST_TOO_LARGE' : 'REQUEST_NOT_PLAIN', message)
  }
}
