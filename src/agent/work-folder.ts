/** One folder, and no way out of it: not by `..`, not by an absolute path, not through a link. */
import { constants } from 'node:fs'
import { lstat, mkdir, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { AgentError } from './agent-error.js'
import { ToolError } from './agent-tool.js'

/** Paths may be given from the folder, or absolute; they are told from the folder. */
export interface WorkFolder {
  /** Without links. */
  readonly root: string
  /** What is there, without links. */
  existing(path: string): Promise<string>
  /** @throws {ToolError} for what is no file, or larger than `maxBytes`. */
  read(path: string, maxBytes: number): Promise<Buffer>
  /** Puts the whole in place at once: who reads sees the old text or the new one. Makes folders that are missing. */
  write(path: string, text: string): Promise<string>
  /** How a path of `existing` is told. */
  shown(real: string): string
}

/** @throws {AgentError} AGENT_WORKDIR when there is no such folder. */
export async function openWorkFolder(given: string): Promise<WorkFolder> {
  const named = resolve(given)
  let root: string
  try {
    root = await realpath(named)
    if (!(await stat(root)).isDirectory()) throw new Error('it is no folder')
  } catch (cause) {
    throw new AgentError('AGENT_WORKDIR', `there is no folder ${named} to work in`, cause)
  }

  const shown = (real: string): string => relative(root, real) || '.'

  /** Absolute, and inside as far as its text tells: what is outside is not even looked at. */
  function located(path: string): string {
    if (path.includes('\0')) throw new ToolError('a path holds no NUL character')
    const full = resolve(root, path)
    if (isWithin(named, full)) return resolve(root, relative(named, full))
    if (isWithin(root, full)) return full
    throw new ToolError(`${path} is outside of the work folder`)
  }

  function inside(real: string, path: string): string {
    if (isWithin(root, real)) return real
    throw new ToolError(`${path} leads out of the work folder`)
  }

  async function existing(path: string): Promise<string> {
    const full = located(path)
    const real = await realpath(full).catch((error: unknown) => {
      throw new ToolError(`${path}: ${reasonOf(error)}`)
    })
    return inside(real, path)
  }

  /** Where a file would be: links on the way are followed, and a link to nothing is none that may be written through. */
  async function target(path: string): Promise<string> {
    const missing: string[] = []
    for (let at = located(path); ; at = dirname(at)) {
      const real = await realpath(at).catch(() => null)
      if (real !== null) return inside(join(real, ...missing), path)
      const isLink = await lstat(at).then(
        (found) => found.isSymbolicLink(),
        () => false,
      )
      if (isLink) throw new ToolError(`${path} leads through a link to nothing`)
      missing.unshift(basename(at))
    }
  }

  return {
    root,
    existing,
    shown,
    async read(path, maxBytes) {
      const file = await opened(await existing(path), path)
      try {
        const found = await file.stat()
        if (!found.isFile()) throw new ToolError(`${path} is no file`)
        if (found.size > maxBytes)
          throw new ToolError(`${path} has ${found.size} bytes, and the most that is read is ${maxBytes}`)
        return await file.readFile()
      } finally {
        await file.close()
      }
    },
    async write(path, text) {
      const real = await target(path)
      // A hook or a setting in there would run what the model wrote, outside of all that is denied to it.
      if (
        shown(real)
          .split(sep)
          .some((part) => part.toLowerCase() === '.git')
      )
        throw new ToolError(`${path} belongs to git, and is not written`)
      const before = await stat(real).catch(() => null)
      if (before !== null && !before.isFile()) throw new ToolError(`${path} is no file`)
      await mkdir(dirname(real), { recursive: true })
      const fresh = join(dirname(real), `.${randomUUID()}.tmp`)
      try {
        const file = await open(fresh, 'wx', before === null ? 0o666 : before.mode & 0o777)
        try {
          await file.writeFile(text)
        } finally {
          await file.close()
        }
        await rename(fresh, real)
      } catch (error) {
        await rm(fresh, { force: true })
        throw new ToolError(`${path}: ${reasonOf(error)}`)
      }
      return shown(real)
    },
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Neither follows a link that was put there meanwhile, nor waits for somebody to write into a pipe. */
async function opened(real: string, path: string): Promise<FileHandle> {
  try {
    return await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw new ToolError(`${path}: ${reasonOf(error)}`)
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is no folder',
  EACCES: 'it is not permitted',
  EPERM: 'it is not permitted',
  ELOOP: 'it is a link that leads nowhere',
}

/** Without the path, which may tell where the work folder is. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === undefined ? message : (reasons[code] ?? code)
}
