/** What callers do with tasks: begin, answer, follow, stop. */
import { createHash } from 'node:crypto'
import type { Message, SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk'
import { RequestMalformedError, TaskNotCancelableError, UnsupportedOperationError } from '@a2a-js/sdk/errors'
import type { Clock, Delegator, TraceContext } from '../../index.js'
import { DelegationError } from '../../index.js'
import type { Caller } from './callers.js'
import { denialShown, refusalShown, type Denial } from './denial.js'
import { followTask } from './follow-task.js'
import { answerText, checkedMessage, workOf } from './incoming.js'
import { ownMetadata } from './parts.js'
import type { PushConfigs } from './push-configs.js'
import { originOf, sessionOf } from './scopes.js'
import { createSlotShares } from './slot-shares.js'
import type { TaskFeed } from './task-feed.js'
import type { TaskStore } from './task-store.js'
import { isTerminal, waitsForCaller, type KeptCall } from './task-view.js'

/** Who calls, by which version, until when. */
export interface Call {
  readonly caller: Caller
  readonly version: string
  /** The caller has left, or the server closes. */
  readonly signal: AbortSignal
  /** What it begins belongs to this trace. */
  readonly traceContext: TraceContext | null
}

export interface Tasks {
  send(call: Call, request: SendMessageRequest): Promise<Task>
  stream(call: Call, request: SendMessageRequest): AsyncGenerator<StreamResponse, void, undefined>
  subscribe(call: Call, taskId: string): AsyncGenerator<StreamResponse, void, undefined>
  /** Resolves once it has stopped, with what became of it. */
  cancel(call: Call, taskId: string): Promise<Task>
}

interface TasksOptions {
  readonly delegator: Delegator
  readonly store: TaskStore
  readonly feed: TaskFeed
  readonly pushes: PushConfigs
  readonly clock: Pick<Clock, 'now'>
  /** Streams, and calls that wait, at one time. */
  readonly maxStreams: number
  /** Others may call, too: none of them takes all. */
  readonly isShared: boolean
}

/** Of each caller: follow-up messages that are remembered, so that one that is sent again does nothing again. */
const answersKept = 10_000

export function createTasks(options: TasksOptions): Tasks {
  const { delegator, store, feed, pushes, clock, maxStreams, isShared } = options
  const answered = new Map<string, Map<string, string>>()
  const streams = new Map<string, number>()
  const slots = createSlotShares(delegator, isShared)
  let allStreams = 0

  const streamsOf = ({ maxStreams: own = isShared ? Math.ceil(maxStreams / 2) : maxStreams }: Caller) =>
    Math.min(own, maxStreams)

  const isFull = (caller: Caller): boolean =>
    allStreams >= maxStreams || (streams.get(caller.name) ?? 0) >= streamsOf(caller)

  function follow({ caller, signal }: Call, taskId: string) {
    return counted(caller, followTask({ taskId, view: () => store.get(caller, taskId), feed, signal }))
  }

  async function* counted<T>(
    caller: Caller,
    source: AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> {
    if (isFull(caller))
      throw new UnsupportedOperationError('there are too many open streams for one more: poll instead')
    const change = (by: number): void => {
      allStreams += by
      streams.set(caller.name, (streams.get(caller.name) ?? 0) + by)
    }
    change(1)
    try {
      yield* source
    } finally {
      change(-1)
    }
  }

  /** The id of the task that the message began, or that it belongs to. */
  async function deliver(call: Call, request: SendMessageRequest): Promise<string> {
    const message = checkedMessage(request.message)
    const push = request.configuration?.taskPushNotificationConfig
    if (push !== undefined) await pushes.check(call.caller, push)
    const { id, contextId, isLive } =
      message.taskId === '' ? await begin(call, message) : await goOn(call.caller, message)
    if (push !== undefined && isLive)
      await pushes.create(call.caller, contextId, { ...push, taskId: id }, call.version)
    return id
  }

  async function begin({ caller, traceContext }: Call, message: Message) {
    const { messageId } = message
    const contextId = message.contextId === '' ? contextFor(caller, messageId) : message.contextId
    const { goal, goals, context } = workOf(message)
    const kept: KeptCall = { message_id: messageId }
    const common = {
      context,
      runner: caller.runner,
      sessionKey: sessionOf(caller, contextId),
      originUiSessionId: originOf(caller),
      delivery: 'collect' as const,
      metadata: { a2a: { ...kept } },
      idempotencyKey: `a2a:${caller.name}:${messageId}`,
      ...(traceContext !== null && { traceContext }),
    }
    const rejected = (denial: Denial) => {
      return { id: store.reject(caller, contextId, denial, clock.now()).id, contextId, isLive: false }
    }
    const dispatched = await slots.within(caller, (share) =>
      (goals === null
        ? delegator.dispatch({ ...common, ...share, goal })
        : delegator.dispatchBatch({ ...common, ...share, goals, independentCompletions: false })
      )
        .catch(malformed)
        .catch(denialShown),
    )
    if ('data' in dispatched) return rejected(dispatched)
    if (dispatched.status === 'dispatched') return { id: dispatched.delegationId, contextId, isLive: true }
    if (dispatched.refusal?.code === 'KEY_REUSED')
      throw new RequestMalformedError(`messageId ${messageId} was used for another message`)
    return rejected(refusalShown(dispatched))
  }

  /** A message to a task: the answer that it waits for, or something more to know. */
  async function goOn(caller: Caller, message: Message) {
    const task = await store.get(caller, message.taskId)
    const { id, contextId, status } = task
    if (message.contextId !== '' && message.contextId !== contextId)
      throw new RequestMalformedError(`task ${id} belongs to another context`)
    const goesOn = { id, contextId, isLive: true }
    if (answered.get(caller.name)?.get(message.messageId) === id) return goesOn
    if (status === undefined || isTerminal(status.state))
      throw new UnsupportedOperationError(
        `task ${id} has ended: send a message without taskId to begin another`,
      )
    const text = answerText(message)
    if (waitsForCaller(status.state)) {
      const { question_id: questionId } = (message.metadata ?? {}) as { readonly question_id?: unknown }
      const which = typeof questionId === 'string' ? { questionId } : {}
      const report = await delegator.answer(id, text, which).catch(malformed)
      if (report.status === 'ambiguous') {
        const open = (report.questions ?? []).map((question) => question.question_id).join(', ')
        throw new RequestMalformedError(
          `several questions are open: name one as metadata.question_id (${open})`,
        )
      }
      if (report.status !== 'answered')
        throw new UnsupportedOperationError(
          `task ${id} does not wait for this answer any more (${report.status})`,
        )
    } else {
      const { status: taken } = await delegator.steer(id, text).catch(malformed)
      if (taken === 'missed_steer' || taken === 'no_reply')
        throw new UnsupportedOperationError(`task ${id} takes no messages while it works`)
    }
    remember(caller, message.messageId, id)
    return goesOn
  }

  function remember({ name }: Caller, messageId: string, id: string): void {
    const own = answered.get(name) ?? new Map<string, string>()
    answered.set(name, own.set(messageId, id))
    for (const oldest of own.keys()) {
      if (own.size <= answersKept) break
      own.delete(oldest)
    }
  }

  /** Until it has ended, or waits for its caller. Where no more may wait, what it is now. */
  async function settle(call: Call, taskId: string): Promise<void> {
    if (isFull(call.caller)) return
    for await (const { payload } of follow(call, taskId)) {
      const state =
        payload?.$case === 'task' || payload?.$case === 'statusUpdate'
          ? payload.value.status?.state
          : undefined
      if (state !== undefined && (isTerminal(state) || waitsForCaller(state))) return
    }
  }

  return {
    async send(call, request) {
      const id = await deliver(call, request)
      if (request.configuration?.returnImmediately !== true) await settle(call, id)
      return store.get(call.caller, id)
    },
    async *stream(call, request) {
      // Nothing is begun that could not be followed.
      if (isFull(call.caller)) yield* follow(call, '')
      yield* follow(call, await deliver(call, request))
    },
    async *subscribe(call, taskId) {
      const { status } = await store.get(call.caller, taskId)
      if (status === undefined || isTerminal(status.state))
        throw new UnsupportedOperationError(`task ${taskId} has ended: get it instead`)
      yield* follow(call, taskId)
    },
    async cancel({ caller }, taskId) {
      const { status } = await store.get(caller, taskId)
      if (status === undefined || isTerminal(status.state))
        throw new TaskNotCancelableError(`task ${taskId} has ended already`)
      const { signalled, stopped, escalated, unreachable } = await delegator.interrupt(taskId, {
        reason: `canceled by its caller, ${caller.name}`,
      })
      await feed.ended(taskId)
      const task = await store.get(caller, taskId)
      const own = (task.metadata?.['hermes-delegate'] ?? {}) as Record<string, never>
      return {
        ...task,
        metadata: ownMetadata({ ...own, stop: { signalled, stopped, escalated, unreachable } }),
      }
    },
  }
}

/** The same for the same message, so that one that is sent again belongs to the same task. */
function contextFor({ name }: Caller, messageId: string): string {
  return `context_${createHash('sha256').update(`${name}\n${messageId}`).digest('hex').slice(0, 20)}`
}

/** What is wrong with the call is its caller's to hear; all else is ours. */
function malformed(error: unknown): never {
  if (error instanceof DelegationError && /^(?:GOAL|GOALS|CONTEXT|OPTION)_/.test(error.code))
    throw new RequestMalformedError(error.message)
  throw error
}
