import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { createTaskSessionFromClient, type TaskEnabledSession } from '@modelcontextprotocol/ext-tasks/client'
import { onTestFinished } from 'vitest'
import type { Data, stdioServer } from './support.js'

interface Message {
  readonly id?: unknown
  readonly result?: Data
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Data }
}

export interface TaskClient {
  readonly session: TaskEnabledSession
  /** One request as it is, with the envelope of 2026-07-28; `knowsTasks: false` says nothing of the extension. */
  raw(method: string, params: Data, options?: { knowsTasks?: boolean }): Promise<Message>
}

const clientInfo = { name: 'tasks', version: '1' }
const protocolVersion = '2026-07-28'
const elicitation = { elicitation: { form: {} } }

/** The official requester of the extension, over the official client: what the client itself rejects goes around it. */
export async function taskClient(
  server: URL | ReturnType<typeof stdioServer>,
  answer?: string,
): Promise<TaskClient> {
  const client = new Client(clientInfo, {
    versionNegotiation: { mode: { pin: protocolVersion } },
    ...(answer !== undefined && { capabilities: elicitation }),
  })
  const transport: Transport =
    server instanceof URL ? new StreamableHTTPClientTransport(server) : new StdioClientTransport(server)
  await client.connect(transport)
  onTestFinished(() => client.close())
  const pending = new Map<unknown, (message: Message) => void>()
  const inner = transport.onmessage
  transport.onmessage = (message, extra) => {
    const waiting = pending.get((message as Message).id)
    if (waiting === undefined) inner?.(message, extra)
    else waiting(message as Message)
  }
  let count = 0
  function dispatch(request: Data): Promise<Message> {
    const id = `raw-${(count += 1)}`
    return new Promise((resolve, reject) => {
      pending.set(id, resolve)
      transport.send({ ...request, jsonrpc: '2.0', id } as never).catch(reject)
    })
  }
  const session = createTaskSessionFromClient(client, {
    endpointId: 'test',
    rawDispatch: async (request) => {
      const { error, result } = await dispatch(request as Data)
      return (error === undefined ? { kind: 'result', result } : { kind: 'error', error }) as never
    },
    v2RequestFraming: {
      protocolVersion,
      clientInfo,
      clientCapabilities: answer === undefined ? {} : elicitation,
    },
    onInputRequest: async () => ({ action: 'accept', content: { answer } }) as never,
  })
  onTestFinished(() => session.close())
  return {
    session,
    raw: (method, params, { knowsTasks = true } = {}) =>
      dispatch({
        method,
        params: {
          ...params,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': protocolVersion,
            'io.modelcontextprotocol/clientInfo': clientInfo,
            'io.modelcontextprotocol/clientCapabilities': {
              extensions: knowsTasks ? { 'io.modelcontextprotocol/tasks': {} } : {},
            },
          },
        },
      }),
  }
}
