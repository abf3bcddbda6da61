/** A2A's twelve operations, for the SDK's transports. */
import type { AgentCard, Task } from '@a2a-js/sdk'
import type { A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server'
import { A2AError, ExtendedAgentCardNotConfiguredError, RequestMalformedError } from '@a2a-js/sdk/errors'
import type { TraceContext } from '../../index.js'
import type { Callers } from './callers.js'
import type { PushConfigs } from './push-configs.js'
import type { TaskStore } from './task-store.js'
import type { Call, Tasks } from './tasks.js'

interface RequestHandlerOptions {
  readonly card: AgentCard
  readonly callers: Callers
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly pushes: PushConfigs
}

/** Under these keys a context has the signal of its request, and the trace that its headers name, or null. */
export const signalKey = 'signal'
export const traceKey = 'trace'

export function createRequestHandler(options: RequestHandlerOptions): A2ARequestHandler {
  const { card, callers, store, tasks, pushes } = options

  function callOf({ user, requestedVersion, state }: ServerCallContext): Call {
    const caller = callers.byName(user?.userName ?? '')
    if (caller === undefined) throw new A2AError('the caller is not known')
    return {
      caller,
      version: requestedVersion,
      signal: state.get(signalKey) as AbortSignal,
      traceContext: state.get(traceKey) as TraceContext | null,
    }
  }

  return {
    getAgentCard: () => Promise.resolve(card),
    getAuthenticatedExtendedAgentCard: () => Promise.reject(new ExtendedAgentCardNotConfiguredError()),
    async sendMessage(request, context) {
      const task = await tasks.send(callOf(context), request)
      return withHistory(task, request.configuration?.historyLength)
    },
    async *sendMessageStream(request, context) {
      yield* tasks.stream(callOf(context), request)
    },
    async getTask({ id, historyLength }, context) {
      return withHistory(await store.get(callOf(context).caller, id), historyLength)
    },
    cancelTask: async ({ id }, context) => tasks.cancel(callOf(context), id),
    async *resubscribe({ id }, context) {
      yield* tasks.subscribe(callOf(context), id)
    },
    async listTasks(request, context) {
      const found = await store.list(callOf(context).caller, request)
      return { ...found, tasks: found.tasks.map((task) => withHistory(task, request.historyLength)) }
    },
    async createTaskPushNotificationConfig(config, context) {
      const { caller, version } = callOf(context)
      const { contextId } = await store.get(caller, config.taskId)
      return pushes.create(caller, contextId, config, version)
    },
    getTaskPushNotificationConfig({ taskId, id }, context) {
      return new Promise((resolve) => resolve(pushes.get(callOf(context).caller, taskId, id)))
    },
    async listTaskPushNotificationConfigs({ taskId }, context) {
      const { caller } = callOf(context)
      await store.get(caller, taskId)
      return { configs: pushes.list(caller, taskId), nextPageToken: '' }
    },
    deleteTaskPushNotificationConfig: async ({ taskId, id }, context) =>
      pushes.delete(callOf(context).caller, taskId, id),
  }
}

/** The newest so many messages; all where nothing is asked for. */
function withHistory(task: Task, length: number | undefined): Task {
  if (length === undefined) return task
  if (!Number.isInteger(length) || length < 0)
    throw new RequestMalformedError('historyLength is a whole number from 0 up')
  return { ...task, history: length === 0 ? [] : task.history.slice(-length) }
}
