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
  besidesTheTree,
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
    expect({ code, others: besidesTheTree(stderr) }).toEqual({ code: 0, others: '' })
    expect(stderr).toMatch(/^deleg_\w+ 3\/3 failed after \d+\.\ds: echo three; exit 3$/m)
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
    expect(stdout).toMatch(
      /^\[ASYNC DELEGATION COMPLETE — .*\n(?:.*\n)+--- RESULT ---\nalone\n.*task-0\.log\n$/,
    )
  })

  it('exits 1 when all failed, and with --fail-on any when one did', async () => {
    expect((await shell('exit 4')).code).toBe(1)
    expect((await shell('true', 'exit 4')).code).toBe(0)
    expect((await shell('--fail-on', 'any', 'true', 'exit 4')).code).toBe(1)
    expect((await shell('--fail-on', 'any', 'true', 'true')).code).toBe(0)
    expect((await shell('exit 4', 'exit 5')).code).toBe(1)
  })

  it('--output-schema: an output that does not fit has failed, and a schema that is none is a usage error', async () => {
    write('schema.json', JSON.stringify({ type: 'object', required: ['count'] }))
    const good = await shell('--json', '--output-schema', 'schema.json', `echo '{"count": 3}'`)
    expect(good.code).toBe(0)
    expect(eventOf(good)).toMatchObject({ output: { count: 3 }, schema_valid: true })
    const bad = await shell('--output-schema', 'schema.json', 'echo three')
    expect(bad).toMatchObject({ code: 1, stdout: containing('the output does not fit its schema') })
    expect(bad.stdout).toMatch(/Partial output:\nthree\n/)
    write('none.json', '{"type": "whole"}')
    expect(await shell('--output-schema', 'none.json', 'true')).toMatchObject({
      code: 2,
      stderr: containing('the output schema cannot be used as it is'),
    })
    for (const file of ['missing.json', '.']) {
      const { code, stderr } = await shell('--output-schema', file, 'true')
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: containing(`--output-schema: "${file}" cannot be read`),
      })
    }
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

  it('--isolation process runs the children in processes of their own', async () => {
    write(
      'mine.mjs',
      'export default () => ({ summary: `in ${process.env.HERMES_DELEGATE_CHILD ?? "a thread"}` })',
    )
    const mine = ['run', '-r', './mine.mjs', 'it']
    expect((await run(...mine)).stdout).toContain('in a thread')
    expect((await run(...mine, '--isolation', 'process')).stdout).toMatch(/in deleg_[0-9a-f]{20}:0/)
    expect((await run(...mine, '--isolation', 'jail')).code).toBe(2)
  })

  it('takes the runner, the limits and the log of the configuration', async () => {
    write('mine.mjs', 'export const work = (task, ctx) => ({ summary: ctx.options.word })')
    const runners = 'runners: { mine: { module: ./mine.mjs, export: work, options: { word: configured } } }'
    write('hermes-delegate.yaml', `delegation: { runner: mine }\nlog: { path: logs/run.log }\n${runners}`)
    expect(await run('run', 'x')).toMatchObject({
      code: 0,
      stdout: containing('configured'),
    })
    expect(readFileSync(path('logs/run.log'), 'utf8')).toContain('"msg":"dispatched"')
  })

  it('a reader who goes away is no crash', async () => {
    const command = `"$0" "$1" run -r shell 'seq 200000' | head -1; exit "\${PIPESTATUS[0]}"`
    const { code, stderr } = await startProcess('bash', ['-c', command, process.execPath, bin], { cwd }).ended
    expect({ code, others: besidesTheTree(stderr) }).toEqual({ code: 0, others: '' })
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
    write('hermes-delegate.yaml', 'delegation: { max_async_children: 1 }')
    const sleep = uniqueSleep(600)
    const holder = start(['run', '-r', 'shell', sleep], { cwd })
    await until(() => processesOf(sleep).length === 1)
    // Nothing shows that it waits, so it is asked to say when it listens to the signal.
    const say = `process.on('newListener', (name) => name === 'SIGTERM' && setImmediate(() => writeFileSync('listens', '')))`
    write('hook.mjs', `import { writeFileSync } from 'node:fs'\n${say}`)
    const env = { NODE_OPTIONS: `--import ${path('hook.mjs')}` }
    const running = start(['run', '-r', 'shell', '--admit-within', '600', 'true'], { cwd, env })
    await untilFile(path('listens'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stdout: '' })
    holder.process.kill('SIGINT')
    await holder.ended
  })
})

it('R18: what could not be handed over is no refusal: it exits 1', async () => {
  const broken = `threads.Worker = class { constructor() { throw new Error('no threads left') } }`
  const imports = `import threads from 'node:worker_threads'\nimport { syncBuiltinESMExports } from 'node:module'`
  write('hook.mjs', `${imports}\n${broken}\nsyncBuiltinESMExports()`)
  const env = { NODE_OPTIONS: `--import ${path('hook.mjs')}` }
  const { code, stderr } = await start(['run', '-r', 'shell', 'true'], { cwd, env }).ended
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'hermes-delegate: Failed to schedule async delegation: no threads left\n',
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
    [['run', '-r', 'shell', '--notify-cmd', "tell 'me", 'x'], 'a quote or a backslash that does not end'],
    [['run', '--detach', '-r', 'shel', 'x'], 'did you mean `shell`?'],
    [['drain'], 'give --session KEY, or --all'],
    [['drain', '--all', '--session', 's'], 'give --session KEY, or --all'],
    [['drain', '--session', ''], 'an empty key is the session of nobody'],
    [['drain', '--all', '--limit', '0'], 'Expected a whole number from 1 up.'],
    [['drain', '--all', '--follow', '--no-ack'], 'give one'],
    [['interrupt'], 'give --session KEY, or --all'],
    [['interrupt', 'deleg_x', '--all'], 'one of the three'],
    [['wait'], 'missing required argument'],
    [['logs', 'x', '--task', '0'], 'Expected a whole number from 1 up.'],
    [['deliveries', 'retry'], 'missing required argument'],
    [['--ledger', '.', 'list'], 'the ledger cannot be opened at this path'],
    [['--config', 'missing.yaml', 'runners'], 'there is no such file'],
    [
      ['--config', 'bad.yaml', 'runners'],
      'bad.yaml):\n  delegation.max_thread: unknown key; did you mean `max_threads`?',
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
    const commands = [
      'run',
      'drain',
      'list',
      'show',
      'wait',
      'logs',
      'capacity',
      'interrupt',
      'deliveries',
      'audit',
      'doctor',
      'serve',
    ]
    for (const word of [
      '--config',
      '--ledger',
      '--version',
      '--help',
      ...commands,
      'runners',
      'tools',
      'init',
    ]) {
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
      '--output-schema <file>',
      '--session <key>',
      '--continue <id>',
      '--task <number>',
      '--key <key>',
      '--timeout <seconds>',
      '--deadline <seconds>',
      '--max-iterations <count>',
      '--budget-tokens <count>',
      '--budget-usd <dollars>',
      '--isolation <kind>',
      '--admit-within <seconds>',
      '--fail-on <which>',
      '--detach',
      '--notify-cmd <command>',
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
      /^NAME +KIND +PLACEMENT +URL\nshell +built-in +isolated +file:.*\nagent +built-in +isolated +file:.*\nb \(default\) +configured +shared +file:.*b\.js\n$/,
    )
    expect(JSON.parse((await run('runners', '--json')).stdout)).toMatchObject([
      { name: 'shell', kind: 'built-in', default: false },
      { name: 'agent', kind: 'built-in', default: false },
      { name: 'b', kind: 'configured', placement: 'shared', default: true },
    ])
  })

  it('capacity shows the slots', async () => {
    const { ended } = start(['capacity'], { cwd, env: { DELEGATION_MAX_ASYNC_CHILDREN: '7' } })
    expect((await ended).stdout).toBe('7 of 7 slots are free, 0 in use (scope: ledger)\n')
    expect(eventOf(await run('capacity', '--json'))).toEqual({
      limit: 3,
      inUse: 0,
      free: 3,
      scope: 'ledger',
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

describe('the demo', () => {
  it('runs when nothing is a terminal: a refusal, a stop, a stall and one block for the batch', async () => {
    const demo = join(bin, '../../examples/demo/demo.js')
    const { code, stdout, stderr } = await startProcess(process.execPath, [demo], { cwd }).ended
    expect(code).toBe(0)
    expect(stdout).toContain('code CAPACITY')
    expect(stdout).toContain('interrupted: the demo is over')
    expect(stdout).toMatch(
      /^interrupted: read some files, and stopped when it was told to\n\{"signalled":1,"stopped":1,/m,
    )
    expect(stdout).toMatch(
      /^stalled after \d+(?:\.\d+)? s \(idle\): "read, and fall silent" stalled: it stopped responding/m,
    )
    expect(stdout.match(/^\[ASYNC DELEGATION BATCH COMPLETE/gm)).toHaveLength(1)
    expect(stdout).toMatch(/✓ TASK 2\/\d: count the words of src .*\n\d+ words in \d+ files/)
    expect(stdout).toMatch(/✗ TASK \d\/\d: echo "this one fails"/)
    expect(stderr).toMatch(/^deleg_[0-9a-f]{20} dispatched: \d subagents\n/)
  })
})
