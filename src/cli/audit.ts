import { inspectLedger, ledgerFacts } from '../index.js'
import { configFor, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printText } from './render.js'

/** Names what is stale, undelivered or inconsistent, and says what to do about each. Fails when there is any. */
export async function audit(options: CommandOptions): Promise<number> {
  const { ledger } = await configFor(options)
  const inspection = await inspectLedger(ledger.open)
  try {
    const beside = ledger.path === null ? [] : (await ledgerFacts(ledger.path)).findings
    const findings = [...(await inspection.audit()), ...beside]
    if (options.json === true) printJson(findings)
    else if (findings.length === 0) printOut('everything is in order\n')
    else
      for (const { kind, id, fact, todo } of findings) printText(`${kind} ${id}: ${fact}\n  to do: ${todo}`)
    return findings.length === 0 ? exitCodes.ok : exitCodes.failed
  } finally {
    await inspection.close()
  }
}
