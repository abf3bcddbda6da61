import { Option, type Command } from 'commander'
import type { InitOptions } from './init.js'
import { port } from './arguments.js'
import type { McpCommandOptions } from './mcp.js'
import type { CommandOptions } from './open.js'
import type { ServeOptions } from './serve.js'
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
    .option('-r, --runner <runner>', 'with --prompt shell: what runs a goal')
    .option('--session <key>', 'with --prompt shell: the session of the agent')
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
  addServeCommands(program, onEnd)
  program
    .command('init')
    .description('write ./hermes-delegate.yaml (or --config), with every key and its default')
    .option('--force', 'replace a file that is there')
    .action(async (_options: unknown, command: Command) => {
      const { init } = await import('./init.js')
      onEnd(await init(command.optsWithGlobals<InitOptions>()))
    })
}

/** Those that serve others until they are told to stop. */
function addServeCommands(program: Command, onEnd: (code: number) => void): void {
  program
    .command('mcp')
    .description('serve these subagents to a client of MCP over standard input and output, until it leaves')
    .option('-r, --runner <runner>', 'what runs a goal: shell, a configured name, or a module')
    .option('--session <key>', 'session that its units belong to (else mcp: and the working folder)')
    .addHelpText(
      'after',
      '\nWhen the client leaves, what runs goes on to its end, and its result is kept for the next one; SIGTERM stops it.' +
        '\nExit codes: 0 the client left, 2 usage, 130 interrupted, 143 terminated.',
    )
    .action(async (_options: unknown, command: Command) => {
      const { mcp } = await import('./mcp.js')
      onEnd(await mcp(command.optsWithGlobals<McpCommandOptions>()))
    })
  program
    .command('serve')
    .description('serve configured runners to remote agents, over A2A; or a platform for workspaces')
    .option('--host <host>', 'address to listen on (else serve.host)')
    .option('--port <port>', 'port to listen on; 0 for any that is free (else serve.port)', port)
    .option(
      '--platform',
      'serve the platform that workspaces delegate through, by platform.* in place of serve.*',
    )
    .addHelpText('after', '\nExit codes: 0 stopped by a signal, 1 failed, 2 usage.')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ServeOptions>()
      if (options.platform === true) {
        const { servePlatformUntilStopped } = await import('./serve-platform.js')
        onEnd(await servePlatformUntilStopped(options))
        return
      }
      const { serve } = await import('./serve.js')
      onEnd(await serve(options))
    })
}
