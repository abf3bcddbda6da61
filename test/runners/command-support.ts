import { mkdirSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  commandRunner,
  type CommandRunnerOptions,
  type DelegatorOptions,
  type SingleEvent,
} from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import { idOf, open, temporaryFolder } from '../runtime/support.js'

export interface CommandTask {
  readonly goal?: string
  readonly context?: string
  readonly model?: string
  readonly outputSchema?: JsonObject
  /** Of the delegator. */
  readonly with?: DelegatorOptions
}

/** The final event of one child that runs the command. */
export async function run(options: CommandRunnerOptions, task: CommandTask = {}): Promise<SingleEvent> {
  const { goal = 'a goal', with: delegatorOptions, ...rest } = task
  const unbounded = { maxSummaryCharacters: 0, maxUnitSummaryCharacters: 0 }
  const delegator = await open({ spillFolder: temporaryFolder(), ...unbounded, ...delegatorOptions })
  const handle = await delegator.dispatch({ goal, ...rest, runner: commandRunner(options) })
  return (await delegator.wait(idOf(handle))) as SingleEvent
}

/** A shell script as a program: `$1` and on are the arguments behind it. */
export const script = (text: string, ...args: readonly (string | readonly string[])[]) =>
  ['/bin/sh', '-c', text, 'script', ...args] as const

/** Shell that prints each of its arguments. */
export const showArgs = 'for a in "$@"; do printf "<%s>" "$a"; done'

/** The path variable for a child that finds the stand-ins of test/fixtures/agents under their agents' names. */
export function pathWithAgents(): string {
  const folder = join(temporaryFolder(), 'bin')
  mkdirSync(folder)
  for (const name of ['claude', 'codex', 'gemini', 'opencode', 'hermes']) {
    const file = new URL(`../fixtures/agents/${name}.js`, import.meta.url)
    symlinkSync(fileURLToPath(file), join(folder, name))
  }
  return [folder, process.env['PATH']].join(delimiter)
}
