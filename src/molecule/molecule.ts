/** Front of the Molecule dialect, for the host: `hermes-delegate/molecule`. */
export { createMolecule } from './create-molecule.js'
export type {
  Accepted,
  Answer,
  Molecule,
  MoleculeOptions,
  Permit,
  PermittedTarget,
  SendOptions,
} from './create-molecule.js'
export { createAuditLog, readAudit } from './audit-log.js'
export type { AuditEvent, AuditFilter, AuditLog, AuditLogOptions, FoundAudit } from './audit-log.js'
export type { ConnectOptions } from './connect.js'
export { permissionsOf, rbacFrom } from './rbac.js'
export type { Permissions, Rbac } from './rbac.js'
export type { MoleculeRecord, MoleculeStatus } from './records.js'
export type { MoleculeConnection, SourceWorkspace } from './settings.js'
export { createMoleculeDirectory } from './molecule-directory.js'
export type { MoleculeDirectory, MoleculeDirectoryOptions, MoleculeTaskStatus } from './molecule-directory.js'
export { isMoleculeRunner, moleculeRunner } from './molecule-runner.js'
export type { MoleculeRunnerOptions } from './molecule-runner.js'
