/** What a terminal shows after `output`: the few control sequences that readline and our own programs write. */
export function screenOf(output: string): string {
  const lines: string[][] = [[]]
  let [row, column] = [0, 0]
  const line = (): string[] => (lines[row] ??= [])
  for (const [token, count, command] of output.matchAll(/\u001b\[([\d;?]*)([A-Za-z])|[^\u001b]/gu)) {
    const n = Number(count) || 0
    if (command === 'G') column = n - 1
    else if (command === 'A') row = Math.max(0, row - (n || 1))
    else if (command === 'J') lines.splice(row, Infinity, line().slice(0, n === 0 ? column : 0))
    else if (command === 'K') lines[row] = n === 0 ? line().slice(0, column) : []
    else if (token === '\r') column = 0
    else if (token === '\n') row += 1
    else if (command === undefined) {
      while (line().length < column) line().push(' ')
      line()[column] = token
      column += 1
    }
    line()
  }
  return lines
    .map((cells) => cells.join('').trimEnd())
    .join('\n')
    .trimEnd()
}
