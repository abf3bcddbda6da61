import { loadConfig } from '../config/load.js'
import { knownRunners } from './runner-named.js'
import type { CommandOptions } from './open.js'
import { exitCodes, printJson, printTable } from './render.js'

/** Lists what `-r` takes by name. */
export async function runners({ config, json = false }: CommandOptions): Promise<number> {
  const known = knownRunners(await loadConfig({ path: config })).map(
    ({ name, kind, reference, isDefault }) => ({
      name,
      kind,
      url: reference.url,
      ...(reference.export !== undefined && { export: reference.export }),
      placement: reference.placement ?? 'isolated',
      default: isDefault,
    }),
  )
  if (json) printJson(known)
  else {
    const rows = known.map(({ name, kind, url, placement, ...rest }) => [
      rest.default ? `${name} (default)` : name,
      kind,
      placement,
      url,
    ])
    printTable([['NAME', 'KIND', 'PLACEMENT', 'URL'], ...rows])
  }
  return exitCodes.ok
}
