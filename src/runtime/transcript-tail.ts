import { open } from 'node:fs/promises'

/** The last lines of a transcript, within a bound; empty where it cannot be read. */
export async function transcriptTail(path: string, characters: number, lines: number): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      const length = Math.min(size, characters)
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n')
    } finally {
      await file.close()
    }
  } catch {
    return ''
  }
}
