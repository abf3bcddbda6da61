import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.js'
import { configuredPlatform } from '../../src/config/configured-platform.js'
import { configuredServe } from '../../src/config/configured-serve.js'
import { knownKeysAt } from '../../src/config/schema.js'
import { createDelegator } from '../../src/index.js'

const path = fileURLToPath(new URL('../../config.example.yaml', import.meta.url))
const example = parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>

/** Written out: a key is public, and whoever adds or drops one says so here. */
const keys = {
  '': [
    'delegation',
    'ledger',
    'delivery',
    'transcripts',
    'spill_folder',
    'runners',
    'serve',
    'platform',
    'log',
    'rbac',
    'audit',
  ],
  delegation: [
    'max_async_children',
    'max_concurrent_children',
    'max_threads',
    'max_shared_threads',
    'isolation',
    'capacity_scope',
    'interrupt_grace_ms',
    'child_timeout_seconds',
    'deadline_seconds',
    'max_iterations',
    'max_spawns_per_session',
    'budgets',
    'child_memory_mb',
    'import_timeout_ms',
    'adopt',
    'max_spawn_depth',
    'orchestrator_enabled',
    'independent_completions',
    'max_summary_chars',
    'max_unit_summary_chars',
    'stall',
    'runner',
  ],
  'delegation.budgets': [
    'tokens_per_unit',
    'cost_usd_per_unit',
    'tokens_per_session',
    'cost_usd_per_session',
    'tokens_total',
    'cost_usd_total',
  ],
  'delegation.stall': ['idle_seconds', 'in_tool_seconds', 'grace_seconds', 'sweep_seconds'],
  ledger: ['kind', 'path', 'durability', 'busy_ms', 'retention_days'],
  delivery: ['max_attempts', 'max_age_hours', 'lease_seconds'],
  transcripts: ['enabled', 'folder'],
  'runners.here': [
    'builtin',
    'module',
    'preset',
    'command',
    'agent',
    'peer',
    'molecule',
    'export',
    'options',
    'placement',
    'reports_progress',
    'idempotent',
    'corrects_output',
    'on_owner_death',
  ],
  serve: [
    'host',
    'port',
    'url',
    'name',
    'description',
    'version',
    'skills',
    'callers',
    'push',
    'max_body_kb',
    'max_streams',
    'drain_seconds',
  ],
  'serve.push': ['allow_private_hosts', 'timeout_seconds'],
  platform: [
    'host',
    'port',
    'url',
    'path',
    'admin_token_env',
    'allow_loopback',
    'allow_private',
    'max_concurrent_tasks',
    'max_queued',
    'heartbeat_timeout_seconds',
    'task_timeout_seconds',
    'deadline_seconds',
    'retention_days',
    'drain_seconds',
  ],
  log: ['level', 'path'],
  rbac: ['roles', 'allowed_actions'],
  audit: ['path'],
}

describe('config.example.yaml', () => {
  it.each(Object.entries(keys))(
    'shows every key of %j that the schema has, and no other',
    (section, expected) => {
      const at = section === '' ? [] : section.split('.')
      const shown = at.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], example)
      expect(Object.keys(shown as object)).toEqual(expected)
      expect(knownKeysAt(at)).toEqual(expected)
    },
  )

  it('loads, and its values are the defaults', async () => {
    const state = { XDG_STATE_HOME: '/state' }
    const loaded = await loadConfig({ path, env: state })
    const { options, runner, serve, platform, log, warnings, ledger, leaseSeconds } = loaded
    const { kind, path: file, retentionSeconds } = ledger
    expect({ kind, file, retentionSeconds, leaseSeconds }).toEqual({
      kind: 'sqlite',
      file: '/state/hermes-delegate/ledger.db',
      retentionSeconds: 7 * 24 * 3600,
      leaseSeconds: 300,
    })
    expect({ runner, log, warnings }).toEqual({
      runner: null,
      log: { level: 'silent', path: null },
      warnings: [],
    })
    expect(serve).toEqual(configuredServe({}))
    const folders = { folder: '/', stateFolder: '/state/hermes-delegate' }
    expect(platform).toEqual(configuredPlatform({}, folders))
    expect(platform.options.path).toBe('/state/hermes-delegate/platform.db')
    expect(serve).toMatchObject({ host: '127.0.0.1', port: 41_241, url: null, drainMs: 20_000, callers: {} })
    expect(options).toEqual({
      maxUnits: 3,
      maxConcurrentChildren: 3,
      maxSharedThreads: 2,
      isolation: 'thread',
      capacityScope: 'ledger',
      transcripts: { folder: '/state/hermes-delegate/transcripts' },
      interruptGraceMs: 5000,
      childTimeoutSeconds: 0,
      deadlineSeconds: 0,
      maxIterations: 250,
      budgets: {},
      childMemoryMb: 512,
      importTimeoutMs: 30_000,
      adopt: false,
      maxDepth: 1,
      orchestratorEnabled: true,
      independentCompletions: false,
      maxSummaryCharacters: 8_000,
      maxUnitSummaryCharacters: 48_000,
      stall: { idleSeconds: 450, inToolSeconds: 1200, graceSeconds: 120, sweepSeconds: 30 },
    })
    await (await createDelegator(options)).close()
  })

  it('names the default, the unit and the bounds of every number', () => {
    const text = readFileSync(path, 'utf8')
    for (const key of ['max_async_children', 'max_threads', 'interrupt_grace_ms', 'child_memory_mb']) {
      const comment = text
        .slice(0, text.indexOf(`${key}: `))
        .split('\n\n')
        .at(-1)
      expect(comment).toMatch(/from \d/)
    }
  })
})
