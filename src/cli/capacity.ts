import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printTable } from './render.js'
import { withoutControls } from './terminal-text.js'

/** Shows how full the delegator is, and who holds its slots. */
export async function capacity(options: CommandOptions): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const { limit, inUse, free, scope, holders } = await opened.delegator.capacity()
    if (options.json === true) printJson({ limit, inUse, free, scope, holders })
    else {
      printOut(`${free} of ${limit} slots are free, ${inUse} in use (scope: ${scope})\n`)
      const rows = holders.map((holder) => [holder.delegation_id, `${holder.running_seconds}s`, holder.goal])
      printTable(rows.map((row) => row.map((cell) => withoutControls(cell))))
    }
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}
