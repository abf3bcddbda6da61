/** A peer that says what a test wants it to say. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string, n: number) => unknown

interface LyingPeer {
  readonly url: string
  /** The bodies of what was sent to it, without cards. */
  readonly posts: readonly string[]
}

/** Has a good card, and answers every message as it is told. */
export async function lyingPeer(
  answer: Answer,
  card: Readonly<Record<string, unknown>> = {},
): Promise<LyingPeer> {
  const posts: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => {
      if (request.url?.startsWith('/.well-known/') && card['raw'] === undefined)
        return json(response, 200, { ...cardAt(url), ...card })
      const body = Buffer.concat(chunks).toString()
      if (request.method === 'POST') posts.push(body)
      answer(request, response, body, posts.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, posts }
}

const cardAt = (url: string): Record<string, unknown> => ({
  name: 'liar',
  capabilities: {},
  supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
})

export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export const idIn = (body: string): unknown => (JSON.parse(body) as { id: unknown }).id
export const result = (response: ServerResponse, body: string, value: unknown): void =>
  json(response, 200, { jsonrpc: '2.0', id: idIn(body), result: value })
export const taskOf = (state: string): unknown => ({
  task: { id: 't-1', contextId: 'c-1', status: { state } },
})
