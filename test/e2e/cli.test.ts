import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  bin,
  processesOf,
  start,
  startProcess,
  uniqueSleep,
  until,
  untilFile,
  type Ended,
} from './cli-process.js'

let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const path = (name: string): string => join(cwd, name)
const write = (name: string, text: string): void => writeFileSync(path(name), text)
const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const shell = (...args: string[]): Promise<Ended> => run('run', '-r', 'shell', ...args)
const eventOf = ({ stdout }: Ended): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>

const containing = (text: string): unknown => expect.stringContaining(text)

describe('run', () => {
  it('several goals are one batch: one block, and exit 0 although one of them failed', async () => {
    const { code, stdout, stderr } = await shell(
      'sleep 1; echo one',
      'sleep 1; echo two',
      'echo three; exit 3',
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.match(/^\[ASYNC DELEGATION BATCH COMPLETE — deleg_[0-9a-f]{20}\]$/gm)).toHaveLength(1)
    expect(stdout).toMatch(/^--- ✓ TASK 1\/3: sleep 1; echo one .*\none\n/m)
    expect(stdout).toMatch(/^--- ✓ TASK 2\/3: sleep 1; echo two .*\ntwo\n/m)
    expect(stdout).toMatch(
      /^--- ✗ TASK 3\/3: echo three; exit 3 .*\n.*exit code 3\)\nPartial output:\nthree\n/m,
    )
  })

  it('one goal is a single unit', async () => {
    const { code, stdout } = await shell('echo alone')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\[ASYNC DELEGATION COMPLETE — .*\n(?:.*\n)+--- RESULT ---\nalone\n$/)
  })

  it('exits 1 when all failed, and with --fail-on any when one did', async () => {
    expect((await shell('exit 4')).code).toBe(1)
    expect((await shell('true', 'exit 4')).code).toBe(0)
    expect((await shell('--fail-on', 'any', 'true', 'exit 4')).code).toBe(1)
    expect((await shell('--fail-on', 'any', 'true', 'true')).code).toBe(0)
    expect((await shell('exit 4', 'exit 5')).code).toBe(1)
  })

  it('--json prints the event as one line, and what was asked for is in it', async () => {
    const options = ['--context', 'c', '--toolsets', 'a, b,', '--role', 'r', '--model', 'm', '--session', 's']
    const ended = await shell('--json', ...options, 'echo one', 'echo two')
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout.split('\n')).toHaveLength(2)
    expect(eventOf(ended)).toMatchObject({
      type: 'async_delegation',
      is_batch: true,
      goals: ['echo one', 'echo two'],
      context: 'c',
      toolsets: ['a', 'b'],
      role: 'r',
      model: 'm',
      session_key: 's',
      results: [{ summary: 'one' }, { summary: 'two' }],
    })
  })

  it('--timeout ends a child that takes longer', async () => {
    const ended = await shell('--json', '--timeout', '0.5', uniqueSleep(60))
    expect(ended.code).toBe(1)
    expect(eventOf(ended)).toMatchObject({ status: 'timeout' })
  })

  it('a module of the user is a runner', async () => {
    write('mine.mjs', 'export default (task) => ({ status: "success", summary: `did ${task.goal}` })')
    expect(await run('run', '-r', './mine.mjs', 'it')).toMatchObject({
      code: 0,
      stdout: containing('did it'),
    })
  })

  it('takes the runner, the limits and the log of the configuration', async () => {
    write('mine.mjs', 'export const work = (task, ctx) => ({ summary: ctx.options.word })')
    const runners = 'runners: { mine: { module: ./mine.mjs, export: work, options: { word: configured } } }'
    write('hermes-delegate.yaml', `delegation: { runner: mine }\nlog: { path: logs/run.log }\n${runners}`)
    expect(await run('run', 'x')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: containing('configured'),
    })
    expect(readFileSync(path('logs/run.log'), 'utf8')).toContain('"msg":"dispatched"')
  })

  it('a reader who goes away is no crash', async () => {
    const command = `"$0" "$1" run -r shell 'seq 200000' | head -1; exit "\${PIPESTATUS[0]}"`
    const { code, stderr } = await startProcess('bash', ['-c', command, process.execPath, bin], { cwd }).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

describe('a refusal', () => {
  beforeEach(() => write('hermes-delegate.yaml', 'delegation: { max_async_children: 0 }'))

  it('exits 75 and says why', async () => {
    const { code, stdout, stderr } = await shell('touch ran')
    expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
    expect(stderr).toMatch(/^hermes-delegate: Async delegation capacity reached .*max_async_children.*\n$/)
    expect(() => readFileSync(path('ran'))).toThrow()
  })

  it('is a line of JSON with --json', async () => {
    const ended = await shell('--json', 'true')
    expect(ended).toMatchObject({ code: 75, stderr: '' })
    expect(eventOf(ended)).toMatchObject({ status: 'rejected', refusal: { code: 'CAPACITY', limit: 0 } })
  })

  it('comes when the time is up that --admit-within gives', async () => {
    expect((await shell('--admit-within', '0.2', 'true')).code).toBe(75)
  })

  it('who stops waiting for a slot exits 130', async () => {
    // Nothing shows that it waits, so it is asked to say when it listens to the signal.
    const say = `process.on('newListener', (name) => name === 'SIGTERM' && setImmediate(() => writeFileSync('listens', '')))`
    write('hook.mjs', `import { writeFileSync } from 'node:fs'\n${say}`)
    const env = { NODE_OPTIONS: `--import ${path('hook.mjs')}` }
    const running = start(['run', '-r', 'shell', '--admit-within', '600', 'true'], { cwd, env })
    await untilFile(path('listens'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stdout: '' })
  })
})

describe('usage', () => {
  it.each([
    [['fly'], "unknown command 'fly'"],
    [['runn', 'x'], 'Did you mean'],
    [['run', '-r', 'shell'], 'missing required argument'],
    [['run', '-r', 'shell', '--colour', 'x'], "unknown option '--colour'"],
    [['run', '-r', 'shell', '--timeout', 'soon', 'x'], 'Expected a number of seconds'],
    [['run', '-r', 'shell', '--fail-on', 'some', 'x'], 'Allowed choices are all, any'],
    [['run', '-r', 'shel', 'x'], 'did you mean `shell`?'],
    [['run', 'x'], '-r takes shell'],
    [['run', '-r', 'shell', '  '], 'a goal must say something'],
    [['--config', 'missing.yaml', 'runners'], 'there is no such file'],
    [
      ['--config', 'bad.yaml', 'runners'],
      'bad.yaml: delegation.max_thread: unknown key; did you mean `max_threads`?',
    ],
  ])('%j exits 2 and says: %s', async (args, words) => {
    write('bad.yaml', 'delegation: { max_thread: 1 }')
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(words)
    expect(stderr).not.toContain('    at ')
  })

  it('--version and --help exit 0', async () => {
    const { version } = JSON.parse(readFileSync(join(bin, '../../package.json'), 'utf8')) as {
      version: string
    }
    expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    const { code, stdout } = await run('--help')
    expect(code).toBe(0)
    for (const word of ['--config', '--version', '--help', 'run', 'runners', 'capacity', 'init']) {
      expect(stdout).toContain(word)
    }
  })

  it('run --help lists every option', async () => {
    const { stdout } = await run('run', '--help')
    expect([...stdout.matchAll(/^ {2}(-.*?) {2}/gm)].map(([, flags]) => flags)).toEqual([
      '-r, --runner <runner>',
      '--context <text>',
      '--toolsets <names>',
      '--role <role>',
      '--model <model>',
      '--session <key>',
      '--timeout <seconds>',
      '--admit-within <seconds>',
      '--fail-on <which>',
      '--json',
      '-h, --help',
    ])
    expect(stdout).toContain('75 refused')
  })
})

describe('the other commands', () => {
  it('runners lists what -r takes', async () => {
    write(
      'hermes-delegate.yaml',
      'delegation: { runner: b }\nrunners: { b: { module: ./b.js, placement: shared } }',
    )
    const { stdout } = await run('runners')
    expect(stdout).toMatch(
      /^NAME +KIND +PLACEMENT +URL\nshell +built-in +isolated +file:.*\nb \(default\) +configured +shared +file:.*b\.js\n$/,
    )
    expect(JSON.parse((await run('runners', '--json')).stdout)).toMatchObject([
      { name: 'shell', kind: 'built-in', default: false },
      { name: 'b', kind: 'configured', placement: 'shared', default: true },
    ])
  })

  it('capacity shows the slots', async () => {
    const { ended } = start(['capacity'], { cwd, env: { DELEGATION_MAX_ASYNC_CHILDREN: '7' } })
    expect((await ended).stdout).toBe('7 of 7 slots are free, 0 in use (scope: process)\n')
    expect(eventOf(await run('capacity', '--json'))).toEqual({
      limit: 3,
      inUse: 0,
      free: 3,
      scope: 'process',
      holders: [],
    })
  })

  it('init writes a configuration that works, and replaces none unless it is told to', async () => {
    expect((await run('init')).code).toBe(0)
    expect(parse(readFileSync(path('hermes-delegate.yaml'), 'utf8'))).toHaveProperty(
      'delegation.max_threads',
      null,
    )
    expect((await shell('true')).code).toBe(0)
    write('hermes-delegate.yaml', 'log: {}')
    expect(await run('init')).toMatchObject({ code: 1, stderr: containing('--force') })
    expect(readFileSync(path('hermes-delegate.yaml'), 'utf8')).toBe('log: {}')
    expect((await run('init', '--force')).code).toBe(0)
    expect(readFileSync(path('hermes-delegate.yaml'), 'utf8')).toContain('max_async_children: 3')
  })
})

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops the children, prints what was finished and exits %d', async (signal, code) => {
    write('hermes-delegate.yaml', 'delegation: { max_concurrent_children: 1 }')
    const sleep = uniqueSleep(600)
    const running = start(
      ['run', '-r', 'shell', 'echo finished', `touch started; ${sleep}; true`, 'touch third'],
      { cwd },
    )
    // One at a time: when the second has started, the first has ended.
    await untilFile(path('started'))
    await until(() => processesOf(sleep).length === 1)
    running.process.kill(signal)
    const ended = await running.ended
    expect(ended.code).toBe(code)
    expect(ended.stdout).toMatch(/✓ TASK 1\/3: echo finished .*\nfinished\n/)
    expect(ended.stdout).toMatch(/✗ TASK 2\/3: .*status=interrupted/)
    expect(ended.stdout).toMatch(/✗ TASK 3\/3: .*status=interrupted/)
    expect(processesOf(sleep)).toEqual([])
    expect(() => readFileSync(path('third'))).toThrow()
  })

  it('a second one ends it at once, and its children with it', async () => {
    write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 600000 }')
    const sleep = uniqueSleep(600)
    const goal = `trap 'touch asked' TERM; touch started; while :; do ${sleep} & wait; done`
    const running = start(['run', '-r', 'shell', goal], { cwd })
    await untilFile(path('started'))
    running.process.kill('SIGINT')
    await untilFile(path('asked'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stdout: '' })
    await until(() => processesOf(sleep).length === 0)
  })

  it('a busy loop does not keep it from ending', async () => {
    write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 200 }')
    write(
      'busy.mjs',
      `import { writeFileSync } from 'node:fs'\nexport default () => { writeFileSync('started', ''); for (;;); }`,
    )
    const running = start(['run', '-r', './busy.mjs', 'spin'], { cwd })
    await untilFile(path('started'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({
      code: 130,
      stdout: containing('did not stop within 0.2 s'),
    })
  })

  describe('a child inside a native call, which nobody can stop', () => {
    const sleep = uniqueSleep(600)

    beforeEach(() => {
      write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 200 }')
      write(
        'native.mjs',
        `import { execSync } from 'node:child_process'\nexport default () => { execSync('exec ${sleep}') }`,
      )
    })
    afterEach(() => {
      for (const pid of processesOf(sleep)) process.kill(pid, 'SIGKILL')
    })

    it('does not hold up the exit: the call goes on, and the command is gone', async () => {
      const running = start(['run', '-r', './native.mjs', 'hang'], { cwd })
      await until(() => processesOf(sleep).length === 1)
      running.process.kill('SIGINT')
      const { code, stdout, stderr } = await running.ended
      expect({ code, stderr }).toEqual({ code: 130, stderr: '' })
      expect(stdout).toContain('did not stop within 0.2 s')
      expect(processesOf(sleep)).toHaveLength(1)
    })

    it('nor after a timeout', async () => {
      const { code, stdout } = await run('run', '-r', './native.mjs', '--timeout', '1', 'hang')
      expect(code).toBe(1)
      expect(stdout).toContain('timed out after 1 s')
      expect(processesOf(sleep)).toHaveLength(1)
    })
  })
})

function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
  } catch {
    return false
  }
}

describe.skipIf(!hasScript())('on a terminal', () => {
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
    expect(drawn).toContain('\u001b[2K')
    const last = drawn.slice(drawn.lastIndexOf('deleg_'))
    expect(last).toMatch(/2 of 2 subagents ended · .*completed/)
    expect(last).toMatch(/✓.* sleep 1; echo one/)
    expect(last).toMatch(/✗.* echo two; exit 3.*exit code 3/)
    expect(block).toContain('✗ TASK 2/2')
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
