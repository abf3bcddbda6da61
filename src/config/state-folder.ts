import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import envPaths from 'env-paths'

const name = 'hermes-delegate'

/** Where this user's state is kept, by the habits of the platform. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (process.platform === 'darwin' || process.platform === 'win32')
    return envPaths(name, { suffix: '' }).data
  const given = env['XDG_STATE_HOME']
  // The specification of these folders has a relative path ignored.
  const base = given !== undefined && isAbsolute(given) ? given : join(homedir(), '.local', 'state')
  return join(base, name)
}
