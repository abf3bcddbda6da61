import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function load(molecule: object, more: object = {}) {
  writeFileSync(
    join(folder, 'hermes-delegate.yaml'),
    JSON.stringify({ runners: { analyst: { molecule, ...more } } }),
  )
  return loadConfig({ cwd: folder, env: {} })
}

const workspaces = [{ id: 'own', token_env: 'OWN_TOKEN' }]

describe('a workspace of a Molecule platform in the file', () => {
  it('is a runner of its name, with the options under their own names', async () => {
    const given = { target: 'analyst-id', platform_url: 'http://127.0.0.1:8080', workspaces, route: 'proxy' }
    const { runners } = await load({ ...given, timeout_seconds: 20, source: null }, { placement: 'process' })
    expect(runners['analyst']).toMatchObject({
      name: 'analyst',
      export: 'runMolecule',
      placement: 'process',
      onOwnerDeath: 'unknown',
      options: {
        target: 'analyst-id',
        platformUrl: 'http://127.0.0.1:8080',
        workspaces: [{ id: 'own', tokenEnv: 'OWN_TOKEN' }],
        route: 'proxy',
        timeoutSeconds: 20,
      },
    })
  })

  it.each([
    [{ workspaces }, 'runners.analyst.molecule.target: expected the id of a workspace, got nothing'],
    [{ target: 'own', workspaces }, 'runners.analyst.molecule.target: expected another workspace'],
    [{ target: 'a', workspaces, source: 'b' }, 'runners.analyst.molecule.source: expected one of own, got b'],
    [
      { target: 'a', workspaces, poll_seconds: 0 },
      'runners.analyst.molecule.poll_seconds: expected a number from 0.01',
    ],
    [
      { target: 'a', workspaces, route: 'by air' },
      'runners.analyst.molecule.route: expected one of platform, proxy, direct',
    ],
    [{ target: 'a', workspaces, pollSeconds: 3 }, 'runners.analyst.molecule.pollSeconds: unknown key'],
    [
      { target: 'a', workspaces: [{ id: 'own', token: 'x' }] },
      'runners.analyst.molecule.workspaces.0.token: unknown key',
    ],
    [
      { target: 'a', workspaces, platform_url: 'ftp://x' },
      'runners.analyst.molecule.platform_url: expected an http',
    ],
  ])('%j: %s', async (molecule, problem) => {
    const error = (await load(molecule).catch((thrown: unknown) => thrown)) as {
      detail: { problems: string[] }
    }
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(error.detail.problems.join('\n')).toContain(problem)
  })

  it('is one kind of runner, and its options stand in it', async () => {
    await expect(load({ target: 'a', workspaces }, { builtin: 'shell' })).rejects.toThrow('exactly one of')
    await expect(load({ target: 'a', workspaces }, { options: {} })).rejects.toThrow('`molecule`')
  })
})
