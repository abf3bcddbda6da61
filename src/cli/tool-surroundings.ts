/** What a model's tools reach beside subagents: peers, and memories; with the permissions and the audit that are configured. */
import { dirname, join } from 'node:path'
import { createPeerDirectory, isPeerRunner } from '../a2a/peer-runner.js'
import type { Config } from '../config/load.js'
import {
  DelegationError,
  sqliteMemoryStore,
  transientMemoryStore,
  type Delegator,
  type MemoryStore,
} from '../index.js'
import { createMolecule, createMoleculeDirectory, rbacFrom, type Permissions } from '../molecule/molecule.js'
import type { MemoryOptions, PeerDirectory } from '../tools/tools.js'
import type { PeerGate } from './peer-gate.js'
import { printProblem } from './render.js'

interface Place {
  readonly config: Config
  readonly delegator: Delegator
  readonly peerGate: PeerGate
  readonly sessionKey: string
}

export interface ToolSurroundings {
  readonly tools: { readonly peers?: PeerDirectory; readonly memory?: MemoryOptions }
  /** After the delegator's own end, so that the audit has all of it. */
  close(): Promise<void>
}

/** @throws {DelegationError} OPTION_INVALID for variables of Molecule that cannot be used */
export async function openSurroundings(place: Place): Promise<ToolSurroundings> {
  const { permissions } = place.peerGate
  const peers = isMoleculeWorkspace(process.env) ? moleculePeers(place) : configuredPeers(place)
  const store = await memoryStore(place.config)
  const memory = store && { store, permissions: memoryPermissions(permissions) }
  return {
    tools: { ...(peers !== null && { peers: peers.directory }), ...(memory !== null && { memory }) },
    async close() {
      await peers?.close()
      await store?.close()
    },
  }
}

interface Peers {
  readonly directory: PeerDirectory
  close(): Promise<void>
}

/** The two that say where one is: a platform starts its workspaces with both (M1). */
function isMoleculeWorkspace(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env['PLATFORM_URL']) && Boolean(env['WORKSPACE_ID'])
}

/** The dialect asks and audits by itself: its own way of sending has no units. */
function moleculePeers({ config: { path }, delegator, sessionKey, peerGate }: Place): Peers {
  const rbac = path === null ? {} : rbacFrom(path)
  const molecule = createMolecule({ rbac, audit: peerGate.audit })
  const units = { delegator: peerGate.passed(delegator), connection: {}, sessionKey }
  return { directory: createMoleculeDirectory(molecule, { units }), close: () => molecule.close() }
}

/** The runners of the configuration that are peers, by their names. Null: there are none. */
function configuredPeers({ config: { runners }, delegator, sessionKey }: Place): Peers | null {
  const peers = Object.fromEntries(Object.entries(runners).filter(([, runner]) => isPeerRunner(runner)))
  if (Object.keys(peers).length === 0) return null
  const directory = createPeerDirectory({ delegator, sessionKey, peers })
  return { directory, close: () => Promise.resolve() }
}

/** Beside the ledger. Where there can be none, the tools say so, and the rest goes on. */
async function memoryStore({ ledger: { path } }: Config): Promise<MemoryStore | null> {
  if (path === null) return transientMemoryStore()
  try {
    return await sqliteMemoryStore(join(dirname(path), 'memory.db'))
  } catch (error) {
    if (!(error instanceof DelegationError)) throw error
    printProblem(`warning: there is no memory: ${error.message}`)
    return null
  }
}

/** GLOBAL is the host's own to write. */
function memoryPermissions(permissions: Permissions): NonNullable<MemoryOptions['permissions']> {
  const canRead = permissions.allows('memory.read')
  const canWrite = permissions.allows('memory.write')
  const own = canRead ? (canWrite ? 'read-write' : 'read') : canWrite ? 'write' : 'none'
  return { LOCAL: own, TEAM: own, GLOBAL: canRead ? 'read' : 'none' }
}
