/** The thread that checkpoints: it waits for the disk, so that nobody else does. */
import { parentPort, workerData } from 'node:worker_threads'
import { openSqlite } from './sqlite-driver.js'

const { path } = workerData as { readonly path: string }
const db = await openSqlite(path)
parentPort?.on('message', () => {
  try {
    db.sql('PRAGMA wal_checkpoint(PASSIVE)').get()
  } catch {
    // Locked for a moment: the log is looked at again.
  }
  parentPort?.postMessage('done')
})
