// Text from elsewhere, made safe to show: what a terminal would act on, and what no reader would see, goes.

// One alternation, one pass, and every branch but the last two begins with a character that is removed by
// itself too: what is left holds none of them, so a second pass finds nothing. The strings (OSC, DCS, ...) must
// be closed on their own line; of an open one only the introducer goes, and its text stays readable.
const UNSAFE = new RegExp(
  [
    String.raw`\r\n?|[\u2028\u2029]`, // line ends of other systems
    String.raw`(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u0018\u001a\u001b\u0080-\u009f\r\n]*(?:\u0007|\u001b\\|\u009c)`,
    String.raw`(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]`, // CSI: colours, cursor movement
    String.raw`\u001b[ -/]{0,2}[0-~]`, // the two- and three-character escapes
    String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f]`, // C0 and C1, but for tab and newline
    String.raw`[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]`,
    String.raw`[\u{e0000}-\u{e0fff}]`, // tag characters: a whole alphabet that is not displayed
    String.raw`\p{Surrogate}`, // half a character
  ].join('|'),
  'gu',
)

const PRINTABLE = /^[ -~]*$/

/**
 * `text` without terminal escapes, control characters, direction overrides and invisible characters. Newline and
 * tab stay, other line ends become a newline, half a surrogate pair becomes U+FFFD. Idempotent, linear time.
 */
export function plainText(text: string): string {
  return text.replace(UNSAFE, (found) => {
    if (/^[\r\u2028\u2029]/u.test(found)) return '\n'
    return /^\p{Surrogate}/u.test(found) ? '\uFFFD' : ''
  })
}

/** `plainText` on one line: the lines are trimmed, empty ones left out, and the others joined by `joint`. */
export function oneLine(text: string, joint = ' '): string {
  // Most lines are that already; it is the cheapest thing to find out of them.
  if (PRINTABLE.test(text)) return text.trim()
  return plainText(text)
    .replaceAll('\t', ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(joint)
}

/** The beginning of `text`, at most `limit` characters, ending at a line border if one is in its second half. */
export function headOf(text: string, limit: number): string {
  if (text.length <= limit) return text
  const border = text.lastIndexOf('\n', limit)
  if (border >= limit / 2) return text.slice(0, border)
  return text.slice(0, splitsPair(text, limit) ? limit - 1 : limit)
}

/** The end of `text`, at most `limit` characters, starting at a line border if one is in its first half. */
export function tailOf(text: string, limit: number): string {
  if (text.length <= limit) return text
  const start = text.length - limit
  const border = text.indexOf('\n', start - 1)
  if (border !== -1 && border - start < limit / 2) return text.slice(border + 1)
  return text.slice(splitsPair(text, start) ? start + 1 : start)
}

/** True when a cut before `index` would leave half a character on either side. */
function splitsPair(text: string, index: number): boolean {
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(text.slice(Math.max(0, index - 1), index + 1))
}
