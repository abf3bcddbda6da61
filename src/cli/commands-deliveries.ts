import type { Command } from 'commander'
import { countFromOne, pointInTime } from './arguments.js'
import type { AuditLogCommandOptions } from './audit-log.js'
import type { DeliveriesOptions } from './deliveries.js'
import type { DrainOptions } from './drain.js'
import type { CommandOptions } from './open.js'

/** Completions, and how they are delivered. */
export function addDeliveryCommands(program: Command, onEnd: (code: number) => void): void {
  program
    .command('drain')
    .description('take completions over: print each, and acknowledge it once it was written')
    .option('--session <key>', 'those of this session')
    .option('--all', 'those of every session, and of none')
    .option('--follow', 'wait for more, until it is stopped')
    .option('--limit <number>', 'stop after so many', countFromOne)
    .option('--json', 'print each event as one line of JSON')
    .option('--no-ack', 'only read: nothing is taken over')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, also when --follow is stopped by a signal; 2 usage, 130 interrupted without --follow.',
    )
    .action(async (_options: unknown, command: Command) => {
      const { drain } = await import('./drain.js')
      onEnd(await drain(command.optsWithGlobals<DrainOptions>()))
    })
  program
    .command('audit')
    .description('name what is stale, undelivered or inconsistent, and what to do about it')
    .option('--json', 'as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 everything is in order, 1 something is not, 2 usage.')
    .action(async (_options: unknown, command: Command) => {
      const { audit } = await import('./audit.js')
      onEnd(await audit(command.optsWithGlobals<CommandOptions>()))
    })
  addAuditLog(program, onEnd)
  const deliveries = program
    .command('deliveries')
    .description('list completions that are not delivered, and decide about those that are dead')
  deliveries
    .command('list', { isDefault: true })
    .description('list what is pending, claimed, dead or dropped')
    .option('--all', 'what was delivered or dismissed, too')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { listDeliveries } = await import('./deliveries.js')
      onEnd(await listDeliveries(command.optsWithGlobals<DeliveriesOptions>()))
    })
  const verbs = [
    ['retry', 'deliver anew what is dead or was dropped'],
    ['dismiss', 'give up for good on what is dead or was dropped'],
  ] as const
  for (const [verb, description] of verbs) {
    deliveries
      .command(verb)
      .description(description)
      .argument('<id...>', 'ids of events')
      .option('--json', 'as one line of JSON')
      .addHelpText('after', '\nExit codes: 0 done, 1 when one was neither dead nor dropped, 2 usage.')
      .action(async (ids: readonly string[], _options: unknown, command: Command) => {
        const { reopenDeliveries } = await import('./deliveries.js')
        onEnd(await reopenDeliveries(verb, ids, command.optsWithGlobals<CommandOptions>()))
      })
  }
}

/** What peers were asked to do, and how it ended. */
function addAuditLog(program: Command, onEnd: (code: number) => void): void {
  program
    .command('audit-log')
    .description('print what was audited of delegations to peers, oldest first')
    .option(
      '--file <path>',
      'the log (else $AUDIT_LOG_PATH, audit.path, the state folder), with its rotated files',
    )
    .option('--event <type>', 'only events of this type: delegation, rbac')
    .option(
      '--outcome <word>',
      'only those that came out so: dispatched, queued, success, failure, denied, ...',
    )
    .option('--resource <id>', 'only those about this workspace')
    .option('--workspace <id>', 'only those of this workspace of ours')
    .option('--trace <id>', 'only those of this delegation')
    .option('--since <time>', 'only from then on: 90m, 24h, 7d, or a date', pointInTime)
    .option('--until <time>', 'only up to then', pointInTime)
    .option('--limit <number>', 'only the newest so many', countFromOne)
    .option('--json', 'a line of JSON each')
    .action(async (_options: unknown, command: Command) => {
      const { auditLog } = await import('./audit-log.js')
      onEnd(await auditLog(command.optsWithGlobals<AuditLogCommandOptions>()))
    })
}
