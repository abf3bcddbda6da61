/** What the dialect may be told, and the names and defaults that its environment has (M1, M2). */
import { existsSync } from 'node:fs'

type Environment = Readonly<Record<string, string | undefined>>

/** A workspace that delegations are sent from. */
export interface SourceWorkspace {
  readonly id: string
  /** Name of the variable that holds its bearer token. @defaultValue 'WORKSPACE_AUTH_TOKEN' */
  readonly tokenEnv?: string
}

/** Plain data, so that a runner's reference can carry it. */
export interface MoleculeConnection {
  /** @defaultValue PLATFORM_URL, else port 8080 of the Docker host inside of Docker, and of localhost elsewhere */
  readonly platformUrl?: string
  /** The first one is our own. @defaultValue WORKSPACE_ID, with the default token variable */
  readonly workspaces?: readonly SourceWorkspace[]
  /** How often a send that cannot have been delivered is tried, from 1. @defaultValue DELEGATION_RETRY_ATTEMPTS, else 3 */
  readonly retryAttempts?: number
  /** Before the second attempt; before the third it is twice that. Seconds. @defaultValue DELEGATION_RETRY_DELAY, else 5 */
  readonly retryDelaySeconds?: number
  /** All attempts of one send together, and the wait for a queued answer. Seconds. @defaultValue DELEGATION_TIMEOUT, else 300 */
  readonly timeoutSeconds?: number
  /** Between two looks at the platform's list, seconds. @defaultValue 3 */
  readonly pollSeconds?: number
  /** The platform runs what is waited for, too. @defaultValue true when DELEGATION_SYNC_VIA_INBOX is '1' */
  readonly syncViaPlatform?: boolean
}

export interface Settings {
  readonly platformUrl: string
  readonly workspaces: readonly Required<SourceWorkspace>[]
  readonly retryAttempts: number
  readonly retryDelayMs: number
  readonly timeoutMs: number
  readonly pollMs: number
  readonly syncViaPlatform: boolean
}

const defaultTokenEnv = 'WORKSPACE_AUTH_TOKEN'
const defaults = { retryAttempts: 3, retryDelaySeconds: 5, timeoutSeconds: 300, pollSeconds: 3 }

/** What is not said stands in the environment; what cannot be used is a line of `problems`. */
export function readSettings(
  given: MoleculeConnection,
  env: Environment,
): Settings | { readonly problems: readonly string[] } {
  const problems: string[] = []
  const number = (key: keyof typeof defaults, name: string | null, from: number, to: number): number => {
    const told = name === null ? undefined : env[name]?.trim()
    const value = given[key] ?? (told === undefined || told === '' ? defaults[key] : Number(told))
    const isWhole = key !== 'retryAttempts' || Number.isInteger(value)
    if (isWhole && value >= from && value <= to) return value
    const source = given[key] === undefined ? (name ?? key) : key
    problems.push(`${source}: expected a number from ${from} to ${to}, got ${told ?? value}`)
    return defaults[key]
  }
  const platformUrl = given.platformUrl ?? (env['PLATFORM_URL'] || defaultPlatform(env))
  if (!isHttpUrl(platformUrl)) problems.push(`platformUrl: expected an http or https URL, got ${platformUrl}`)
  const workspaces = (given.workspaces ?? [{ id: env['WORKSPACE_ID'] ?? '' }]).map(
    ({ id, tokenEnv = defaultTokenEnv }) => ({ id, tokenEnv }),
  )
  if (workspaces.length === 0 || workspaces.some(({ id }) => id.trim() === ''))
    problems.push('workspaces: expected the id of the own workspace (or WORKSPACE_ID), got none')
  const settings = {
    platformUrl: platformUrl.replace(/\/+$/, ''),
    workspaces,
    retryAttempts: number('retryAttempts', 'DELEGATION_RETRY_ATTEMPTS', 1, 100),
    retryDelayMs: number('retryDelaySeconds', 'DELEGATION_RETRY_DELAY', 0, 3600) * 1000,
    timeoutMs: number('timeoutSeconds', 'DELEGATION_TIMEOUT', 0.01, 86_400) * 1000,
    pollMs: number('pollSeconds', null, 0.01, 3600) * 1000,
    syncViaPlatform: given.syncViaPlatform ?? env['DELEGATION_SYNC_VIA_INBOX'] === '1',
  }
  return problems.length === 0 ? settings : { problems }
}

function defaultPlatform(env: Environment): string {
  const isInDocker = existsSync('/.dockerenv') || (env['DOCKER_VERSION'] ?? '') !== ''
  return `http://${isInDocker ? 'host.docker.internal' : 'localhost'}:8080`
}

export function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === ''
}
