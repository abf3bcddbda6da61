/** Cuts text that comes in parts into lines. One that is longer than `maxCharacters` is left out whole. */
export function createLineReader(
  onLine: (line: string) => void,
  maxCharacters = Infinity,
): (text: string) => void {
  let line = ''
  let isTooLong = false

  function add(part: string): void {
    isTooLong ||= line.length + part.length > maxCharacters
    line = isTooLong ? '' : line + part
  }

  return (text) => {
    const [first = '', ...others] = text.split('\n')
    add(first)
    for (const next of others) {
      const whole = isTooLong ? null : line
      line = ''
      isTooLong = false
      if (whole !== null) onLine(whole)
      add(next)
    }
  }
}
