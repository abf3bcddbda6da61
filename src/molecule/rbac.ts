/** Who may do what (M47-M49). What cannot be read grants nothing. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface Rbac {
  /** @defaultValue `['operator']` */
  readonly roles?: readonly string[]
  /** Of roles of one's own: what each may do. One that stands here has this and nothing else. */
  readonly allowedActions?: Readonly<Record<string, readonly string[]>>
}

export interface Permissions {
  /** As they were configured; empty where that could not be read. */
  readonly roles: readonly string[]
  allows(action: string): boolean
  /** What is told of a denial (M9); null for what is allowed. */
  refusal(action: string): string | null
}

const builtin: Readonly<Record<string, readonly string[]>> = {
  operator: ['delegate', 'approve', 'memory.read', 'memory.write'],
  'read-only': ['memory.read'],
  'no-delegation': ['approve', 'memory.read', 'memory.write'],
  'no-approval': ['delegate', 'memory.read', 'memory.write'],
  'memory-readonly': ['memory.read'],
}

/**
 * @param given What was configured, or how to read it. A function that throws, or anything that has another shape,
 * grants nothing.
 */
export function permissionsOf(given: Rbac | (() => Rbac) = {}): Permissions {
  const { roles, allows } = granted(given)
  const had = roles.join(', ') || 'none could be read'
  const refusal = (action: string): string | null =>
    allows(action) ? null : `RBAC: permission '${action}' is missing (roles: ${had})`
  return { roles, allows, refusal }
}

type Granted = Pick<Permissions, 'roles' | 'allows'>

function granted(given: Rbac | (() => Rbac)): Granted {
  try {
    const rbac: unknown = typeof given === 'function' ? given() : given
    if (isRbac(rbac)) return grantedBy(rbac)
  } catch {
    // Whoever cannot say what is allowed allows nothing.
  }
  return { roles: [], allows: () => false }
}

/**
 * The section `rbac` (`roles`, `allowed_actions`) of a YAML file, read when it is asked for: of a workspace's own, or of
 * `hermes-delegate.yaml`. A file without it has the default; for one that cannot be read, and a section that is empty or
 * has another shape, it throws, which grants nothing.
 */
export function rbacFrom(path: string): () => Rbac {
  return () => {
    const file: unknown = parse(readFileSync(path, 'utf8'))
    if (file === null || typeof file !== 'object' || Array.isArray(file))
      throw new TypeError(`${path} holds no configuration`)
    if (!('rbac' in file)) return {}
    const { rbac } = file as { rbac: { roles?: unknown; allowed_actions?: unknown } | null }
    if (rbac === null || typeof rbac !== 'object' || Array.isArray(rbac))
      throw new TypeError(`rbac in ${path} is no mapping`)
    // A section that says nothing may have lost what it said.
    if (Object.keys(rbac).length === 0) throw new TypeError(`rbac in ${path} is empty`)
    const { roles, allowed_actions: allowedActions, ...unknown } = rbac
    // A misspelt key must not fall back to what is allowed by default.
    if (Object.keys(unknown).length > 0) throw new TypeError(`rbac in ${path} has unknown keys`)
    // What has another shape, `null` too, is found, and refused, where it is used.
    return Object.fromEntries(
      Object.entries({ roles, allowedActions }).filter(([, value]) => value !== undefined),
    )
  }
}

function grantedBy({ roles = ['operator'], allowedActions = {} }: Rbac): Granted {
  return {
    roles,
    allows: (action) =>
      roles.some((role) => {
        if (role === 'admin') return true
        const own = Object.hasOwn(allowedActions, role) ? allowedActions[role] : undefined
        const actions = own ?? (Object.hasOwn(builtin, role) ? builtin[role] : undefined)
        return actions?.includes(action) === true
      }),
  }
}

function isRbac(value: unknown): value is Rbac {
  if (typeof value !== 'object' || value === null) return false
  const { roles = [], allowedActions = {} } = value as Rbac
  const isActions =
    typeof allowedActions === 'object' &&
    (allowedActions as unknown) !== null &&
    !Array.isArray(allowedActions)
  return isWords(roles) && isActions && Object.values(allowedActions).every(isWords)
}

function isWords(value: unknown): boolean {
  return Array.isArray(value) && value.every((word) => typeof word === 'string')
}
