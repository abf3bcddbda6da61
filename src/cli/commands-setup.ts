import { Option, type Command } from 'commander'
import type { InitOptions } from './init.js'
import type { CommandOptions } from './open.js'
import type { ToolsCommandOptions } from './tools.js'

/** What is configured, and whether it works. */
export function addSetupCommands(program: Command, onEnd: (code: number) => void): void {
  program
    .command('runners')
    .description('list the built-in and the configured runners')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { runners } = await import('./runners.js')
      onEnd(await runners(command.optsWithGlobals<CommandOptions>()))
    })
  program
    .command('tools')
    .description("list the tools that a host's model sees")
    .addOption(
      new Option('--json', 'with all that is known of them, as one line of JSON').conflicts([
        'prompt',
        'openai',
      ]),
    )
    .addOption(
      new Option(
        '--prompt <flavour>',
        'the text for a system prompt: of an agent with tools, or with only a shell',
      )
        .choices(['tools', 'shell'])
        .conflicts('openai'),
    )
    .option('--openai', 'as the `tools` of a chat completion, one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { tools } = await import('./tools.js')
      onEnd(await tools(command.optsWithGlobals<ToolsCommandOptions>()))
    })
  program
    .command('doctor')
    .description('show what this installation stands on, and what of it is not well')
    .option('--json', 'as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 all is well, 1 something is not, 2 usage.')
    .action(async (_options: unknown, command: Command) => {
      const { doctor } = await import('./doctor.js')
      onEnd(await doctor(command.optsWithGlobals<CommandOptions>()))
    })
  program
    .command('init')
    .description('write ./hermes-delegate.yaml (or --config), with every key and its default')
    .option('--force', 'replace a file that is there')
    .action(async (_options: unknown, command: Command) => {
      const { init } = await import('./init.js')
      onEnd(await init(command.optsWithGlobals<InitOptions>()))
    })
}
