/**
 * The one channel between what carries children and its host. A thread greets with a message port. A process reads and
 * writes lines of JSON on a pipe that nobody else holds: where it ends, the host has ended, and so does the process.
 */
import { Socket } from 'node:net'
import { MessageChannel, parentPort, threadId, type MessagePort } from 'node:worker_threads'
import { createLineReader } from './line-reader.js'
import type { ControlMessage, Hello, ThreadMessage } from './messages.js'

/** File descriptor of the pipe, in a child's process. */
export const controlFd = 3

/** True in a process that was started for one child, false in a thread. */
export const isProcess = parentPort === null

/** Hears what the host says from the next turn of the loop on. */
export function openControl(hear: (message: ControlMessage) => void): (message: ThreadMessage) => void {
  return parentPort === null ? openPipe(hear) : openPort(hear, parentPort)
}

function openPort(hear: (message: ControlMessage) => void, host: MessagePort) {
  const { port1: control, port2: remote } = new MessageChannel()
  control.on('message', hear)
  control.unref()
  const hello: Hello = { helloFrom: threadId, control: remote }
  host.postMessage(hello, [remote])
  return (message: ThreadMessage) => control.postMessage(message)
}

function openPipe(hear: (message: ControlMessage) => void) {
  const pipe = new Socket({ fd: controlFd })
  pipe.setEncoding('utf8')
  pipe.on(
    'data',
    createLineReader((line) => hear(JSON.parse(line) as ControlMessage)),
  )
  pipe.on('error', endAtOnce)
  pipe.on('close', endAtOnce)
  return (message: ThreadMessage) => void pipe.write(`${JSON.stringify(message)}\n`)
}

/** Nobody is left to hear of it. What it started in its own group goes with it. */
function endAtOnce(): void {
  try {
    if (process.platform !== 'win32') process.kill(-process.pid, 'SIGKILL')
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
}
