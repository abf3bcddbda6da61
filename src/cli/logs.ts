import { open, type FileHandle } from 'node:fs/promises'
import type { DelegationRecord, Delegator } from '../index.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, handOver, printProblem } from './render.js'
import { onStopSignal } from './stop-signals.js'
import { UsageError } from './usage-error.js'

/** Options of `logs`, as commander hands them over. */
export interface LogsOptions extends CommandOptions {
  readonly follow?: boolean
  /** As the completion numbers them: from 1. */
  readonly task?: number
}

interface Source {
  readonly task: number
  readonly goal: string
  readonly path: string
  /** How much of it was printed, bytes. */
  at: number
}

/** Between two looks at a transcript that is followed, ms. */
const lookMs = 300
const chunkBytes = 65_536

/** Prints the transcripts of a unit's children; with `--follow` on and on, until the unit has ended. */
export async function logs(id: string, options: LogsOptions): Promise<number> {
  const opened = await openDelegator(options)
  const over = new AbortController()
  const signals = onStopSignal(() => over.abort())
  try {
    const sources = sourcesOf(await opened.delegator.get(id), options)
    if (sources.length === 0) {
      printProblem(`no transcripts are kept of ${id}`)
      return exitCodes.failed
    }
    const printer = createPrinter(sources.length > 1)
    if (options.follow !== true) await printer.printNew(sources)
    else await follow(opened.delegator, id, over.signal, () => printer.printNew(sources))
    return signals.code ?? exitCodes.ok
  } finally {
    await opened.close()
    signals.release()
  }
}

/** @throws {UsageError} for a task that the unit has not. */
function sourcesOf({ live_transcripts, children }: DelegationRecord, { task }: LogsOptions): Source[] {
  if (task !== undefined && task > children.length)
    throw new UsageError(`there is no task ${task}: the unit has ${children.length}`)
  return Object.entries(live_transcripts ?? {})
    .map(([index, path]) => ({
      task: Number(index) + 1,
      goal: children[Number(index)]?.goal ?? '',
      path,
      at: 0,
    }))
    .filter(({ task: own, path }) => path !== '' && (task === undefined || own === task))
}

/** Looks again and again, and once more after the end; `printNew` resolves false when nobody reads any more. */
async function follow(
  delegator: Delegator,
  id: string,
  signal: AbortSignal,
  printNew: () => Promise<boolean>,
): Promise<void> {
  const ending = new AbortController()
  // What was collected or closed meanwhile is over as well.
  const ended = delegator.wait(id).then(
    () => ending.abort(),
    () => ending.abort(),
  )
  while (!signal.aborted && !ending.signal.aborted) {
    if (!(await printNew())) return
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, lookMs))])
  }
  await printNew()
}

function createPrinter(hasMany: boolean) {
  let last: Source | null = null

  async function printOf(source: Source): Promise<boolean> {
    const file = await open(source.path).catch(() => null)
    // Its child has not said anything yet.
    if (file === null) return true
    try {
      const text = await newText(file, source)
      if (text === '') return true
      const heading = hasMany && last !== source ? `==> task ${source.task}: ${source.goal} <==\n` : ''
      last = source
      return await handOver(heading + text)
    } finally {
      await file.close()
    }
  }

  return {
    async printNew(sources: readonly Source[]): Promise<boolean> {
      for (const source of sources) if (!(await printOf(source))) return false
      return true
    },
  }
}

/** Whole lines that came since: a line that is still being written waits. */
async function newText(file: FileHandle, source: Source): Promise<string> {
  const parts: Buffer[] = []
  for (let at = source.at; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, at)
    parts.push(buffer.subarray(0, bytesRead))
    at += bytesRead
    if (bytesRead < chunkBytes) break
  }
  const bytes = Buffer.concat(parts)
  const end = bytes.lastIndexOf(10)
  source.at += end + 1
  return end < 0 ? '' : bytes.subarray(0, end).toString('utf8')
}
