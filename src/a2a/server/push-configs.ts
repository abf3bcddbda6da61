/**
 * Where callers want to be told of their tasks. A configuration is an event on the ledger's rail that only its id can
 * claim; it goes once the end of its task is in the outbox, so that after a crash between the two the end is sent again,
 * under the same id.
 */
import { createHash } from 'node:crypto'
import type { StreamResponse, TaskPushNotificationConfig } from '@a2a-js/sdk'
import { StreamResponse as StreamResponseCodec } from '@a2a-js/sdk'
import { RequestMalformedError, TaskNotFoundError } from '@a2a-js/sdk/errors'
import type { Clock, Delegator } from '../../index.js'
import { DelegationError } from '../../index.js'
import type { Json, JsonObject } from '../../runner.js'
import type { Caller, Callers } from './callers.js'
import { checkedId } from './incoming.js'
import type { PushOutbox } from './push-outbox.js'
import { receiverAddress, type ReceiverGuard } from './push-post.js'
import { configSessionOf } from './scopes.js'
import type { TaskFeed } from './task-feed.js'

interface StoredConfig extends JsonObject {
  readonly task_id: string
  readonly context_id: string
  readonly config_id: string
  readonly url: string
  readonly token: string
  readonly scheme: string
  readonly credentials: string
  /** Of the protocol by which it was set: what is sent has its shape. */
  readonly version: string
}

interface LiveConfig {
  readonly caller: Caller
  readonly eventId: string
  readonly stored: StoredConfig
  isGone: boolean
  stopListening: () => void
}

export interface PushConfigs {
  /** @throws {A2AError} RequestMalformedError for a receiver that must not be reached, or one too many */
  check(caller: Caller, config: TaskPushNotificationConfig): Promise<void>
  create(
    caller: Caller,
    contextId: string,
    config: TaskPushNotificationConfig,
    version: string,
  ): Promise<TaskPushNotificationConfig>
  get(caller: Caller, taskId: string, id: string): TaskPushNotificationConfig
  list(caller: Caller, taskId: string): TaskPushNotificationConfig[]
  delete(caller: Caller, taskId: string, id: string): Promise<void>
  /** Those of an earlier process go on. */
  start(): Promise<void>
  stop(): void
}

interface PushConfigsOptions {
  readonly delegator: Delegator
  readonly callers: Callers
  readonly feed: TaskFeed
  readonly outbox: PushOutbox
  readonly guard: ReceiverGuard
  readonly clock: Pick<Clock, 'now'>
  /** What a task says when it waits for its caller; null when it does not. */
  readonly waiting: (caller: Caller, taskId: string) => Promise<StreamResponse | null>
  readonly tell: (line: string) => void
}

const perTask = 10
const perCaller = 1_000
const textCharacters = 4_000
const configType = 'a2a_push_config'

export function createPushConfigs(options: PushConfigsOptions): PushConfigs {
  const { delegator, callers, feed, outbox, guard, clock, waiting, tell } = options
  const { completions } = delegator
  const live = new Map<string, LiveConfig>()

  const ofTask = (caller: Caller, taskId: string): LiveConfig[] =>
    [...live.values()].filter(
      (config) => config.caller.name === caller.name && config.stored.task_id === taskId,
    )

  function found(caller: Caller, taskId: string, id: string): LiveConfig {
    const config = ofTask(caller, taskId).find(({ stored }) => stored.config_id === id)
    if (config === undefined) throw new TaskNotFoundError(`task ${taskId} has no push configuration ${id}`)
    return config
  }

  /** In the outbox first, and out of here then. */
  async function remove(config: LiveConfig): Promise<void> {
    config.isGone = true
    config.stopListening()
    live.delete(config.eventId)
    const [claim] = await completions.claim({ ids: [config.eventId], limit: 1 })
    await claim?.ack()
  }

  function pushOf({ stored }: LiveConfig, update: Json) {
    const { task_id, context_id, url, token, scheme, credentials, version } = stored
    const authorization = scheme === '' ? '' : `${scheme} ${credentials}`.trim()
    return { task_id, context_id, url, token, authorization, version, update, at: clock.now() }
  }

  async function tellEnd(config: LiveConfig): Promise<void> {
    if (config.isGone) return
    await outbox.add(config.caller, pushId(config, 'end'), pushOf(config, null))
    await remove(config)
  }

  async function tellWaiting(config: LiveConfig, questionId: string): Promise<void> {
    const update = await waiting(config.caller, config.stored.task_id)
    if (config.isGone || update === null) return
    const sent = StreamResponseCodec.toJSON(update) as Json
    await outbox.add(config.caller, pushId(config, questionId), pushOf(config, sent))
  }

  const fault = (error: unknown): void => {
    // A delegator that is closed leaves the rest to the next process.
    if (error instanceof DelegationError && error.code === 'CLOSED') return
    tell(`a push cannot be kept: ${String(error)}`)
  }

  function follow(config: LiveConfig): void {
    const { task_id } = config.stored
    config.stopListening = feed.listen(task_id, (news) => {
      if (news.type === 'question' && news.payload.state === 'open')
        tellWaiting(config, news.payload.question_id).catch(fault)
    })
    feed
      .ended(task_id)
      .then(
        () => tellEnd(config),
        async (error: unknown) => {
          // Retention has dropped the task: there is nothing to tell any more.
          if (error instanceof DelegationError && error.code === 'UNKNOWN_DELEGATION') await remove(config)
          else throw error
        },
      )
      .catch(fault)
  }

  function keep(caller: Caller, eventId: string, stored: StoredConfig): LiveConfig {
    const config = { caller, eventId, stored, isGone: false, stopListening: () => undefined }
    live.set(eventId, config)
    return config
  }

  async function check(caller: Caller, config: TaskPushNotificationConfig): Promise<void> {
    checkedId('the id of a push configuration', config.id)
    const { scheme = '', credentials = '' } = config.authentication ?? {}
    // They become headers.
    if (
      ![config.token, scheme, credentials].every((text) => text.length <= textCharacters && isPrintable(text))
    )
      throw new RequestMalformedError(
        'token and authentication are printable ASCII, at most 4,000 characters',
      )
    const own = [...live.values()].filter((other) => other.caller.name === caller.name)
    const ofThis = own.filter(({ stored }) => stored.task_id === config.taskId)
    const isNew = !ofThis.some(({ stored }) => stored.config_id === config.id)
    if (isNew && (ofThis.length >= perTask || own.length >= perCaller))
      throw new RequestMalformedError(
        `there are at most ${perTask} push configurations of a task, and ${perCaller} of a caller`,
      )
    await receiverAddress(config.url, guard).catch((error: unknown) => {
      throw new RequestMalformedError(`the push URL cannot be used: ${(error as Error).message}`)
    })
  }

  return {
    check,
    async create(caller, contextId, config, version) {
      await check(caller, config)
      const stored: StoredConfig = {
        task_id: config.taskId,
        context_id: contextId,
        // The same for the same receiver, so that a message that is sent again sets none a second time.
        config_id: config.id === '' ? `push_${digest(config.url)}` : config.id,
        url: config.url,
        token: config.token,
        scheme: config.authentication?.scheme ?? '',
        credentials: config.authentication?.credentials ?? '',
        version,
      }
      const event = { ...stored, type: configType, session_key: configSessionOf(caller) }
      const { event_id } = await completions.publish(event, { delivery: 'collect' })
      const replaced = ofTask(caller, stored.task_id).filter(
        (old) => old.stored.config_id === stored.config_id,
      )
      follow(keep(caller, event_id, stored))
      for (const old of replaced) await remove(old)
      return shown(stored)
    },
    get: (caller, taskId, id) => shown(found(caller, taskId, id).stored),
    list: (caller, taskId) => ofTask(caller, taskId).map(({ stored }) => shown(stored)),
    delete: (caller, taskId, id) => remove(found(caller, taskId, id)),
    async start() {
      for (const caller of callers.all) {
        const sessionKey = configSessionOf(caller)
        const kept = await completions.read({ sessionKey, limit: perCaller * 2 })
        for (const { event_id, event } of kept)
          follow(keep(caller, event_id, event as unknown as StoredConfig))
      }
    },
    stop() {
      for (const config of live.values()) config.stopListening()
    },
  }
}

/** The same for the same thing of the same configuration, so that it is one event however often it is added. */
function pushId({ caller, stored: { task_id, config_id } }: LiveConfig, what: string): string {
  return `a2a_push:${task_id}:${digest(`${caller.name}\n${config_id}`)}:${what}`
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

function shown(stored: StoredConfig): TaskPushNotificationConfig {
  const { task_id, config_id, url, token, scheme, credentials } = stored
  const authentication = scheme === '' ? undefined : { scheme, credentials }
  return { tenant: '', id: config_id, taskId: task_id, url, token, authentication }
}

const isPrintable = (text: string): boolean => /^[\u0020-\u007e]*$/.test(text)
