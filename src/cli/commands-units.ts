import { Option, type Command } from 'commander'
import { countFromOne, pointInTime, seconds } from './arguments.js'
import type { InterruptOptions } from './interrupt.js'
import type { TalkOptions } from './talk.js'
import type { ListOptions } from './list.js'
import type { LogsOptions } from './logs.js'
import type { CommandOptions } from './open.js'
import type { UsageCommandOptions } from './usage.js'
import type { WaitOptions } from './wait.js'

/** Units, whichever process runs them. */
export function addUnitCommands(program: Command, onEnd: (code: number) => void): void {
  program
    .command('list')
    .description('list the units that run, newest first')
    .option('--all', 'those, too, that have ended')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { list } = await import('./list.js')
      onEnd(await list(command.optsWithGlobals<ListOptions>()))
    })
  program
    .command('show')
    .description('show one unit: its children, its delivery, and what came of it')
    .argument('<id>', 'its id')
    .option('--json', 'as one line of JSON')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { show } = await import('./show.js')
      onEnd(await show(id, command.optsWithGlobals<CommandOptions>()))
    })
  program
    .command('wait')
    .description('wait for units to end, and print their completions; marks none delivered')
    .argument('<id...>', 'their ids')
    .option('--timeout <seconds>', 'give up after this long; the units go on', seconds)
    .option('--json', 'print each event as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 all completed, 1 any other end, 2 usage, 130 interrupted.')
    .action(async (ids: readonly string[], _options: unknown, command: Command) => {
      const { wait } = await import('./wait.js')
      onEnd(await wait(ids, command.optsWithGlobals<WaitOptions>()))
    })
  program
    .command('logs')
    .description("print the live transcripts of a unit's children")
    .argument('<id>', 'its id')
    .option('-f, --follow', 'go on until the unit has ended')
    .option('--task <number>', 'of one child; the first one is 1', countFromOne)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { logs } = await import('./logs.js')
      onEnd(await logs(id, command.optsWithGlobals<LogsOptions>()))
    })
  program
    .command('capacity')
    .description('show how many units may run, and which do')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { capacity } = await import('./capacity.js')
      onEnd(await capacity(command.optsWithGlobals<CommandOptions>()))
    })
  addUsage(program, onEnd)
  program
    .command('interrupt')
    .description('stop units: politely, and by force after the grace')
    .argument('[id...]', 'their ids')
    .option('--session <key>', 'all of this session')
    .option('--all', 'all there are')
    .option('--task <number>', 'of one unit this child alone; the first one is 1', countFromOne)
    .option('--reason <text>', 'what their children and their completions are told')
    .option('--json', 'print the report as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 all stopped, 1 something could not be reached, 2 usage.')
    .action(async (ids: readonly string[], _options: unknown, command: Command) => {
      const { interrupt } = await import('./interrupt.js')
      onEnd(await interrupt(ids, command.optsWithGlobals<InterruptOptions>()))
    })
  addTalk(program, onEnd)
}

function addTalk(program: Command, onEnd: (code: number) => void): void {
  program
    .command('answer')
    .description('answer the question that a child waits with')
    .argument('<id>', 'its unit')
    .argument('<text>', 'the answer, at most 64 kB')
    .option('--task <number>', 'which child; the first one is 1', countFromOne)
    .option('--question <id>', 'which of its questions, such as ask-1')
    .option('--json', 'print what came of it as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 answered, 1 not, 2 usage.')
    .action(async (id: string, text: string, _options: unknown, command: Command) => {
      const { answer } = await import('./talk.js')
      onEnd(await answer(id, text, command.optsWithGlobals<TalkOptions>()))
    })
  program
    .command('steer')
    .description('send a text to children that run and take such texts')
    .argument('<id>', 'their unit')
    .argument('<text>', 'what they should know, at most 64 kB')
    .option('--task <number>', 'to one child; the first one is 1', countFromOne)
    .option('--json', 'print what came of it as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 taken or queued, 1 missed, 2 usage.')
    .action(async (id: string, text: string, _options: unknown, command: Command) => {
      const { steer } = await import('./talk.js')
      onEnd(await steer(id, text, command.optsWithGlobals<TalkOptions>()))
    })
}

function addUsage(program: Command, onEnd: (code: number) => void): void {
  program
    .command('usage')
    .description('show the tokens and the money that units have used, the dearest first')
    .addOption(
      new Option('--by <key>', 'what they are added up by; a tree is a call with all below it')
        .choices(['session', 'model', 'runner', 'tree'])
        .default('session'),
    )
    .option(
      '--since <time>',
      'only units that ended since then: how long ago (24h, 7d), or a date (2026-01-31)',
      pointInTime,
    )
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { usage } = await import('./usage.js')
      onEnd(await usage(command.optsWithGlobals<UsageCommandOptions>()))
    })
}
