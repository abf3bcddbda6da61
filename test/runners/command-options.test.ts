import { describe, expect, it } from 'vitest'
import {
  commandRunner,
  DelegationError,
  type CommandRunnerOptions,
  type RunnerReference,
} from '../../src/index.js'
import { idOf, open } from '../runtime/support.js'

/** What is said to be wrong with options of any shape. */
function problemsOf(options: unknown): unknown {
  try {
    commandRunner(options as CommandRunnerOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(DelegationError)
    expect(error).toMatchObject({ code: 'RUNNER_INVALID' })
    return (error as DelegationError).detail['problems']
  }
  return []
}

const known = '{goal}, {context}, {prompt}, {prompt_file}, {model}, {max_iterations}, {workdir}, {session}'
const unknown = (at: string, name: string): string =>
  `${at}: unknown placeholder {${name}}; known: ${known}; write {{${name}}} for the text itself`
const keys =
  'preset, args, argv, stdin, large, env, cwd, worktree, output, map, exitCodes, session, killAfterMs'
const argv = ['a']

describe('options of a command that cannot be', () => {
  it.each<[string, unknown, readonly string[]]>([
    ['an unknown placeholder', { argv: ['a', 'x {gaol}'] }, [unknown('argv.1', 'gaol')]],
    ['one within a list', { argv: ['a', ['--m', '{modle}']] }, [unknown('argv.1.1', 'modle')]],
    ['one for standard input', { argv, stdin: '{task}' }, [unknown('stdin', 'task')]],
    ['one for large prompts', { argv, large: { argv: ['a', '{x}'] } }, [unknown('large.argv.1', 'x')]],
    ['nothing', {}, ['argv: expected a program and its arguments, got nothing']],
    ['no mapping', 'claude', ['(all of it): expected a mapping, got text of 6 characters']],
    [
      'an empty list',
      { argv: [] },
      ['argv: expected a list of a program and its arguments, got an empty list'],
    ],
    [
      'a line',
      { argv: 'a b' },
      ['argv: expected a list of a program and its arguments, got text of 3 characters'],
    ],
    [
      'a program from the task',
      { argv: ['{goal}'] },
      ['argv.0: expected the name or path of a program, without placeholders, got text of 6 characters'],
    ],
    [
      'a program that is a list',
      { argv: [['a']] },
      ['argv.0: expected the name or path of a program, without placeholders, got a list of 1'],
    ],
    ['a number', { argv: ['a', 3] }, ['argv.1: expected text without NUL characters, got 3']],
    [
      'lists within lists',
      { argv: ['a', [['b']]] },
      ['argv.1.0: expected text without NUL characters, got a list of 1'],
    ],
    [
      'an unknown agent',
      { preset: 'cloud' },
      ['preset: expected one of claude, codex, gemini, opencode, hermes, got "cloud"'],
    ],
    [
      'arguments of no preset',
      { argv, args: ['b'] },
      ['args: expected nothing here (it belongs to `preset`, and `argv` has its own)'],
    ],
    ['an unknown key', { argv, shell: true }, [`shell: unknown key; known here: ${keys}`]],
    ['an unknown output', { argv, output: 'xml' }, ['output: expected one of text, json, jsonl, got "xml"']],
    [
      'JSON without a map',
      { argv, output: 'json' },
      ['map: expected where the JSON has its `summary`, got nothing'],
    ],
    [
      'a map of text',
      { argv, map: { summary: 'a' } },
      ['map: expected nothing here (text has no fields; `output` may be json or jsonl)'],
    ],
    [
      'a map without a summary',
      { argv, output: 'json', map: { model: 'a' } },
      ['map.summary: expected text, got nothing'],
    ],
    [
      'a field without a path',
      { argv, output: 'json', map: { summary: { where: { a: 1 } } } },
      ['map.summary.path: expected text, got nothing'],
    ],
    [
      'an unknown field',
      { argv, output: 'json', map: { summary: 'a', cost: 'b' } },
      [
        'map.cost: unknown key; known here: summary, error, failed, api_calls, model, session_id, input_tokens, output_tokens, cost_usd, tool',
      ],
    ],
    [
      'an exit code',
      { argv, exitCodes: { 256: 'failed', 1: '' } },
      [
        'exitCodes.1: expected text, got an empty text',
        'exitCodes.256: expected an exit code from 0 to 255, got text of 3 characters',
      ],
    ],
    [
      'a session like an option',
      { argv, session: '--yolo' },
      ['session: expected the id of a session, got text of 6 characters'],
    ],
    ['a worktree', { argv, worktree: 'yes' }, ['worktree: expected one of true, false, detached, got "yes"']],
    ['a grace', { argv, killAfterMs: -1 }, ['killAfterMs: expected a whole number from 0 up, got -1']],
    [
      'variables',
      { argv, env: { pass: ['A=B'], set: { C: 3 } } },
      [
        'env.pass.0: expected the name of a variable, got text of 3 characters',
        'env.set.C: expected text without NUL characters, got 3',
      ],
    ],
  ])('%s is told with its key', (_what, options, problems) => {
    expect(problemsOf(options)).toEqual(problems)
  })

  it('what can be used has no problems', () => {
    expect(problemsOf({ argv: ['awk', '{{print}}', '{"a": 1}', '{goal}'] })).toEqual([])
    expect(problemsOf({ preset: 'claude', output: 'json', map: { summary: 'result' } })).toEqual([])
  })

  it('P10: a value, which may be a secret, is never shown', () => {
    expect(JSON.stringify(problemsOf({ argv, env: { pass: ['KEY=sk-12345'] } }))).not.toContain('sk-12345')
  })

  it('P9: a reference that was made by hand is checked by its child', async () => {
    const delegator = await open()
    const runner: RunnerReference = { ...commandRunner({ argv }), options: { argv: ['a', '{gaol}'] } }
    const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'x', runner })))
    expect(event).toMatchObject({ status: 'error', error_detail: { code: 'RUNNER_INVALID' } })
    expect(event.error).toContain('unknown placeholder {gaol}')
  })
})
