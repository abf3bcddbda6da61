/** A real HTTP server that speaks the wire format of OpenAI's chat completions, and does what a test tells it to. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a client sent. */
export interface SeenRequest {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: ChatBody
}

export interface ChatBody {
  readonly model: string
  readonly stream: boolean
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly { readonly function: { readonly name: string; readonly parameters: unknown } }[]
  readonly tool_choice?: unknown
  readonly temperature?: number
  readonly response_format?: unknown
}

export interface ChatMessage {
  readonly role: string
  readonly content: string | null
  readonly tool_call_id?: string
  readonly tool_calls?: readonly {
    readonly id: string
    readonly function: { readonly name: string; readonly arguments: string }
  }[]
}

export type Turn = (response: ServerResponse, request: SeenRequest) => void | Promise<void>

export interface ScriptedServer {
  /** For `baseUrl`. */
  readonly url: string
  readonly requests: readonly SeenRequest[]
  /** Resolves once so many requests have come. */
  received(count: number): Promise<void>
  /** Resolves when a client has closed a connection before its answer was over. */
  readonly abandoned: Promise<void>
}

/** Answers the n-th request with the n-th turn, and every later one with the last. */
export async function serve(...turns: readonly Turn[]): Promise<ScriptedServer> {
  const requests: SeenRequest[] = []
  const waiting = new Set<() => void>()
  let abandon = (): void => undefined
  const abandoned = new Promise<void>((resolve) => (abandon = resolve))
  const server = createServer((request, response) => {
    response.once('close', () => response.writableFinished || abandon())
    void bodyOf(request).then(async (body) => {
      const seen = { url: request.url ?? '', headers: request.headers, body: JSON.parse(body) as ChatBody }
      const turn = turns[Math.min(requests.length, turns.length - 1)]
      requests.push(seen)
      for (const look of waiting) look()
      await turn?.(response, seen)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    abandoned,
    received: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (requests.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

export const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 }

/** One event of a stream. */
export function event(response: ServerResponse, value: unknown): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`)
}

/** A piece of an answer. */
export const chunk = (delta: object, finish: string | null = null): object => ({
  id: 'chat-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'scripted',
  choices: [{ index: 0, delta, finish_reason: finish }],
})

export function end(response: ServerResponse, finish: string): void {
  event(response, chunk({}, finish))
  event(response, { id: 'chat-1', created: 1, model: 'scripted', choices: [], usage })
  event(response, '[DONE]')
  response.end()
}

/** Streams a text in two pieces. */
export function says(text: string, finish = 'stop'): Turn {
  return (response) => {
    const half = Math.ceil(text.length / 2)
    event(response, chunk({ role: 'assistant', content: text.slice(0, half) }))
    if (half < text.length) event(response, chunk({ content: text.slice(half) }))
    end(response, finish)
  }
}

/** Streams calls of tools; arguments that are text are sent as they are. */
export function calls(...tools: readonly (readonly [name: string, args: unknown])[]): Turn {
  return (response) => {
    for (const [index, [name, args]] of tools.entries()) {
      const text = typeof args === 'string' ? args : JSON.stringify(args)
      const half = Math.ceil(text.length / 2)
      const id = `call-${response.req.socket.remotePort}-${index}`
      const head = { index, id, type: 'function', function: { name, arguments: text.slice(0, half) } }
      event(response, chunk({ role: 'assistant', content: null, tool_calls: [head] }))
      event(response, chunk({ tool_calls: [{ index, function: { arguments: text.slice(half) } }] }))
    }
    end(response, 'tool_calls')
  }
}

export function fails(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  more: object = {},
): Turn {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error: { message, type: 'error', code: null, ...more } }))
  }
}

/** The connection is reset before an answer. */
export const resets: Turn = (response) => void response.socket?.resetAndDestroy()

/** Nothing of the answer ever comes. */
export const staysSilent: Turn = () => undefined
