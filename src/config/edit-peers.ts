/** Peers in the configuration file, added and taken out; its comments and all else in it stay as they are. */
import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { isMap, parseDocument, type Document } from 'yaml'
import type { JsonObject } from '../runner.js'
import { loadConfig } from './load.js'

/** @throws {DelegationError} CONFIG_INVALID when it is no peer, and then the file is as it was. */
export async function addPeer(path: string, name: string, peer: JsonObject): Promise<void> {
  await edit(path, (document) => {
    if (!isMap(document.get('runners'))) document.set('runners', document.createNode({}))
    document.setIn(['runners', name], document.createNode({ peer }))
  })
}

export async function removePeer(path: string, name: string): Promise<void> {
  await edit(path, (document) => void document.deleteIn(['runners', name]))
}

/** Replaced as a whole, and only by what can be read. */
async function edit(path: string, change: (document: Document) => void): Promise<void> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  })
  const document = parseDocument(text) as unknown as Document
  change(document)
  const next = `${path}.${randomUUID()}`
  try {
    await writeFile(next, document.toString({ lineWidth: 0 }), { mode: 0o600, flag: 'wx' })
    await loadConfig({ path: next })
    await rename(next, path)
  } finally {
    await rm(next, { force: true })
  }
}
