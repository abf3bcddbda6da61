import type { Completion, Completions } from '../index.js'
import { completionText } from './completion-text.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, handOver } from './render.js'
import { selectionOf, type SelectionOptions } from './selection.js'
import { onStopSignal } from './stop-signals.js'
import { UsageError } from './usage-error.js'

/** Options of `drain`, as commander hands them over. */
export interface DrainOptions extends CommandOptions, SelectionOptions {
  readonly follow?: boolean
  readonly limit?: number
  /** False: read without claiming. */
  readonly ack: boolean
}

type Selection = ReturnType<typeof selectionOf>

const pageSize = 100

/**
 * Takes completions over and prints them. One is acknowledged once its line was written; what nobody reads any more
 * goes back. Being stopped is how a follower ends: that is no failure.
 */
export async function drain(options: DrainOptions): Promise<number> {
  const { follow = false, ack, limit = Infinity } = options
  const selection = selectionOf(options)
  if (follow && !ack)
    throw new UsageError('--follow takes completions over, and --no-ack takes none: give one')
  const opened = await openDelegator(options)
  const { completions } = opened.delegator
  const over = new AbortController()
  const signals = onStopSignal(() => over.abort())
  try {
    if (!ack) await show(completions, selection, options)
    else {
      const claim = { ...selection, leaseSeconds: opened.config.leaseSeconds, signal: over.signal }
      await take(follow ? completions.follow(claim) : available(completions, claim), limit, options.json)
    }
    return follow ? exitCodes.ok : (signals.code ?? exitCodes.ok)
  } finally {
    await opened.close()
    signals.release()
  }
}

async function take(
  source: AsyncIterable<Completion>,
  limit: number,
  json: boolean | undefined,
): Promise<void> {
  let count = 0
  for await (const completion of source) {
    if (!(await handOver(completionText(completion.event, json)))) {
      await completion.defer(0)
      return
    }
    await completion.ack()
    count += 1
    if (count >= limit) return
  }
}

/** What there is now. One at a time: what is not printed was not claimed either. */
async function* available(
  completions: Completions,
  { signal, ...claim }: Selection & { readonly leaseSeconds: number; readonly signal: AbortSignal },
): AsyncGenerator<Completion, void, undefined> {
  while (!signal.aborted) {
    const [completion] = await completions.claim({ ...claim, limit: 1 })
    if (completion === undefined) return
    yield completion
  }
}

async function show(completions: Completions, selection: Selection, options: DrainOptions): Promise<void> {
  const states = ['pending'] as const
  let left = options.limit ?? Infinity
  let afterSeq = 0
  while (left > 0) {
    const page = await completions.read({ ...selection, states, afterSeq, limit: Math.min(left, pageSize) })
    for (const { event } of page) {
      if (!(await handOver(completionText(event, options.json)))) return
    }
    if (page.length < pageSize) return
    left -= page.length
    afterSeq = page.at(-1)?.seq ?? afterSeq
  }
}
