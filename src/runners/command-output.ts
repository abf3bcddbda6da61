/** Reads what a program prints, while it prints it, in bounded memory. */
import { isJsonObject, type JsonObject } from '../core/json.js'
import type { Readable } from 'node:stream'
import type { Reader, Reading } from './command-reading.js'
import { createTail, errorTailCharacters, outputCharacters, summaryOf } from './tail.js'

/** The longest JSON value that is read, characters: an agent's line may hold a whole file. */
const jsonCharacters = 16_000_000

/** What was found in the output once it is over. */
export interface OutputEnd {
  /** The text itself; null where there was none, or where JSON was read. */
  readonly text: string | null
  /** Why JSON that was expected could not be read; null when it was. */
  readonly problem: string | null
}

export interface Output {
  /** Takes in a piece of text, of any length. */
  add(text: string): void
  end(): OutputEnd
}

/** Text is kept as it is, its end if it is long. */
export function createTextOutput(): Output {
  const tail = createTail(outputCharacters)
  return {
    add(text) {
      process.stdout.write(text)
      tail.add(text)
    },
    end: () => ({ text: summaryOf(tail), problem: null }),
  }
}

/** One JSON value a line. Other lines are shown and say nothing. */
export function createLinesOutput(reader: Reader, reading: Reading, onRead: () => void): Output {
  let wasRead = false
  const lines = createLines((line) => {
    const event = line === null ? null : objectIn(line)
    if (event === null) {
      process.stdout.write(line === null ? '(a line that is too long to be read)\n' : `${line}\n`)
      return
    }
    wasRead = true
    reader(event, reading, show)
    onRead()
  })
  return {
    add: (text) => lines.add(text),
    end() {
      lines.end()
      return { text: null, problem: wasRead ? null : 'no line of its output was a JSON object' }
    },
  }
}

/** One JSON value in all, with a few words around it at most. */
export function createJsonOutput(reader: Reader, reading: Reading, onRead: () => void): Output {
  const parts: string[] = []
  let characters = 0
  return {
    add(text) {
      process.stdout.write(text)
      characters += text.length
      if (characters <= jsonCharacters) parts.push(text)
      else parts.length = 0
    },
    end() {
      if (characters > jsonCharacters)
        return {
          text: null,
          problem: `its output of ${characters} characters is too long for one JSON value`,
        }
      const all = parts.join('')
      const event = objectIn(all) ?? objectIn(all.slice(all.indexOf('{'), all.lastIndexOf('}') + 1))
      if (event === null) return { text: null, problem: 'its output was no JSON object' }
      reader(event, reading, () => undefined)
      onRead()
      return { text: null, problem: null }
    },
  }
}

/** Decoded piece by piece: what is no UTF-8 becomes a replacement character. */
export function readText(stream: Readable, take: (text: string) => void): void {
  stream.setEncoding('utf8')
  stream.on('data', take)
}

/** The end of standard error, which is shown as it comes. */
export function readErrors(stream: Readable): () => string {
  const tail = createTail(errorTailCharacters)
  readText(stream, (text) => {
    process.stderr.write(text)
    tail.add(text)
  })
  return () => tail.text()
}

function show(text: string): void {
  process.stdout.write(`${text}\n`)
}

function objectIn(text: string): JsonObject | null {
  // Most lines of a program that is not silent are no JSON: those are not tried.
  if (!text.trimStart().startsWith('{')) return null
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

/** Whole lines from pieces; null for one that is too long to be kept. */
function createLines(onLine: (line: string | null) => void): { add(text: string): void; end(): void } {
  let parts: string[] = []
  let characters = 0

  function hold(part: string): void {
    characters += part.length
    if (characters <= jsonCharacters) parts.push(part)
    else parts = []
  }

  function emit(): void {
    const line = characters > jsonCharacters ? null : parts.join('')
    parts = []
    characters = 0
    if (line !== '') onLine(line)
  }

  return {
    add(text) {
      let from = 0
      for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
        hold(text.slice(from, at))
        emit()
        from = at + 1
      }
      hold(text.slice(from))
    },
    end: emit,
  }
}
