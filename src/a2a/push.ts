/**
 * Push notifications, from the host that receives them to the threads that follow tasks. A notification is only a hint:
 * what is true is what the peer answers when it is asked, so that nobody gains anything by sending a false one.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BroadcastChannel } from 'node:worker_threads'
import { mayBeId } from './task-ids.js'

const channelName = 'hermes-delegate:a2a-push'
const maxBodyBytes = 1_000_000

/** Tells all threads of this process that something happened to a task, or to any of theirs if its id is null. */
function announce(taskId: string | null): void {
  const channel = new BroadcastChannel(channelName)
  channel.postMessage(taskId)
  channel.close()
}

/** One child that wants to hear of its task. */
export interface PushEar {
  /**
   * From now on `hurry` is called whenever something is said of this task; at once, if that happened since the ear was
   * opened: a fast peer tells of a task before the answer that names it was read.
   */
  listen(taskId: string, hurry: () => void): void
  close(): void
}

/** Of the children of this thread, by their tasks. */
const listeners = new Map<string, () => void>()
/** Tasks that nobody here has named yet, the oldest first. */
const unclaimed = new Set<string>()
const mostUnclaimed = 1_000
let ears = 0
let channel: BroadcastChannel | null = null

export function openPushEar(): PushEar {
  let isOpen = true
  let heard: { readonly taskId: string; readonly hurry: () => void } | null = null
  ears += 1
  channel ??= openChannel()
  return {
    listen(taskId, hurry) {
      heard = { taskId, hurry }
      listeners.set(taskId, hurry)
      if (unclaimed.delete(taskId)) hurry()
    },
    close() {
      if (!isOpen) return
      isOpen = false
      // Another child may have come to listen for the same task.
      if (heard !== null && listeners.get(heard.taskId) === heard.hurry) listeners.delete(heard.taskId)
      ears -= 1
      if (ears > 0) return
      unclaimed.clear()
      channel?.close()
      channel = null
    },
  }
}

function openChannel(): BroadcastChannel {
  const opened = new BroadcastChannel(channelName)
  // It keeps no process alive; the thread's types know nothing of it.
  ;(opened as BroadcastChannel & { unref(): void }).unref()
  opened.onmessage = (message) => hear((message as { readonly data: unknown }).data)
  return opened
}

function hear(said: unknown): void {
  if (said === null) for (const hurry of listeners.values()) hurry()
  if (typeof said !== 'string') return
  const hurry = listeners.get(said)
  if (hurry !== undefined) return hurry()
  const [oldest] = unclaimed
  if (oldest !== undefined && unclaimed.size >= mostUnclaimed) unclaimed.delete(oldest)
  unclaimed.add(said)
}

export interface PushReceiverOptions {
  /** What peers have to send along: the content of the runner's `push.tokenEnv`. */
  readonly token: string
}

/**
 * A handler for node:http at the address that `push.url` names. Answers 204, or 401 without the token, 405, 413 over 1 MB.
 * Works for peers whose children are in threads of this process.
 */
export function pushReceiver({
  token,
}: PushReceiverOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const end = (status: number): void => {
      if (response.headersSent) return
      response.writeHead(status, status === 204 ? {} : { connection: 'close' }).end()
    }
    if (request.method !== 'POST') return end(405)
    if (!isSame(tokenOf(request), token)) return end(401)
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes <= maxBodyBytes) chunks.push(chunk)
      else end(413)
    })
    request.once('end', () => {
      if (bytes > maxBodyBytes) return
      announce(taskIdIn(Buffer.concat(chunks).toString('utf8')))
      end(204)
    })
  }
}

function tokenOf({ headers }: IncomingMessage): string {
  const given = headers['x-a2a-notification-token']
  if (typeof given === 'string') return given
  return headers.authorization?.replace(/^Bearer /i, '') ?? ''
}

/** In a time that says nothing of how much was right. */
function isSame(given: string, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return wanted !== '' && timingSafeEqual(hash(given), hash(wanted))
}

/** Version 1.0 sends what a stream would send, 0.3 the task itself. */
function taskIdIn(body: string): string | null {
  try {
    const value = JSON.parse(body) as Record<string, Record<string, unknown> | undefined> & { id?: unknown }
    const id =
      value['task']?.['id'] ??
      value['statusUpdate']?.['taskId'] ??
      value['artifactUpdate']?.['taskId'] ??
      value.id
    return typeof id === 'string' && mayBeId(id) ? id : null
  } catch {
    return null
  }
}
