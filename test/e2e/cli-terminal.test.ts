import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bin, startProcess, uniqueSleep, until, untilFile } from './cli-process.js'

let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const path = (name: string): string => join(cwd, name)

function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
  } catch {
    return false
  }
}

/** Without escapes. */
const plain = (text: string): string => text.replace(/\u001b\[[?\d;]*[A-Za-z]|\r(?!\n)/g, '')

// In CI its absence is a failure: nobody reads there what was skipped.
describe.skipIf(!hasScript() && process.env['CI'] === undefined)('on a terminal', () => {
  const onTerminal = (command: string) =>
    startProcess(
      'script',
      ['-qec', `stty cols 90 rows 20; ${process.execPath} ${bin} ${command}`, '/dev/null'],
      { cwd },
    )

  it('a tree of the children is drawn, and its last state stays above the block', async () => {
    const { code, stdout } = await onTerminal(`run -r shell 'sleep 1; echo one' 'echo two; exit 3'`).ended
    expect(code).toBe(0)
    const [drawn = '', block = ''] = stdout.split('[ASYNC DELEGATION BATCH COMPLETE')
    expect(drawn).toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/)
    expect(drawn).toContain('\u001b[K')
    const last = drawn.slice(drawn.lastIndexOf('deleg_'))
    expect(last).toMatch(/2 of 2 subagents ended · .*completed/)
    expect(last).toMatch(/✓.* sleep 1; echo one/)
    expect(last).toMatch(/✗.* echo two; exit 3.*exit code 3/)
    expect(block).toContain('✗ TASK 2/2')
  })

  it('shows tools, calls and tokens, fits a terminal that becomes narrower, and ends with the totals', async () => {
    writeFileSync(
      path('reports.mjs'),
      `import { existsSync } from 'node:fs'
       const until = async (name) => { while (!existsSync(name)) await new Promise((r) => setTimeout(r, 20)) }
       export default async (task, ctx) => {
         ctx.progress({ current_tool: 'grep 日本', api_calls: 12, usage: { input_tokens: 45000, output_tokens: 600 } })
         await until('narrow')
         return { summary: 'done', api_calls: 13, usage: { input_tokens: 46000, output_tokens: 700, cost_usd: 0.5 } }
       }`,
    )
    const {
      process: shell,
      ended,
      printed,
    } = startProcess(
      'script',
      [
        '-qec',
        `stty cols 90 rows 20; (until [ -e seen ]; do sleep 0.02; done; stty -F /dev/tty cols 40; sleep 0.3; touch narrow) &
         ${process.execPath} ${bin} run -r ./reports.mjs 'a goal that is as long as half of the terminal' other`,
        '/dev/null',
      ],
      { cwd },
    )
    await until(() => /12 calls {2}45\.6k tok {2}.*grep 日本/.test(plain(printed())))
    writeFileSync(path('seen'), '')
    const { stdout } = await ended
    expect(shell.exitCode).toBe(0)
    const [drawn = ''] = stdout.split('[ASYNC DELEGATION BATCH COMPLETE')
    const pictures = drawn.split('\u001b[?2026h').map((picture) => plain(picture).split('\r\n'))
    const widest = pictures.map((lines) => Math.max(...lines.map((line) => line.length)))
    expect(widest.some((width) => width > 60 && width < 90)).toBe(true)
    expect(widest.at(-2)).toBeLessThan(40)
    expect(pictures.at(-2)?.[0]).toMatch(/^deleg_\w+ · 2 of 2 s.*…$/)
  })

  it('--json draws none', async () => {
    const { stdout } = await onTerminal(`run --json -r shell 'echo one'`).ended
    expect(stdout.trim()).toMatch(/^\{.*\}$/)
  })

  it('what a child prints does not steer it', async () => {
    const { stdout } = await onTerminal(`run -r shell 'printf "\\033[31mred\\033]0;owned\\007"'`).ended
    expect(stdout).not.toContain('\u001b[31mred')
    expect(stdout).not.toContain('\u001b]0;')
  })

  it('tables are coloured and cut to the line; NO_COLOR leaves the words', async () => {
    const long = `true ${'# a long goal '.repeat(20)}`
    await onTerminal(`run -r shell '${long}'`).ended
    const { stdout } = await onTerminal('list --all').ended
    expect(stdout).toMatch(/^\u001b\[1mID +STATUS .*\u001b\[0m\r\n/)
    expect(stdout).toMatch(/\u001b\[32mcompleted\u001b\[0m .*…\r\n$/)
    const plain = await startProcess(
      'script',
      ['-qec', `stty cols 90 rows 20; ${process.execPath} ${bin} list --all`, '/dev/null'],
      { cwd, env: { NO_COLOR: '1' } },
    ).ended
    expect(plain.stdout).not.toContain('\u001b[')
    for (const line of plain.stdout.split('\r\n')) expect(line.length).toBeLessThanOrEqual(90)
  })

  it('Ctrl-C from the keyboard reaches it, and not its children', async () => {
    const running = onTerminal(`run -r shell 'touch started; trap "touch asked" INT; ${uniqueSleep(600)}'`)
    await untilFile(path('started'))
    running.process.stdin?.write('\u0003')
    const { code, stdout } = await running.ended
    expect(code).toBe(130)
    expect(stdout).toContain('Status: interrupted')
    expect(() => readFileSync(path('asked'))).toThrow()
  })
})
