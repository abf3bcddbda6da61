/** A command line, as a shell would take it apart: each program that it starts, with its words. */
import { posix } from 'node:path'

/** One program. Everything that only passes on to it (`sudo`, `env -i`, `xargs -n 1`, `sh -c`) stands as one of its own before it. */
export interface Command {
  /** Without its folder, in lower case. */
  readonly name: string
  readonly args: readonly string[]
  /** Where its relative paths begin, as far as the line itself says so (`cd / && ...`); empty where it does not. */
  readonly folder: string
}

export interface CommandLine {
  /** As it stands, and as a shell would read it: full-width letters, split lines, quotes and backslashes within words. */
  readonly forms: readonly string[]
  readonly commands: readonly Command[]
  /** Something passes on to something that passes on, oftener than anybody means. */
  readonly isTooDeep: boolean
}

const deepest = 16
/** Who goes deeper step by step is not followed: each step would cost as much as the way to it. */
const folderCharacters = 200

export function readCommandLine(given: string): CommandLine {
  const forms = formsOf(given)
  const commands: Command[] = []
  let isTooDeep = false
  for (const form of forms) {
    let folder = ''
    for (const words of wordsOfParts(form)) {
      let at = 0
      for (let depth = 0; at < words.length; depth += 1) {
        if (depth === deepest) {
          isTooDeep = true
          break
        }
        const command = { name: nameOf(words[at] ?? ''), args: words.slice(at + 1), folder }
        commands.push(command)
        if (command.name === 'cd' || command.name === 'pushd') folder = folderAfter(command)
        const next = passedOnTo(words, at, command.name)
        if (next === null) break
        at = next
      }
    }
  }
  return { forms, commands, isTooDeep }
}

/** Absolute, `~/...`, or relative to a folder that nobody knows. */
export function pathOf(word: string, folder: string): string {
  const named = word.replace(/^(?:\$HOME|\$\{HOME\})(?=\/|$)/, '~')
  const path = /^[/~]/.test(named) || folder === '' ? named : `${folder}/${named}`
  const normal = posix.normalize(path)
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal
}

function folderAfter({ args, folder }: Command): string {
  const [to = '~'] = args.filter((arg) => !/^-[LPe@]*$/.test(arg) && arg !== '--')
  const path = pathOf(to, folder)
  return path.length > folderCharacters ? '' : path
}

function formsOf(given: string): readonly string[] {
  const plain = given.normalize('NFKC').replace(/\x1b\[[0-9;]*[A-Za-z]|[\0\u200b-\u200f\u2060\ufeff]/g, '')
  const joined = plain.replace(/\\\r?\n/g, '').replace(/\$\{?IFS\}?/g, ' ')
  // What is escaped or empty ends no command.
  const bare = joined.replace(/\\[();&|]/g, ' ').replace(/\{\}/g, '_')
  return [joined, bare.replace(/["'\\]/g, '')]
}

/** Each place where a command begins, to the operator that ends it. */
function wordsOfParts(text: string): string[][] {
  return text
    .split(/[;&|\n`()]|[{}](?=\s|$)/)
    .map((part) => part.split(/\s+/).filter((word) => word !== ''))
    .filter((words) => words.length > 0)
}

function nameOf(word: string): string {
  return word.slice(word.lastIndexOf('/') + 1).toLowerCase()
}

/** What stands before a command: which of its options have a value of their own, and how many words come before it. */
interface Wrapper {
  readonly valued?: string
  readonly operands?: number
}

const wrappers: ReadonlyMap<string, Wrapper> = new Map([
  ...['nohup', 'command', 'builtin', 'eval', 'busybox', 'setsid', 'if', 'then', 'do', 'else', 'elif'].map(
    (name) => [name, {}] as const,
  ),
  ...['while', 'until', '!', '$', 'chronic', 'pkexec'].map((name) => [name, {}] as const),
  ['env', { valued: 'uC' }],
  ['exec', { valued: 'a' }],
  ['time', { valued: 'fo' }],
  ['nice', { valued: 'n' }],
  ['ionice', { valued: 'cnpPu' }],
  ['stdbuf', { valued: 'ioe' }],
  ['xargs', { valued: 'adEILnPs' }],
  ['parallel', { valued: 'jaIL' }],
  ['timeout', { valued: 'sk', operands: 1 }],
  ['sudo', { valued: 'CDghpRrTtuU' }],
  ['doas', { valued: 'Cu' }],
  ['watch', { valued: 'n' }],
  ['strace', { valued: 'eopsu' }],
  ['flock', { valued: 'Ew', operands: 1 }],
  ['chroot', { operands: 1 }],
])
const valuedLong =
  /^--(?:signal|kill-after|adjustment|unset|chdir|user|group|max-args|max-procs|max-lines|max-chars|delimiter|arg-file|eof|output|format|input|error|class|classdata|host|prompt|interval|jobs)$/
const shells = /^(?:ba|da|k|z|a|fi)?sh$/
const assignment = /^\w+\+?=/

/** Where the next program stands; null where this one is the last. */
function passedOnTo(words: readonly string[], at: number, name: string): number | null {
  if (assignment.test(words[at] ?? '')) return at + 1
  if (shells.test(name)) return afterShellOptions(words, at + 1)
  if (name === 'find') return afterExec(words, at + 1)
  const wrapper = wrappers.get(name)
  if (wrapper === undefined) return null
  const { valued = '', operands = 0 } = wrapper
  let next = at + 1
  for (; next < words.length; next += 1) {
    const word = words[next] ?? ''
    if (word === '--') {
      next += 1
      break
    }
    if (!word.startsWith('-')) break
    const isValued = word.startsWith('--') ? valuedLong.test(word) : endsInValued(word, valued)
    if (isValued) next += 1
  }
  return next + operands
}

/** `-n 1`, and `-0n 1`; in `-n1` the value is there already. */
function endsInValued(word: string, valued: string): boolean {
  const letters = word.slice(1)
  const at = letters.split('').findIndex((letter) => valued.includes(letter))
  return at !== -1 && at === letters.length - 1
}

/** Only what follows `-c` is a command; a script of one's own is not read. */
function afterShellOptions(words: readonly string[], from: number): number | null {
  let isCommand = false
  for (let at = from; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (!/^[-+]/.test(word)) return isCommand ? at : null
    if (/^-\w*c/.test(word)) isCommand = true
    if (/^[-+]\w*[oO]$/.test(word)) at += 1
  }
  return null
}

function afterExec(words: readonly string[], from: number): number | null {
  const at = words.findIndex((word, index) => index >= from && /^-(?:exec|ok)(?:dir)?$/.test(word))
  return at === -1 ? null : at + 1
}
