/** `durability: 'power'`: what is committed is synced, off the event loop, before anyone is told. */
import { open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DelegationError } from '../core/errors.js'

export interface PowerLog {
  /** Resolves once all that was committed before the call is on the disk. @throws {DelegationError} LEDGER_IO */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * For a ledger that is open: its log is there as long as anybody has it open, and is made anew afterwards. Hence the
 * folder is synced here, once: else a power cut could take the name away from what was written under it.
 * @throws {DelegationError} LEDGER_IO
 */
export async function openPowerLog(path: string): Promise<PowerLog> {
  const named = (error: unknown): never => {
    throw new DelegationError('LEDGER_IO', { path, problem: (error as Error).message }, error)
  }
  const log = await openSynced(path).catch(named)
  return {
    sync: onePending(() => log.datasync().catch(named)),
    close: () => log.close(),
  }
}

async function openSynced(path: string): Promise<FileHandle> {
  const log = await open(`${path}-wal`, 'r+')
  try {
    await syncFolder(dirname(path))
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no way to, and needs none.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** One at a time: who asks while one is under way gets the next one, for it may have missed what was just written. */
function onePending(sync: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | null = null
  return () => {
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null
        running = sync()
        return running
      })
    return next
  }
}
