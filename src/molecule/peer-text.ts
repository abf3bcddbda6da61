/** Texts at the border to the model: what a peer said is data, and what went wrong says what to do. */

/** Failures of a call that waits begin with it (M57). */
export const errorSentinel = '[A2A_ERROR] '
const opening = '[A2A_RESULT_FROM_PEER]'
const closing = '[/A2A_RESULT_FROM_PEER]'

/** M65: a peer cannot close the fence around its words, and what reads like an order from above is marked. */
export function fenced(text: string): string {
  return `${opening}\n${sanitised(text)}\n${closing}`
}

export function sanitised(text: string): string {
  return text
    .replace(
      /\[(\/?)\s*(A2A_RESULT_FROM_PEER\])/gi,
      (_found, slash: string, rest: string) => `[/ ${slash}${rest}`,
    )
    .replace(/^(\s*)(SYSTEM|OVERRIDE|INSTRUCTIONS?)\b/gim, escaped)
    .replace(/()\b(IGNORE ALL|YOU ARE NOW)\b/gi, escaped)
}

function escaped(_found: string, space: string, phrase: string): string {
  return `${space}[ESCAPED_${phrase.toUpperCase().replaceAll(' ', '_')}]`
}
