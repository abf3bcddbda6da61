import type { Json } from '../core/json.js'

const maxDepth = 64

/** What was returned cannot leave the thread. `code` says why, the message where. */
class NotPlainError extends Error {
  override readonly name = 'RunnerError'
  readonly code: 'RESULT_NOT_PLAIN' | 'RESULT_TOO_LARGE'

  constructor(code: 'RESULT_NOT_PLAIN' | 'RESULT_TOO_LARGE', message: string) {
    super(message)
    this.code = code
  }
}

/**
 * A copy of `value` that is nothing but JSON: `toJSON` is honoured, `undefined` fields are dropped, numbers that JSON
 * lacks become null. Walks no further than `maxCharacters` of text, so its cost has a bound.
 * @throws {NotPlainError} for a function, a symbol, a BigInt, a cycle, or more than fits.
 */
export function toPlain(value: unknown, what: string, maxCharacters: number): Json {
  let left = maxCharacters
  const above = new Set<object>()

  function spend(characters: number, path: string): void {
    if (characters > left) {
      const message = `${path} makes the ${what} larger than ${maxCharacters} characters`
      throw new NotPlainError('RESULT_TOO_LARGE', message)
    }
    left -= characters
  }

  function refuse(path: string, why: string): never {
    throw new NotPlainError('RESULT_NOT_PLAIN', `${path} ${why}: a ${what} must be plain data`)
  }

  function copyObject(source: object, path: string, depth: number): Json {
    if (above.has(source)) refuse(path, 'refers back to itself')
    if (ArrayBuffer.isView(source) || source instanceof ArrayBuffer) refuse(path, 'is binary')
    if (depth > maxDepth) refuse(path, `is nested more than ${maxDepth} deep`)
    above.add(source)
    let copied: Json
    if (Array.isArray(source)) {
      // Paid for before it is walked: a length costs whoever claims it nothing. Not `map`, which passes over holes.
      spend(source.length, path)
      copied = Array.from<unknown, Json>(source, (item, index) => copy(item, `${path}[${index}]`, depth + 1))
    } else {
      const entries: [string, Json][] = []
      for (const [key, field] of Object.entries(source)) {
        if (field === undefined) continue
        spend(key.length + 1, path)
        entries.push([key, copy(field, `${path}.${key}`, depth + 1)])
      }
      copied = Object.fromEntries(entries)
    }
    above.delete(source)
    return copied
  }

  function copy(item: unknown, path: string, depth: number): Json {
    spend(1, path)
    switch (typeof item) {
      case 'string':
        spend(item.length, path)
        return item
      case 'number':
        return Number.isFinite(item) ? item : null
      case 'boolean':
        return item
      case 'undefined':
        return null
      case 'bigint':
        return refuse(path, 'is a BigInt')
      case 'function':
        return refuse(path, 'is a function')
      case 'symbol':
        return refuse(path, 'is a symbol')
      case 'object': {
        if (item === null) return null
        const { toJSON } = item as { readonly toJSON?: unknown }
        if (typeof toJSON === 'function') return copy(toJSON.call(item, ''), path, depth + 1)
        return copyObject(item, path, depth)
      }
    }
  }

  return copy(value, what, 0)
}
