/** One request of a client: whether it still wants the answer, and what it is told meanwhile. */
import type { Delegator } from '../index.js'
import { shownText } from '../tools/tools.js'
import type { ServerContext } from '@modelcontextprotocol/server'

/** What becomes of something that an answer hands over. */
interface Verdict {
  taken(): Promise<unknown>
  lost(): Promise<unknown>
}

export interface CallScope {
  /** Aborted when the request was cancelled, or its client is gone. */
  readonly signal: AbortSignal
  /** Calls the one or the other once the answer is on its way, or turns out not to be wanted any more. */
  onAnswered(verdict: Verdict): void
  /** Tells the client how a unit goes, if it asked for that. Returns the way to stop it. */
  follow(delegator: Delegator, id: string): () => void
}

/** Clients that give up after a minute of silence take a sign of life for progress. */
const signOfLifeMs = 15_000
const shownCharacters = 200

type Request = Pick<ServerContext, 'mcpReq' | 'http'>

/** Works out the answer to one request. */
export async function answering<T>(request: Request, work: (scope: CallScope) => Promise<T>): Promise<T> {
  const verdicts: Verdict[] = []
  const { mcpReq, http } = request
  // Older revisions do not take a lost connection for a cancellation; the answer is not wanted all the same.
  const signal = http?.req === undefined ? mcpReq.signal : AbortSignal.any([mcpReq.signal, http.req.signal])
  let isAnswered = false
  try {
    const answer = await work(scopeOf(mcpReq, signal, verdicts))
    // A transport that is closed once it has answered aborts the signal as well: this is the last moment to ask.
    isAnswered = !signal.aborted
    return answer
  } finally {
    if (verdicts.length > 0) deliver(verdicts, isAnswered)
  }
}

/**
 * By the next turn of the loop the answer has been handed to the transport. A verdict that fails is no loss: the completion
 * comes once more.
 */
function deliver(verdicts: readonly Verdict[], isAnswered: boolean): void {
  setImmediate(() => {
    for (const { taken, lost } of verdicts) void (isAnswered ? taken() : lost()).catch(() => undefined)
  })
}

function scopeOf(mcpReq: Request['mcpReq'], signal: AbortSignal, verdicts: Verdict[]): CallScope {
  return {
    signal,
    onAnswered: (verdict) => void verdicts.push(verdict),
    follow(delegator, id) {
      const progressToken = mcpReq._meta?.progressToken
      if (progressToken === undefined) return () => undefined
      let progress = 0
      return followUnit(delegator, id, (message) => {
        progress += 1
        const params = { progressToken, progress, message }
        void mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined)
      })
    },
  }
}

function followUnit(delegator: Delegator, id: string, tell: (message: string) => void): () => void {
  const told = (task: number, text: string): void =>
    tell(shownText(`task ${task + 1}: ${text}`).slice(0, shownCharacters))
  const stop = delegator.events.onAny((event) => {
    if (event.type === 'child' && event.payload.delegation_id === id)
      told(event.payload.task_index, event.payload.state)
    if (event.type === 'progress' && event.payload.delegation_id === id) {
      const { task_index: task, lines, progress } = event.payload
      told(task, lines.at(-1) ?? (progress === null ? 'running' : JSON.stringify(progress)))
    }
  })
  const timer = setInterval(() => tell('still running'), signOfLifeMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    stop()
  }
}

/** Resolves with `work`, or rejects as soon as nobody wants its answer any more; `work` itself goes on. */
export async function whileWanted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new Error('the request was cancelled')
  let forget = (): void => undefined
  const unwanted = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => reject(new Error('the request was cancelled'))
    signal.addEventListener('abort', onAbort)
    forget = () => signal.removeEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([work, unwanted])
  } finally {
    forget()
  }
}
