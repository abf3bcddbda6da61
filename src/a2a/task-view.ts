/**
 * One remote task, from whatever says something of it: the answer to the message, a subscription, a look, a list. The
 * first terminal state wins; what comes after it changes nothing.
 */
import { TaskState, type Artifact, type StreamResponse, type Task } from '@a2a-js/sdk'

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

export class TaskView {
  #task: Task
  /** Of the question that was answered last: a peer that still shows it has not read the answer yet. */
  #answered: string | null = null

  constructor(task: Task) {
    this.#task = task
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

  /** Returns whether anything of it is news. */
  take(task: Task): boolean {
    if (this.isTerminal || task.id !== this.#task.id) return false
    // A look that was overtaken by a later one is old.
    if (!terminalStates.has(stateOf(task)) && olderThan(task, this.#task)) return false
    const isNews = task.status?.state !== this.state || signature(task) !== signature(this.#task)
    this.#task = task
    return isNews
  }

  takeEvent({ payload }: StreamResponse): boolean {
    if (payload?.$case === 'task') return this.take(payload.value)
    if (this.isTerminal) return false
    if (payload?.$case === 'statusUpdate' && payload.value.taskId === this.#task.id && payload.value.status) {
      this.#task = { ...this.#task, status: payload.value.status }
      return true
    }
    if (
      payload?.$case === 'artifactUpdate' &&
      payload.value.taskId === this.#task.id &&
      payload.value.artifact
    ) {
      this.#task = {
        ...this.#task,
        artifacts: withArtifact(this.#task.artifacts, payload.value.artifact, payload.value.append),
      }
      return true
    }
    return false
  }
}

/** A task that cannot be told from none is none. */
export function isTask(value: unknown): value is Task {
  if (typeof value !== 'object' || value === null) return false
  const { id, status } = value as Partial<Task>
  return typeof id === 'string' && id !== '' && isKnownState(status?.state)
}

function isKnownState(state: TaskState | undefined): boolean {
  return state !== undefined && state !== TaskState.TASK_STATE_UNSPECIFIED && state !== TaskState.UNRECOGNIZED
}

const stateOf = ({ status }: Task): TaskState => status?.state ?? TaskState.TASK_STATE_UNSPECIFIED

function olderThan({ status: a }: Task, { status: b }: Task): boolean {
  return Boolean(a?.timestamp && b?.timestamp && Date.parse(a.timestamp) < Date.parse(b.timestamp))
}

const signature = ({ status, artifacts }: Task): string =>
  `${status?.timestamp ?? ''} ${status?.message?.messageId ?? ''} ${artifacts.length}`

function withArtifact(known: readonly Artifact[], artifact: Artifact, append: boolean): Artifact[] {
  const at = known.findIndex(({ artifactId }) => artifactId === artifact.artifactId)
  const earlier = known[at]
  if (earlier === undefined) return [...known, artifact]
  const merged = append ? { ...earlier, parts: [...earlier.parts, ...artifact.parts] } : artifact
  return known.map((each, index) => (index === at ? merged : each))
}
