import { ContentTypeNotSupportedError } from '@a2a-js/sdk/errors'

/** @throws {A2AError} ContentTypeNotSupportedError. A request without one is taken at its word. */
export function checkContentType(header: string | undefined, known: readonly string[]): void {
  const type = header?.split(';', 1)[0]?.trim().toLowerCase()
  if (type === undefined || known.includes(type)) return
  throw new ContentTypeNotSupportedError(`${type} is not taken: send ${known.join(' or ')}`)
}
