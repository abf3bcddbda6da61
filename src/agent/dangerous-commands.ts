/**
 * Commands that nobody is there to approve. A list of what is known to do harm, and no sandbox: who wants to get around
 * it can. Where the model may be hostile, the whole host belongs into a container.
 */

interface Danger {
  /** Completes "it ...". */
  readonly what: string
  readonly pattern: RegExp
}

const raw = String.raw

/** A program with its arguments; tried where a command begins, and nowhere else, which also bounds its cost. */
const program = (rest: string): RegExp => new RegExp(`^(?:\\S*/)?${rest}`, 'i')

/** What stands before a command and only passes on to it. */
const passesOn = new RegExp(
  raw`^\s*(?:(?:\w+=\S*|env|nohup|exec|time|command|builtin|eval|busybox|if|then|do|else|while|until|!)\s+|(?:sudo|doas|pkexec|nice|ionice|stdbuf|xargs)\s+(?:-\S+\s+)*|timeout\s+(?:-\S+\s+)*\S+\s+|(?:\S*/)?(?:ba|da|k|z|a)?sh\s+(?:-\S+\s+)*-\w*c\s+)`,
)

const home = raw`(?:~|\$HOME|\$\{HOME\})`
const device = raw`/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|mapper|md)`
const args = raw`\s+(?:\S+\s+)*?`

/** Denied whatever the policy says: they end the machine, not the work. */
const fatalPrograms: readonly Danger[] = [
  { what: 'deletes the root folder or a home', pattern: program(raw`rm${args}(?:/|${home}/?)\*?(?:\s|$)`) },
  {
    what: 'makes a file system',
    pattern: program(raw`(?:mkfs(?:\.\w+)?|mke2fs|wipefs|fdisk|parted|sgdisk)\b`),
  },
  {
    what: 'stops the machine',
    pattern: program(
      raw`(?:shutdown|reboot|halt|poweroff|(?:tel)?init\s+[06]|systemctl\s+(?:poweroff|reboot|halt|kexec))\b`,
    ),
  },
  { what: 'signals every process', pattern: program(raw`kill${args}-1(?:\s|$)`) },
]
const fatalTexts: readonly Danger[] = [
  { what: 'writes to a disk', pattern: new RegExp(raw`(?:\bof=|>\s*)["']?${device}`, 'i') },
  { what: 'is a fork bomb', pattern: /:\s*\(\s*\)\s*\{[^}]*:\s*\|\s*:/ },
]

/** Denied unless the policy approves of them once and for all. */
const dangerousPrograms: readonly Danger[] = [
  { what: 'deletes recursively', pattern: program(raw`rm${args}(?:-[a-z]*r|--recursive)`) },
  {
    what: 'deletes what it finds',
    pattern: program(raw`find\s(?:.*\s)?-(?:delete\b|(?:exec|ok)(?:dir)?\s+(?:\S*/)?rm\b)`),
  },
  {
    what: 'deletes outside of the work folder',
    pattern: program(raw`(?:rm|rmdir|unlink|truncate)${args}(?:${home}|/(?!tmp/|dev/null))`),
  },
  { what: 'overwrites for good', pattern: program(raw`(?:shred|dd)\b`) },
  {
    what: 'opens files to everybody',
    pattern: program(raw`chmod${args}(?:0?777|0?666|[ao]?\+[rx]*w|\S*\+s|[2467]\d{3})`),
  },
  { what: 'changes owners recursively', pattern: program(raw`chown${args}(?:-[a-z]*R|--recursive)`) },
  {
    what: 'acts as another user',
    pattern: program(raw`(?:sudo|doas|pkexec|su|passwd|chpasswd|useradd|userdel|usermod|visudo)(?:\s|$)`),
  },
  { what: 'edits a system file', pattern: program(raw`(?:sed|perl)\s.*-\w*i.*\s/(?:etc|usr|boot)/`) },
  {
    what: 'stops or changes services',
    pattern: program(
      raw`(?:systemctl|service|launchctl)\s.*\b(?:stop|disable|mask|restart|unload|bootout)\b`,
    ),
  },
  { what: 'changes scheduled work', pattern: program(raw`(?:crontab\s+(?:-[er]|[^-\s])|at\s|batch\b)`) },
  { what: 'ends processes by their name', pattern: program(raw`(?:pkill|killall)\b`) },
  {
    what: 'changes the kernel, mounts or a firewall',
    pattern: program(raw`(?:iptables|nft|ufw|mount|umount|swapoff|modprobe|rmmod|insmod)\b`),
  },
  {
    what: 'throws away what git keeps',
    pattern: program(
      raw`git\s(?:.*\s)?(?:reset\s(?:.*\s)?--hard|clean\s(?:.*\s)?-\w*f|(?:checkout|restore)\s(?:.*\s)?(?:--\s+)?\.(?:\s|$)|branch\s(?:.*\s)?-D|stash\s+(?:drop|clear)|filter-branch|reflog\s+expire)`,
    ),
  },
  {
    what: 'rewrites what was pushed',
    pattern: program(raw`git\s(?:.*\s)?push\s(?:.*\s)?(?:--force\S*|-f|--delete|--mirror|\+\S+)(?:\s|$)`),
  },
  {
    what: 'leaves the processes that end with their child',
    pattern: program(raw`(?:setsid|daemonize|systemd-run|screen|tmux)\b`),
  },
  {
    what: 'deletes containers or what runs in them',
    pattern: program(
      raw`(?:docker\s+(?:system\s+prune|rm\s+-\w*f|volume\s+rm)|kubectl\s+delete|terraform\s+destroy)`,
    ),
  },
]
const shell = raw`(?:\S*/)?(?:ba|da|k|z|a)?sh\b`
const dangerousTexts: readonly Danger[] = [
  {
    what: 'writes to a system folder or to settings of this user',
    pattern: new RegExp(
      raw`(?:>>?|\btee\b(?:\s+-\S+)*)\s*["']?(?:/(?:etc|usr|bin|sbin|lib|boot|root)/|${home}/\.)`,
      'i',
    ),
  },
  {
    what: 'runs what it downloads',
    pattern: new RegExp(
      raw`\b(?:curl|wget)\b[^\n;]*\|\s*(?:sudo\s+|env\s+)*(?:${shell}|python|perl|node|ruby)`,
      'i',
    ),
  },
  {
    what: 'runs what it downloads',
    pattern: new RegExp(
      raw`(?:${shell}|\bsource|\beval|(?:^|\s)\.)\s[^\n;]*(?:<\(|\$\(|\x60)\s*(?:curl|wget)\b`,
      'i',
    ),
  },
  {
    what: 'runs text that was encoded',
    pattern: new RegExp(raw`\b(?:base64|xxd|openssl)\b[^\n;]*\|\s*(?:${shell}|python|perl|node|ruby)`, 'i'),
  },
  {
    what: 'drops or empties a table',
    pattern:
      /\b(?:drop\s+(?:table|database|schema)\b|truncate\s+table\b|delete\s+from\s+[\w."`]+\s*(?:;|"|'|$))/i,
  },
  {
    what: 'reads a secret of this user',
    pattern: new RegExp(
      raw`(?:${home}|/root|/home/[^\s/]+)/\.(?:ssh|aws|gnupg|netrc|kube|docker|config/gcloud)\b|/etc/(?:shadow|sudoers)\b`,
      'i',
    ),
  },
  { what: 'reads what another process keeps to itself', pattern: /\/proc\/[^\s/]+\/(?:environ|mem)\b/i },
]

/** What a host has decided. */
export interface CommandPolicy {
  /** True: what is dangerous runs; what is fatal does not. */
  readonly autoApprove: boolean
  readonly deny: readonly RegExp[]
}

/** Why a command is not run; null for one that may. */
export function denialOf(given: string, { autoApprove, deny }: CommandPolicy): string | null {
  const texts = formsOf(given)
  const programs = texts.flatMap(programsIn)
  const find = (dangers: readonly Danger[], among: readonly string[]): Danger | undefined =>
    dangers.find(({ pattern }) => among.some((text) => pattern.test(text)))
  const fatal = find(fatalPrograms, programs) ?? find(fatalTexts, texts)
  const danger =
    fatal ?? (autoApprove ? undefined : (find(dangerousPrograms, programs) ?? find(dangerousTexts, texts)))
  if (danger !== undefined) return `it ${danger.what}`
  return deny.some((pattern) => pattern.test(given)) ? 'this host does not allow it' : null
}

/** As it stands, and as a shell would read it: full-width letters, split lines, quotes and backslashes within words. */
function formsOf(given: string): readonly string[] {
  const plain = given.normalize('NFKC').replace(/\x1b\[[0-9;]*[A-Za-z]|[\0\u200b-\u200f\u2060\ufeff]/g, '')
  const joined = plain.replace(/\\\r?\n/g, '').replace(/\$\{?IFS\}?/g, ' ')
  return [joined, joined.replace(/["'\\]/g, '')]
}

/** Each place where a command begins, to the operator that ends it. */
function programsIn(text: string): string[] {
  return text.split(/[;&|\n`()]|\$\(|[{}](?=\s|$)/).flatMap((part) => {
    const found = [part.trim()]
    let rest = part
    for (let match = passesOn.exec(rest); match !== null; match = passesOn.exec(rest)) {
      rest = rest.slice(match[0].length)
      found.push(rest.trim())
    }
    return found
  })
}
