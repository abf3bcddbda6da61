/**
 * `run --detach`: the same command once more, in a session of its own that no terminal ends. The two speak once: the
 * handle, the refusal or the error goes back, and from then on the process lives for its unit alone.
 */
import { fork, type ChildProcess } from 'node:child_process'
import type { Dispatched, Rejected } from '../index.js'
import { dispatch, type DispatchingOptions } from './dispatch.js'
import { notify } from './notify.js'
import { openDelegator } from './open.js'
import { exitCodes } from './render.js'
import { onStopSignal } from './stop-signals.js'

/** Tells the process that it is the detached one, and by whom it was started. */
const variable = 'HERMES_DELEGATE_DETACHED_BY'

type Answer = { readonly handle: Dispatched | Rejected } | { readonly error: Told }

/** As much of an error as the user is told. */
interface Told {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: unknown
}

/** The way back to the process that detached this one. */
export interface DetachedParent {
  answer(answer: Answer): Promise<void>
  /** Calls `gone` when it ends before it was answered. */
  onGone(gone: () => void): void
}

/** Null in a process that was started by anyone else. */
export function detachedParent(): DetachedParent | null {
  const isDetached = process.env[variable] === String(process.ppid) && process.send !== undefined
  // What this process runs is not detached by it.
  Reflect.deleteProperty(process.env, variable)
  if (!isDetached) return null
  return {
    answer: (answer) =>
      new Promise((resolve) => {
        process.removeAllListeners('disconnect')
        if (process.send === undefined || !process.connected) return resolve()
        process.send(answer, undefined, undefined, () => {
          if (process.connected) process.disconnect()
          resolve()
        })
      }),
    onGone: (gone) => void process.once('disconnect', gone),
  }
}

/** @throws what the other process threw, by name, code and message. */
export async function startDetached(): Promise<{ handle: Dispatched | Rejected; pid: number }> {
  const [, bin = '', ...args] = process.argv
  const child = fork(bin, args, {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [variable]: String(process.pid) },
  })
  const signals = onStopSignal(() => child.disconnect())
  try {
    const answer = await answerOf(child)
    if ('handle' in answer) return { handle: answer.handle, pid: child.pid ?? 0 }
    throw Object.assign(new Error(answer.error.message), answer.error)
  } finally {
    signals.release()
    if (child.connected) child.disconnect()
    child.unref()
  }
}

function answerOf(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer) => resolve(answer as Answer))
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`the detached process ended with ${signal ?? code ?? 1} before it had dispatched`)),
    )
  })
}

/** The detached process: dispatches, answers, and ends with its unit, whose completion waits for a drain. */
export async function runDetached(
  goals: readonly string[],
  options: DispatchingOptions,
  command: readonly string[] | null,
  parent: DetachedParent,
): Promise<number> {
  try {
    const opened = await openDelegator(options)
    const { delegator } = opened
    const signals = onStopSignal((name, urgency) => {
      const grace = urgency === 'order' ? { graceMs: 0 } : {}
      void delegator.interruptAll(`stopped by ${name}`, grace)
    })
    // Nobody would have its handle: a dispatch that waits for a slot is given up.
    parent.onGone(() => void delegator.close())
    try {
      const handle = await dispatch(delegator, goals, opened.config, options)
      await parent.answer({ handle })
      if (handle.status === 'rejected' || !opened.owns(handle.delegationId)) return exitCodes.ok
      const event = await delegator.wait(handle.delegationId)
      if (command !== null) await notify(command, event)
      return exitCodes.ok
    } finally {
      await opened.close()
      signals.release()
    }
  } catch (error) {
    const { name, message, stack, code } = error as Error & { readonly code?: unknown }
    await parent.answer({ error: { name, message, stack, code } })
    return exitCodes.failed
  }
}
