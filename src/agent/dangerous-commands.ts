/**
 * Commands that nobody is there to approve. A list of what is known to do harm, and no sandbox: who wants to get around
 * it can. Where the model may be hostile, the whole host belongs into a container.
 */
import { throwsAwayHistory, rewritesPushed } from './dangerous-git.js'
import { pathOf, readCommandLine, type Command, type CommandLine } from './shell-commands.js'

interface Danger {
  /** Completes "it ...". */
  readonly what: string
  readonly is: (line: CommandLine) => boolean
}

const raw = String.raw

const some =
  (is: (command: Command) => boolean) =>
  ({ commands }: CommandLine): boolean =>
    commands.some(is)

/** A program by its name, with arguments that fit the pattern. */
function program(names: RegExp, args = /(?:)/): Danger['is'] {
  return some((command) => names.test(command.name) && args.test(command.args.join(' ')))
}

const text =
  (pattern: RegExp) =>
  ({ forms }: CommandLine): boolean =>
    forms.some((form) => pattern.test(form))

/** In one line, `before` and later `then`: two passes, where one pattern for both would try every pair. */
const inOrder =
  (before: RegExp, then: RegExp) =>
  ({ forms }: CommandLine): boolean =>
    forms
      .flatMap((form) => form.split(/[\n;]/))
      .some((line) => {
        const at = line.search(before)
        return at !== -1 && then.test(line.slice(at))
      })

const hasOption = (args: readonly string[], short: RegExp, long: RegExp): boolean =>
  args.some((arg) => (arg.startsWith('--') ? long.test(arg) : /^-\w/.test(arg) && short.test(arg)))
const isRecursive = (args: readonly string[]): boolean => hasOption(args, /[rR]/, /^--recursive$/)

/** What a word may name: itself, and what stands behind its `=`. */
function pathsOf({ args, folder }: Command): string[] {
  return args
    .flatMap((arg) => {
      const value = /^-{0,2}[\w-]+=(.+)$/.exec(arg)?.[1]
      return arg.startsWith('-') || value !== undefined ? (value ?? []) : arg
    })
    .map((word) => pathOf(word, folder))
}

const aHome = raw`(?:~\w*|/root|/(?:home|Users)/[^/]+)`
/** All, a folder of the root, a home, or the inside of what no machine is without. */
const isFatalTarget = (path: string): boolean =>
  /^(?:\/|~\w*)(?:\/?[.*?]+)?$/.test(path) ||
  (/^\/[^/]+(?:\/[.*?]+)?$/.test(path) && !/^\/tmp(?:\/|$)/.test(path)) ||
  /^\/(?:usr|boot|home|Users|s?bin|lib\w*)\/[^/]+(?:\/[.*?]+)?$/.test(path) ||
  /^\/var\/lib(?:\/[.*?]+)?$/.test(path)
const systemFile = new RegExp(
  raw`^(?:/(?:etc|usr|s?bin|lib\w*|boot|root|sys|proc|System|Library)(?:/|$)|${aHome}/\.)`,
)
const isSystemFile = (path: string): boolean => systemFile.test(path)

const secrets = raw`\.(?:ssh|aws|gnupg|netrc|kube|docker|git-credentials|npmrc|pypirc|pgpass|config/(?:gcloud|gh|git/credentials))\b`
const secretFile = new RegExp(
  raw`(?:~\w*|\$HOME|\$\{HOME\}|/root|/(?:home|Users)/[^\s/]+)/${secrets}|/etc/(?:g?shadow|sudoers)\b`,
  'i',
)
const secretPath = new RegExp(raw`^(?:${aHome}/${secrets}|/etc/(?:g?shadow|sudoers)\b)`)
const isSecretFile = (path: string): boolean => secretPath.test(path)

/** Of what copies, moves or edits: what is written. */
function writtenBy(command: Command): string[] {
  const { name, args } = command
  const paths = pathsOf(command)
  if (/^(?:tee|truncate|touch|patch)$/.test(name)) return paths
  if (/^(?:cp|mv|install|ln|rsync|scp)$/.test(name)) {
    const into = args.flatMap((arg, index) => (/^-\w*t$/.test(arg) ? (args[index + 1] ?? []) : []))
    return [...paths.slice(-1), ...into.map((word) => pathOf(word, command.folder))]
  }
  if (/^[gm]?sed$/.test(name) && hasOption(args, /^-[nrEsz]*i/, /^--in-place/)) return paths
  return name === 'perl' && hasOption(args, /^-\w*i/, /^--$/) ? paths : []
}

/** Where `>` and `>>` lead to. */
function redirectedTo({ args, folder }: Command): string[] {
  const words = args.join(' ').match(/>>?\|?\s?[^\s<>]+/g) ?? []
  return words.map((word) => pathOf(word.replace(/^>+\|?\s?["']?/, ''), folder))
}

/** A signal comes first; what is left is what gets it. */
function killed({ name, args }: Command): string[] {
  if (name !== 'kill') return []
  const first = args[0] ?? ''
  const from = /^-[sn]$/.test(first) ? 2 : first.startsWith('-') && args.length > 1 ? 1 : 0
  return args.slice(from).filter((arg) => arg !== '--')
}

const device = raw`/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|mapper|md)`

/** Denied whatever the policy says: they end the machine or the host, not the work. */
const fatal: readonly Danger[] = [
  {
    what: 'deletes or changes what a machine needs, or a home',
    is: some((command) => {
      const { name, args } = command
      const paths = pathsOf(command)
      const isDeep = isRecursive(args)
      if (name === 'rm')
        return paths.some((path) => isFatalTarget(path) && (isDeep || /[*?]|^[/~]$/.test(path)))
      if (/^ch(?:mod|own|grp)$/.test(name)) return isDeep && paths.slice(1).some(isFatalTarget)
      if (name === 'mv') return paths.slice(0, -1).some(isFatalTarget)
      return (
        name === 'find' && paths.slice(0, 1).some(isFatalTarget) && /-delete\b|\brm\b/.test(args.join(' '))
      )
    }),
  },
  { what: 'makes a file system', is: program(/^(?:mkfs(?:\.\w+)?|mke2fs|wipefs|fdisk|parted|sgdisk)$/) },
  { what: 'stops the machine', is: program(/^(?:shutdown|reboot|halt|poweroff)$/) },
  { what: 'stops the machine', is: program(/^(?:tel)?init$/, /^[06]\b/) },
  { what: 'stops the machine', is: program(/^systemctl$/, /\b(?:poweroff|reboot|halt|kexec)\b/) },
  {
    what: 'signals every process, or the host',
    is: some((command) =>
      killed(command).some(
        (target) =>
          /^-?0*1$|PPID/.test(target) || (/^-?\d+$/.test(target) && Math.abs(Number(target)) === process.pid),
      ),
    ),
  },
  { what: 'writes to a disk', is: text(new RegExp(raw`(?:\bof=|>)\s?["']?${device}`, 'i')) },
  { what: 'is a fork bomb', is: text(/:\s?\(\s?\)\s?\{[^}]{0,100}:\s?\|\s?:/) },
]

const interpreters = raw`(?:(?:\S*/)?(?:ba|da|k|z|a)?sh\b|python|perl|node|ruby)`
const intoInterpreter = new RegExp(raw`\|\s*(?:(?:sudo|env|xargs)\s+)*${interpreters}`, 'i')

/** Denied unless the policy approves of them once and for all. */
const dangerous: readonly Danger[] = [
  { what: 'hides what it runs behind too much that passes on to it', is: ({ isTooDeep }) => isTooDeep },
  { what: 'deletes recursively', is: some(({ name, args }) => name === 'rm' && isRecursive(args)) },
  { what: 'deletes what it finds', is: program(/^find$/, /-delete\b|-(?:exec|ok)(?:dir)? (?:\S*\/)?rm\b/) },
  {
    what: 'deletes outside of the work folder',
    is: some(
      (command) =>
        /^(?:rm|rmdir|unlink|truncate)$/.test(command.name) &&
        pathsOf(command).some((path) => /^~|^\/(?!tmp\/|dev\/null)/.test(path)),
    ),
  },
  { what: 'overwrites for good', is: program(/^(?:shred|dd)$/) },
  {
    what: 'opens files to everybody',
    is: program(/^chmod$/, /(?:^| )(?:0?777|0?666|[ugoa]*\+[rx]*w|[ugoa,=rwx]*\+\w*s|[2467]\d{3})/),
  },
  { what: 'changes owners recursively', is: some(({ name, args }) => name === 'chown' && isRecursive(args)) },
  {
    what: 'acts as another user',
    is: program(/^(?:sudo|doas|pkexec|su|passwd|chpasswd|useradd|userdel|usermod|visudo)$/),
  },
  {
    what: 'stops or changes services',
    is: program(/^(?:systemctl|service|launchctl)$/, /\b(?:stop|disable|mask|restart|unload|bootout)\b/),
  },
  { what: 'changes scheduled work', is: program(/^crontab$/, /^(?:-[er]|[^-])/) },
  { what: 'changes scheduled work', is: program(/^(?:at|batch)$/) },
  { what: 'ends processes by their name', is: program(/^(?:pkill|killall)$/) },
  { what: 'ends what it did not start', is: inOrder(/\bkill\b/, /\bppid\b/i) },
  {
    what: 'changes the kernel, mounts or a firewall',
    is: program(/^(?:iptables|nft|ufw|mount|umount|swapoff|modprobe|rmmod|insmod)$/),
  },
  { what: 'throws away what git keeps', is: some(throwsAwayHistory) },
  { what: 'rewrites what was pushed', is: some(rewritesPushed) },
  {
    what: 'leaves the processes that end with their child',
    is: program(/^(?:setsid|daemonize|systemd-run|screen|tmux)$/),
  },
  {
    what: 'deletes containers or what runs in them',
    is: program(/^docker$/, /^(?:system prune|rm -\w*f|volume rm)/),
  },
  { what: 'deletes containers or what runs in them', is: program(/^kubectl$/, /^delete/) },
  { what: 'deletes containers or what runs in them', is: program(/^terraform$/, /^destroy/) },
  {
    what: 'writes to a system folder or to settings of this user',
    is: some((command) => [...writtenBy(command), ...redirectedTo(command)].some(isSystemFile)),
  },
  { what: 'runs what it downloads', is: inOrder(/\b(?:curl|wget)\b/i, intoInterpreter) },
  {
    what: 'runs what it downloads',
    is: inOrder(
      /(?:(?:ba|da|k|z|a)?\bsh|bash|dash|ksh|zsh|\bsource|\beval|(?:^|\s)\.)\s/i,
      /(?:<\(|\$\(|`)\s*(?:curl|wget)\b/i,
    ),
  },
  { what: 'runs text that was encoded', is: inOrder(/\b(?:base64|xxd|openssl)\b/i, intoInterpreter) },
  {
    what: 'drops or empties a table',
    is: text(/\bdrop\s+(?:table|database|schema)\b|\btruncate\s+table\b/i),
  },
  {
    what: 'drops or empties a table',
    is: text(/\bdelete\s+from\s+[\w."`]+\s*(?:;|"|'|$)/i),
  },
  {
    what: 'reads a secret of this user',
    is: (line) => text(secretFile)(line) || some((command) => pathsOf(command).some(isSecretFile))(line),
  },
  {
    what: 'reads what another process keeps to itself',
    is: text(/^(?=[\s\S]*\/proc\b)(?=[\s\S]*\b(?:environ|mem)\b)/),
  },
]

/** What a host has decided. */
export interface CommandPolicy {
  /** True: what is dangerous runs; what is fatal does not. */
  readonly autoApprove: boolean
  /** Tried on the command as it was given, as a shell reads it, and on each program in it. */
  readonly deny: readonly RegExp[]
}

/** Why a command is not run; null for one that may. */
export function denialOf(given: string, { autoApprove, deny }: CommandPolicy): string | null {
  const line = readCommandLine(given)
  const danger = [...fatal, ...(autoApprove ? [] : dangerous)].find(({ is }) => is(line))
  if (danger !== undefined) return `it ${danger.what}`
  if (deny.length === 0) return null
  const texts = [given, ...line.forms, ...line.commands.map(({ name, args }) => [name, ...args].join(' '))]
  return deny.some((pattern) => texts.some((each) => pattern.test(each)))
    ? 'this host does not allow it'
    : null
}
