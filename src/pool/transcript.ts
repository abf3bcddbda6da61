import { appendFileSync, mkdirSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { transcriptLine } from '../core/transcript-line.js'

/** A child's own log: `HH:MM:SS role | text`, append-only, secrets redacted, 0600. */
export interface Transcript {
  /** Takes a line in and gives it back as it will stand in the file. */
  write(role: string, text: string): string
  /** Hands over what was written since the last flush. A file that cannot be written costs the lines, never the child. */
  flush(): void
}

const bufferCharacters = 65_536
/** A child that never stops talking must not fill the disk. */
const fileCharacters = 50_000_000

/** `append` is handed a path and text; it may be synchronous or not, and must not throw. */
export function createTranscript(
  path: string | null,
  append: (path: string, text: string) => void,
): Transcript {
  let buffer = ''
  let written = 0

  function flush(): void {
    if (path === null || buffer === '') return
    const text = buffer
    buffer = ''
    append(path, text)
  }

  return {
    write(role, text) {
      const line = transcriptLine({ at: Date.now() / 1000, role, text })
      if (path === null || written > fileCharacters) return line
      written += line.length + 1
      buffer += written > fileCharacters ? 'the transcript is full: what follows is not kept\n' : `${line}\n`
      if (buffer.length > bufferCharacters) flush()
      return line
    },
    flush,
  }
}

/** For a thread: what is flushed is in the file, even if the thread is killed in the next moment. */
export function appendAtOnce(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    appendFileSync(path, text, { mode: 0o600 })
  } catch {
    // A folder that is full or gone costs the lines, not the child.
  }
}

/** For the host's own loop, which waits for no disk (P11): appends in order, in the background. */
export function appendInBackground(): (path: string, text: string) => void {
  let last: Promise<unknown> = Promise.resolve()
  return (path, text) => {
    last = last
      .then(() => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
      .then(() => appendFile(path, text, { mode: 0o600 }))
      .catch(() => undefined) // as above: the lines, not the child
  }
}
