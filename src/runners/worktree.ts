/** A git worktree for one child: what it does there reaches nobody else's files. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { JsonObject, RunnerContext } from '../runner.js'
import { programEnvironment } from '../core/program-environment.js'

type Spawn = RunnerContext['spawn']

export interface Worktree {
  /** Where in it the child works: as deep as the folder that was asked for is in its repository. */
  readonly folder: string
  /** Removes it when nothing was changed or committed there; else says where it is. */
  close(): Promise<JsonObject | null>
}

/** `branch: null`: on no branch. @throws when `folder` is in no repository, or git refuses. */
export async function openWorktree(spawn: Spawn, folder: string, branch: string | null): Promise<Worktree> {
  const found = await git(spawn, folder, ['rev-parse', '--show-toplevel', 'HEAD', '--show-prefix'])
  const [repository = '', base = '', prefix = ''] = found.split('\n')
  const path = join(await mkdtemp(join(tmpdir(), 'hermes-worktree-')), basename(repository))
  const on = branch === null ? ['--detach'] : ['-b', branch]
  await git(spawn, repository, ['worktree', 'add', '--quiet', ...on, path, base])
  return {
    folder: join(path, prefix),
    async close() {
      try {
        // Ignored files are no change.
        const head = await git(spawn, path, ['rev-parse', 'HEAD'])
        const changes = await git(spawn, path, ['status', '--porcelain'])
        if (head === base && changes === '') {
          await git(spawn, repository, ['worktree', 'remove', '--force', path])
          if (branch !== null) await git(spawn, repository, ['branch', '--quiet', '-D', branch])
          await rm(dirname(path), { recursive: true, force: true })
          return null
        }
      } catch {
        // Where git cannot tell, or cannot tidy up, something may be there that somebody wants.
      }
      return { path: existsSync(path) ? path : null, branch, base }
    },
  }
}

/** @throws with what git said. */
async function git(spawn: Spawn, folder: string, args: readonly string[]): Promise<string> {
  const process_ = spawn(['git', '-C', folder, ...args], { env: programEnvironment({}, process.env) })
  const [output, errors, end] = await Promise.all([
    text(process_.stdout),
    text(process_.stderr),
    process_.ended,
  ])
  if (end.code !== 0) throw new Error(`git ${args[0] ?? ''}: ${errors.trim() || `exit code ${end.code}`}`)
  return output.trimEnd()
}
