import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { clearOldTranscripts } from '../../src/cli/old-transcripts.js'
import { loadConfig } from '../../src/config/load.js'
import { DelegationError } from '../../src/index.js'

let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'hermes-transcripts-'))
})
afterEach(() => rmSync(state, { recursive: true, force: true }))

function transcriptsOf(
  id: string,
  ageDays: number,
  folder = join(state, 'hermes-delegate/transcripts'),
): string {
  const path = join(folder, id)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'task-0.log'), 'said')
  const then = Date.now() / 1000 - ageDays * 24 * 3600
  utimesSync(path, then, then)
  return path
}

/** A ledger that still knows these. */
const knowing = (...ids: string[]) => ({
  get: (id: string) =>
    ids.includes(id)
      ? Promise.resolve({} as never)
      : Promise.reject(new DelegationError('UNKNOWN_DELEGATION')),
})

it('transcripts go when their units are kept no longer', async () => {
  const config = await loadConfig({ env: { XDG_STATE_HOME: state }, cwd: state })
  const [gone, kept, young] = [
    transcriptsOf('deleg_1', 8),
    transcriptsOf('deleg_2', 8),
    transcriptsOf('deleg_3', 6),
  ]
  const other = transcriptsOf('notes', 100)
  await clearOldTranscripts(config, knowing('deleg_2'))
  expect([gone, kept, young, other].map((path) => existsSync(path))).toEqual([false, true, true, true])
})

it('those in a folder that the user chose are left alone', async () => {
  const folder = join(state, 'mine')
  writeFileSync(join(state, 'hermes-delegate.yaml'), 'transcripts: { folder: mine }')
  const config = await loadConfig({ env: { XDG_STATE_HOME: state }, cwd: state })
  const old = transcriptsOf('deleg_1', 100, folder)
  await clearOldTranscripts(config, knowing())
  expect(existsSync(old)).toBe(true)
})

it('no folder at all is nothing to clear', async () => {
  await clearOldTranscripts(await loadConfig({ env: { XDG_STATE_HOME: state }, cwd: state }), knowing())
})
