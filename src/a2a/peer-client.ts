/** The wire to one peer, on the official SDK: which requests there are, in shapes of version 1.0. Knows no delegation. */
import { TaskState, type Message, type StreamResponse, type Task } from '@a2a-js/sdk'
import { ClientFactory, JsonRpcTransportFactory, RestTransportFactory, type Client } from '@a2a-js/sdk/client'
import { originsOf, readCard, type PeerCard } from './card.js'
import { PeerError } from './peer-error.js'
import { createPeerHttp, type PeerHttp } from './peer-http.js'
import type { PeerSettings } from './peer-options.js'
import type { PeerTime } from './peer-time.js'
import { mayBeId } from './task-ids.js'
import { isTask } from './task-view.js'

export interface PushTarget {
  readonly url: string
  readonly token: string
}

export interface TaskPage {
  readonly tasks: readonly Task[]
  readonly next: string
}

export interface PeerClient {
  readonly card: PeerCard
  /** Resolves as soon as the peer has taken it. */
  send(
    message: Message,
    push: PushTarget | null,
    trace: Readonly<Record<string, string>>,
  ): Promise<{ task: Task } | { message: Message }>
  get(id: string): Promise<Task>
  /** Resolves with the task after the cancel. */
  cancel(id: string): Promise<Task>
  /** Tasks whose state changed after that time, with artifacts; newest first, 100 at most. */
  list(after: string | undefined, pageToken: string): Promise<TaskPage>
  subscribe(id: string, signal: AbortSignal): AsyncGenerator<StreamResponse, void, undefined>
}

/** How long a card is believed, ms; it is read anew at once when the peer cannot be reached there. */
const cardAgeMs = 300_000

export interface PeerConnection {
  /** Reads the card first, if need be. */
  client(): Promise<PeerClient>
  /** The peer could not be reached: it may have moved. */
  forgetCard(): void
  close(): void
}

/** @throws {PeerError} PEER_TOKEN_MISSING */
export function createPeerConnection(
  settings: PeerSettings,
  env: Readonly<Record<string, string | undefined>>,
  time: PeerTime,
): PeerConnection {
  const http = createPeerHttp({
    origins: originsOf(settings),
    headers: authHeaders(settings, env),
    timeoutMs: settings.requestTimeoutSeconds * 1000,
    maxBytes: settings.maxResponseMb * 1_000_000,
    time,
  })
  let known: { readonly client: Promise<PeerClient>; readonly atMs: number } | null = null
  return {
    client() {
      if (known === null || time.monotonicMs() - known.atMs > cardAgeMs) {
        const made = { client: createClient(settings, http), atMs: time.monotonicMs() }
        made.client.catch(() => {
          if (known === made) known = null
        })
        known = made
      }
      return known.client
    },
    forgetCard: () => void (known = null),
    close: () => http.close(),
  }
}

function authHeaders(
  { auth }: PeerSettings,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  if (auth === undefined) return {}
  return auth.header === undefined
    ? { authorization: `Bearer ${secretIn(env, auth.tokenEnv)}` }
    : { [auth.header.toLowerCase()]: secretIn(env, auth.tokenEnv) }
}

/** @throws {PeerError} PEER_TOKEN_MISSING when the variable is not set, or holds what no header can carry. */
export function secretIn(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const value = env[name]?.trim() ?? ''
  if (/^[\x21-\x7e]+$/.test(value)) return value
  const why = value === '' ? 'is not set' : 'holds characters that no header can carry'
  throw new PeerError('PEER_TOKEN_MISSING', `the variable ${name} ${why}`, {
    mayBeDelivered: false,
    isPassing: false,
  })
}

async function createClient(settings: PeerSettings, http: PeerHttp): Promise<PeerClient> {
  const card = await readCard(settings, http)
  /* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- options are classes that the SDK keeps to itself */
  const options = { fetchImpl: http.fetch, legacyCompat: { enabled: true } }
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory(options), new RestTransportFactory(options)],
    clientConfig: { polling: true },
  })
  /* eslint-enable @typescript-eslint/no-unsafe-class-instance-assignment */
  return clientOf(card, await factory.createFromAgentCard(card.card))
}

function clientOf(card: PeerCard, sdk: Client): PeerClient {
  const tenant = ''
  return {
    card,
    async send(message, push, trace) {
      const request = {
        tenant,
        message,
        configuration: {
          acceptedOutputModes: [],
          returnImmediately: true,
          taskPushNotificationConfig:
            push === null
              ? undefined
              : { tenant, id: message.messageId, taskId: '', authentication: undefined, ...push },
        },
        metadata: undefined,
      }
      const answer: unknown = await sdk.sendMessage(request, { serviceParameters: { ...trace } })
      if (isTask(answer)) return { task: whole(answer) }
      if (isMessage(answer)) return { message: answer }
      throw new PeerError(
        'PEER_RESPONSE',
        "the peer's answer is neither a task nor a message, or has an id that is too long",
        {
          isPassing: false,
        },
      )
    },
    get: async (id) => asTask(await sdk.getTask({ tenant, id, historyLength: 1 }), id),
    cancel: async (id) => asTask(await sdk.cancelTask({ tenant, id, metadata: undefined }), id),
    async list(after, pageToken) {
      const page: { tasks?: unknown; nextPageToken?: unknown } = await sdk.listTasks({
        tenant,
        contextId: '',
        status: TaskState.TASK_STATE_UNSPECIFIED,
        pageSize: 100,
        pageToken,
        historyLength: 1,
        statusTimestampAfter: after,
        includeArtifacts: true,
      })
      const { tasks, nextPageToken } = page
      return {
        tasks: Array.isArray(tasks) ? tasks.filter(isTask).map(whole) : [],
        next: typeof nextPageToken === 'string' ? nextPageToken : '',
      }
    },
    subscribe: (id, signal) => sdk.resubscribeTask({ tenant, id }, { signal }),
  }
}

/** A peer may leave out what is empty. */
function whole(task: Task): Task {
  const { artifacts, history } = task as Partial<Task>
  return { ...task, artifacts: artifacts ?? [], history: history ?? [] }
}

function asTask(task: unknown, id: string): Task {
  if (isTask(task) && task.id === id) return whole(task)
  throw new PeerError('PEER_RESPONSE', `the peer's answer is not the task ${id.slice(0, 100)}`, {
    isPassing: false,
  })
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false
  const { parts, messageId, contextId } = value as Partial<Message>
  return Array.isArray(parts) && parts.length > 0 && [messageId, contextId].every(mayBeId)
}
