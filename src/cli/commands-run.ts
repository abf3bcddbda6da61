import { Option, type Command } from 'commander'
import { countFromOne, dollars, names, seconds } from './arguments.js'
import type { RunOptions } from './run.js'

export function addRun(program: Command, onEnd: (code: number) => void): void {
  program
    .command('run')
    .description('run one goal, or several as one batch, and print the completion')
    .argument('<goal...>', 'what to do; each goal is a child of its own')
    .option('-r, --runner <runner>', 'shell, a configured name, or the path, URL or package of a module')
    .option('--context <text>', 'what the children should know besides their goals')
    .option('--toolsets <names>', 'toolsets of the children, joined by commas', names)
    .option('--role <role>', 'role of the children')
    .option('--model <model>', 'model of the children')
    .option(
      '--output-schema <file>',
      'JSON Schema that the output of each child has to fit: one that does not has failed',
    )
    .option('--session <key>', 'session the completion belongs to')
    .option(
      '--continue <id>',
      'go on from a child that has ended: its runner, session, checkpoint and results',
    )
    .option('--task <number>', 'with --continue: which child of that unit; the first one is 1', countFromOne)
    .option('--key <key>', 'idempotency key: the same key is the same unit, for 7 days')
    .option('--timeout <seconds>', 'wall clock limit of each child; 0 for none', seconds)
    .option('--deadline <seconds>', 'wall clock limit of the whole unit; 0 for none', seconds)
    .option('--max-iterations <count>', 'how many turns a runner that loops may take', countFromOne)
    .option(
      '--budget-tokens <count>',
      'tokens that the unit may use: reserved now, stopped beyond',
      countFromOne,
    )
    .option('--budget-usd <dollars>', 'money that the unit may use: reserved now, stopped beyond', dollars)
    .addOption(
      new Option('--isolation <kind>', 'what keeps isolated children apart from this process').choices([
        'thread',
        'process',
      ]),
    )
    .option('--admit-within <seconds>', 'how long to wait for a slot before it is refused', seconds)
    .addOption(
      new Option('--fail-on <which>', 'exit 1 when the whole unit failed, or when any child did')
        .choices(['all', 'any'])
        .default('all'),
    )
    .option(
      '--detach',
      'print the id and leave; a process of its own runs the unit, and a drain gets its completion',
    )
    .option('--notify-cmd <command>', 'run this when the unit has ended, with the event as JSON on its input')
    .option('--json', 'print the event as one line of JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 completed, 1 any other end, 2 usage, 75 refused, 130 interrupted, 143 terminated.' +
        '\nWith --detach: 0 dispatched, 2 usage, 75 refused.',
    )
    .action(async (goals: readonly string[], _options: unknown, command: Command) => {
      const { run } = await import('./run.js')
      onEnd(await run(goals, command.optsWithGlobals<RunOptions>()))
    })
}
