import { describe, expect, it } from 'vitest'
import * as a2aServer from '../../src/a2a/server/server.js'
import * as front from '../../src/index.js'
import * as mcp from '../../src/mcp/mcp.js'
import * as runnerFront from '../../src/runner.js'
import * as testing from '../../src/testing/host-conformance.js'
import * as molecule from '../../src/molecule/molecule.js'
import { errorCodes } from '../../src/core/errors.js'
import { filesBelow, read } from '../support/sources.js'

describe('the public surface is what was meant', () => {
  it('front 1 exports these names and no others', () => {
    expect(Object.keys(front).sort()).toEqual([
      'DelegationError',
      'attachHost',
      'buildSessionKey',
      'commandRunner',
      'createDelegator',
      'formatCompletion',
      'inspectLedger',
      'ledgerFacts',
      'memoryLedger',
      'moduleRunner',
      'openSqliteFile',
      'parseSessionKey',
      'plainText',
      'readTraceContext',
      'redact',
      'renderTurn',
      'shellRunner',
      'sqliteLedger',
      'sqliteMemoryStore',
      'transientMemoryStore',
      'withSession',
    ])
  })

  it('the testing kit exports these names and no others', () => {
    expect(Object.keys(testing).sort()).toEqual(['ConformanceError', 'hostConformance', 'runHostConformance'])
  })

  it('the MCP server exports these names and no others', () => {
    expect(Object.keys(mcp).sort()).toEqual(['mcpHandler', 'serveMcpStdio'])
  })

  it('the Molecule dialect exports these names and no others', () => {
    expect(Object.keys(molecule).sort()).toEqual([
      'createAuditLog',
      'createMolecule',
      'createMoleculeDirectory',
      'isMoleculeRunner',
      'moleculeRunner',
      'permissionsOf',
      'rbacFrom',
      'readAudit',
    ])
  })

  it('the A2A server exports these names and no others', () => {
    expect(Object.keys(a2aServer).sort()).toEqual(['createA2AServer', 'createCallers', 'createHttpServer'])
  })

  it('front 2 exports these names and no others', () => {
    expect(Object.keys(runnerFront).sort()).toEqual([
      'defineRunner',
      'isJsonObject',
      'isPublicAddress',
      'pause',
      'programEnvironment',
      'redact',
      'withoutSecrets',
    ])
  })
})

describe('docs/errors.md and the code agree', () => {
  const page = read('docs/errors.md')
  const documented = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code)
  const childCodes = new Set(
    ['src/pool', 'src/runtime', 'src/agent', 'src/a2a']
      .flatMap((folder) => filesBelow(folder, '.ts'))
      .flatMap((path) =>
        [
          ...read(path).matchAll(
            /'((?:RUNNER|RESULT|CHILD|THREAD|SPILL|REQUESTS?|QUESTIONS?|AGENT|PEER)_[A-Z_]+)'/g,
          ),
        ].map(([, code]) => code),
      ),
  )

  it('every code of the catalogue is on the page', () => {
    for (const code of errorCodes) expect(documented).toContain(code)
  })

  it("every code that a child's error can carry is on the page", () => {
    expect(childCodes.size).toBeGreaterThan(8)
    for (const code of childCodes) expect(documented).toContain(code)
  })

  it('no code is on the page that nothing raises', () => {
    for (const code of documented) expect([...errorCodes, ...childCodes, ...refusalCodes]).toContain(code)
  })
})

const refusalCodes = ['CAPACITY', 'THREADS', 'BUDGET', 'KEY_REUSED']
