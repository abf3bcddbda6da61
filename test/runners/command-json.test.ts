import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { commandRunner, type CommandRunnerOptions, type RunnerContext } from '../../src/index.js'
import runCommand from '../../src/runners/command.js'
import { idOf, open } from '../runtime/support.js'
import { run, script, showArgs } from './command-support.js'

describe('JSON that a command prints', () => {
  const map = {
    summary: { path: 'answer.text', where: { kind: 'end' } },
    error: 'trouble',
    failed: 'answer.bad',
    api_calls: 'count',
    model: 'by.0',
    session_id: 'session',
    input_tokens: 'tokens.in',
    output_tokens: 'tokens.out',
    cost_usd: 'cost',
    tool: 'tool',
  } as const satisfies CommandRunnerOptions['map']
  const ask = (output: 'json' | 'jsonl', text: string, code = '0') =>
    run({ argv: script('cat; exit $1', code), stdin: '{context}', output, map }, { context: text })
  const end = { kind: 'end', answer: { text: 'all of it' } }

  it('R11: its fields become those of the result', async () => {
    const first = { count: 1, by: ['m1'], session: 'ses-1', tokens: { in: 5 }, answer: { text: 'not yet' } }
    const second = { ...end, count: 2, tokens: { in: 7, out: 3 }, cost: 0.5 }
    const expected = {
      status: 'completed',
      summary: 'all of it',
      api_calls: 2,
      model: 'm1',
      session_id: 'ses-1',
      usage: { input_tokens: 7, output_tokens: 3, cost_usd: 0.5 },
    }
    const text = `noise\n${JSON.stringify(first)}\n{ "broken": \n[1]\n${JSON.stringify(second)}`
    expect(await ask('jsonl', text)).toMatchObject(expected)
    expect(await ask('json', JSON.stringify({ ...first, ...second }, null, 2))).toMatchObject(expected)
    expect(await ask('json', `Loading...\n${JSON.stringify({ ...first, ...second })}\nbye`)).toMatchObject(
      expected,
    )
  })

  it('P9: an error in it is an error, whatever the exit code', async () => {
    const trouble = JSON.stringify({ ...end, trouble: 'no credit' })
    expect(await ask('jsonl', trouble)).toMatchObject({ status: 'failed', error: 'no credit' })
    expect(await ask('json', trouble, '2')).toMatchObject({ error: 'no credit\nexit code 2' })
    const bad = JSON.stringify({ kind: 'end', answer: { text: 'I could not', bad: true } })
    expect(await ask('json', bad)).toMatchObject({ status: 'failed', error: 'I could not' })
  })

  it.each([
    ['json', '', 'it exited with 0, but its output was no JSON object'],
    ['json', '[1, 2]', 'it exited with 0, but its output was no JSON object'],
    ['json', '{ "kind": "end", ', 'it exited with 0, but its output was no JSON object'],
    ['json', '{ "kind": "end" }', 'it exited with 0, but its output ended before its result'],
    ['jsonl', 'no JSON\nat all', 'it exited with 0, but no line of its output was a JSON object'],
    ['jsonl', '{ "kind": "start" }', 'it exited with 0, but its output ended before its result'],
  ] as const)('P9: %s %j is no success', async (output, text, error) => {
    expect(await ask(output, text)).toMatchObject({ status: 'failed', error, summary: null })
  })

  it('P7: a line of JSON that never ends is no line, and costs no more memory', async () => {
    const text = `printf '{"said":"'; head -c 100000000 /dev/zero | tr '\\0' x; echo '"}'; echo '{"said":"short"}'`
    const event = await run(
      { argv: script(text), output: 'jsonl', map: { summary: 'said' } },
      { with: { childMemoryMb: 128 } },
    )
    expect(event).toMatchObject({ status: 'completed', summary: 'short' })
  })

  it('P10: a session that could be taken for an option is none', async () => {
    const event = await ask('json', JSON.stringify({ ...end, session: '--yolo' }))
    expect(event.status).toBe('completed')
    expect(event).not.toHaveProperty('session_id')
  })
})

describe('a session of the program', () => {
  const argv = script(showArgs, ['--resume', '{session}'], '{goal}')

  it('R11: an option names it', async () => {
    expect((await run({ argv, session: 'abc-1' })).summary).toBe('<--resume><abc-1><a goal>')
  })

  it('P3: is kept as a checkpoint, and an adopted child goes on with it', async () => {
    // Without a thread of its own, what it shows is ours.
    const shown = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    onTestFinished(() => shown.mockRestore())
    const states: unknown[] = []
    const print = {
      argv: ['cat'],
      output: 'jsonl',
      stdin: '{"said":"so","id":"ses-1"}',
      map: { summary: 'said', session_id: 'id' },
    } as const
    await inline(print, { checkpoint: (state) => void states.push(state) })
    expect(states).toEqual([{ session_id: 'ses-1' }])
    const resumed = await inline({ argv }, { resumeFrom: { session_id: 'ses-1' } })
    expect(resumed).toMatchObject({ summary: '<--resume><ses-1><a goal>' })
    const hostile = await inline({ argv }, { resumeFrom: { session_id: '--yolo' } })
    expect(hostile).toMatchObject({ summary: '<a goal>' })
  })

  /** The runner itself, with a context of the test's own: what it keeps is seen, and what it is handed is chosen. */
  async function inline(options: CommandRunnerOptions, given: Partial<RunnerContext>): Promise<unknown> {
    const delegator = await open()
    const { url, options: plain } = commandRunner(options)
    expect(url).toMatch(/command\.js$/)
    const handle = await delegator.dispatch({
      goal: 'a goal',
      runner: (task, ctx) => runCommand(task, { ...ctx, ...given, options: plain as CommandRunnerOptions }),
    })
    return delegator.wait(idOf(handle))
  }
})
