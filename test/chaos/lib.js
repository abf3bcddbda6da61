/** What the chaos scenarios share. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSqlite } from '../../dist/ledger/sqlite-driver.js'

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** From `from` to `to`, both included. */
export const between = (random, from, to) => from + Math.floor(random() * (to - from + 1))
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export const newFolder = () => mkdtempSync(join(tmpdir(), 'hermes-chaos-'))

/** Every fail point that the sources name, in the order of their files. */
export function namedPoints() {
  const folder = fileURLToPath(new URL('../../src', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  const names = files.sort().flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    return [...text.matchAll(/\bfailPoint\('([^']+)'\)/g)].map(([, name]) => name)
  })
  return [...new Set(names)]
}

/**
 * Starts one of this folder's programs; `ended` resolves to its exit code or signal. `within` is a command that becomes the
 * program that it is given, such as `ip netns exec NAME`.
 */
export function start(program, given, within = []) {
  const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
  const [command, ...args] = [...within, process.execPath, file, JSON.stringify(given)]
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (data) => (printed += data))
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))
  return { pid: child.pid, kill: (signal) => child.kill(signal), ended, printed: () => printed }
}

/** For programs that nobody would end when their driver is killed. */
export function endWithParent() {
  const { ppid } = process
  setInterval(() => process.ppid === ppid || process.exit(), 1_000).unref()
}

/** A connection that looks at a ledger from outside of it. A look that finds it locked is taken again. */
export async function openLook(path) {
  const db = await openSqlite(path)
  return {
    all: (sql, values) => db.sql(sql).all(values),
    number: (sql, values) => Object.values(db.sql(sql).get(values) ?? { none: 0 })[0],
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
  }
}

/** Lines of a log; the last one may have been cut off by a kill. */
export function linesOf(folder) {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return [{ ...JSON.parse(line), log: name }]
        } catch {
          return []
        }
      }),
  )
}

/** Waits until `isTrue` answers true. @throws with `what` when it takes longer than `withinMs`. */
export async function until(what, withinMs, isTrue) {
  const deadline = performance.now() + withinMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs / 1000} s: ${what}`)
    await sleep(20)
  }
}
