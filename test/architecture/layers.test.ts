import { describe, expect, it } from 'vitest'
import { filesBelow, functionsOf, importsOf, read } from '../support/sources.js'

const sources = filesBelow('src', '.ts')
const folderOf = (path: string): string => path.split('/').slice(0, 2).join('/')

/** What a folder may import beside itself. `runner.ts` is the contract of runners; the index is front 1. */
const mayImport: Record<string, readonly string[]> = {
  'src/core': [],
  'src/ledger': ['src/core'],
  'src/memory': ['src/core', 'src/ledger'],
  'src/pool': ['src/core', 'src/runner.ts'],
  'src/runners': ['src/core', 'src/runner.ts'],
  'src/runtime': ['src/core', 'src/ledger', 'src/pool', 'src/runner.ts'],
  'src/host': ['src/core', 'src/runtime'],
  'src/agent': ['src/index.ts', 'src/runner.ts', 'src/tools'],
  'src/a2a': ['src/index.ts', 'src/runner.ts'],
  'src/config': ['src/index.ts', 'src/runner.ts', 'src/agent', 'src/a2a', 'src/molecule'],
  'src/testing': ['src/index.ts'],
  'src/platform': ['src/index.ts', 'src/runner.ts'],
  'src/tools': ['src/index.ts', 'src/runner.ts'],
  'src/mcp': ['src/index.ts', 'src/runner.ts', 'src/tools'],
  'src/telemetry': ['src/index.ts', 'src/runner.ts'],
  'src/molecule': ['src/index.ts', 'src/runner.ts'],
  'src/cli': [
    'src/index.ts',
    'src/runner.ts',
    'src/config',
    'src/agent',
    'src/tools',
    'src/mcp',
    'src/molecule',
    'src/a2a',
    'src/telemetry',
    'src/platform',
  ],
  'src/runner.ts': ['src/core'],
  'src/index.ts': [
    'src/core',
    'src/ledger',
    'src/memory',
    'src/pool',
    'src/runners',
    'src/runtime',
    'src/host',
    'src/runner.ts',
  ],
}

/** What L2 sees of L1: its ports, and rules that are the same for all. Only `create-delegator` chooses implementations. */
const seenByRuntime: readonly string[] = [
  'src/ledger/ledger.ts',
  'src/ledger/mail.ts',
  'src/ledger/shapes.ts',
  'src/pool/executor.ts',
  'src/pool/error-detail.ts',
  'src/pool/kept-files.ts',
  'src/pool/marked-processes.ts',
  'src/pool/plain-data.ts',
  'src/pool/schema-check.ts',
]

/** What memories take of the ledger: the way to have a file, and nothing of delegations. */
const seenByMemory: readonly string[] = [
  'file-schema',
  'sqlite-checkpoint',
  'sqlite-driver',
  'sqlite-file',
  'sqlite-writer',
]

/** What a worker loads only for a task that needs it, with all that it imports. */
const loadedOnDemand: readonly string[] = [
  'src/pool/checked-output.ts',
  'src/agent/run-agent.ts',
  'src/a2a/run-peer.ts',
]

/** How the registry reads what a model sends: the agent's own `delegate_task` reads it so, too, in a child's thread. */
const sharedWithAgents: readonly string[] = [
  'src/tools/checked-tasks.ts',
  'src/tools/read-input.ts',
  'src/tools/tool-spec.ts',
]

describe('layers (DESIGN 6)', () => {
  it.each(sources)('%s imports downwards only', (path) => {
    const own = folderOf(path)
    for (const { specifier } of importsOf(path).filter((found) => found.specifier.startsWith('src/'))) {
      const target = folderOf(specifier)
      expect([own, ...(mayImport[own] ?? [])], `${path} imports ${specifier}`).toContain(target)
      const isLayer1 = target === 'src/ledger' || target === 'src/pool'
      if (own === 'src/runtime' && isLayer1 && !path.endsWith('create-delegator.ts')) {
        expect(seenByRuntime, `${path} chooses ${specifier}`).toContain(specifier)
      }
      if (own === 'src/memory' && target === 'src/ledger')
        expect(seenByMemory.map((name) => `src/ledger/${name}.ts`)).toContain(specifier)
    }
  })

  it.each(sources.filter((path) => path.startsWith('src/core/')))(
    '%s is pure: no package, no I/O',
    (path) => {
      // Of node:net only what reads an address: no socket.
      const reads = /^src\/core\//.source + (path === 'src/core/private-address.ts' ? '|^node:net$' : '')
      for (const { specifier } of importsOf(path)) expect(specifier).toMatch(new RegExp(reads))
      expect(read(path)).not.toMatch(/\bsetTimeout|\bDate\.now|\bprocess\.|Math\.random/)
    },
  )

  it('P7: nothing that the worker reaches imports zod, pino, piscina or the index', () => {
    const seen = new Set<string>()
    const visit = (path: string): void => {
      if (seen.has(path)) return
      seen.add(path)
      for (const { specifier, isType, isDynamic } of importsOf(path)) {
        if (isType || (isDynamic && loadedOnDemand.includes(specifier))) continue
        expect(specifier, `${path} imports ${specifier}`).toMatch(/^(node:|src\/)/)
        expect(specifier).not.toBe('src/index.ts')
        if (specifier.startsWith('src/')) visit(specifier)
      }
    }
    visit('src/pool/worker.ts')
    visit('src/runner.ts')
    visit('src/runners/shell.ts')
    visit('src/runners/command.ts')
    visit('src/agent/agent-child.ts')
    visit('src/a2a/peer-child.ts')
    visit('src/molecule/molecule-child.ts')
    expect(seen.size).toBeGreaterThan(8)
  })

  it('the agent runner is seen by its front alone, and its worker side knows nothing of the host', () => {
    for (const path of sources) {
      for (const { specifier } of importsOf(path)) {
        if (specifier.startsWith('src/agent/') && !path.startsWith('src/agent/'))
          expect(specifier, path).toBe('src/agent/agent-runner.ts')
        if (specifier === 'src/index.ts' && path.startsWith('src/agent/'))
          expect(path).toBe('src/agent/agent-runner.ts')
      }
    }
  })

  it('the tools and the MCP server are seen by their fronts alone', () => {
    const fronts: Record<string, string> = {
      'src/tools': 'src/tools/tools.ts',
      'src/mcp': 'src/mcp/mcp.ts',
    }
    for (const path of sources) {
      for (const { specifier } of importsOf(path)) {
        if (folderOf(path) === 'src/agent' && sharedWithAgents.includes(specifier)) continue
        const front = fronts[folderOf(specifier)]
        if (front !== undefined && folderOf(path) !== folderOf(specifier)) expect(specifier, path).toBe(front)
      }
    }
  })

  it('Piscina is imported by the two pools and by the one file that reaches behind it', () => {
    const users = sources.filter((path) =>
      importsOf(path).some(({ specifier, isType }) => specifier === 'piscina' && !isType),
    )
    expect(users).toEqual([
      'src/pool/piscina-handles.ts',
      'src/pool/shared-pool.ts',
      'src/pool/thread-pool.ts',
    ])
  })
})

describe('sizes (DESIGN 6)', () => {
  it.each(sources)('%s stays under about 300 lines', (path) => {
    expect(read(path).split('\n').length).toBeLessThan(320)
  })

  it.each(sources)('the functions of %s stay under about 70 lines, apart from factories', (path) => {
    for (const { name, lines } of functionsOf(path))
      if (!/^(create|open|attach)[A-Z]/.test(name)) expect(lines, `${name} in ${path}`).toBeLessThan(75)
  })
})
