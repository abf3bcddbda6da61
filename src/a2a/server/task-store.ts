/** The ledger as A2A's store of tasks: a task is a unit, and only its own caller sees it. */
import { randomBytes } from 'node:crypto'
import { TaskState, type ListTasksRequest, type ListTasksResponse, type Task } from '@a2a-js/sdk'
import { RequestMalformedError, TaskNotFoundError } from '@a2a-js/sdk/errors'
import type { AsyncDelegationEvent, Delegator, DelegationRecord } from '../../index.js'
import { DelegationError } from '../../index.js'
import type { Caller } from './callers.js'
import type { Denial } from './denial.js'
import { agentMessage, dataPart, textPart } from './parts.js'
import { contextOf, originOf } from './scopes.js'
import type { TaskFeed } from './task-feed.js'
import { taskOf, timestamp } from './task-view.js'

export interface TaskStore {
  /** @throws {A2AError} TaskNotFoundError, also for a task of another caller */
  get(caller: Caller, taskId: string): Promise<Task>
  list(caller: Caller, request: ListTasksRequest): Promise<ListTasksResponse>
  /** A task of what was not admitted. It is kept in memory alone: a refusal must leave nothing behind that piles up. */
  reject(caller: Caller, contextId: string, denial: Denial, at: number): Task
  /** Lets go of what ended longer ago than `seconds`, so that retention can drop it. */
  letGo(caller: Caller, beforeSeconds: number): Promise<void>
}

/** Of each caller. */
const rejectedKept = 1_000
/** A list looks at the newest so many of a caller. */
const listedTasks = 1_000
const defaultPage = 50
const mostPerPage = 100
const releasePage = 100

export function createTaskStore(
  delegator: Delegator,
  { answeredAt }: Pick<TaskFeed, 'answeredAt'>,
): TaskStore {
  const rejected = new Map<string, Map<string, Task>>()

  async function recordOf(caller: Caller, taskId: string): Promise<readonly [DelegationRecord, string]> {
    try {
      const record = await delegator.get(taskId)
      const contextId = contextOf(record, caller)
      if (contextId !== null) return [record, contextId]
    } catch (error) {
      if (!(error instanceof DelegationError) || error.code !== 'UNKNOWN_DELEGATION') throw error
    }
    throw new TaskNotFoundError(`there is no task ${taskId}`)
  }

  async function endOf(record: DelegationRecord): Promise<AsyncDelegationEvent | null> {
    if (record.completed_at === null) return null
    const [end] = await delegator.completions.read({ ids: [record.delegation_id], limit: 1 })
    return end?.event ?? null
  }

  return {
    async get(caller, taskId) {
      const refused = rejected.get(caller.name)?.get(taskId)
      if (refused !== undefined) return refused
      const [record, contextId] = await recordOf(caller, taskId)
      return taskOf(record, contextId, await endOf(record), answeredAt(taskId))
    },
    async list(caller, request) {
      const { contextId, status, statusTimestampAfter, pageToken, includeArtifacts = false } = request
      const pageSize = checkedPage(request.pageSize)
      const after = checkedTime(statusTimestampAfter)
      const records = await delegator.list({ originUiSessionId: originOf(caller), limit: listedTasks })
      const tasks: Task[] = []
      for (const record of records) {
        const itsContext = contextOf(record, caller)
        if (itsContext === null || (contextId !== '' && contextId !== itsContext)) continue
        const task = await taskOf(record, itsContext, null, answeredAt(record.delegation_id))
        if (status !== TaskState.TASK_STATE_UNSPECIFIED && task.status?.state !== status) continue
        if (Date.parse(task.status?.timestamp ?? '') < after) continue
        tasks.push(task)
      }
      const from = pageToken === '' ? 0 : tasks.findIndex(({ id }) => id === pageToken) + 1
      if (pageToken !== '' && from === 0) throw new RequestMalformedError('pageToken is not known any more')
      const page = tasks.slice(from, from + pageSize)
      const hasMore = from + page.length < tasks.length
      return {
        // Only the page is read whole.
        tasks: includeArtifacts ? await Promise.all(page.map(({ id }) => this.get(caller, id))) : page,
        nextPageToken: hasMore ? (page.at(-1)?.id ?? '') : '',
        pageSize,
        totalSize: tasks.length,
      }
    },
    reject(caller, contextId, { text, data }, at) {
      const id = `rejected_${randomBytes(10).toString('hex')}`
      const parts = [textPart(text), ...(data === null ? [] : [dataPart(data)])]
      const task: Task = {
        id,
        contextId,
        status: {
          state: TaskState.TASK_STATE_REJECTED,
          message: agentMessage({ taskId: id, contextId }, `${id}:refusal`, parts),
          timestamp: timestamp(at),
        },
        artifacts: [],
        history: [],
        metadata: undefined,
      }
      const own = rejected.get(caller.name) ?? new Map<string, Task>()
      rejected.set(caller.name, own.set(id, task))
      for (const oldest of own.keys()) {
        if (own.size <= rejectedKept) break
        own.delete(oldest)
      }
      return task
    },
    async letGo(caller, beforeSeconds) {
      const originUiSessionId = originOf(caller)
      let afterSeq = 0
      for (;;) {
        const page = await delegator.completions.read({ originUiSessionId, afterSeq, limit: releasePage })
        for (const { event, delegation_id } of page) {
          // In the order in which they came: the rest is younger.
          if ((event.completed_at ?? Infinity) > beforeSeconds) return
          await delegator.wait(delegation_id, { collect: true })
        }
        if (page.length < releasePage) return
        afterSeq = page.at(-1)?.seq ?? afterSeq
      }
    },
  }
}

/** Before all of them where nothing is asked for. */
function checkedTime(text: string | undefined): number {
  if (text === undefined || text === '') return -Infinity
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new RequestMalformedError('statusTimestampAfter is no time')
  return time
}

function checkedPage(pageSize: number | undefined): number {
  const size = pageSize ?? defaultPage
  if (Number.isInteger(size) && size >= 1 && size <= mostPerPage) return size
  throw new RequestMalformedError(`pageSize is a whole number from 1 to ${mostPerPage}`)
}
