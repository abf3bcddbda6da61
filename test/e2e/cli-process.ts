import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const bin = fileURLToPath(new URL('../../bin/hermes-delegate.js', import.meta.url))

export interface Ended {
  /** The exit code; null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** What it has printed so far. */
  printed(): string
}

interface StartOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** The command, as a user starts it; nothing of the environment configures it, and its state is in its own folder. */
export function start(args: readonly string[], options: StartOptions): Running {
  return startProcess(process.execPath, [bin, ...args], options)
}

export function startProcess(
  file: string,
  args: readonly string[],
  { cwd, env = {} }: StartOptions,
): Running {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:DELEGATION_|HERMES_|NODE_|VITEST|NO_COLOR|BASE_URL$|MODEL$|API_KEY$)/.test(name),
  )
  const child = spawn(file, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: cwd, XDG_STATE_HOME: cwd, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  return { process: child, ended, printed: () => stdout }
}

/** What else was said on standard error: a run tells there how its children go. */
export const besidesTheTree = (stderr: string): string =>
  stderr
    .split('\n')
    .filter((line) => !line.startsWith('deleg_'))
    .join('\n')

/** Resolves once `holds`; the test's own timeout is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

export const untilFile = (path: string): Promise<void> => until(() => existsSync(path))

/** The processes whose whole command line is this one. */
export function processesOf(commandLine: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  return lines.flatMap((line) => {
    const [, pid, args] = /^\s*(\d+) (.*)$/.exec(line) ?? []
    return args?.trim() === commandLine ? [Number(pid)] : []
  })
}

let sleeps = 0
/** A `sleep` that no other test of any run sleeps. */
export const uniqueSleep = (seconds: number): string => `sleep ${seconds}.${process.pid}${++sleeps}1`
