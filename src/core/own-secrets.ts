/** Strikes secrets that are known out of what others say. `redact` finds them by their form; these need have none. */
import type { Json, JsonObject } from './json.js'

/** Shorter ones are words (`none`, `ollama`, `EMPTY`) that texts may well have. */
const shortestSecret = 8

/**
 * A function that replaces these secrets by `[REDACTED:own-secret]` in every text of a value: as they are, URL-encoded, in
 * JSON and in base64. A secret of fewer than 8 characters is left where it is.
 */
export function withoutSecrets(secrets: readonly string[]): <Value extends Json>(given: Value) => Value {
  const long = secrets.filter((secret) => secret.length >= shortestSecret)
  const forms = [...new Set(long.flatMap(formsOf))].filter((form) => form.length >= shortestSecret)
  if (forms.length === 0) return (given) => given
  const text = (given: string): string =>
    forms.reduce((left, form) => withoutSecret(left, form, forms), given)
  return <Value extends Json>(given: Value) => mapped(given, text) as Value
}

/** As it is, in a URL, in JSON, and in base64, wherever in a longer text it begins there. */
function formsOf(secret: string): string[] {
  const encoded = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    // Only the characters that nothing beside the secret has a part in.
    return bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6))
  })
  const inUrls = [...encoded, ...encoded.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...inUrls]
}

/** Also what has only the first half of `form`, or more: messages are cut. As far as any of the `forms` goes on. */
function withoutSecret(text: string, form: string, forms: readonly string[]): string {
  const head = form.slice(0, Math.max(shortestSecret, Math.ceil(form.length / 2)))
  let result = ''
  let done = 0
  for (let at = text.indexOf(head); at !== -1; at = text.indexOf(head, done)) {
    result += `${text.slice(done, at)}[REDACTED:own-secret]`
    done = at + Math.max(...forms.map((each) => commonLength(text, at, each)))
  }
  return result + text.slice(done)
}

function commonLength(text: string, at: number, form: string): number {
  let length = 0
  while (length < form.length && text[at + length] === form[length]) length += 1
  return length
}

function mapped(value: Json | undefined, text: (given: string) => string): Json | undefined {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return (value as readonly Json[]).map((inner) => mapped(inner, text) as Json)
  const entries = Object.entries(value as JsonObject).map(
    ([key, inner]) => [key, mapped(inner, text)] as const,
  )
  return Object.fromEntries(entries)
}
