import { readdir, readFile } from 'node:fs/promises'
import { processMarker } from './lifeline.js'

/** A process that carries the marker of a child, whoever its parent is by now. */
export interface MarkedProcess {
  readonly pid: number
  readonly delegationId: string
  readonly taskIndex: number
  readonly command: string
}

/** All there are of this user; null where the platform shows no environments (anything but Linux). */
export async function markedProcesses(): Promise<readonly MarkedProcess[] | null> {
  if (process.platform !== 'linux') return null
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => markedProcess(Number(pid))))
  return found.filter((marked) => marked !== null)
}

async function markedProcess(pid: number): Promise<MarkedProcess | null> {
  try {
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0')
    const marker = environment.find((entry) => entry.startsWith(`${processMarker}=`))
    const [, delegationId = '', index] = /=(.+):(\d+)$/.exec(marker ?? '') ?? []
    if (delegationId === '') return null
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    return { pid, delegationId, taskIndex: Number(index), command: words.join(' ').trim() }
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return null
  }
}
