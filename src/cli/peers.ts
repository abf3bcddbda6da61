/** `peers`: which agents elsewhere are configured, and whether they are there. */
import { resolve } from 'node:path'
import { isPeerRunner, peerRunner, pingPeer, type PeerFacts } from '../a2a/peer-runner.js'
import { addPeer, removePeer } from '../config/edit-peers.js'
import { loadConfig, type Config } from '../config/load.js'
import type { RunnerReference } from '../index.js'
import type { CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printTable } from './render.js'
import { UsageError } from './usage-error.js'

/** Options of `peers add`, as commander hands them over. */
export interface AddPeerOptions extends CommandOptions {
  readonly tokenEnv?: string
  readonly card?: boolean
  readonly deduplicates?: boolean
}

export async function listPeers({ config, json = false }: CommandOptions): Promise<number> {
  const peers = peersOf(await loadConfig({ path: config }))
  const seen = await Promise.all(peers.map(([name, runner]) => look(name, runner)))
  if (json) printJson(seen)
  else
    printTable([
      ['NAME', 'STATE', 'VERSION', 'TRANSPORT', 'URL'],
      ...seen.map(({ name, state, version = '-', transport = '-', url, error }) => [
        name,
        state,
        version,
        transport,
        error === undefined ? url : `${url} (${error})`,
      ]),
    ])
  return exitCodes.ok
}

/** `peer`: a name of the configuration, or an address. */
export async function pingOne(peer: string, { config, json = false }: CommandOptions): Promise<number> {
  const known = new Map(peersOf(await loadConfig({ path: config })))
  const runner = known.get(peer) ?? (/^https?:/.test(peer) ? peerRunner({ url: peer }) : undefined)
  if (runner === undefined) throw unknownPeer(peer, [...known.keys()])
  const seen = await look(peer, runner)
  if (json) printJson(seen)
  else if (seen.error !== undefined) printOut(`${peer} is offline: ${seen.error}\n`)
  else {
    const { agent, version, transport, url, milliseconds, streaming, push, deduplicates } = seen
    const can = [streaming && 'streams', push && 'pushes', deduplicates && 'de-duplicates'].filter(Boolean)
    printOut(`${agent} answers in ${milliseconds} ms: ${version} over ${transport} at ${url}`)
    printOut(`${can.length === 0 ? '' : ` (${can.join(', ')})`}\n`)
  }
  return seen.error === undefined ? exitCodes.ok : exitCodes.failed
}

export async function addOne(name: string, url: string, options: AddPeerOptions): Promise<number> {
  if (!/^[\w.-]{1,64}$/.test(name)) throw new UsageError('a name has up to 64 letters, digits, ., - and _')
  const config = await loadConfig({ path: options.config })
  if (config.runners[name] !== undefined) throw new UsageError(`there is a runner ${name} already`)
  const path = config.path ?? resolve('hermes-delegate.yaml')
  await addPeer(path, name, {
    [options.card === true ? 'card' : 'url']: url,
    ...(options.tokenEnv !== undefined && { auth: { token_env: options.tokenEnv } }),
    ...(options.deduplicates === true && { deduplicates: true }),
  })
  printOut(`added ${name} to ${path}: hermes-delegate run -r ${name} GOAL\n`)
  return exitCodes.ok
}

export async function removeOne(name: string, options: CommandOptions): Promise<number> {
  const config = await loadConfig({ path: options.config })
  const names = peersOf(config).map(([known]) => known)
  if (config.path === null || !names.includes(name)) throw unknownPeer(name, names)
  await removePeer(config.path, name)
  printOut(`removed ${name} from ${config.path}\n`)
  return exitCodes.ok
}

const peersOf = ({ runners }: Config): [string, RunnerReference][] =>
  Object.entries(runners).filter(([, runner]) => isPeerRunner(runner))

interface SeenPeer extends Partial<Omit<PeerFacts, 'name'>> {
  readonly name: string
  readonly state: 'online' | 'offline'
  readonly url: string
  /** What it calls itself. */
  readonly agent?: string
  readonly error?: string
}

async function look(name: string, runner: RunnerReference): Promise<SeenPeer> {
  const { url, card } = runner.options as { readonly url?: string; readonly card?: string }
  try {
    const { name: agent, ...facts } = await pingPeer(runner)
    return { name, state: 'online', agent, ...facts }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { name, state: 'offline', url: url ?? card ?? '', error: why }
  }
}

function unknownPeer(name: string, known: readonly string[]): UsageError {
  return new UsageError(`there is no peer ${name} (${known.join(', ') || 'none is configured'})`)
}
