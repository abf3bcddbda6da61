/** What a model's tools reach beside subagents: peers, and memories; with the permissions and the audit that are configured. */
import { dirname, join } from 'node:path'
import { createPeerDirectory, isPeerRunner } from '../a2a/peer-runner.js'
import type { Config } from '../config/load.js'
import {
  DelegationError,
  redact,
  sqliteMemoryStore,
  transientMemoryStore,
  type Delegator,
  type MemoryStore,
} from '../index.js'
import {
  createAuditLog,
  createMolecule,
  createMoleculeDirectory,
  permissionsOf,
  rbacFrom,
  type AuditLog,
  type Permissions,
} from '../molecule/molecule.js'
import type { MemoryOptions, PeerDirectory } from '../tools/tools.js'
import { printProblem } from './render.js'

interface Place {
  readonly config: Config
  readonly delegator: Delegator
  readonly sessionKey: string
}

export interface ToolSurroundings {
  readonly tools: { readonly peers?: PeerDirectory; readonly memory?: MemoryOptions }
  /** After the delegator's own end, so that the audit has all of it. */
  close(): Promise<void>
}

/** @throws {DelegationError} OPTION_INVALID for variables of Molecule that cannot be used */
export async function openSurroundings(place: Place): Promise<ToolSurroundings> {
  const { path } = place.config
  const rbac = path === null ? {} : rbacFrom(path)
  const permissions = permissionsOf(rbac)
  const audit = createAuditLog({ path: place.config.auditPath, onWarning: printProblem })
  const peers = isMoleculeWorkspace(process.env)
    ? moleculePeers(place, rbac, audit)
    : configuredPeers(place, permissions, audit)
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

function moleculePeers(
  { delegator, sessionKey }: Place,
  rbac: ReturnType<typeof rbacFrom> | object,
  audit: AuditLog,
): Peers {
  const molecule = createMolecule({ rbac, audit })
  const directory = createMoleculeDirectory(molecule, { units: { delegator, connection: {}, sessionKey } })
  return { directory, close: () => molecule.close() }
}

/** The runners of the configuration that are peers, by their names. Null: there are none. */
function configuredPeers(
  { config: { runners }, delegator, sessionKey }: Place,
  permissions: Permissions,
  audit: AuditLog,
): Peers | null {
  const peers = Object.fromEntries(Object.entries(runners).filter(([, runner]) => isPeerRunner(runner)))
  if (Object.keys(peers).length === 0) return null
  const common = { event_type: 'delegation', action: 'delegate', workspace_id: self } as const
  delegator.events.on('completion', ({ delegation_id: trace_id, status, error, metadata }) => {
    const resource = metadata?.['workspace_id']
    if (typeof resource !== 'string') return
    const isDone = status === 'completed'
    const extra = isDone ? {} : { reason: status, last_error: redact(error ?? status) }
    audit.record({ ...common, resource, trace_id, outcome: isDone ? 'success' : 'failure', extra })
  })
  const directory = createPeerDirectory({
    delegator,
    sessionKey,
    peers,
    permit(resource) {
      const refusal = permissions.refusal('delegate')
      if (refusal === null) return
      const extra = { attempted_action: 'delegate', roles: permissions.roles }
      const denial = { event_type: 'rbac', action: 'rbac.deny', outcome: 'denied' }
      audit.record({ ...common, ...denial, resource, extra })
      throw new Error(refusal)
    },
    onStarted({ workspaceId: resource, task, taskId: trace_id }) {
      const extra = { task_preview: redact(task.slice(0, previewCharacters)) }
      audit.record({ ...common, resource, trace_id, outcome: 'dispatched', extra })
    },
  })
  return { directory, close: () => audit.flushed() }
}

/** The own workspace of who has no platform. */
const self = 'self'
const previewCharacters = 200

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
