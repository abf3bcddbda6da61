import { appendFileSync, mkdirSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { transcriptLine } from '../core/transcript-line.js'

/** A child's own log: `HH:MM:SS role | text`, append-only, secrets redacted, 0600. */
export interface Transcript {
  /** Takes a line in; nothing is done with it where none are kept, or where the file is full. */
  write(line: { readonly at: number; readonly role: string; readonly text: string }): void
  /** Hands over what was written since the last flush. A file that cannot be written costs the lines, never the child. */
  flush(): void
}

const bufferCharacters = 65_536
/** A child that never stops talking must not fill the disk. */
const fileCharacters = 10_000_000

const noTranscript: Transcript = { write: () => undefined, flush: () => undefined }

/** `append` is handed a path and text; it may be synchronous or not, and must not throw. */
export function createTranscript(
  path: string | null,
  append: (path: string, text: string) => void,
): Transcript {
  if (path === null) return noTranscript
  let buffer = ''
  let written = 0

  function flush(): void {
    if (path === null || buffer === '') return
    const text = buffer
    buffer = ''
    append(path, text)
  }

  return {
    write(line) {
      if (written > fileCharacters) return
      const text = transcriptLine(line)
      written += text.length + 1
      buffer += written > fileCharacters ? 'the transcript is full: what follows is not kept\n' : `${text}\n`
      if (buffer.length > bufferCharacters) flush()
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
