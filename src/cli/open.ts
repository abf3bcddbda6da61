/** From the configuration to a delegator, and back down again. */
import pino, { type DestinationStream } from 'pino'
import { loadConfig, type Config } from '../config/load.js'
import { createDelegator, type Delegator, type DelegatorOptions } from '../index.js'
import { leaveThreadsBehind } from './exit.js'
import { createPeerGate, type CallerOf, type PeerGate } from './peer-gate.js'
import { printProblem } from './render.js'
import { UsageError } from './usage-error.js'

/** What every command takes. */
export interface CommandOptions {
  readonly config?: string
  readonly ledger?: string
  readonly json?: boolean
}

/** A delegator with what it was made from. */
export interface Opened {
  readonly delegator: Delegator
  readonly config: Config
  readonly peerGate: PeerGate
  /** Log lines share standard error with whatever else is shown there. */
  readonly logsToTerminal: boolean
  /** True for a unit that was dispatched here, and runs in this process. */
  owns(id: string): boolean
  /** Closes what was opened. A child that nobody can stop does not hold it up, nor the exit after it (P6). */
  close(): Promise<void>
}

/** How long slots of children that were stopped by force may take to be given back before they count as stuck, ms. */
const slotsBackMs = 1_000
const slotsPollMs = 20

/** @throws {DelegationError} for a configuration that cannot be used. */
export async function configFor({ config: path, ledger }: CommandOptions): Promise<Config> {
  const config = await loadConfig({ path, ledger })
  for (const warning of config.warnings) printProblem(`warning: ${warning}`)
  return config
}

/**
 * @param more what a command adds to what is configured
 * @param callerOf whose tasks a command takes that works for others
 * @throws {DelegationError} for a configuration or a ledger that cannot be used.
 */
export async function openDelegator(
  options: CommandOptions,
  more: (config: Config) => DelegatorOptions = () => ({}),
  callerOf?: CallerOf,
): Promise<Opened> {
  const config = await configFor(options)
  const log = await openLog(config)
  const logger = pino({ name: 'hermes-delegate', level: config.log.level }, log.destination)
  const { runners } = config
  const peerGate = createPeerGate(config, callerOf)
  const { gate } = peerGate
  const configured = { ...config.options, ledger: config.ledger.open, runners, logger, gate }
  const delegator = await createDelegator({ ...configured, ...more(config) })
  peerGate.watch(delegator)
  const own = new Set<string>()
  delegator.events.on('dispatched', ({ delegation_id }) => own.add(delegation_id))
  delegator.events.on('budget', ({ message }) => printProblem(`warning: ${message}`))
  delegator.events.on('fault', (error) => printProblem(`fault: ${error.message}`))
  return {
    delegator,
    config,
    peerGate,
    logsToTerminal: config.log.path === null && config.log.level !== 'silent',
    owns: (id) => own.has(id),
    async close() {
      if (own.size > 0 && !(await slotsAreBack(delegator, own))) leaveThreadsBehind()
      await delegator.close()
      await peerGate.audit.flushed()
      await log.close()
    },
  }
}

/** Closed already, by the user's signal: then nothing had been admitted. */
async function slotsAreBack(delegator: Delegator, own: ReadonlySet<string>): Promise<boolean> {
  try {
    for (let waitedMs = 0; waitedMs <= slotsBackMs; waitedMs += slotsPollMs) {
      const { holders } = await delegator.capacity()
      if (!holders.some(({ delegation_id }) => own.has(delegation_id))) return true
      await new Promise((resolve) => setTimeout(resolve, slotsPollMs))
    }
    return false
  } catch {
    return true
  }
}

interface Log {
  readonly destination: DestinationStream
  /** Resolves once its lines are written. */
  close(): Promise<void>
}

async function openLog({ log: { path, level } }: Config): Promise<Log> {
  if (path === null || level === 'silent')
    return { destination: process.stderr, close: () => Promise.resolve() }
  const destination = pino.destination({ dest: path, mkdir: true, sync: false })
  await new Promise<void>((resolve, reject) => {
    destination.once('ready', resolve)
    destination.once('error', (error: Error) =>
      reject(new UsageError(`the log cannot be written: ${error.message}`)),
    )
  })
  // A disk that fills up later costs the lines, not the work.
  destination.on('error', () => undefined)
  return {
    destination,
    close: () =>
      new Promise((resolve) => {
        destination.once('close', resolve)
        destination.end()
      }),
  }
}
