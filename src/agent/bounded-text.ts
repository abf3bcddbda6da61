/** What a tool may hand to the model, characters: about 8,000 tokens. */
export const toolResultCharacters = 30_000

/** Its head and its tail, with a note of what is gone between them. Never splits a character. */
export function bounded(text: string, limit = toolResultCharacters): string {
  if (text.length <= limit) return text
  const head = whole(text.slice(0, Math.floor(limit * 0.7)))
  const tail = whole(text.slice(text.length - Math.floor(limit * 0.3)))
  return `${head}\n[... ${text.length - head.length - tail.length} characters left out ...]\n${tail}`
}

/** The beginning of a text, whole. */
export function headOf(text: string, limit: number): string {
  return text.length <= limit ? text : `${whole(text.slice(0, limit))}...`
}

/** Without half of a surrogate pair at either end. */
function whole(text: string): string {
  return text.replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '')
}
