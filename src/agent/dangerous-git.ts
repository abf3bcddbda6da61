/** What git cannot give back. */
import type { Command } from './shell-commands.js'

interface GitCall {
  readonly verb: string
  readonly args: readonly string[]
}

function gitCall({ name, args }: Command): GitCall | null {
  if (name !== 'git') return null
  let at = 0
  for (; at < args.length && (args[at] ?? '').startsWith('-'); at += 1)
    if (/^(?:-[cC]|--(?:git-dir|work-tree|namespace|exec-path))$/.test(args[at] ?? '')) at += 1
  return { verb: args[at] ?? '', args: args.slice(at + 1) }
}

const hasShort = (args: readonly string[], letter: RegExp): boolean =>
  args.some((arg) => /^-[A-Za-z]+$/.test(arg) && letter.test(arg))

export function throwsAwayHistory(command: Command): boolean {
  const call = gitCall(command)
  if (call === null) return false
  const { verb, args } = call
  const has = (...words: readonly string[]): boolean => args.some((arg) => words.includes(arg))
  const isForced = has('--force') || hasShort(args, /f/)
  switch (verb) {
    case 'reset':
      return has('--hard', '--merge')
    case 'clean':
      return isForced
    case 'checkout':
      return isForced || has('--', '.')
    case 'switch':
      return isForced || has('--discard-changes')
    case 'restore':
      // Out of the index alone, a file keeps what is in it.
      return !(has('--staged') || hasShort(args, /S/)) || has('--worktree') || hasShort(args, /W/)
    case 'branch':
      return hasShort(args, /D/) || (isForced && (has('--delete') || hasShort(args, /d/)))
    case 'stash':
      return has('drop', 'clear')
    case 'reflog':
      return has('expire', 'delete')
    default:
      return ['filter-branch', 'filter-repo'].includes(verb)
  }
}

export function rewritesPushed(command: Command): boolean {
  const call = gitCall(command)
  return (
    call?.verb === 'push' &&
    (hasShort(call.args, /[fd]/) ||
      call.args.some((arg) => /^(?:--force\S*|--delete|--mirror|--prune|[+:]\S+)$/.test(arg)))
  )
}
