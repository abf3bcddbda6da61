/** What counts as a word is said here, once: stores and queries mean the same by it, and no query is anybody's syntax. */

const queryWords = 32
/** Scripts that put no space between words: each letter counts as one. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/gu

/** Letters and digits, without case and accents. */
export function wordsOf(text: string): readonly string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(unspaced, ' $& ')
      .match(/[\p{L}\p{N}]+/gu) ?? []
  )
}

/** Each once. */
export function wordsOfQuery(query: string): readonly string[] {
  return [...new Set(wordsOf(query))].slice(0, queryWords)
}
