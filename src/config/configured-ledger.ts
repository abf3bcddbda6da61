import { join, resolve } from 'node:path'
import { memoryLedger, sqliteLedger, type LedgerFactory } from '../index.js'
import { isSet, type ConfigFile } from './schema.js'

/** Which ledger, and how it is opened. */
export interface ConfiguredLedger {
  readonly kind: 'sqlite' | 'memory'
  /** Null: in memory. */
  readonly path: string | null
  /** How long what is over stays readable, seconds. */
  readonly retentionSeconds: number
  readonly open: LedgerFactory
}

interface Places {
  /** `--ledger` or the variable: it comes first, and is a file whatever the configuration says. */
  readonly given: string | undefined
  readonly cwd: string
  /** Where paths of the configuration start. */
  readonly folder: string
  readonly stateFolder: string
}

const retentionDays = 7

export function configuredLedger({ ledger, delivery }: ConfigFile, places: Places): ConfiguredLedger {
  const rules = {
    ...(isSet(delivery?.max_attempts) && { maxAttempts: delivery.max_attempts }),
    ...(isSet(delivery?.max_age_hours) && { maxAgeSeconds: delivery.max_age_hours * 3600 }),
  }
  const retentionSeconds = (ledger?.retention_days ?? retentionDays) * 24 * 3600
  if (places.given === undefined && ledger?.kind === 'memory') {
    return {
      kind: 'memory',
      path: null,
      retentionSeconds,
      open: (given) => memoryLedger({ ...given, rules }),
    }
  }
  const path = pathOf(ledger?.path, places)
  const open = sqliteLedger(path, {
    rules,
    retentionSeconds,
    ...(isSet(ledger?.durability) && { durability: ledger.durability }),
    ...(isSet(ledger?.busy_ms) && { busyMs: ledger.busy_ms }),
  })
  return { kind: 'sqlite', path, retentionSeconds, open }
}

function pathOf(configured: string | null | undefined, places: Places): string {
  if (places.given !== undefined) return resolve(places.cwd, places.given)
  return isSet(configured) ? resolve(places.folder, configured) : join(places.stateFolder, 'ledger.db')
}
