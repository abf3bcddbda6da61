/**
 * What a host and what carries its children, a thread or a process, say to each other. One control channel for each; a
 * child is named by its run number.
 */
import { MessagePort } from 'node:worker_threads'
import type { ErrorDetail } from '../core/event.js'
import type { Json } from '../core/json.js'
import type { RunnerReference } from '../runner.js'
import type { ChildActivity, ChildEnd, ChildJob } from './executor.js'

/** The first word of a thread, on the worker's own channel: here is my control channel. */
export interface Hello {
  readonly helloFrom: number
  readonly control: MessagePort
}

/** True for a greeting: anything else on that channel is a runner's own. */
export function isHello(message: unknown): message is Hello {
  if (typeof message !== 'object' || message === null) return false
  const { helloFrom, control } = message as Partial<Hello>
  return typeof helloFrom === 'number' && control instanceof MessagePort
}

/** Handed to a thread with each child. */
export interface JobMessage extends ChildJob<RunnerReference> {
  readonly run: number
  readonly shared: boolean
  readonly importTimeoutMs: number
  /** What the thread or process itself may use outside of its heap; null where that is not sampled there. */
  readonly memoryLimitBytes: number | null
}

export interface InterruptMessage {
  readonly type: 'interrupt'
  readonly run: number
  readonly reason: string
  /** When its child is going to be terminated, ms from now. */
  readonly graceMs?: number | undefined
}

/** What the host says to one child. `request` is the one that is answered; `tell` numbers what it says by itself. */
export type HostWord =
  | { readonly type: 'answer'; readonly request: number; readonly value: Json }
  | { readonly type: 'fail'; readonly request: number; readonly error: ErrorDetail }
  | { readonly type: 'tell'; readonly tell: number; readonly kind: string; readonly payload: Json }

export interface WordMessage {
  readonly type: 'word'
  readonly run: number
  readonly word: HostWord
}

/** What one child says to its host. `told`: whether the child took what it was told. */
export type ChildWord =
  | { readonly type: 'request'; readonly request: number; readonly kind: string; readonly payload: Json }
  | { readonly type: 'told'; readonly tell: number; readonly taken: boolean }

/** Of a child of a thread. */
export function jobMessage(
  run: number,
  job: ChildJob<RunnerReference>,
  {
    shared,
    importTimeoutMs,
    memoryLimitBytes,
  }: Pick<JobMessage, 'shared' | 'importTimeoutMs' | 'memoryLimitBytes'>,
): JobMessage {
  const { task, runner, transcriptPath, spillDirectory, summaryCharacters, resumeFrom } = job
  return {
    run,
    shared,
    importTimeoutMs,
    memoryLimitBytes,
    task,
    runner,
    transcriptPath,
    spillDirectory,
    summaryCharacters,
    ...(resumeFrom !== undefined && { resumeFrom }),
  }
}

/** Host to thread. */
export type ControlMessage =
  | InterruptMessage
  | WordMessage
  | { readonly type: 'ping'; readonly ping: number }
  /** Children of a shared thread, those of one tick together; or the one of a process. */
  | { readonly type: 'jobs'; readonly jobs: readonly JobMessage[] }

/** Thread to host. Activity of all its children travels together. */
export type ThreadMessage =
  | { readonly type: 'started'; readonly run: number }
  | { readonly type: 'activity'; readonly children: readonly (readonly [run: number, ChildActivity])[] }
  | { readonly type: 'pong'; readonly ping: number }
  | { readonly type: 'word'; readonly run: number; readonly word: ChildWord }
  /** The child uses more memory than it may. */
  | { readonly type: 'memory'; readonly run: number }
  /** Of a shared thread: those that ended in one turn of its loop. Of a process: its one. */
  | { readonly type: 'replies'; readonly replies: readonly (readonly [run: number, Reply])[] }

/**
 * How the thread answers for a child. `started`: its runner was called. `clean`: it left nothing behind, so that the
 * thread may take another child.
 */
export interface Reply {
  readonly started: boolean
  readonly end: ChildEnd
  readonly activity: ChildActivity | null
  readonly clean: boolean
}
