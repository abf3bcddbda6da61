import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { createMemoryLedger } from '../ledger/memory-ledger.js'
import { createInlineExecutor } from '../pool/inline-executor.js'
import { createPiscinaExecutor } from '../pool/piscina-executor.js'
import { createPlacedExecutor } from '../pool/placed-executor.js'
import { createProcessExecutor } from '../pool/process-executor.js'
import { createDelegatorFrom, type Delegator } from './delegator.js'
import { resolveOptions, type DelegatorOptions } from './options.js'
import { ownerIdentity } from './owner-identity.js'
import { systemClock } from './system-clock.js'

/**
 * Makes a delegator. No thread starts before the first dispatch, and nothing of it keeps the process alive (R5). With a
 * ledger that is shared it resolves once it has looked for what dead owners left, and looks again from then on.
 * @throws {TypeError} for an option that is out of its bounds, naming it.
 * @throws {DelegationError} what opening the ledger throws.
 */
export async function createDelegator(options: DelegatorOptions = {}): Promise<Delegator> {
  const resolved = resolveOptions(options)
  const clock = options.clock ?? systemClock
  // eslint-disable-next-line no-restricted-syntax -- the default of `random`: everything else is handed it
  const random = options.random ?? Math.random
  const ledger = await (options.ledger ?? createMemoryLedger)({ clock, random })
  const self = ownerIdentity(`${process.pid}-${randomBytes(6).toString('hex')}`, clock)
  await ledger.join(self)
  return createDelegatorFrom({
    options: resolved,
    ledger,
    self,
    clock,
    logger: options.logger ?? pino({ enabled: false }),
    threads:
      options.executor ??
      createPlacedExecutor({
        threads: createPiscinaExecutor({ ...resolved, clock }),
        processes: createProcessExecutor({ ...resolved, clock }),
      }),
    inline: createInlineExecutor({ clock }),
  })
}
