import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { createMemoryLedger } from '../ledger/memory-ledger.js'
import { createInlineExecutor } from '../pool/inline-executor.js'
import { createPiscinaExecutor } from '../pool/piscina-executor.js'
import { createDelegatorFrom, type Delegator } from './delegator.js'
import { resolveOptions, type DelegatorOptions } from './options.js'
import { systemClock } from './system-clock.js'

/**
 * Makes a delegator. Nothing starts before the first dispatch, and nothing of it keeps the process alive (R5).
 * @throws {TypeError} for an option that is out of its bounds, naming it.
 */
export async function createDelegator(options: DelegatorOptions = {}): Promise<Delegator> {
  const resolved = resolveOptions(options)
  const clock = options.clock ?? systemClock
  // eslint-disable-next-line no-restricted-syntax -- the one place where chance enters
  const random = options.random ?? Math.random
  const ledger = await (options.ledger ?? createMemoryLedger)({ clock, random })
  const startedAt = clock.now() - process.uptime()
  const ownerId = `${process.pid}-${randomBytes(6).toString('hex')}`
  await ledger.join({
    id: ownerId,
    pid: process.pid,
    startedAt,
    bootId: '',
    pidNamespace: '',
    seenAt: clock.now(),
  })
  return createDelegatorFrom({
    options: resolved,
    ledger,
    ownerId,
    clock,
    logger: options.logger ?? pino({ enabled: false }),
    threads: options.executor ?? createPiscinaExecutor({ ...resolved, clock }),
    inline: createInlineExecutor({ clock }),
  })
}
