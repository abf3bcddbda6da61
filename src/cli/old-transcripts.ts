import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/load.js'
import type { Delegator } from '../index.js'

/**
 * Clears transcripts away whose units are kept no longer. Only where nobody chose the folder, and by age as well: other
 * ledgers may have theirs in it.
 */
export async function clearOldTranscripts(
  { options, ledger, ownsTranscripts }: Config,
  delegator: Pick<Delegator, 'get'>,
): Promise<void> {
  if (!ownsTranscripts || options.transcripts === undefined || options.transcripts === false) return
  const { folder } = options.transcripts
  const oldest = Date.now() - ledger.retentionSeconds * 1000
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((entry) => entry.startsWith('deleg_'))) {
    const path = join(folder, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }))
    if (mtimeMs >= oldest || (await isKept(delegator, name))) continue
    // Another process may be clearing it away as well.
    await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

async function isKept(delegator: Pick<Delegator, 'get'>, id: string): Promise<boolean> {
  try {
    await delegator.get(id)
    return true
  } catch (error) {
    return (error as { readonly code?: unknown }).code !== 'UNKNOWN_DELEGATION'
  }
}
