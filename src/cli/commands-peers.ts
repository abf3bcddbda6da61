import type { Command } from 'commander'
import type { CommandOptions } from './open.js'
import type { AddPeerOptions } from './peers.js'

/** Agents elsewhere. */
export function addPeerCommands(program: Command, onEnd: (code: number) => void): void {
  const peers = program.command('peers').description('list, add, remove and ping agents elsewhere (A2A)')
  peers
    .command('list', { isDefault: true })
    .description('list the configured peers, and whether their cards can be read')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { listPeers } = await import('./peers.js')
      onEnd(await listPeers(command.optsWithGlobals<CommandOptions>()))
    })
  peers
    .command('add <name> <url>')
    .description('add a peer to the configuration file, as a runner of that name')
    .option('--token-env <variable>', 'name of the variable that holds its token')
    .option('--card', 'the URL is that of its card')
    .option('--deduplicates', 'it takes a message that it knows for the same one')
    .action(async (name: string, url: string, _options: unknown, command: Command) => {
      const { addOne } = await import('./peers.js')
      onEnd(await addOne(name, url, command.optsWithGlobals<AddPeerOptions>()))
    })
  peers
    .command('remove <name>')
    .description('take a peer out of the configuration file')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { removeOne } = await import('./peers.js')
      onEnd(await removeOne(name, command.optsWithGlobals<CommandOptions>()))
    })
  peers
    .command('ping <peer>')
    .description('read the card of a peer, by name or URL')
    .option('--json', 'as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 it is there, 1 it is not, 2 usage.')
    .action(async (peer: string, _options: unknown, command: Command) => {
      const { pingOne } = await import('./peers.js')
      onEnd(await pingOne(peer, command.optsWithGlobals<CommandOptions>()))
    })
}
