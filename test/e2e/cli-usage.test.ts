import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { start, type Ended } from './cli-process.js'

let cwd: string
const spends = fileURLToPath(new URL('../fixtures/runners/spends.js', import.meta.url))

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const run = (...args: string[]): Promise<Ended> => start(args, { cwd }).ended
const spend = (goal: string, ...args: string[]): Promise<Ended> =>
  run('run', '-r', spends, '--json', ...args, goal)
const configure = (text: string): void => writeFileSync(join(cwd, 'hermes-delegate.yaml'), text)

describe('usage', () => {
  it('adds up what units of any process used, as a table and as JSON', async () => {
    expect((await run('usage')).stdout).toBe('nobody has reported any usage\n')
    await spend('1000 0.5', '--session', 'one', '--model', 'large')
    await spend('200 0.25', '--session', 'one', '--model', 'small')
    await spend('30 2', '--model', 'small')
    const bySession = await run('usage')
    expect(bySession).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        'SESSION  CHILDREN  CALLS  INPUT  OUTPUT  USD',
        '-        1         3      30     1       2.00',
        'one      2         6      1200   2       0.75',
        '(all)    3         9      1230   3       2.75',
        '',
      ].join('\n'),
    })
    const rows = JSON.parse(
      (await run('usage', '--by', 'model', '--since', '1h', '--json')).stdout,
    ) as unknown
    expect(rows).toEqual([
      { key: 'small', children: 2, api_calls: 6, input_tokens: 230, output_tokens: 2, cost_usd: 2.25 },
      { key: 'large', children: 1, api_calls: 3, input_tokens: 1000, output_tokens: 1, cost_usd: 0.5 },
    ])
    expect((await run('usage', '--by', 'runner')).stdout).toContain('spends')
    expect((await run('usage', '--since', '2100-01-01')).stdout).toBe('nobody has reported any usage\n')
  })

  it.each([
    ['--by', 'day'],
    ['--since', 'yesterday'],
    ['--since', '2026'],
    ['--since', '-1h'],
  ])('%s %s: exit 2, and what is expected', async (option, value) => {
    const { code, stdout, stderr } = await run('usage', `${option}=${value}`)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/Expected how long ago|Allowed choices are session, model, runner, tree/)
  })
})

describe('run with limits', () => {
  it('a budget that does not fit is exit 75, with the refusal as data', async () => {
    configure('delegation: { budgets: { tokens_per_session: 1000 } }')
    expect((await spend('600 0', '--budget-tokens', '700')).code).toBe(0)
    const { code, stdout } = await spend('1 0', '--budget-tokens', '400')
    expect(code).toBe(75)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'rejected',
      refusal: { code: 'BUDGET', counter: 'tokens', limit: 1000, inUse: 601, spent: 601, wanted: 400 },
    })
  })

  it('a budget that is used up stops the unit; at 80 % there is a line on standard error', async () => {
    const { code, stdout, stderr } = await spend('100 0.5 on', '--budget-usd', '0.4')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'interrupted',
      exit_reason: 'budget',
      summary: 'half of it',
      usage: { input_tokens: 100, cost_usd: 0.5 },
    })
    expect(stderr).toMatch(
      /^hermes-delegate: warning: the delegation deleg_\w+ has used 0\.5 USD of 0\.4 USD\n$/,
    )
  })

  it('a deadline ends the unit as timeout; how many turns there are reaches the runner', async () => {
    const late = await spend('1 0 on', '--deadline', '0.5')
    expect(JSON.parse(late.stdout)).toMatchObject({ status: 'timeout', summary: 'half of it' })
    const { stdout } = await spend('1 0', '--max-iterations', '7')
    expect(JSON.parse(stdout)).toMatchObject({ summary: 'at most 7 turns' })
  })

  it.each([
    ['--budget-tokens', '0'],
    ['--budget-tokens', '1.5'],
    ['--budget-usd', '0'],
    ['--budget-usd', '-1'],
    ['--budget-usd', 'NaN'],
    ['--deadline', '-1'],
    ['--max-iterations', 'many'],
  ])('%s %s is exit 2, and starts nothing', async (option, value) => {
    const { code, stdout, stderr } = await run('run', '-r', spends, `${option}=${value}`, '1 1')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Expected a')
    expect((await run('list', '--all')).stdout).toBe('there are no units\n')
  })
})
