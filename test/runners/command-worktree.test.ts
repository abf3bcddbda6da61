import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { commandRunner, type BatchEvent } from '../../src/index.js'
import { idOf, open, temporaryFolder } from '../runtime/support.js'
import { run, script } from './command-support.js'

let repository: string
const git = (...args: readonly string[]): string =>
  execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim()

beforeEach(() => {
  const folder = temporaryFolder()
  // Worktrees that are kept go when the test does.
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  repository = join(folder, 'a repository')
  mkdirSync(join(repository, 'sub'), { recursive: true })
  writeFileSync(join(repository, 'sub/file.txt'), 'first\n')
  writeFileSync(join(repository, '.gitignore'), '*.log\n')
  git('init', '--quiet')
  git('add', '.')
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '-m', 'first')
})

describe('a git worktree for each child', () => {
  it('R11: the child works in it, as deep as its folder is, and it is gone when nothing was changed', async () => {
    const argv = script('pwd; cat file.txt; echo x > some.log; git branch --show-current')
    const event = await run({ argv, cwd: join(repository, 'sub'), worktree: true })
    const [folder = '', text, branch] = (event.summary ?? '').split('\n')
    expect(folder).toMatch(/hermes-worktree-.*\/a repository\/sub$/)
    expect({ text, branch }).toEqual({ text: 'first', branch: `hermes/${event.delegation_id}-0` })
    expect(event).not.toHaveProperty('worktree')
    expect(existsSync(join(folder, '../..'))).toBe(false)
    expect(git('branch', '--list', 'hermes/*')).toBe('')
    expect(git('worktree', 'list', '--porcelain').match(/^worktree /gm)).toHaveLength(1)
  })

  it('P5: children of one unit do not see each other, and what they changed is named', async () => {
    const delegator = await open()
    const text = 'cat sub/file.txt; [ "$1" = same ] || echo "$1" > sub/file.txt'
    const runner = commandRunner({ argv: script(text, '{goal}'), cwd: repository, worktree: true })
    const id = idOf(await delegator.dispatchBatch({ goals: ['one', 'two', 'same'], runner }))
    const { results } = (await delegator.wait(id)) as BatchEvent
    const kept = results.map(
      ({ worktree }) => worktree as { path: string; branch: string; base: string } | undefined,
    )
    expect(results.map(({ summary }) => summary)).toEqual(['first', 'first', 'first'])
    expect(kept.map((tree) => tree?.branch)).toEqual([`hermes/${id}-0`, `hermes/${id}-1`, undefined])
    expect(kept[0]?.base).toBe(git('rev-parse', 'HEAD'))
    expect(readFileSync(join(kept[1]?.path ?? '', 'sub/file.txt'), 'utf8')).toBe('two\n')
    expect(readFileSync(join(repository, 'sub/file.txt'), 'utf8')).toBe('first\n')
  })

  it('P5: a commit is a change, on no branch as well, and so is what a failed child left', async () => {
    const commit = 'git -c user.name=a -c user.email=a@b commit --quiet --allow-empty -m second; exit 3'
    const event = await run({ argv: script(commit), cwd: repository, worktree: 'detached' })
    expect(event).toMatchObject({
      status: 'failed',
      worktree: { branch: null, base: git('rev-parse', 'HEAD') },
    })
    expect(existsSync(event.worktree?.['path'] as string)).toBe(true)
  })

  it('P9: one that the program removed is not named as if it were there', async () => {
    const event = await run({ argv: script('rm -rf "$PWD"'), cwd: repository, worktree: true })
    expect(event).toMatchObject({ status: 'completed', worktree: { path: null } })
  })

  it('P9: a folder in no repository, and a repository without a commit, are told', async () => {
    expect(await run({ argv: ['true'], cwd: temporaryFolder(), worktree: true })).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(
        /^there is no worktree to work in: git rev-parse: .*not a git repository/,
      ) as string,
    })
    const empty = temporaryFolder()
    execFileSync('git', ['-C', empty, 'init', '--quiet'])
    expect((await run({ argv: ['true'], cwd: empty, worktree: true })).error).toContain('unknown revision')
  })
})
