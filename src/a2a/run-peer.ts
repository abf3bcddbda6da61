/** One child, from its goal to the end of the task that a peer made of it. */
import { createHash } from 'node:crypto'
import { Role, TaskState, type Message } from '@a2a-js/sdk'
import { pause, type JsonObject, type RunnerContext, type RunnerResult, type RunnerTask } from '../runner.js'
import { cancelAtPeer } from './cancel.js'
import { questionOf } from './answer.js'
import { createPeers, type Peer, type PeerLease } from './peer.js'
import { readCheckpoint, writtenCheckpoint, type PeerCheckpoint } from './peer-checkpoint.js'
import { secretIn, type PeerClient, type PushTarget } from './peer-client.js'
import { QueuedAck } from './peer-error.js'
import type { PeerSettings } from './peer-options.js'
import { guardedContext, withoutTokens } from './peer-secrets.js'
import { resultOfError, resultOfMessage, resultOfTask } from './peer-result.js'
import { systemTime, type PeerTime } from './peer-time.js'
import { openPushEar, type PushEar } from './push.js'
import { TaskView } from './task-view.js'
import { watchTask } from './watch-task.js'

/** What the children of a thread share. */
const leaseHere = createPeers(process.env, systemTime)

/** Everything that goes wrong is a result; the child ends in any case. */
export async function runPeerTask(
  task: RunnerTask,
  ctx: RunnerContext,
  lease: (settings: PeerSettings) => PeerLease = leaseHere,
  time: PeerTime = systemTime,
): Promise<RunnerResult> {
  const settings = ctx.options as PeerSettings
  const struck = withoutTokens(settings, process.env)
  let held: PeerLease | null = null
  try {
    held = lease(settings)
    return struck(await new PeerRun(task, guardedContext(ctx, struck), settings, held.peer, time).result())
  } catch (error) {
    return struck(resultOfError(error))
  } finally {
    held?.release()
  }
}

class PeerRun {
  readonly #task: RunnerTask
  readonly #ctx: RunnerContext
  readonly #settings: PeerSettings
  readonly #peer: Peer
  readonly #time: PeerTime
  /** Open before anything is sent. */
  readonly #ear: PushEar | null
  #at: PeerCheckpoint
  #client: PeerClient | null = null
  #sent = 0

  constructor(task: RunnerTask, ctx: RunnerContext, settings: PeerSettings, peer: Peer, time: PeerTime) {
    this.#task = task
    this.#ctx = ctx
    this.#settings = settings
    this.#peer = peer
    this.#time = time
    this.#ear = settings.push === undefined ? null : openPushEar()
    const earlier = readCheckpoint(ctx.resumeFrom)
    const fresh = {
      messageId: `${task.delegationId}-${task.taskIndex}`,
      taskId: null,
      contextId: task.continued === undefined ? null : (earlier?.contextId ?? null),
      answers: 0,
      queuedAt: null,
    }
    this.#at = earlier === null || task.continued !== undefined ? fresh : earlier
  }

  /** However it ends: the ids are what a task that was lost is found by at the peer. */
  async result(): Promise<RunnerResult> {
    const result = await this.#reach().catch(resultOfError)
    this.#ear?.close()
    const { taskId, contextId, messageId } = this.#at
    const { card } = this.#client ?? {}
    const peer: JsonObject = {
      message_id: messageId,
      ...(taskId !== null && { task_id: taskId }),
      ...(contextId !== null && { context_id: contextId }),
      ...(card && { name: card.name, url: card.url, version: card.version, transport: card.transport }),
    }
    return { ...result, api_calls: this.#sent, peer }
  }

  async #reach(): Promise<RunnerResult> {
    const { taskId, queuedAt } = this.#at
    if (queuedAt !== null && taskId === null) return this.#stayQueued(queuedAt)
    if (taskId !== null) return this.#follow(await this.#found(taskId))
    const { rerun } = this.#task
    if (rerun === true && !(await this.#open()).card.deduplicates) return this.#unknown()
    try {
      this.#checkpoint({})
      const answer = await this.#send(this.#at.messageId, promptOf(this.#task), null)
      if ('message' in answer) return this.#answered(answer.message)
      return await this.#follow(new TaskView(answer.task, this.#time))
    } catch (error) {
      if (!(error instanceof QueuedAck)) throw error
      this.#checkpoint({ queuedAt: this.#time.now() })
      return this.#stayQueued(this.#time.now())
    }
  }

  /** Nobody knows whether it arrived, and sending it again might do the work twice. */
  #unknown(): RunnerResult {
    return {
      status: 'unknown',
      summary: null,
      error:
        'its host died before the peer had named a task; the message may have arrived, and is not sent again to a peer ' +
        'that does not declare that it takes it for the same one (deduplicates)',
    }
  }

  #answered(message: Message): RunnerResult {
    this.#checkpoint({ contextId: message.contextId || this.#at.contextId })
    return resultOfMessage(message)
  }

  async #open(): Promise<PeerClient> {
    return (this.#client = await this.#attempt(() => this.#peer.connection.client(), true))
  }

  #attempt<T>(act: () => Promise<T>, isRepeatable: boolean): Promise<T> {
    const { signal } = this.#ctx
    return this.#peer.attempt(act, {
      isRepeatable,
      signal,
      onRetry: (error, waitMs) =>
        this.#ctx.logger.warn(`${error.code}: ${error.message}; tried again in ${Math.round(waitMs)} ms`),
    })
  }

  /** The message id stays the same however often it is sent (6-B5). */
  async #send(messageId: string, text: string, taskId: string | null) {
    const message: Message = {
      messageId,
      contextId: this.#at.contextId ?? '',
      taskId: taskId ?? '',
      role: Role.ROLE_USER,
      parts: [
        {
          content: { $case: 'text', value: text },
          metadata: undefined,
          filename: '',
          mediaType: 'text/plain',
        },
      ],
      metadata: { delegation_id: this.#task.delegationId, task_index: this.#task.taskIndex },
      extensions: [],
      referenceTaskIds: [],
    }
    const { card } = await this.#open()
    const answer = await this.#attempt(async () => {
      this.#client = await this.#peer.connection.client()
      this.#sent += 1
      return this.#client.send(message, card.push ? this.#push() : null, traceHeaders(this.#task))
    }, card.deduplicates)
    if ('task' in answer)
      this.#checkpoint({ taskId: answer.task.id, contextId: answer.task.contextId || null })
    return answer
  }

  #push(): PushTarget | null {
    const { push } = this.#settings
    return push === undefined ? null : { url: push.url, token: secretIn(process.env, push.tokenEnv) }
  }

  #checkpoint(change: Partial<PeerCheckpoint>): void {
    this.#at = { ...this.#at, ...change }
    this.#ctx.checkpoint(writtenCheckpoint(this.#at))
  }

  async #found(id: string): Promise<TaskView> {
    const task = await this.#attempt(async () => {
      this.#client = await this.#peer.connection.client()
      return this.#client.get(id)
    }, true)
    return new TaskView(task, this.#time)
  }

  /** Until it is over; what it asks meanwhile is asked here, and answered in the same task and context. */
  async #follow(view: TaskView): Promise<RunnerResult> {
    const watch = watchTask(view, this.#peer.follower, () => this.#show(view))
    this.#ear?.listen(view.task.id, watch.hurry)
    this.#show(view)
    try {
      for (;;) {
        await watch.until(() => view.isTerminal || view.isWaiting, this.#ctx.signal)
        if (view.isTerminal) return resultOfTask(view, false)
        if (this.#ctx.signal.aborted) return await this.#cancel(view, watch.until)
        await this.#answer(view, watch)
      }
    } finally {
      watch.stop()
    }
  }

  #cancel(view: TaskView, until: ReturnType<typeof watchTask>['until']): Promise<RunnerResult> {
    return cancelAtPeer(view, {
      client: () => this.#peer.connection.client(),
      until,
      time: this.#time,
      timeoutMs: this.#settings.cancelTimeoutSeconds * 1000,
    })
  }

  async #answer(view: TaskView, watch: ReturnType<typeof watchTask>): Promise<void> {
    const asked = questionOf(view.task) || 'The peer needs an answer, and does not say to what.'
    const question = needsAuth(view) ? `The peer asks for an authorization: ${asked}` : asked
    const answer = await Promise.race([
      this.#ctx.ask(question.slice(0, questionCharacters)),
      // It may go on, or end, without us.
      watch.until(() => !view.isWaiting, this.#ctx.signal).then(() => null),
    ]).catch(async (error: unknown) => {
      if (this.#ctx.signal.aborted) return null
      await this.#cancel(view, watch.until)
      throw error
    })
    if (answer === null) return
    const answers = this.#at.answers + 1
    // By its question where that has an id: after a crash nobody knows how many were answered.
    const asking = questionId(view.task.status?.message?.messageId, asked) ?? String(answers)
    view.noteAnswered()
    this.#checkpoint({ answers })
    try {
      const reply = await this.#send(`${this.#at.messageId}-${asking}`, answer, view.task.id)
      if ('task' in reply) view.take(reply.task)
    } catch (error) {
      // Nobody will ever answer it: it is not left there.
      await this.#client?.cancel(view.task.id).catch(() => undefined)
      throw error
    }
    watch.hurry()
    this.#show(view)
  }

  #show(view: TaskView): void {
    const { state } = view
    this.#ctx.progress({
      state: view.isWaiting && needsAuth(view) ? 'auth_required' : 'running',
      peer_state: TaskState[state].replace('TASK_STATE_', '').toLowerCase(),
    })
  }

  /** It is neither answered nor sent again; how it ends is not told to us. */
  async #stayQueued(since: number): Promise<RunnerResult> {
    this.#ctx.progress({ state: 'queued', peer_state: 'queued' })
    const { queuedTimeoutSeconds: seconds } = this.#settings
    await pause(Math.max(0, since + seconds - this.#time.now()) * 1000, this.#time, this.#ctx.signal)
    const stays = 'the message stands in the queue of the peer, which gave no task for it'
    return this.#ctx.signal.aborted
      ? { status: 'interrupted', exit_reason: 'queued', error: `${stays}: it cannot be taken back` }
      : { status: 'timeout', exit_reason: 'queued', error: `${stays}, for ${seconds} s` }
  }
}

const questionCharacters = 4_000

function questionId(messageId: string | undefined, question: string): string | null {
  if (messageId === undefined || messageId === '') return null
  return createHash('sha256').update(`${messageId} ${question}`).digest('hex').slice(0, 16)
}

const needsAuth = (view: TaskView): boolean => view.state === TaskState.TASK_STATE_AUTH_REQUIRED

function promptOf({ goal, context }: RunnerTask): string {
  return context === null || context === '' ? goal : `${goal}\n\nContext:\n${context}`
}

/** The W3C's headers; none where the delegation belongs to no trace. */
function traceHeaders({ traceContext }: RunnerTask): Record<string, string> {
  const { traceparent, tracestate, baggage } = traceContext ?? {}
  return {
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    ...(baggage !== undefined && { baggage }),
  }
}
