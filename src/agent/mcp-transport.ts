/** The Model Context Protocol over the standard streams of a process on the child's lifeline. */
import {
  ReadBuffer,
  serializeMessage,
  type JSONRPCMessage,
  type Transport,
} from '@modelcontextprotocol/client'
import type { SpawnedProcess } from '../runner.js'

/** The longest message, bytes. */
const messageBytes = 8_000_000

/** `onErrorLine` gets what the server writes to its standard error. */
export function createMcpTransport(
  start: () => SpawnedProcess,
  onErrorLine: (line: string) => void,
): Transport {
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

  const transport: Transport = {
    start() {
      server = start()
      server.stdout.on('data', read)
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.split('\n')) if (line.trim() !== '') onErrorLine(line)
      })
      void server.ended.then(() => transport.onclose?.())
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
  }
  return transport
}
