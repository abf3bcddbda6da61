import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandRunner } from '../../src/index.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { run, script, showArgs } from './command-support.js'

describe('the arguments of a command', () => {
  it('R11: placeholders are filled within their argument, and no shell reads them', async () => {
    const folder = temporaryFolder()
    const argv = script(showArgs, '{goal}', '--m={model}', '{context}', '{workdir}', 'a {goal} b', '{{goal}}')
    const goal = `$(touch ${folder}/no) "x" 'y' ; {model} \\n *`
    const event = await run({ argv, cwd: folder }, { goal, model: 'm1' })
    expect(event.summary).toBe(`<${goal}><--m=m1><><${folder}><a ${goal} b><{goal}>`)
    expect(existsSync(`${folder}/no`)).toBe(false)
  })

  it('{max_iterations} is how many turns the task may take', async () => {
    const argv = script(showArgs, ['--max-turns', '{max_iterations}'])
    expect((await run({ argv })).summary).toBe('<--max-turns><250>')
    expect((await run({ argv }, { with: { maxIterations: 12 } })).summary).toBe('<--max-turns><12>')
  })

  it('R11: a list is dropped as a whole when one of its placeholders is empty', async () => {
    const argv = script(showArgs, ['--model', '{model}'], ['--with', '{context}', '{model}'], '{goal}')
    expect((await run({ argv })).summary).toBe('<a goal>')
    expect((await run({ argv }, { model: 'm1' })).summary).toBe('<--model><m1><a goal>')
    const all = await run({ argv }, { model: 'm1', context: 'c' })
    expect(all.summary).toBe('<--model><m1><--with><c><m1><a goal>')
  })

  it('R11: the prompt is the goal, and the context below it', async () => {
    const options = { argv: script('cat'), stdin: '{prompt}' }
    expect((await run(options)).summary).toBe('a goal')
    expect((await run(options, { context: 'of mine' })).summary).toBe('a goal\n\nof mine')
  })

  it('R11: without a template for it, standard input is empty', async () => {
    expect((await run({ argv: script('cat; echo done') })).summary).toBe('done')
  })

  it('R11: a program that does not read its input is no worse for it', async () => {
    const task = { context: 'x'.repeat(900_000) }
    expect(await run({ argv: script('exec <&-; echo done'), stdin: '{prompt}' }, task)).toMatchObject({
      status: 'completed',
      summary: 'done',
    })
  })
})

describe('a prompt that no argument could hold', () => {
  const task = { context: 'x'.repeat(150_000) }

  it('P9: fails with a word on what to do, if nothing else is known', async () => {
    expect(await run({ argv: script(showArgs, '{prompt}') }, task)).toMatchObject({
      status: 'failed',
      error: 'an argument of 150008 bytes is over 100000: hand it over by `stdin`, or with `large`',
    })
  })

  it('R11: goes by standard input', async () => {
    const argv = script(`${showArgs}; wc -c`, '{prompt}')
    const large = { argv: script('wc -c'), stdin: '{prompt}' }
    expect(await run({ argv, large }, task)).toMatchObject({ status: 'completed', summary: '150008' })
    expect((await run({ argv, large })).summary).toBe('<a goal>0')
  })

  it('P10: goes by a file that this user alone may read, and that is gone afterwards', async () => {
    const argv = script(showArgs, '{prompt}')
    const large = { argv: script('wc -c < "$1"; ls -l "$1"; echo "$1"', '{prompt_file}') }
    const event = await run({ argv, large }, task)
    const [size, mode, file] = (event.summary ?? '').split('\n')
    expect(size?.trim()).toBe('150008')
    expect(mode).toMatch(/^-rw-------/)
    expect(existsSync(file ?? '')).toBe(false)
    expect(existsSync(join(file ?? '', '..'))).toBe(false)
  })
})

describe('an output that has to fit a schema', () => {
  const outputSchema = { type: 'object', required: ['count'] }
  const told = `It has to fit this JSON Schema:\n${JSON.stringify(outputSchema)}`
  const wrong = 'if grep -q "does not fit"; then echo \'{"count": 3}\'; else echo "[]"; fi'

  it('the prompt says so; without a session the correction says all of it again', async () => {
    const folder = temporaryFolder()
    const argv = script(`tee -a ${folder}/told | ${wrong.replace('if', 'if cat |')}`)
    const event = await run({ argv, stdin: '{prompt}' }, { context: 'of mine', outputSchema })
    expect(event).toMatchObject({ output: { count: 3 }, schema_retries: 1, summary: '{"count": 3}' })
    const first = `a goal\n\nof mine\n\nAnswer with JSON and nothing else. ${told}`
    const errors =
      'Your answer does not fit the JSON Schema that it has to fit:\n- (all of it) must be object'
    const second = `a goal\n\nof mine\n\nYour answer was:\n[]\n\n${errors}\n\nAnswer with JSON and nothing else. ${told}`
    expect(readFileSync(`${folder}/told`, 'utf8')).toBe(first + second)
  })

  it('in a session that knows the goal, only what was wrong is said', async () => {
    const folder = temporaryFolder()
    const line = (summary: string): string => JSON.stringify({ session: 's-1', summary })
    const print = `if [ -n "$1" ]; then echo '${line('{"count": 3}')}'; else echo '${line('[]')}'; fi`
    const event = await run(
      {
        argv: script(`tee ${folder}/told > /dev/null; ${print}`, ['{session}']),
        stdin: '{prompt}',
        output: 'jsonl',
        map: { summary: 'summary', session_id: 'session' },
      },
      { outputSchema },
    )
    expect(event).toMatchObject({ output: { count: 3 }, schema_retries: 1 })
    expect(readFileSync(`${folder}/told`, 'utf8')).toMatch(
      /^Your answer does not fit.*\n- .* be object\n\nAnswer/,
    )
  })

  it('a program that could not be told, or not find its work again, is not asked again', async () => {
    const cannot = { schema_valid: false, schema_retries: 0, status: 'failed' }
    expect(await run({ argv: script('echo "$1"', '{goal}') }, { outputSchema })).toMatchObject(cannot)
    expect(commandRunner({ preset: 'claude' })).toMatchObject({ correctsOutput: true })
    expect(commandRunner({ preset: 'claude', worktree: true })).not.toHaveProperty('correctsOutput')
    expect(commandRunner({ preset: 'claude' }, { correctsOutput: false })).toMatchObject({
      correctsOutput: false,
    })
  })
})

describe('what a command sees of its host', () => {
  it('P10: of the environment it is what was listed, and no secret besides', async () => {
    process.env['HERMES_TEST_SECRET'] = 'sk-1'
    process.env['HERMES_TEST_LISTED'] = 'listed'
    try {
      const env = { pass: ['HERMES_TEST_LISTED', 'HERMES_TEST_ABSENT'], set: { HERMES_TEST_OWN: 'own' } }
      const { summary } = await run({ argv: ['env'], env })
      const variables = new Map(
        (summary ?? '').split('\n').map((line) => line.split('=', 2) as [string, string]),
      )
      expect(variables.get('HERMES_TEST_LISTED')).toBe('listed')
      expect(variables.get('HERMES_TEST_OWN')).toBe('own')
      expect(variables.get('PATH')).toBe(process.env['PATH'])
      expect(variables.has('HERMES_TEST_SECRET')).toBe(false)
      expect(variables.has('HERMES_TEST_ABSENT')).toBe(false)
    } finally {
      delete process.env['HERMES_TEST_SECRET']
      delete process.env['HERMES_TEST_LISTED']
    }
  })

  it('R11: it works in its folder, and a folder that is not there is named', async () => {
    const folder = temporaryFolder()
    expect((await run({ argv: ['pwd'], cwd: folder })).summary).toBe(realpathSync(folder))
    expect(await run({ argv: ['pwd'], cwd: `${folder}/absent` })).toMatchObject({
      status: 'failed',
      error: `there is no folder ${folder}/absent to work in`,
    })
  })
})

describe('a program that cannot be run', () => {
  it.each(['no-such-program-of-ours', '/no/such/program', './program'])(
    'P9: %s is named',
    async (program) => {
      expect(await run({ argv: [program, '{goal}'] })).toMatchObject({
        status: 'failed',
        error: `there is no program "${program}"`,
        exit_reason: 'error',
      })
    },
  )

  it('P9: a file that may not be run is none', async () => {
    const folder = temporaryFolder()
    writeFileSync(`${folder}/program`, '#!/bin/sh\n', { mode: 0o600 })
    expect(await run({ argv: ['./program'], cwd: folder })).toMatchObject({
      error: 'there is no program "./program"',
    })
  })

  it('P9: a goal with a NUL character is refused by name', async () => {
    expect(await run({ argv: ['echo', '{goal}'] }, { goal: 'a\0b' })).toMatchObject({
      status: 'failed',
      error: 'argument 1 holds a NUL character, which no program can be given',
    })
  })
})

describe('how a command ends', () => {
  it('P9: exit codes become statuses, with the end of standard error', async () => {
    const exitCodes = { 3: 'timeout', 4: 'completed', 5: 'running' }
    const end = (code: number) =>
      run({ argv: script('echo so far; echo why >&2; exit $1', String(code)), exitCodes })
    expect(await end(0)).toMatchObject({ status: 'completed', summary: 'so far', error: null })
    expect(await end(1)).toMatchObject({ status: 'failed', error: 'exit code 1\nwhy', summary: 'so far' })
    expect(await end(3)).toMatchObject({ status: 'timeout', error: 'exit code 3\nwhy', exit_reason: 'error' })
    expect(await end(4)).toMatchObject({ status: 'completed', error: null, exit_reason: 'completed' })
    expect((await end(5)).status).toBe('error')
    expect(await run({ argv: script('kill -KILL $$') })).toMatchObject({
      status: 'failed',
      error: 'exit code 137',
    })
  })

  it('P6: one that ignores SIGTERM is killed within the grace, and what it had printed is kept', async () => {
    const delegator = await open({ interruptGraceMs: 20_000 })
    const argv = script("trap '' TERM; echo trapped; while true; do sleep 0.1; done")
    const runner = commandRunner({ argv, killAfterMs: 100 })
    const trapped = next(delegator, 'progress', ({ progress }) => Number(progress?.['output_characters']) > 0)
    const id = idOf(await delegator.dispatch({ goal: 'x', runner }))
    await trapped
    const report = await delegator.interrupt(id, { reason: 'enough' })
    expect(report).toMatchObject({ signalled: 1, stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      summary: 'trapped',
      error: 'enough',
    })
  })

  it('P5: one that is deaf is killed shortly before the grace ends, and what it had printed is kept', async () => {
    const delegator = await open()
    const runner = commandRunner({
      argv: script("trap '' TERM; echo trapped; while true; do sleep 0.1; done"),
    })
    const trapped = next(delegator, 'progress', ({ progress }) => Number(progress?.['output_characters']) > 0)
    const id = idOf(await delegator.dispatch({ goal: 'x', runner }))
    await trapped
    expect(await delegator.interrupt(id)).toMatchObject({ stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', summary: 'trapped' })
  })

  it('P6: one that forks and exits is over, and what it left behind is killed', async () => {
    const file = join(temporaryFolder(), 'pid')
    const argv = script('sleep 86400 & echo $! > "$1"; echo done', file)
    expect(await run({ argv })).toMatchObject({ status: 'completed', summary: 'done' })
    const state = (): string => {
      try {
        return execFileSync('ps', ['-o', 'stat=', '-p', readFileSync(file, 'utf8').trim()], {
          encoding: 'utf8',
        })
      } catch {
        return ''
      }
    }
    // A zombie waits for whoever adopted it, and runs no more.
    await expect.poll(state, { timeout: 20_000 }).toMatch(/^(Z.*)?\s*$/)
  })

  it('P6: one that closes its output, is deaf and goes on is killed within the grace all the same', async () => {
    const delegator = await open({ interruptGraceMs: 20_000 })
    const deaf = "trap '' TERM; echo early; exec >&- 2>&-; while true; do sleep 0.1; done"
    const runner = commandRunner({ argv: script(deaf), killAfterMs: 100 })
    const early = next(delegator, 'progress', ({ progress }) => Number(progress?.['output_characters']) > 0)
    const id = idOf(await delegator.dispatch({ goal: 'x', runner }))
    await early
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 1, stopped: 1 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', summary: 'early' })
  })

  it('P9: one that closes its output and goes on ends when it does', async () => {
    expect(await run({ argv: script('echo early; exec >&- 2>&-; sleep 0.3; exit 7') })).toMatchObject({
      status: 'failed',
      summary: 'early',
      error: 'exit code 7',
    })
  })
})

describe('what a command prints', () => {
  it('P10: bytes that are no UTF-8 are replaced', async () => {
    expect(await run({ argv: script("printf 'a\\377\\376b \\303\\244'") })).toMatchObject({
      status: 'completed',
      summary: 'a\uFFFD\uFFFDb ä',
    })
  })

  it('P7: a gigabyte of it fits in a small heap, and its end is kept', async () => {
    const argv = script('head -c 1000000000 /dev/zero | tr "\\0" x; echo; echo the end')
    const event = await run({ argv }, { with: { childMemoryMb: 128 } })
    expect(event).toMatchObject({ status: 'completed', summary_truncated: true })
    const path = event.summary_full_path ?? ''
    expect(statSync(path).size).toBeLessThan(20_000_000)
    expect(readFileSync(path, 'utf8')).toMatch(
      /^\[\d+ characters of earlier output were dropped\]\nx+\nthe end$/,
    )
  })

  it('P7: it is in the transcript line by line, while it runs', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder }, interruptGraceMs: 10_000 })
    const runner = commandRunner({ argv: script('echo one; echo two >&2; sleep 600') })
    const seen = next(delegator, 'progress', ({ progress }) => Number(progress?.['output_characters']) >= 4)
    const id = idOf(await delegator.dispatch({ goal: 'x', runner }))
    await seen
    const transcript = (): string => readFileSync(`${folder}/${id}/task-0.log`, 'utf8')
    await expect.poll(transcript, { timeout: 20_000 }).toMatch(/stdout \| one\n/)
    await expect.poll(transcript, { timeout: 20_000 }).toMatch(/stderr \| two\n/)
    await delegator.interrupt(id)
  })
})

describe('a runner that is made from it', () => {
  it('R1: is plain data, and paths in it are absolute', () => {
    mkdirSync(join(temporaryFolder(), 'x'))
    const reference = commandRunner({ argv: ['a', '{goal}'], cwd: 'src' }, { placement: 'shared' })
    expect(JSON.parse(JSON.stringify(reference))).toEqual({
      url: reference.url,
      placement: 'shared',
      options: { argv: ['a', '{goal}'], cwd: join(process.cwd(), 'src') },
    })
  })

  it('P7: children of a shared thread do not mix up what they print', async () => {
    const delegator = await open()
    const goals = ['one', 'two', 'three', 'four']
    const runner = commandRunner(
      { argv: script('echo "$1"; sleep 0.1; echo "$1"', '{goal}') },
      { placement: 'shared' },
    )
    const event = await delegator.wait(idOf(await delegator.dispatchBatch({ goals, runner })))
    expect(event).toMatchObject({ results: goals.map((goal) => ({ summary: `${goal}\n${goal}` })) })
  })
})
