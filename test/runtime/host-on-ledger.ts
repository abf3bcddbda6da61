import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { sqliteLedger, type Delegator, type DelegatorOptions } from '../../src/index.js'
import { open } from './support.js'

const program = fileURLToPath(new URL('../fixtures/hosts/sqlite-host.js', import.meta.url))

export type Line = Readonly<Record<string, never>>

/** Another process on the same ledger. */
export interface HostOnLedger {
  readonly process: ChildProcess
  /** The first line that has this key, now or later; rejects when the host ends without it. */
  said<T>(key: string, holds?: (value: T) => boolean): Promise<T>
  /** By SIGKILL; resolves once it is gone. */
  kill(): Promise<void>
}

/** A folder of this test's own, gone when it ends. */
export function ledgerPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hermes-shared-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'state.db')
}

/** A delegator of this process on the same ledger. */
export function openOn(path: string, options: DelegatorOptions = {}): Promise<Delegator> {
  return open({ ledger: sqliteLedger(path), capacityScope: 'ledger', ...options })
}

export function startHost(path: string, job: Readonly<Record<string, unknown>>): HostOnLedger {
  const host = spawn(process.execPath, [program, path, JSON.stringify(job)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: Record<string, unknown>[] = []
  let rest = ''
  let heard: (() => void)[] = []
  let hasEnded = false
  const ended = new Promise<void>((resolve) => {
    host.on('close', () => {
      hasEnded = true
      resolve()
      wake()
    })
  })
  function wake(): void {
    const told = heard
    heard = []
    for (const tell of told) tell()
  }
  host.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) lines.push(JSON.parse(part) as Record<string, unknown>)
    wake()
  })
  const kill = async (): Promise<void> => {
    host.kill('SIGKILL')
    await ended
  }
  onTestFinished(kill)
  return {
    process: host,
    kill,
    async said<T>(key: string, holds: (value: T) => boolean = () => true) {
      for (;;) {
        const line = lines.find((each) => key in each && holds(each[key] as T))
        if (line !== undefined) return line[key] as T
        if (hasEnded) throw new Error(`the host ended and never said ${key}`)
        await new Promise<void>((resolve) => heard.push(resolve))
      }
    },
  }
}
