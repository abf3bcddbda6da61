import { ToolError } from './agent-tool.js'

/** More of them could keep a regular expression busy for long. */
const maxStars = 6

/**
 * True for paths that fit `*.ts`, `src/**` or the like; without a slash the last part alone counts. No pattern fits all.
 * @throws {ToolError} for a pattern of too many stars.
 */
export function nameMatcher(pattern: string | undefined): (path: string) => boolean {
  if (pattern === undefined || pattern === '') return () => true
  if ((pattern.match(/\*+/g)?.length ?? 0) > maxStars)
    throw new ToolError(`a pattern holds at most ${maxStars} stars`)
  const source = pattern.replace(/\*\*\/?|\*|\?|[\\^$.+()[\]{}|]/g, (part) => {
    if (part.startsWith('**')) return part.endsWith('/') ? '(?:.*/)?' : '.*'
    if (part === '*') return '[^/]*'
    return part === '?' ? '[^/]' : `\\${part}`
  })
  const fits = new RegExp(`^${source}$`)
  const whole = pattern.includes('/')
  return (path) => {
    const plain = path.replace(/\/$/, '')
    return fits.test(whole ? plain : plain.slice(plain.lastIndexOf('/') + 1))
  }
}
