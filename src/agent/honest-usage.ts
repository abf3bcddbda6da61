/** What a server says of tokens is not believed blindly, and costs no answer: a count that cannot be true is taken out. */
import { Transform } from 'node:stream'
import { isJsonObject, type Json } from '../runner.js'

/** More than any one call can come to. */
const mostTokens = 1_000_000_000
/** A line that is longer is passed on as it is. */
const lineCharacters = 1_000_000

/** Of a stream of events; `onLie` gets what was said. */
export function honestUsage(onLie: (said: string) => void): Transform {
  const decoder = new TextDecoder()
  let rest = ''
  const honest = (line: string): string => honestLine(line, onLie)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      let whole = lines.map((line) => `${honest(line)}\n`).join('')
      if (rest.length > lineCharacters) {
        whole += rest
        rest = ''
      }
      done(null, Buffer.from(whole))
    },
    flush(done) {
      done(null, Buffer.from(honest(rest + decoder.decode())))
    },
  })
}

function honestLine(line: string, onLie: (said: string) => void): string {
  if (!line.startsWith('data:') || !line.includes('"usage"')) return line
  try {
    const event = JSON.parse(line.slice('data:'.length)) as Json
    if (!isJsonObject(event) || isHonest(event['usage'])) return line
    onLie(JSON.stringify(event['usage']).slice(0, 200))
    return `data: ${JSON.stringify({ ...event, usage: null })}`
  } catch {
    return line
  }
}

function isHonest(usage: Json | undefined): boolean {
  if (usage === undefined || usage === null) return true
  if (!isJsonObject(usage)) return false
  const { prompt_tokens_details: input, completion_tokens_details: output } = usage
  return (
    ['prompt_tokens', 'completion_tokens', 'total_tokens'].every((name) => isCount(usage[name])) &&
    [input, output].every(
      (details) =>
        details === undefined ||
        details === null ||
        (isJsonObject(details) &&
          Object.entries(details).every(([name, value]) => !name.endsWith('_tokens') || isCount(value))),
    )
  )
}

function isCount(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    (typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= mostTokens)
  )
}
