/**
 * One remote task, from whatever says something of it: the answer to the message, a subscription, a look, a list. The
 * first terminal state wins; what comes after it changes nothing.
 */
import { TaskState, type Artifact, type StreamResponse, type Task } from '@a2a-js/sdk'
import type { PeerTime } from './peer-time.js'
import { mayBeId } from './task-ids.js'

const terminalStates: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
])
const waitingStates: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_INPUT_REQUIRED,
  TaskState.TASK_STATE_AUTH_REQUIRED,
])

/** How far a peer's clock may be ahead of ours, seconds: a time beyond it says nothing of what came first. */
const mostAheadSeconds = 60

export class TaskView {
  #task: Task
  readonly #time: Pick<PeerTime, 'now'>
  #revision = 0
  /** Of the question that was answered last: a peer that still shows it has not read the answer yet. */
  #answered: string | null = null

  constructor(task: Task, time: Pick<PeerTime, 'now'>) {
    this.#task = task
    this.#time = time
  }

  /** Changes with whatever was taken: what a look began with. */
  get revision(): number {
    return this.#revision
  }

  get task(): Task {
    return this.#task
  }

  get state(): TaskState {
    return stateOf(this.#task)
  }

  get isTerminal(): boolean {
    return terminalStates.has(this.state)
  }

  /** It wants an input, or an authorization, that it was not given yet. */
  get isWaiting(): boolean {
    return waitingStates.has(this.state) && this.#question !== this.#answered
  }

  get #question(): string {
    const { status } = this.#task
    return `${status?.state} ${status?.timestamp ?? ''} ${status?.message?.messageId ?? ''}`
  }

  noteAnswered(): void {
    this.#answered = this.#question
  }

  /**
   * Returns whether anything of it is news. An answer is newer than all that was taken before it was asked for, whatever
   * the peer's clock says; only one that was overtaken on its way (`asked` is a `revision` of the past) may be old.
   */
  take(task: Task, asked = this.#revision): boolean {
    if (this.isTerminal || task.id !== this.#task.id) return false
    if (asked !== this.#revision && (this.#isStale(task) || isTimeless(task))) return false
    const isNews = task.status?.state !== this.state || signature(task) !== signature(this.#task)
    this.#change(task)
    return isNews
  }

  takeEvent({ payload }: StreamResponse): boolean {
    if (payload?.$case === 'task')
      return isTask(payload.value) && !this.#isStale(payload.value) && this.take(payload.value)
    if (this.isTerminal) return false
    if (payload?.$case === 'statusUpdate' && payload.value.taskId === this.#task.id && payload.value.status) {
      const changed = { ...this.#task, status: payload.value.status }
      if (!isTask(changed) || this.#isStale(changed)) return false
      this.#change(changed)
      return true
    }
    if (
      payload?.$case === 'artifactUpdate' &&
      payload.value.taskId === this.#task.id &&
      payload.value.artifact
    ) {
      const { artifact, append } = payload.value
      this.#change({ ...this.#task, artifacts: withArtifact(this.#task.artifacts, artifact, append) })
      return true
    }
    return false
  }

  #change(task: Task): void {
    this.#task = task
    this.#revision += 1
  }

  #isStale(task: Task): boolean {
    const [given, known] = [task, this.#task].map(({ status }) => Date.parse(status?.timestamp ?? ''))
    if (terminalStates.has(stateOf(task)) || given === undefined || known === undefined) return false
    return given < known && known <= (this.#time.now() + mostAheadSeconds) * 1000
  }
}

/** Of what was overtaken on its way nobody can say whether it is old, unless it has a time, or is the end. */
const isTimeless = (task: Task): boolean =>
  !terminalStates.has(stateOf(task)) && Number.isNaN(Date.parse(task.status?.timestamp ?? ''))

/** A task that cannot be told from none is none, and neither is one whose ids are no ids. */
export function isTask(value: unknown): value is Task {
  if (typeof value !== 'object' || value === null) return false
  const { id, contextId, status } = value as Partial<Task>
  const areIds = [id, contextId, status?.message?.messageId].every(mayBeId)
  return typeof id === 'string' && id !== '' && areIds && isKnownState(status?.state)
}

function isKnownState(state: TaskState | undefined): boolean {
  return state !== undefined && state !== TaskState.TASK_STATE_UNSPECIFIED && state !== TaskState.UNRECOGNIZED
}

const stateOf = ({ status }: Task): TaskState => status?.state ?? TaskState.TASK_STATE_UNSPECIFIED

const signature = ({ status, artifacts }: Task): string =>
  `${status?.timestamp ?? ''} ${status?.message?.messageId ?? ''} ${artifacts.length}`

function withArtifact(known: readonly Artifact[], artifact: Artifact, append: boolean): Artifact[] {
  const at = known.findIndex(({ artifactId }) => artifactId === artifact.artifactId)
  const earlier = known[at]
  if (earlier === undefined) return [...known, artifact]
  const merged = append ? { ...earlier, parts: [...earlier.parts, ...artifact.parts] } : artifact
  return known.map((each, index) => (index === at ? merged : each))
}
