import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DelegationRecord } from '../../src/index.js'
import { start, type Ended } from './cli-process.js'

const runners = fileURLToPath(new URL('../fixtures/runtime/runners.js', import.meta.url))
let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
  const tree = { module: runners, export: 'orchestrates' }
  const config = { delegation: { max_spawn_depth: 2 }, runners: { tree } }
  writeFileSync(join(cwd, 'hermes-delegate.yaml'), JSON.stringify(config))
})
afterEach(async () => {
  await run('interrupt', '--all')
  rmSync(cwd, { recursive: true, force: true })
})

const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse((await run(...args, '--json')).stdout) as T

/** A tree that runs in a process of its own: an orchestrator, and a unit of two below it. */
async function tree(): Promise<{ readonly root: string; readonly below: string }> {
  const goal = JSON.stringify({ delegate: { goals: ['polite a', 'polite b'] } })
  const { stdout, stderr } = await run('run', '--detach', '-r', 'tree', '--role', 'orchestrator', goal)
  expect(stderr).toBe('')
  const root = stdout.trim()
  for (;;) {
    const units = await json<DelegationRecord[]>('list')
    const below = units.find(({ parent_id: parent }) => parent === root)
    if (below !== undefined) return { root, below: below.delegation_id }
  }
}

describe('a tree, from the shell', () => {
  it('list and show mark what is below, interrupt --task stops one child of it', async () => {
    const { root, below } = await tree()
    const [, first, second] = (await run('list')).stdout.split('\n')
    expect(first).toMatch(new RegExp(`^${root} .* \\{"delegate"`))
    expect(second).toMatch(new RegExp(`^${below} .* └─ 2 parallel subagents`))
    const capacity = await json('capacity')
    expect(capacity).toMatchObject({ inUse: 1, holders: [{ delegation_id: root }, { parent_id: root }] })
    const shown = (await run('show', root)).stdout
    expect(shown).toMatch(new RegExp(`^${below} +running +1 +2 parallel subagents`, 'm'))
    expect(await json('show', root)).toMatchObject({
      below: [{ delegation_id: below, parent_task_index: 0 }],
    })
    expect((await run('show', below)).stdout).toContain(`parent:     ${root}, task 1`)

    const one = await json('interrupt', below, '--task', '2')
    expect(one).toMatchObject({ signalled: 1, stopped: 1, units: 1 })
    const after = await json<{ record: DelegationRecord }>('show', below)
    expect(after.record.children[1]).toMatchObject({ state: 'interrupted' })
    expect(after.record.status).toBe('running')
    const all = await json('interrupt', root)
    expect(all).toMatchObject({ signalled: 2, stopped: 2, units: 2 })
    const drained = (await run('drain', '--all', '--json')).stdout.trim().split('\n')
    expect(drained).toHaveLength(1)
    expect(JSON.parse(drained[0] ?? '')).toMatchObject({ delegation_id: root, status: 'completed' })
  })

  it('exits 2 for a child that there is not, and for --task without one unit', async () => {
    const { root } = await tree()
    const none = await run('interrupt', root, '--task', '2')
    expect(none.code).toBe(2)
    expect(none.stderr).toContain('taskIndex: 1')
    for (const args of [['--all'], [], [root, root]]) {
      const { code, stderr } = await run('interrupt', ...args, '--task', '1')
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--task') as string })
    }
    const zero = await run('interrupt', root, '--task', '0')
    expect(zero.code).toBe(2)
  })

  it('whatever the configuration says, run prints one completion for all', async () => {
    const config = { delegation: { independent_completions: true } }
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), JSON.stringify(config))
    const { code, stdout } = await run('run', '-r', 'shell', '--json', 'echo a', 'echo b')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ results: [{ summary: 'a' }, { summary: 'b' }] })
  })
})
