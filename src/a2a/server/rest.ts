/** The HTTP+JSON binding of A2A 1.0. The SDK has it for Express alone: these are its routes, and its codecs. */
import {
  A2A_CONTENT_TYPE,
  ListTaskPushNotificationConfigsResponse,
  ListTasksResponse,
  SendMessageRequest,
  SendMessageResponse,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
  taskStateFromJSON,
  type AgentCard,
} from '@a2a-js/sdk'
import { RequestMalformedError, restStatusFor, toRestErrorBody } from '@a2a-js/sdk/errors'
import { validateVersion, type A2ARequestHandler, type ServerCallContext } from '@a2a-js/sdk/server'
import { checkContentType } from './content-type.js'
import { paths } from './card.js'
import { sendEvents } from './event-stream.js'
import { HttpProblem, readBody, sendJson, type Exchange } from './http-server.js'

interface RestOptions {
  readonly handler: A2ARequestHandler
  readonly card: AgentCard
  readonly contextOf: (exchange: Exchange) => ServerCallContext
  readonly maxBodyBytes: number
}

interface Request {
  readonly context: ServerCallContext
  readonly handler: A2ARequestHandler
  readonly query: URLSearchParams
  /** What the path names: a task, and a push configuration of it. */
  readonly names: readonly string[]
  readonly body: unknown
}

type Answer =
  | { readonly status: number; readonly body?: unknown }
  | { readonly events: AsyncGenerator<StreamResponse, void, undefined> }

interface Operation {
  readonly method: string
  readonly path: RegExp
  run(request: Request): Promise<Answer>
}

const name = '([^/:]+)'
const ok = (body: unknown): Answer => ({ status: 200, body })
const at = (path: string): RegExp => new RegExp(`^${path}$`)

const operations: readonly Operation[] = [
  {
    method: 'POST',
    path: at('/message:send'),
    async run({ handler, context, body }) {
      // Ours answers with tasks alone.
      const value = (await handler.sendMessage(SendMessageRequest.fromJSON(body), context)) as Task
      return ok(SendMessageResponse.toJSON({ payload: { $case: 'task', value } }))
    },
  },
  {
    method: 'POST',
    path: at('/message:stream'),
    run: ({ handler, context, body }) =>
      Promise.resolve({ events: handler.sendMessageStream(SendMessageRequest.fromJSON(body), context) }),
  },
  ...(['GET', 'POST'] as const).map((method) => ({
    method,
    path: at(`/tasks/${name}:subscribe`),
    run: ({ handler, context, names: [id = ''] }: Request) =>
      Promise.resolve({ events: handler.resubscribe({ id, tenant: '' }, context) }),
  })),
  {
    method: 'POST',
    path: at(`/tasks/${name}:cancel`),
    run: async ({ handler, context, names: [id = ''] }) =>
      ok(Task.toJSON(await handler.cancelTask({ id, tenant: '', metadata: {} }, context))),
  },
  {
    method: 'GET',
    path: at(`/tasks/${name}`),
    async run({ handler, context, query, names: [id = ''] }) {
      const historyLength = numberOf(query, 'historyLength')
      return ok(Task.toJSON(await handler.getTask({ id, tenant: '', historyLength }, context)))
    },
  },
  {
    method: 'GET',
    path: at('/tasks'),
    async run({ handler, context, query }) {
      const status = query.get('status') ?? ''
      const found = await handler.listTasks(
        {
          tenant: '',
          contextId: query.get('contextId') ?? '',
          status: taskStateFromJSON(/^\d+$/.test(status) ? Number(status) : status || 0),
          pageSize: numberOf(query, 'pageSize'),
          pageToken: query.get('pageToken') ?? '',
          historyLength: numberOf(query, 'historyLength'),
          statusTimestampAfter: query.get('statusTimestampAfter') ?? undefined,
          includeArtifacts: query.get('includeArtifacts') === 'true',
        },
        context,
      )
      // What is empty is shown, too: a list says that it has no further page.
      const empty = { tasks: [], nextPageToken: '', totalSize: 0 }
      return ok({ ...empty, ...(ListTasksResponse.toJSON(found) as object) })
    },
  },
  {
    method: 'POST',
    path: at(`/tasks/${name}/pushNotificationConfigs`),
    async run({ handler, context, body, names: [taskId = ''] }) {
      const config = TaskPushNotificationConfig.fromJSON({ ...(body as object), taskId })
      const kept = await handler.createTaskPushNotificationConfig(config, context)
      return { status: 201, body: TaskPushNotificationConfig.toJSON(kept) }
    },
  },
  {
    method: 'GET',
    path: at(`/tasks/${name}/pushNotificationConfigs`),
    async run({ handler, context, names: [taskId = ''] }) {
      const page = { taskId, tenant: '', pageSize: 0, pageToken: '' }
      const found = await handler.listTaskPushNotificationConfigs(page, context)
      return ok(ListTaskPushNotificationConfigsResponse.toJSON(found))
    },
  },
  {
    method: 'GET',
    path: at(`/tasks/${name}/pushNotificationConfigs/${name}`),
    async run({ handler, context, names: [taskId = '', id = ''] }) {
      const found = await handler.getTaskPushNotificationConfig({ taskId, id, tenant: '' }, context)
      return ok(TaskPushNotificationConfig.toJSON(found))
    },
  },
  {
    method: 'DELETE',
    path: at(`/tasks/${name}/pushNotificationConfigs/${name}`),
    async run({ handler, context, names: [taskId = '', id = ''] }) {
      await handler.deleteTaskPushNotificationConfig({ taskId, id, tenant: '' }, context)
      return { status: 204 }
    },
  },
  {
    method: 'GET',
    path: at('/extendedAgentCard'),
    run: async ({ handler, context }) =>
      ok(await handler.getAuthenticatedExtendedAgentCard({ tenant: '' }, context)),
  },
]

export async function answerRest(exchange: Exchange, options: RestOptions): Promise<void> {
  const { request, response, url } = exchange
  const { handler, card, contextOf, maxBodyBytes } = options
  const context = contextOf(exchange)
  const path = url.pathname.slice(paths.rest.length)
  const here = operations.filter((operation) => operation.path.test(path))
  const operation = here.find(({ method }) => method === request.method)
  if (operation === undefined)
    throw new HttpProblem(here.length === 0 ? 404 : 405, 'there is no such operation')
  try {
    validateVersion(context.requestedVersion, card, 'HTTP+JSON')
    checkContentType(request.headers['content-type'], ['application/json', A2A_CONTENT_TYPE])
    const body = request.method === 'POST' ? bodyOf(await readBody(request, maxBodyBytes)) : {}
    const names = (operation.path.exec(path) ?? []).slice(1).map(decoded)
    const answer = await operation.run({ context, handler, query: url.searchParams, names, body })
    if ('events' in answer) await sendEvents(exchange, shown(answer.events), failure)
    else if (answer.status === 204) response.writeHead(204).end()
    else sendJson(response, answer.status, answer.body, A2A_CONTENT_TYPE)
  } catch (error) {
    if (error instanceof HttpProblem || response.headersSent) throw error
    sendJson(response, restStatusFor(error), failure(error))
  }
}

const failure = (error: unknown) => toRestErrorBody(error, restStatusFor(error))

async function* shown(events: AsyncGenerator<StreamResponse, void, undefined>) {
  for await (const event of events) yield StreamResponse.toJSON(event)
}

/** @throws {A2AError} RequestMalformedError */
function bodyOf(text: string): object {
  let body: unknown
  try {
    body = text === '' ? {} : JSON.parse(text)
  } catch (cause) {
    throw new RequestMalformedError({ message: 'the body is no JSON', cause })
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  throw new RequestMalformedError('the body is no JSON object')
}

function numberOf(query: URLSearchParams, key: string): number | undefined {
  const text = query.get(key)
  if (text === null || text === '') return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new RequestMalformedError(`${key} is a whole number from 0 up`)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new RequestMalformedError({ message: 'the path cannot be read', cause })
  }
}
