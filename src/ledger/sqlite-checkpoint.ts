/**
 * Moves the write-ahead log into the database, off the event loop (P11): a checkpoint waits for the disk. A thread does
 * it once the log has grown, and goes again when there was nothing to do for a while.
 */
import { stat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'

export interface Checkpoints {
  /** Called after commits; looks at the log's size now and then. */
  afterCommit(): void
  /** Resolves once none is under way. */
  stop(): Promise<void>
}

const commitsPerLook = 200
const logBytes = 8 * 1024 * 1024
const lingerMs = 5_000

export function createCheckpoints(path: string): Checkpoints {
  let commits = 0
  let isBusy = false
  const stopped = new AbortController()
  let worker: Worker | null = null
  let done = (): void => undefined
  let linger: NodeJS.Timeout | undefined

  function start(): Worker {
    const started = new Worker(new URL('sqlite-checkpoint-thread.js', import.meta.url), {
      workerData: { path },
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    })
    started.unref()
    started.on('message', () => done())
    // Without checkpoints the log grows, and nothing else goes wrong: the next look tries again.
    started.on('error', () => done())
    started.on('exit', () => {
      if (worker === started) worker = null
      done()
    })
    return started
  }

  function checkpoint(): Promise<void> {
    clearTimeout(linger)
    if (stopped.signal.aborted) return Promise.resolve()
    worker ??= start()
    const { promise, resolve } = deferred()
    done = resolve
    worker.postMessage('checkpoint')
    return promise.then(() => {
      linger = setTimeout(() => void worker?.terminate(), lingerMs)
      linger.unref()
    })
  }

  async function look(): Promise<void> {
    if (isBusy || stopped.signal.aborted) return
    isBusy = true
    try {
      const { size } = await stat(`${path}-wal`)
      if (size > logBytes) await checkpoint()
    } catch {
      // No log, no work.
    } finally {
      isBusy = false
    }
  }

  void look()
  return {
    afterCommit() {
      commits += 1
      if (commits % commitsPerLook === 0) void look()
    },
    async stop() {
      stopped.abort()
      clearTimeout(linger)
      await worker?.terminate()
    },
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
