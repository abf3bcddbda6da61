import { presetOf, type AgentName } from './agent-presets.js'
import type { CommandEnvironment } from '../core/program-environment.js'
import { mappedReader, type CommandMap } from './command-map.js'
import type { Reader } from './command-reading.js'
import type { CommandTemplate } from './command-template.js'

/** A program and how it is spoken to. Plain data. */
export interface CommandRunnerOptions {
  /** A known agent: its arguments, its variables and its output. What is given beside it comes first. */
  readonly preset?: AgentName
  /** Further arguments of a preset's program: `['--permission-mode=acceptEdits']`. */
  readonly args?: readonly string[]
  /**
   * The program and its arguments, with `{goal}`, `{context}`, `{prompt}` (both, a blank line between them),
   * `{prompt_file}` (the path of a file that holds the prompt), `{model}`, `{workdir}` and `{session}`. The program is
   * looked up on the path, or is a path. Needed without a preset.
   */
  readonly argv?: CommandTemplate
  /** What the program reads, with the same placeholders. @defaultValue nothing */
  readonly stdin?: string
  /** Used instead of both when an argument would be over 100,000 bytes: Linux takes no more than 131,072. */
  readonly large?: { readonly argv?: CommandTemplate; readonly stdin?: string }
  /** @defaultValue enough to run, and no secret */
  readonly env?: CommandEnvironment
  /** @defaultValue the host's working folder */
  readonly cwd?: string
  /**
   * Each child works in a git worktree of its own, of the repository that `cwd` is in: on a branch `hermes/<id>-<n>`,
   * or detached. It is removed at the end, unless something was changed or committed in it: then the result names it.
   * @defaultValue false
   */
  readonly worktree?: boolean | 'detached'
  /** `json`: one value in all. `jsonl`: one a line. @defaultValue 'text' */
  readonly output?: 'text' | 'json' | 'jsonl'
  /** Which field of the JSON is which of the result. Needed for JSON without a preset. */
  readonly map?: CommandMap
  /** Statuses by exit code. @defaultValue 0 is `completed`, and any other `failed` */
  readonly exitCodes?: Readonly<Record<string, string>>
  /** Id of a session of the program to go on with, as an earlier result's `session_id` named it. */
  readonly session?: string
  /** How long an interrupted program may go on before its group is killed, ms. @defaultValue 3_000 */
  readonly killAfterMs?: number
}

/** The same with its preset in it, ready to be run. */
export interface Command {
  readonly argv: CommandTemplate
  readonly stdin: string | null
  readonly large: { readonly argv: CommandTemplate; readonly stdin: string | null } | null
  readonly env: CommandEnvironment
  readonly cwd: string | null
  readonly worktree: boolean | 'detached'
  readonly output: 'text' | 'json' | 'jsonl'
  /** Null for text. */
  readonly reader: Reader | null
  readonly sessionLine: RegExp | null
  readonly exitCodes: Readonly<Record<string, string>>
  readonly session: string
  readonly killAfterMs: number
}

const defaultKillAfterMs = 3_000

/** Options that were checked. A new one for each run: readers remember what they read. */
export function commandOf(options: CommandRunnerOptions): Command {
  const preset = options.preset === undefined ? null : presetOf(options.preset)
  const extra = options.args ?? []
  // What another command line is given belongs to it alone.
  const own = options.argv === undefined ? preset : null
  const argv = options.argv ?? preset?.argv(extra) ?? []
  const stdin = options.stdin ?? own?.stdin ?? null
  const large = options.large ?? (own?.large && { argv: own.large.argv(extra) }) ?? null
  return {
    argv,
    stdin,
    large: large && { argv: large.argv ?? argv, stdin: large.stdin ?? stdin },
    env: { ...options.env, pass: [...(preset?.pass ?? []), ...(options.env?.pass ?? [])] },
    cwd: options.cwd ?? null,
    worktree: options.worktree ?? false,
    output: options.output ?? preset?.output ?? 'text',
    reader: options.map === undefined ? (preset?.reader?.() ?? null) : mappedReader(options.map),
    sessionLine: preset?.sessionLine ?? null,
    exitCodes: { 0: 'completed', ...options.exitCodes },
    session: options.session ?? '',
    killAfterMs: options.killAfterMs ?? defaultKillAfterMs,
  }
}
