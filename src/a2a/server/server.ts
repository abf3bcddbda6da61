/**
 * An A2A server in front of a delegator: remote callers' tasks are its units, and the ledger is the store of tasks.
 *
 * ```js
 * const server = await createA2AServer(delegator, { card, url, callers: { gateway: { token, runner: 'researcher' } } })
 * const http = createHttpServer([server.routes], { tell: console.error })
 * await http.listen(41241, '127.0.0.1')
 * ```
 */
import { randomInt } from 'node:crypto'
import { StreamResponse, TaskState } from '@a2a-js/sdk'
import { V03PushNotificationSerializer } from '@a2a-js/sdk/compat/v0_3/server'
import { V1PushNotificationSerializer } from '@a2a-js/sdk/server'
import type { Clock, Delegator } from '../../index.js'
import { createA2ARoutes } from './a2a-routes.js'
import { createCallers, type Caller, type CallerOptions } from './callers.js'
import { agentCard, type CardOptions } from './card.js'
import { statusUpdate } from './follow-task.js'
import type { Routes } from './http-server.js'
import { createPushConfigs } from './push-configs.js'
import { createPushOutbox, type StoredPush } from './push-outbox.js'
import { postPush, signature, type ReceiverGuard } from './push-post.js'
import { createRequestHandler } from './request-handler.js'
import { createTaskFeed } from './task-feed.js'
import { createTaskStore } from './task-store.js'
import { createTasks } from './tasks.js'

export { createHttpServer } from './http-server.js'
export type { Exchange, HttpServer, Routes } from './http-server.js'
export { createCallers } from './callers.js'
export type { CallerOptions } from './callers.js'
export type { CardOptions, SkillOptions } from './card.js'
export type { ReceiverGuard, ResolveName } from './push-post.js'

export interface A2AServerOptions {
  readonly card: CardOptions
  /** Where callers reach the server, such as `https://agents.example`; without a slash at its end. */
  readonly url: string
  /** By name; at least one. */
  readonly callers: Readonly<Record<string, CallerOptions>>
  /** Of one request, bytes. @defaultValue 1,048,576 */
  readonly maxBodyBytes?: number
  /** Streams, and calls that wait for an end, at one time. @defaultValue 200 */
  readonly maxStreams?: number
  /** How long an ended task can still be got, seconds. @defaultValue 604,800 (7 days) */
  readonly keepSeconds?: number
  readonly push?: {
    /** Hosts of receivers (`intranet`, `127.0.0.1:8080`) whose addresses may be private. @defaultValue none */
    readonly allowPrivateHosts?: readonly string[]
    /** Of one attempt, ms. @defaultValue 10,000 */
    readonly timeoutMs?: number
    /** @defaultValue the system's */
    readonly resolve?: ReceiverGuard['resolve']
  }
  /** A sentence for the operator. @defaultValue nobody is told */
  readonly tell?: (line: string) => void
  /** @defaultValue the machine's own */
  readonly clock?: Pick<Clock, 'now' | 'after'>
  /** In [0, 1): the jitter of retries. @defaultValue `node:crypto` */
  readonly random?: () => number
}

export interface A2AServer {
  readonly routes: Routes
  /** Sends nothing more; what is not delivered yet is the next process's. The delegator stays open. */
  stop(): Promise<void>
}

const defaults = {
  maxBodyBytes: 1024 * 1024,
  maxStreams: 200,
  keepSeconds: 7 * 24 * 3600,
  pushTimeoutMs: 10_000,
} as const
const letGoMs = 3_600_000

/** @throws {TypeError} for callers that cannot be told apart */
export async function createA2AServer(delegator: Delegator, options: A2AServerOptions): Promise<A2AServer> {
  const {
    url,
    maxBodyBytes,
    maxStreams,
    keepSeconds,
    push = {},
  } = { ...defaults, ...withoutUndefined(options) }
  const { tell = () => undefined, clock = systemClock, random = cryptoRandom } = options
  const callers = createCallers(options.callers)
  const guard: ReceiverGuard = {
    allowPrivateHosts: push.allowPrivateHosts ?? [],
    ...(push.resolve && { resolve: push.resolve }),
  }
  const card = agentCard(options.card, url)
  const feed = createTaskFeed(delegator, clock)
  const store = createTaskStore(delegator, feed)
  const serializers = {
    modern: new V1PushNotificationSerializer(),
    legacy: new V03PushNotificationSerializer(),
  }

  async function send(caller: Caller, eventId: string, stored: StoredPush): Promise<void> {
    const update: StreamResponse =
      stored.update === null
        ? { payload: { $case: 'task', value: await store.get(caller, stored.task_id) } }
        : StreamResponse.fromJSON(stored.update)
    const serializer = stored.version === '0.3' ? serializers.legacy : serializers.modern
    const { body, contentType } = serializer.serialize(update)
    const secret = caller.pushSecret ?? stored.token
    const headers = {
      'content-type': contentType,
      'x-a2a-event-id': eventId,
      ...(stored.token !== '' && { 'x-a2a-notification-token': stored.token }),
      ...(stored.authorization !== '' && { authorization: stored.authorization }),
      ...(secret !== '' && { 'x-a2a-signature': signature(secret, clock.now(), body) }),
    }
    const timeoutMs = push.timeoutMs ?? defaults.pushTimeoutMs
    await postPush({ url: stored.url, headers, body, timeoutMs }, guard)
  }

  const outbox = createPushOutbox({ delegator, callers, clock, random, send, tell })
  const waiting = async (caller: Caller, taskId: string): Promise<StreamResponse | null> => {
    const { id, contextId, status } = await store.get(caller, taskId)
    if (status?.state !== TaskState.TASK_STATE_INPUT_REQUIRED) return null
    return statusUpdate({ id, contextId }, status)
  }
  const pushes = createPushConfigs({ delegator, callers, feed, outbox, guard, clock, waiting, tell })
  const tasks = createTasks({
    delegator,
    store,
    feed,
    pushes,
    clock,
    maxStreams,
    isShared: callers.all.length > 1,
  })
  const handler = createRequestHandler({ card, callers, store, tasks, pushes })

  let stopTimer = (): void => undefined
  function letGo(): void {
    const before = clock.now() - keepSeconds
    Promise.all(callers.all.map((caller) => store.letGo(caller, before))).catch((error: unknown) =>
      tell(`old tasks cannot be let go: ${String(error)}`),
    )
    stopTimer = clock.after(letGoMs, letGo)
  }

  await pushes.start()
  outbox.start()
  letGo()
  return {
    routes: createA2ARoutes({ card, handler, callers, maxBodyBytes }),
    async stop() {
      stopTimer()
      pushes.stop()
      feed.stop()
      await outbox.stop()
    },
  }
}

const randomSteps = 2 ** 32
const cryptoRandom = (): number => randomInt(randomSteps) / randomSteps

const systemClock: Pick<Clock, 'now' | 'after'> = {
  now: () => Date.now() / 1000,
  after(ms, fn) {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
