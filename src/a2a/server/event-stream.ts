/** Server-sent events at the pace of their reader. */
import { once } from 'node:events'
import { formatSSEErrorEvent, formatSSEEvent, SSE_HEADERS } from '@a2a-js/sdk'
import type { Exchange } from './http-server.js'

/** So that nobody in between takes a quiet stream for a dead one, ms. */
const keepAliveMs = 15_000

/**
 * What fails before the first event is thrown, so that it can be answered as any error; what fails later is an event.
 * @param errorOf what is sent of an error
 */
export async function sendEvents(
  { response, signal }: Exchange,
  events: AsyncGenerator<unknown, void, undefined>,
  errorOf: (error: unknown) => unknown,
): Promise<void> {
  let next = await events.next()
  response.writeHead(200, SSE_HEADERS)
  const keepAlive = setInterval(() => response.write(': still here\n\n'), keepAliveMs)
  try {
    while (next.done !== true) {
      if (!response.write(formatSSEEvent(next.value))) await once(response, 'drain', { signal })
      next = await events.next()
    }
  } catch (error) {
    if (!signal.aborted) response.write(formatSSEErrorEvent(errorOf(error)))
  } finally {
    clearInterval(keepAlive)
    await events.return()
    response.end()
  }
}
