/** What both kinds of pool do with the worker of a thread, and with its control channel. */
import type { MessagePort, Worker } from 'node:worker_threads'
import { isHello, type ThreadMessage } from './messages.js'

export interface ThreadLink {
  readonly worker: Worker
  readonly control: MessagePort
}

/** Who greets. Null for what is no greeting of one of `workers`: a runner can write to that channel, too. */
export function linkOf(message: unknown, workers: readonly Worker[]): ThreadLink | null {
  if (!isHello(message)) return null
  const { helloFrom, control } = message
  const worker = workers.find(({ threadId }) => threadId === helloFrom)
  if (worker !== undefined) return { worker, control }
  control.close()
  return null
}

interface LinkListener {
  readonly hear: (message: ThreadMessage) => void
  readonly onError: (error: Error) => void
  readonly onExit: (code: number) => void
}

/** Keeps no process alive (R5). */
export function listenTo({ worker, control }: ThreadLink, { hear, onError, onExit }: LinkListener): void {
  control.on('message', hear)
  control.unref()
  worker.on('error', onError)
  worker.once('exit', onExit)
}

export function terminate({ worker }: Pick<ThreadLink, 'worker'>): void {
  void worker.terminate()
  worker.unref() // terminating references it (R5)
}

/** Resolves when all have: never, where one is stuck in a native call. */
export async function allExited(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
}
