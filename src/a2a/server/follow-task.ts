/** A task as it goes on: first itself, then what becomes of it, its last state at the end. */
import { TaskState, type Artifact, type StreamResponse, type Task, type TaskStatus } from '@a2a-js/sdk'
import type { JsonObject } from '../../runner.js'
import { artifactOf } from './artifacts.js'
import { ownMetadata } from './parts.js'
import type { TaskFeed, TaskNews } from './task-feed.js'
import { isTerminal } from './task-view.js'

export interface FollowOptions {
  readonly taskId: string
  readonly view: () => Promise<Task>
  readonly feed: TaskFeed
  /** Its reader has left, or the server closes. */
  readonly signal: AbortSignal
}

type ChildNews = Extract<TaskNews, { readonly type: 'child' }>['payload']

/**
 * What a slow reader has not read yet is merged: of progress it gets the newest, of states the last, of artifacts all,
 * of which there are no more than children. So no reader costs more than the task itself.
 */
export async function* followTask({
  taskId,
  view,
  feed,
  signal,
}: FollowOptions): AsyncGenerator<StreamResponse, void, undefined> {
  const news = createNews(signal)
  const stopListening = feed.listen(taskId, news.add)
  try {
    const task = await view()
    yield { payload: { $case: 'task', value: task } }
    if (isTerminal(task.status?.state ?? TaskState.TASK_STATE_UNSPECIFIED)) return
    void feed.ended(taskId).then(news.end, news.end)
    const told = new Set<string>()
    let status = task.status
    while (!signal.aborted) {
      const next = news.take()
      if (next === 'ended') break
      if (next === null) await news.wait()
      else if (next.kind === 'child') {
        const artifact = await artifactOf(taskId, next.child.goal, next.result)
        if (artifact !== null) yield artifactUpdate(task, told, artifact)
      } else if (next.kind === 'progress') {
        if (status?.state === TaskState.TASK_STATE_WORKING)
          yield statusUpdate(task, status, ownMetadata(next.progress))
      } else {
        const { status: now } = await view()
        if (now === undefined || isTerminal(now.state) || isSame(now, status)) continue
        status = now
        yield statusUpdate(task, now)
      }
    }
    if (signal.aborted) return
    const last = await view()
    for (const artifact of last.artifacts)
      if (!told.has(artifact.artifactId)) yield artifactUpdate(task, told, artifact)
    if (last.status !== undefined) yield statusUpdate(task, last.status, last.metadata)
  } finally {
    stopListening()
  }
}

function isSame(a: TaskStatus, b: TaskStatus | undefined): boolean {
  return a.state === b?.state && a.message?.messageId === b.message?.messageId
}

function artifactUpdate({ id, contextId }: Task, told: Set<string>, artifact: Artifact): StreamResponse {
  told.add(artifact.artifactId)
  const value = { taskId: id, contextId, artifact, append: false, lastChunk: true, metadata: undefined }
  return { payload: { $case: 'artifactUpdate', value } }
}

export function statusUpdate(
  { id, contextId }: Pick<Task, 'id' | 'contextId'>,
  status: TaskStatus,
  metadata?: Task['metadata'],
): StreamResponse {
  return { payload: { $case: 'statusUpdate', value: { taskId: id, contextId, status, metadata } } }
}

type Item =
  | { readonly kind: 'child'; readonly child: ChildNews; readonly result: NonNullable<ChildNews['result']> }
  | { readonly kind: 'progress'; readonly progress: JsonObject }
  | { readonly kind: 'state' }

function createNews(signal: AbortSignal) {
  const children: Extract<Item, { kind: 'child' }>[] = []
  const progress = new Map<number, JsonObject>()
  let isStale = true
  let hasEnded = false
  let wake = (): void => undefined
  signal.addEventListener('abort', () => wake(), { once: true })
  return {
    add(news: TaskNews): void {
      if (news.type === 'progress') {
        const { task_index, progress: fields, current_tool } = news.payload
        progress.set(task_index, { task_index, current_tool, progress: fields })
      } else {
        isStale = true
        if (news.type === 'child' && news.payload.result !== undefined) {
          children.push({ kind: 'child', child: news.payload, result: news.payload.result })
          progress.delete(news.payload.task_index)
        }
      }
      wake()
    },
    end(): void {
      hasEnded = true
      wake()
    },
    /** Null: there is nothing now. `ended`: nothing will come any more. */
    take(): Item | 'ended' | null {
      if (isStale) {
        isStale = false
        return { kind: 'state' }
      }
      const child = children.shift()
      if (child !== undefined) return child
      if (hasEnded) return 'ended'
      for (const [index, fields] of progress) {
        progress.delete(index)
        return { kind: 'progress', progress: fields }
      }
      return null
    },
    wait(): Promise<void> {
      return new Promise((resolve) => {
        wake = resolve
        if (signal.aborted) resolve()
      })
    },
  }
}
