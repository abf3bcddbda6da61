// The one rule set for secrets. It is there for accidents, not for a child that hides what it leaks.
//
// Every step is linear: a pattern fails after a bounded number of characters, or scans only up to the next place
// where it could start. No step sees what another one has put in its place, so redacting twice changes nothing.

/**
 * `text` with every secret of a known form replaced by `[REDACTED:<kind>]`: keys and tokens of the usual
 * services, JSON web tokens, private keys, `Authorization` headers, passwords in URLs, and assignments to a name
 * such as `password` or `api_key` whose literal value looks random. Ordinary code stays as it is. Idempotent,
 * linear time; text without a secret is returned unchanged and costs a few scans.
 */
export function redact(text: string): string {
  return [
    redactPrivateKeys,
    redactWebTokens,
    redactTokens,
    redactHeaders,
    redactUrls,
    redactAssignments,
  ].reduce((redacted, step) => step(redacted), text)
}

function marker(kind: string): string {
  return `[REDACTED:${kind}]`
}

// --- private keys

const KEY_BORDER = /-----(BEGIN|END) (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----/g
const KEY_LINES = /(?:(?:\s|\\[nr]){1,8}[A-Za-z0-9+/=]{16,128}){1,400}/y
const KEY_BODY = /[A-Za-z0-9+/=]{40}/

/** A block from BEGIN to END; of a block that was cut off, the lines of it that are there. */
function redactPrivateKeys(text: string): string {
  if (!text.includes('PRIVATE KEY')) return text
  const borders = [...text.matchAll(KEY_BORDER)]
  let result = ''
  let done = 0
  for (const [position, border] of borders.entries()) {
    if (border[1] !== 'BEGIN' || border.index < done) continue
    const bodyStart = border.index + border[0].length
    const next = borders[position + 1]
    const end = next?.[1] === 'END' ? next.index + next[0].length : lastKeyLine(text, bodyStart)
    const body = text.slice(bodyStart, end)
    // A BEGIN alone must not, the second time, pair with the END behind what was replaced the first time.
    if (!KEY_BODY.test(body) || body.includes('[REDACTED:')) continue
    result += text.slice(done, border.index) + marker('private-key')
    done = end
  }
  return result + text.slice(done)
}

function lastKeyLine(text: string, start: number): number {
  return start + (matchAt(KEY_LINES, text, start)?.[0].length ?? 0)
}

// --- tokens

// Starts only where a run of token characters starts: otherwise each of many `eyJ` would scan the rest of its run.
const WEB_TOKEN = /(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/g

function redactWebTokens(text: string): string {
  return text.includes('eyJ') ? text.replace(WEB_TOKEN, marker('jwt')) : text
}

interface TokenRule {
  readonly kind: string
  /** Applied to a whole run of word characters and hyphens; group 1 is the random part. */
  readonly pattern: RegExp
  /** The random part may have no digit, and look like a word. */
  readonly maybeWord?: true
}

const START = '(?:^|[_-])'
const TOKEN_RULES: readonly TokenRule[] = [
  { kind: 'anthropic-key', pattern: new RegExp(String.raw`${START}sk-ant-([\w-]{20,})`) },
  { kind: 'openai-key', pattern: new RegExp(String.raw`${START}sk-([\w-]{20,})`) },
  { kind: 'github-token', pattern: new RegExp(String.raw`${START}gh[pousr]_([A-Za-z0-9]{30,})`) },
  { kind: 'github-token', pattern: new RegExp(String.raw`${START}github_pat_(\w{22,})`) },
  { kind: 'gitlab-token', pattern: new RegExp(String.raw`${START}glpat-([\w-]{20,})`) },
  { kind: 'slack-token', pattern: new RegExp(String.raw`${START}(?:xox[a-z]|xapp)-([\w-]{20,})`) },
  {
    kind: 'aws-key-id',
    pattern: new RegExp(String.raw`${START}((?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])`),
    maybeWord: true,
  },
  { kind: 'google-key', pattern: new RegExp(String.raw`${START}AIza([\w-]{35,})`) },
  { kind: 'stripe-key', pattern: new RegExp(String.raw`${START}[rs]k_live_([A-Za-z0-9]{16,})`) },
  { kind: 'npm-token', pattern: new RegExp(String.raw`${START}npm_([A-Za-z0-9]{30,})`) },
  { kind: 'hf-token', pattern: new RegExp(String.raw`${START}hf_([A-Za-z0-9]{30,})`) },
]
const TOKEN_HINT = /sk-|gh[pousr]_|github_pat_|glpat-|xox|xapp-|AKIA|ASIA|AIza|k_live_|npm_|hf_/
const JUDGED_CHARACTERS = 512
const TOKEN_RUN = /[\w-]{20,}/g

/** Whole runs are judged and replaced, so that what is left over never makes a new token with its neighbours. */
function redactTokens(text: string): string {
  if (!TOKEN_HINT.test(text)) return text
  return text.replace(TOKEN_RUN, (run) => {
    const rule = TOKEN_RULES.find(({ pattern, maybeWord = false }) => {
      const body = pattern.exec(run)?.[1]?.slice(0, JUDGED_CHARACTERS)
      return body !== undefined && hasVariety(body) && (maybeWord || !isWords(body))
    })
    return rule === undefined ? run : marker(rule.kind)
  })
}

/** False for `xxxx...` and for `sk-` repeated, true for any key of these lengths. */
function hasVariety(body: string): boolean {
  return new Set(body).size >= 8
}

// --- headers

const HEADER = /authorization["'`]?[ \t]{0,4}[:=,][ \t]{0,4}["'`]?(bearer|basic|token)[ \t]{1,4}/gi
const CREDENTIAL = /[\w.~+/=-]{8,}(?![\w.~+/=[-])/y

function redactHeaders(text: string): string {
  return redactValues(text, HEADER, 'authorization', (start, scheme) => {
    const value = matchAt(CREDENTIAL, text, start)?.[0]
    return value !== undefined && isCredential(value, scheme) ? { start, end: start + value.length } : null
  })
}

/** A header's value is a literal when it has a digit, or is as mixed as base64 is, and no expression of code. */
function isCredential(value: string, scheme: string): boolean {
  if (isPlaceholder(value) || isMember(value)) return false
  const isBase64 = scheme === 'basic' && value.length % 4 === 0 && /[a-z]/.test(value) && /[A-Z]/.test(value)
  return isBase64 || /\d|=$/.test(value) || isMixed(value)
}

// --- URLs

const URL_PASSWORD = /(:\/\/[^\s:/?#@"'`<>]{0,256}:)([^\s/?#@"'`<>[\]]+)(?=@)/g
const PASSWORD_WORD = /^(?:p|pw|pwd|pass|passwd|password|secret|token|x+|\*+|\.+|…)$/i

function redactUrls(text: string): string {
  if (!text.includes('://')) return text
  return text.replace(URL_PASSWORD, (found, before: string, password: string) =>
    PASSWORD_WORD.test(password) || isPlaceholder(password) ? found : before + marker('url-password'),
  )
}

// --- assignments

const ASSIGNED =
  /(password|passphrase|passwd|pwd|secret(?:[_-]?access[_-]?key)?|token|(?:api|access|private)[_-]?key)\\?["'`]?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}/gi
const QUOTED = /\\?(["'`])([^\s"'`\\]{8,})\\?\1/y
const BARE = /[A-Za-z0-9+/_~!@#$%^&*.-]{8,}={0,2}(?![\w+/~!@#$%^&*.([{-])/y

function redactAssignments(text: string): string {
  return redactValues(
    text,
    ASSIGNED,
    'secret',
    (start, name) => quotedAt(text, start, name) ?? bareAt(text, start, name),
  )
}

interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Replaces the values that stand behind a name. `names` matches up to where a value starts, and the scan goes on
 * from there: a value that was judged harmless may hold another name, with a secret behind it.
 */
function redactValues(
  text: string,
  names: RegExp,
  kind: string,
  valueAt: (start: number, name: string) => Span | null,
): string {
  let result = ''
  let done = 0
  for (const found of text.matchAll(names)) {
    const start = found.index + found[0].length
    const value = start < done ? null : valueAt(start, (found[1] ?? '').toLowerCase())
    if (value === null) continue
    result += text.slice(done, value.start) + marker(kind)
    done = value.end
  }
  return result + text.slice(done)
}

function matchAt(sticky: RegExp, text: string, index: number): RegExpExecArray | null {
  sticky.lastIndex = index
  return sticky.exec(text)
}

function quotedAt(text: string, start: number, name: string): Span | null {
  const found = matchAt(QUOTED, text, start)
  const value = found?.[2]
  if (!found || value === undefined || isPlaceholder(value) || !looksQuotedSecret(value, name)) return null
  const valueStart = start + found[0].indexOf(value)
  return { start: valueStart, end: valueStart + value.length }
}

function bareAt(text: string, start: number, name: string): Span | null {
  const found = matchAt(BARE, text, start)?.[0] ?? ''
  // Of a query string, only the value itself: `token=...&page=2`.
  const isQuery = found.endsWith('=') || text[start + found.length] === '='
  const value = isQuery ? found.replace(/&\w+=*$/, '') : found
  if (value.length < 8 || isPlaceholder(value) || isMember(value)) return null
  return looksBareSecret(value, name) ? { start, end: start + value.length } : null
}

/** A quoted value is a literal already: a digit among letters is enough, unless it reads as words with a number. */
function looksQuotedSecret(value: string, name: string): boolean {
  if (looksBareSecret(value, name)) return true
  if (!/[A-Za-z]/.test(value) || !/\d/.test(value)) return false
  return !isWords(value) || (/^pass|^pwd/.test(name) && /^[A-Za-z]+\d+$/.test(value))
}

/** An unquoted value may be code: it must be of a kind that no identifier is. */
function looksBareSecret(value: string, name: string): boolean {
  if (name.endsWith('access_key') && /^[A-Za-z0-9+/]{40}$/.test(value) && /\d/.test(value)) return true
  if (!/[A-Za-z]/.test(value) || !/\d/.test(value)) return false
  return borders(value) >= 3 || /[!@#$%^&*]/.test(value)
}

// --- what a value looks like

const PLACEHOLDER =
  /^[$*&][\w-]+$|^%\w+%$|\$\{|\{\{|process\.env|environ|getenv|REDACTED|x{4}|\*{3}|\.{3}|…|your|example|placeholder|changeme|dummy/i

function isPlaceholder(value: string): boolean {
  return PLACEHOLDER.test(value) || /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(value)
}

/** `config.token2`, `./path/to/file1`, a bundler's `Token$1`: something that stands for a value. */
function isMember(value: string): boolean {
  if (/^[A-Za-z_]+\$\d+$/.test(value)) return true
  if (/^[.~]{0,2}\/[\w.-]+\//.test(value)) return true
  return /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value) && borders(value) < 6
}

/** Made of words, short numbers and version numbers: `session-token-v2`, `AES-256-GCM`, `hunter22`. */
function isWords(value: string): boolean {
  return value.split(/[-_./:,]+/).every((part) => /^(?:[A-Za-z]*\d{0,5}|v\d+)$/.test(part))
}

/** How often a letter and a digit stand side by side. */
function borders(value: string): number {
  return [...value.slice(0, JUDGED_CHARACTERS).matchAll(/[A-Za-z](?=\d)|\d(?=[A-Za-z])/g)].length
}

/** Upper and lower case alternate more often than in words joined in camel case. */
function isMixed(value: string): boolean {
  const start = value.slice(0, JUDGED_CHARACTERS)
  return [...start.matchAll(/[a-z](?=[A-Z])/g)].length * 6 > start.length
}
