/** What crosses a thread, a file or a wire: plain data, nothing else. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

/** An object of plain data. A key that is absent and a key that is `undefined` mean the same. */
export interface JsonObject {
  readonly [key: string]: Json | undefined
}

/** True for a plain data object: neither `null` nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
