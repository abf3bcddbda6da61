import { openDelegator, type CommandOptions } from './open.js'
import { duration, exitCodes, printJson, printOut, printTable } from './render.js'

/** Shows how many slots there are, and who holds them; over all processes that share the ledger, unless configured otherwise. */
export async function capacity(options: CommandOptions): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const { limit, inUse, free, scope, holders } = await opened.delegator.capacity()
    if (options.json === true) printJson({ limit, inUse, free, scope, holders })
    else {
      printOut(`${free} of ${limit} slots are free, ${inUse} in use (scope: ${scope})\n`)
      const rows = holders.map((holder) => [
        holder.delegation_id,
        duration(holder.running_seconds),
        holder.goal,
      ])
      if (rows.length > 0) printTable([['ID', 'AGE', 'GOAL'], ...rows])
    }
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}
