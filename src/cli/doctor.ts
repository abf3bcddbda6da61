/** What this installation stands on, and what of it is not well. Makes nothing, joins nothing, heals nothing. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config/load.js'
import {
  DelegationError,
  inspectLedger,
  ledgerFacts,
  type FileFinding,
  type LedgerInspection,
} from '../index.js'
import { configFor, type CommandOptions } from './open.js'
import { duration, exitCodes, printJson, printText } from './render.js'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

const ownerOnly = 0o077
const nameColumns = 11

/** Fails when something is not well. */
export async function doctor(options: CommandOptions): Promise<number> {
  const checks = await allChecks(options)
  const ok = checks.every((check) => check.ok)
  if (options.json === true) printJson({ ok, checks })
  // No table: what it says must not be cut.
  else for (const check of checks) printText(lineOf(check))
  return ok ? exitCodes.ok : exitCodes.failed
}

const lineOf = ({ ok, name, detail }: Check): string =>
  `${ok ? 'ok ' : 'BAD'} ${name.padEnd(nameColumns)} ${detail}`

async function allChecks(options: CommandOptions): Promise<Check[]> {
  const node = good('node', process.version)
  let config: Config
  try {
    config = await configFor(options)
  } catch (error) {
    return [node, bad('config', error)]
  }
  const found = good('config', config.path ?? 'no file: every default holds')
  const { path } = config.ledger
  if (path === null) return [node, found, good('ledger', 'in memory: nothing outlives its process')]
  return [node, found, ...(await fileChecks(path, config))]
}

async function fileChecks(path: string, config: Config): Promise<Check[]> {
  try {
    const { driver, sqlite_version, supported_schema, file, findings } = await ledgerFacts(path)
    const sqlite = good('sqlite', `${driver}, SQLite ${sqlite_version}`)
    if (file === null) return [sqlite, good('ledger', `${path}: not there yet, the first command makes it`)]
    const { schema, size_bytes, mode } = file
    const isPrivate = process.platform === 'win32' || (mode & ownerOnly) === 0
    const rights = mode.toString(8).padStart(4, '0')
    return [
      sqlite,
      good(
        'ledger',
        `${path}: ${size_bytes} bytes, schema ${schema} (this program writes ${supported_schema})`,
      ),
      {
        name: 'permissions',
        ok: isPrivate,
        detail: isPrivate ? rights : `${rights}: others may read it; chmod 600`,
      },
      await folderCheck(path),
      ...(await inspected(config, findings)),
    ]
  } catch (error) {
    return [bad('ledger', error)]
  }
}

/** SQLite keeps its log beside the file. */
async function folderCheck(path: string): Promise<Check> {
  const folder = dirname(path)
  try {
    await access(folder, constants.W_OK)
    return good('folder', `${folder} can be written`)
  } catch (error) {
    return bad('folder', error)
  }
}

async function inspected({ ledger }: Config, ofFile: readonly FileFinding[]): Promise<Check[]> {
  const inspection = await inspectLedger(ledger.open)
  try {
    const count = (await inspection.audit()).length + ofFile.length
    const told = count === 0 ? 'everything is in order' : `${count} to look at: see audit`
    return [
      ...(await ownerChecks(inspection)),
      ...(await leftoverChecks(inspection)),
      ...ofFile.map(({ kind, id, fact }) => ({ name: kind, ok: false, detail: `${id}: ${fact}` })),
      { name: 'audit', ok: count === 0, detail: told },
    ]
  } finally {
    await inspection.close()
  }
}

async function ownerChecks(inspection: LedgerInspection): Promise<Check[]> {
  const owners = await inspection.owners()
  if (owners.length === 0) return [good('owners', 'no program has it open')]
  return owners.map(({ pid, is_alive, seen_at }) => {
    const seen = `seen ${duration(Date.now() / 1000 - seen_at)} ago`
    const fate = is_alive ? '' : ': gone; the next program that opens the ledger takes its units over'
    return { name: 'owner', ok: is_alive, detail: `process ${pid}, ${seen}${fate}` }
  })
}

async function leftoverChecks(inspection: LedgerInspection): Promise<Check[]> {
  const left = await inspection.leftovers()
  if (left === null)
    return [good('processes', 'this platform does not tell which are left of ended children')]
  if (left.length === 0) return [good('processes', 'none is left of an ended child')]
  return left.map(({ pid, delegation_id, task_index, command }) => ({
    name: 'process',
    ok: false,
    detail: `${pid} is left of task ${task_index + 1} of ${delegation_id} (kill ${pid}): ${command}`,
  }))
}

const good = (name: string, detail: string): Check => ({ name, ok: true, detail })

/** @throws what is no error of the catalogue and of no file: a bug of ours. */
function bad(name: string, error: unknown): Check {
  const isTold = error instanceof DelegationError || (error instanceof Error && 'code' in error)
  if (!isTold) throw error
  return { name, ok: false, detail: error.message }
}
