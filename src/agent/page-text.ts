/** The readable text of an HTML page, in one pass over it. */

/** Their content is not read. */
const silent: ReadonlySet<string> = new Set([
  'script',
  'style',
  'noscript',
  'template',
  'svg',
  'head',
  'iframe',
])
const blocks: ReadonlySet<string> = new Set([
  ...[
    'p',
    'div',
    'section',
    'article',
    'header',
    'footer',
    'main',
    'nav',
    'aside',
    'ul',
    'ol',
    'table',
    'tr',
  ],
  ...[
    'blockquote',
    'pre',
    'form',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'br',
    'hr',
    'dl',
    'dt',
    'dd',
    'figure',
  ],
])

const entities: Readonly<Record<string, string>> = {
  ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', copy: '©', reg: '®', hellip: '…' },
  ...{ mdash: '—', ndash: '–', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', bull: '•', middot: '·' },
}

export function pageText(html: string): string {
  const parts: string[] = []
  const lower = html.toLowerCase()
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    parts.push(html.slice(at, open === -1 ? html.length : open))
    if (open === -1) break
    at = afterMarkup(lower, open, parts)
  }
  return decoded(parts.join(''))
    .replace(/[ \t\r\f\v\u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

/** Where the text goes on behind what begins with `<`. */
function afterMarkup(lower: string, open: number, parts: string[]): number {
  if (lower.startsWith('<!--', open)) return after(lower, '-->', open + 4)
  const name = /^<\/?([a-z][a-z0-9]*)/.exec(lower.slice(open, open + 32))?.[1]
  if (name === undefined && !/^<[!?/]/.test(lower.slice(open, open + 2))) {
    parts.push('<')
    return open + 1
  }
  const end = after(lower, '>', open + 1)
  if (name === undefined) return end
  const isStart = lower[open + 1] !== '/'
  if (silent.has(name) && isStart && lower[end - 2] !== '/')
    return after(lower, '>', after(lower, `</${name}`, end) - 1)
  if (name === 'li') parts.push(isStart ? '\n- ' : '')
  else if (name === 'td' || name === 'th') parts.push(isStart ? ' | ' : '')
  else if (blocks.has(name)) parts.push('\n')
  return end
}

/** Behind the next `mark`; the end where there is none, so that nothing is looked through twice. */
function after(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from)
  return found === -1 ? text.length : found + mark.length
}

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{2,8}));/gi, (whole, hex, decimal, name) => {
    if (typeof name === 'string') return entities[name.toLowerCase()] ?? whole
    const code = typeof hex === 'string' ? parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10_ff_ff ? String.fromCodePoint(code) : ' '
  })
}
