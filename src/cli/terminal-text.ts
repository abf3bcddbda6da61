/** Text from elsewhere on a terminal: what it would act on goes, and what is too wide is cut. */

// Not Node's `stripVTControlCharacters`: it takes words along with an escape when a bell follows them.
const escapes = new RegExp(
  [
    String.raw`(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u0018\u001a\u001b\u0080-\u009f\r\n]*(?:\u0007|\u001b\\|\u009c)`,
    String.raw`(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]`,
    String.raw`\u001b[ -/]{0,2}[0-~]`,
  ].join('|'),
  'g',
)
const combining = /^[\p{Mark}\u200d]/u
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** Without escapes and control characters; lines and tabs stay. */
export function withoutControls(text: string): string {
  return text.replace(escapes, '').replace(/[^\P{Cc}\n\t]/gu, '')
}

/** The same on one line, and without the invisible characters that turn or hide text. */
export function onOneLine(text: string): string {
  return text
    .replace(escapes, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/[\p{Cf}\p{Cs}]/gu, '')
    .trim()
}

/** Columns that `text` takes, if it is one line. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) columns += columnsOfCharacter(character)
  return columns
}

/** The beginning of `text` that takes at most `columns`, with `…` where something was left out. */
export function cutTo(text: string, columns: number): string {
  // No character is narrower than nothing: what is far longer than the line is never looked at.
  const near = text.slice(0, 8 * Math.max(columns, 0) + 8)
  if (near.length === text.length && columnsOf(text) <= columns) return text
  let kept = ''
  let used = 1
  for (const character of near) {
    used += columnsOfCharacter(character)
    if (used > columns) break
    kept += character
  }
  return columns < 1 ? '' : `${kept.trimEnd()}…`
}

/** `cutTo`, and filled up with spaces. */
export function fitTo(text: string, columns: number): string {
  const cut = cutTo(text, columns)
  return cut + ' '.repeat(Math.max(0, columns - columnsOf(cut)))
}

function columnsOfCharacter(character: string): number {
  if (combining.test(character)) return 0
  return wide.test(character) ? 2 : 1
}
