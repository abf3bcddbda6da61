/** The official clients, old and new, over both transports: real processes, real sockets. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client as NewClient, StreamableHTTPClientTransport as NewHttp } from '@modelcontextprotocol/client'
import { StdioClientTransport as NewStdio } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { onTestFinished } from 'vitest'
import { bin } from '../e2e/cli-process.js'
import { temporaryFolder } from '../runtime/support.js'

export { temporaryFolder }

const httpServer = fileURLToPath(new URL('../fixtures/mcp/http-server.js', import.meta.url))

export type Data = Readonly<Record<string, unknown>>

interface CallOptions {
  readonly signal?: AbortSignal
  readonly onprogress?: (progress: { progress: number; message?: string | undefined }) => void
}

/** What both generations of the client have in common. */
export interface AnyClient {
  readonly protocol: string
  tools(): Promise<readonly { name: string; inputSchema: unknown; execution?: unknown }[]>
  /** The tool's data. */
  call(
    name: string,
    input?: Data,
    options?: CallOptions,
  ): Promise<{ isError: boolean; data: Data; text: string }>
  resources(): Promise<readonly string[]>
  read(uri: string): Promise<string>
  close(): Promise<void>
}

export type Kind = 'v1' | 'v2, 2025-11-25' | 'v2, 2026-07-28'
export type Wire = 'stdio' | 'HTTP'

export const everyWay: readonly (readonly [Kind, Wire])[] = (
  ['v1', 'v2, 2025-11-25', 'v2, 2026-07-28'] as const
).flatMap((kind) => (['stdio', 'HTTP'] as const).map((wire) => [kind, wire] as const))

/** How the command is started: a ledger of its own folder, the shell as runner. */
export function stdioServer(folder: string, more: readonly string[] = []) {
  return {
    command: process.execPath,
    args: [bin, '--ledger', `${folder}/ledger.db`, 'mcp', '-r', 'shell', ...more],
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder },
    stderr: 'pipe' as const,
  }
}

export interface HttpServer {
  readonly url: URL
  readonly process: ChildProcess
  kill(): Promise<void>
}

export async function startHttp(folder: string, options: Data = {}): Promise<HttpServer> {
  const child = spawn(process.execPath, [httpServer, `${folder}/ledger.db`, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  onTestFinished(kill)
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: new URL(`http://127.0.0.1:${String(port).trim()}/mcp`), process: child, kill }
}

/** A client that is connected, over a server of its own process. */
export async function connected(kind: Kind, wire: Wire, folder = temporaryFolder()): Promise<AnyClient> {
  if (wire === 'HTTP') return connect(kind, (await startHttp(folder)).url)
  return connect(kind, stdioServer(folder))
}

export async function connect(
  kind: Kind,
  server: URL | ReturnType<typeof stdioServer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<AnyClient> {
  const client = kind === 'v1' ? await oldClient(server, headers) : await newClient(kind, server, headers)
  onTestFinished(() => client.close())
  return anyClient(client)
}

export async function oldClient(
  server: URL | ReturnType<typeof stdioServer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<OldClient> {
  const client = new OldClient({ name: 'old', version: '1' }, { capabilities: {} })
  const http = (url: URL) => new OldHttp(url, { requestInit: { headers } })
  await client.connect(server instanceof URL ? http(server) : new OldStdio(server))
  return client
}

async function newClient(
  kind: Kind,
  server: URL | ReturnType<typeof stdioServer>,
  headers: Readonly<Record<string, string>>,
): Promise<NewClient> {
  const mode = kind === 'v2, 2026-07-28' ? { pin: '2026-07-28' } : ('legacy' as const)
  const client = new NewClient({ name: 'new', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(
    server instanceof URL ? new NewHttp(server, { requestInit: { headers } }) : new NewStdio(server),
  )
  return client
}

interface Answer {
  readonly content: readonly { readonly text?: string }[]
  readonly structuredContent?: Data
  readonly isError?: boolean
}

function anyClient(client: OldClient | NewClient): AnyClient {
  const version =
    client instanceof NewClient
      ? client.getNegotiatedProtocolVersion()
      : client.getServerCapabilities() && 'v1'
  return {
    protocol: String(version),
    tools: async () => (await client.listTools()).tools,
    async call(name, input = {}, options = {}) {
      const params = { name, arguments: { ...input } }
      const answer = (client instanceof NewClient
        ? await client.callTool(params, options)
        : await client.callTool(params, undefined, options)) as unknown as Answer
      const { isError = false, structuredContent: data = {}, content } = answer
      return { isError, data, text: content[0]?.text ?? '' }
    },
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    async read(uri) {
      const { contents } = await client.readResource({ uri })
      const [first] = contents as readonly { readonly text?: string }[]
      return first?.text ?? ''
    },
    close: () => client.close(),
  }
}

/** A JSON-RPC conversation by hand, over the command's standard input and output. */
export function rawStdio(folder: string, more: readonly string[] = []) {
  const { command, args, cwd, env } = stdioServer(folder, more)
  const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  let [rest, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    child.emit('line')
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  const messages = (): Data[] => lines.map((line) => JSON.parse(line) as Data)
  return {
    child,
    exit,
    messages,
    stderr: () => stderr,
    /** Several messages arrive as one chunk. */
    send: (...sent: readonly unknown[]) =>
      void child.stdin.write(
        sent.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)) + '\n').join(''),
      ),
    async answerTo(id: number): Promise<Data> {
      for (;;) {
        const found = messages().find((message) => message['id'] === id)
        if (found !== undefined) return found
        await once(child, 'line')
      }
    },
    end: () => child.stdin.end(),
  }
}

export const request = (id: number, method: string, params: Data = {}): Data => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
})

export const initialize = request(1, 'initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1' },
})

export const callOf = (id: number, name: string, input: Data = {}, more: Data = {}): Data =>
  request(id, 'tools/call', { name, arguments: input, ...more })

export const idIn = (data: Data): string => data['delegation_id'] as string
