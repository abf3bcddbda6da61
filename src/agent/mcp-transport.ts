/** The Model Context Protocol over the standard streams of a process on the child's lifeline. */
import {
  ReadBuffer,
  serializeMessage,
  type JSONRPCMessage,
  type Transport,
} from '@modelcontextprotocol/client'
import type { SpawnedProcess } from '../runner.js'
import { pause } from './abort-scope.js'
import { headOf } from './bounded-text.js'

/** The longest message, bytes. */
const messageBytes = 8_000_000
/** For how long a server that was let go is waited for, ms. */
const endMs = 1_000
const wordsCharacters = 500
/** What tells an error from a stack, or from what a program says of itself after it. */
const errorWords = /error|exception|fatal|cannot|denied|missing|not found/i
/** Of a longer line of the standard error only the beginning is told. */
const lineCharacters = 10_000

export interface McpTransport extends Transport {
  /**
   * What the server wrote to its standard error, once it ended, or did not within a second: the first line that looks like an
   * error, else the last. Empty for nothing.
   */
  complaint(): Promise<string>
}

/** `onErrorLine` gets what the server writes to its standard error. */
export function createMcpTransport(
  start: () => SpawnedProcess,
  onErrorLine: (line: string) => void,
): McpTransport {
  let error = ''
  let lastLine = ''
  let unended = ''
  const buffer = new ReadBuffer({ maxBufferSize: messageBytes })
  let server: SpawnedProcess | null = null

  function read(chunk: Buffer): void {
    try {
      buffer.append(chunk)
    } catch (error) {
      // Longer than any message may be: nobody knows where the next one begins.
      transport.onerror?.(error as Error)
      server?.signal('SIGKILL')
      return
    }
    while (readOne());
  }

  /** False: there is no whole line. One that is no message is passed over. */
  function readOne(): boolean {
    try {
      const message = buffer.readMessage()
      if (message === null) return false
      transport.onmessage?.(message)
    } catch (error) {
      transport.onerror?.(error as Error)
    }
    return true
  }

  function hear(line: string): void {
    if (line.trim() === '') return
    lastLine = headOf(line, wordsCharacters)
    if (error === '' && errorWords.test(line)) error = lastLine
    onErrorLine(line)
  }

  const transport: McpTransport = {
    start() {
      server = start()
      server.stdout.on('data', read)
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        const lines = `${unended}${text}`.split('\n')
        unended = (lines.pop() ?? '').slice(0, lineCharacters)
        for (const line of lines) hear(line.slice(0, lineCharacters))
      })
      void server.ended.then(() => {
        hear(unended)
        transport.onclose?.()
      })
      return Promise.resolve()
    },
    send(message: JSONRPCMessage) {
      return new Promise((resolve, reject) => {
        if (!server?.stdin?.writable) return reject(new Error('the server has ended'))
        server.stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()))
      })
    },
    async close() {
      // End of input is how a server is asked to leave; its lifeline sees to the rest.
      server?.stdin?.end()
      server?.signal('SIGTERM')
      await Promise.resolve()
    },
    async complaint() {
      const enough = new AbortController()
      await Promise.race([server?.ended, pause(endMs, enough.signal)])
      enough.abort()
      return error || lastLine
    },
  }
  return transport
}
