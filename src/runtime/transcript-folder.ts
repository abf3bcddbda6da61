/** The folder of a unit's transcripts, made when it is dispatched: who was given the paths finds files there at once. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { UnitDraft } from '../ledger/shapes.js'

/** What `manifest.json` of the folder says, as it was dispatched. */
interface TranscriptManifest {
  readonly delegation_id: string
  readonly session_key: string
  /** Unix seconds. */
  readonly dispatched_at: number
  readonly goals: readonly string[]
  /** File names, by child index. */
  readonly transcripts: readonly string[]
}

const manifestName = 'manifest.json'

/** In the background (P11), and never rejects: a folder that cannot be made costs the transcripts, not the unit. */
export async function makeTranscriptFolder(draft: UnitDraft, dispatchedAt: number): Promise<void> {
  const paths = (draft.transcripts ?? []).filter((path) => path !== null)
  const [first] = paths
  if (first === undefined) return
  const folder = dirname(first)
  const manifest: TranscriptManifest = {
    delegation_id: draft.id,
    session_key: draft.route.sessionKey,
    dispatched_at: dispatchedAt,
    goals: draft.goals ?? [draft.goal],
    transcripts: paths.map((path) => path.slice(folder.length + 1)),
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
    // Appended to: a child may have begun to write already.
    for (const path of paths) await appendFile(path, '', { mode: 0o600 })
  } catch {
    // As above.
  }
}
