import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../src/config/load.js'
import { createDelegator, DelegationError } from '../../src/index.js'
import { manualClock } from '../runtime/support.js'

let folder: string
let env: Record<string, string | undefined>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-config-'))
  env = {}
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(text: string, name = 'hermes-delegate.yaml'): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const load = (path?: string): Promise<Config> =>
  loadConfig({ path, env: { XDG_STATE_HOME: folder, ...env }, cwd: folder })

/** What holds where nothing is configured. */
const byDefault = () => ({
  capacityScope: 'ledger',
  transcripts: { folder: join(folder, 'hermes-delegate/transcripts') },
})

async function errorOf(loading: Promise<Config>): Promise<DelegationError> {
  const error: unknown = await loading.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(DelegationError)
  return error as DelegationError
}

/** What stands below the sentence that names the file. */
async function problemsOf(text: string): Promise<string[]> {
  const path = write(text)
  const { code, message } = await errorOf(load())
  expect(code).toBe('CONFIG_INVALID')
  const [sentence, ...problems] = message.split('\n  ')
  expect(sentence).toBe(`the configuration is not valid (file: ${path}):`)
  return problems
}

describe('which file is read', () => {
  it('--config comes before the variable, and that before the working folder', async () => {
    write('delegation: { max_async_children: 1 }')
    const other = write('delegation: { max_async_children: 2 }', 'other.yaml')
    env['HERMES_DELEGATE_CONFIG'] = other
    const third = write('delegation: { max_async_children: 5 }', 'third.yaml')
    expect((await load(third)).options.maxUnits).toBe(5)
    expect((await load()).options.maxUnits).toBe(2)
    env['HERMES_DELEGATE_CONFIG'] = ''
    expect((await load()).options.maxUnits).toBe(1)
  })

  it('the folder of the user comes last', async () => {
    const before = process.env['XDG_CONFIG_HOME']
    process.env['XDG_CONFIG_HOME'] = folder
    try {
      mkdirSync(join(folder, 'hermes-delegate'))
      const path = write('delegation: { max_async_children: 7 }', 'hermes-delegate/hermes-delegate.yaml')
      expect(await load()).toMatchObject({ path, options: { maxUnits: 7 } })
    } finally {
      if (before === undefined) delete process.env['XDG_CONFIG_HOME']
      else process.env['XDG_CONFIG_HOME'] = before
    }
  })

  it('one that was named must be there', async () => {
    const missing = join(folder, 'missing.yaml')
    expect(await errorOf(load('missing.yaml'))).toMatchObject({
      code: 'CONFIG_UNREADABLE',
      detail: { file: missing },
    })
    env['HERMES_DELEGATE_CONFIG'] = missing
    expect(await errorOf(load())).toMatchObject({ code: 'CONFIG_UNREADABLE', detail: { file: missing } })
  })

  it('a folder is no file', async () => {
    expect(await errorOf(load('.'))).toMatchObject({
      code: 'CONFIG_UNREADABLE',
      detail: { reason: expect.stringContaining('directory') as string },
    })
  })

  it.each(['', '# nothing yet\n', 'delegation:\n', 'delegation: { max_threads: null }'])(
    '%j says nothing, so the defaults hold',
    async (text) => {
      write(text)
      expect(await load()).toMatchObject({ options: {}, runners: {}, runner: null, warnings: [] })
    },
  )
})

describe('transcripts', () => {
  it.each([
    ['transcripts: { enabled: false }', false],
    ['transcripts: { enabled: false, folder: logs }', false],
    ['transcripts: { enabled: true, folder: logs }', 'logs'],
    ['transcripts: { folder: logs }', 'logs'],
  ])('%s', async (text, wanted) => {
    write(text)
    const { transcripts } = (await load()).options
    expect(transcripts).toEqual(wanted === 'logs' ? { folder: join(folder, 'logs') } : wanted)
  })

  it.each(['no', 0])('enabled: %s is neither true nor false', async (bad) => {
    write(`transcripts: { enabled: ${bad} }`)
    await expect(load()).rejects.toMatchObject({
      detail: {
        problems: [expect.stringContaining('transcripts.enabled: expected true or false') as string],
      },
    })
  })
})

describe('the environment', () => {
  it('says what the file does not', async () => {
    env = {
      DELEGATION_MAX_ASYNC_CHILDREN: '5',
      DELEGATION_MAX_CONCURRENT_CHILDREN: '6',
      DELEGATION_CHILD_TIMEOUT_SECONDS: '45.5',
    }
    expect((await load()).options).toEqual({
      ...byDefault(),
      maxUnits: 5,
      maxConcurrentChildren: 6,
      childTimeoutSeconds: 45.5,
    })
    write('delegation: { max_async_children: 0, child_timeout_seconds: 0 }')
    expect((await load()).options).toEqual({
      ...byDefault(),
      maxUnits: 0,
      maxConcurrentChildren: 6,
      childTimeoutSeconds: 0,
    })
  })

  it.each(['many', '-1', '1.5', 'Infinity', '0x'])(
    '%s is no number of children: ignored, and said so',
    async (bad) => {
      env = { DELEGATION_MAX_ASYNC_CHILDREN: bad }
      const { options, warnings } = await load()
      expect(options).toEqual(byDefault())
      expect(warnings).toEqual([
        `DELEGATION_MAX_ASYNC_CHILDREN is ignored: expected a whole number from 0 up, got "${bad}"`,
      ])
    },
  )

  it('what was given is shown in bounds, and steers no terminal', async () => {
    env = { DELEGATION_MAX_ASYNC_CHILDREN: `\u001b[31m${'9'.repeat(10_000)}x` }
    const [warning] = (await load()).warnings
    expect(warning).toMatch(/, got "\[31m9{56}\.\.\."$/)
  })

  it('a limit under the floor of 30 seconds is raised to it, and said so', async () => {
    env = { DELEGATION_CHILD_TIMEOUT_SECONDS: '10' }
    const { options, warnings } = await load()
    expect(options.childTimeoutSeconds).toBe(30)
    expect(warnings).toHaveLength(1)
  })
})

describe('which ledger', () => {
  const pathOf = async (path?: string, ledger?: string): Promise<string | null> =>
    (await loadConfig({ path, ledger, env: { XDG_STATE_HOME: folder, ...env }, cwd: folder })).ledger.path

  it('--ledger comes before the variable, that before the file, and the state folder comes last', async () => {
    mkdirSync(join(folder, 'etc'))
    const config = write('ledger: { path: own.db }', 'etc/config.yaml')
    env['HERMES_DELEGATE_LEDGER'] = 'variable.db'
    expect(await pathOf(config, 'option.db')).toBe(join(folder, 'option.db'))
    expect(await pathOf(config)).toBe(join(folder, 'variable.db'))
    env['HERMES_DELEGATE_LEDGER'] = ''
    expect(await pathOf(config)).toBe(join(folder, 'etc/own.db'))
    expect(await pathOf()).toBe(join(folder, 'hermes-delegate/ledger.db'))
  })

  it('a state folder that is a relative path is ignored', async () => {
    env['XDG_STATE_HOME'] = 'state'
    expect(await pathOf()).toMatch(/\/\.local\/state\/hermes-delegate\/ledger\.db$/)
  })

  it('memory is none that other processes see, unless a file was named for this call', async () => {
    const config = write('ledger: { kind: memory }')
    const { ledger } = await load(config)
    expect(ledger).toMatchObject({ kind: 'memory', path: null })
    expect(await pathOf(config, 'option.db')).toBe(join(folder, 'option.db'))
  })

  it('its settings and those of delivery reach it', async () => {
    write('ledger: { path: x.db, durability: power, retention_days: 0.5 }\ndelivery: { lease_seconds: 20 }')
    const { ledger, leaseSeconds } = await load()
    expect({ retentionSeconds: ledger.retentionSeconds, leaseSeconds }).toEqual({
      retentionSeconds: 43_200,
      leaseSeconds: 20,
    })
    const opened = await ledger.open({ clock: manualClock(), random: () => 0 })
    expect(opened.info).toMatchObject({ kind: 'sqlite', durability: 'power' })
    await opened.close()
  })

  it.each(['memory', 'sqlite'])('%s: attempts and age are those of the file', async (kind) => {
    write(`ledger: { kind: ${kind} }\ndelivery: { max_attempts: 1, max_age_hours: 1 }`)
    const clock = manualClock()
    const { open: ledger } = (await load()).ledger
    const delegator = await createDelegator({ ledger, clock })
    for (const goal of ['a', 'b']) {
      const handle = await delegator.dispatch({ goal, runner: () => ({}) })
      if (handle.status === 'dispatched') await delegator.wait(handle.delegationId)
    }
    const [first] = await delegator.completions.claim({ limit: 1 })
    await first?.release('it failed')
    clock.advance(3_700_000)
    expect(await delegator.completions.claim()).toEqual([])
    const states = (await delegator.list()).map(({ delivery_state }) => delivery_state)
    expect(states).toEqual(['dead', 'dead'])
    const closed = delegator.close()
    clock.advance(5_000)
    await closed
  })

  it.each([
    ['ledger: { kind: redis }', 'ledger.kind: expected one of sqlite, memory, got "redis"'],
    [
      'ledger: { kind: memory, path: x.db }',
      'ledger.path: expected nothing here (it belongs to `sqlite`), got "x.db"',
    ],
    ['ledger: { durability: disk }', 'ledger.durability: expected one of process, power, got "disk"'],
    ['ledger: { retention_days: 0 }', 'ledger.retention_days: expected a number of days over 0, got 0'],
    [
      'delivery: { lease: 3 }',
      'delivery.lease: unknown key; known here: max_attempts, max_age_hours, lease_seconds',
    ],
    ['delivery: { max_attempts: 0 }', 'delivery.max_attempts: expected a whole number from 1 up, got 0'],
  ])('%s is a problem', async (text, problem) => {
    expect(await problemsOf(text)).toEqual([problem])
  })
})

describe('what becomes of it', () => {
  it('paths start at the folder of the file', async () => {
    mkdirSync(join(folder, 'etc'))
    const path = write(
      [
        'transcripts: { folder: logs }',
        'spill_folder: ../spill',
        'log: { path: run.log }',
        'runners:',
        '  mine: { module: ./mine.js, export: work, placement: shared, options: { depth: 2 } }',
        '  there: { builtin: shell, options: { cwd: sub, env: { A: b } } }',
      ].join('\n'),
      'etc/config.yaml',
    )
    const { options, runners, log } = await load(path)
    expect(options).toEqual({
      ...byDefault(),
      transcripts: { folder: join(folder, 'etc/logs') },
      spillFolder: join(folder, 'spill'),
    })
    expect(log).toEqual({ level: 'info', path: join(folder, 'etc/run.log') })
    expect(runners['mine']).toEqual({
      name: 'mine',
      url: pathToFileURL(join(folder, 'etc/mine.js')).href,
      export: 'work',
      placement: 'shared',
      options: { depth: 2 },
    })
    expect(runners['there']).toMatchObject({ options: { cwd: join(folder, 'etc/sub'), env: { A: 'b' } } })
  })

  it('commands become references, with their paths from the folder of the file', async () => {
    mkdirSync(join(folder, 'etc'))
    const text = `
runners:
  agent: { preset: claude, command: { args: [--verbose], cwd: sub, env: null }, placement: shared }
  own:
    command: { argv: [./own.sh, '{goal}'], exit_codes: { 2: timeout }, kill_after_ms: 5, worktree: detached }
`
    const { runners } = await load(write(text, 'etc/config.yaml'))
    expect(runners['agent']).toMatchObject({
      placement: 'shared',
      options: { preset: 'claude', args: ['--verbose'], cwd: join(folder, 'etc/sub') },
    })
    expect(runners['agent']?.options).not.toHaveProperty('env')
    expect(runners['own']?.options).toEqual({
      argv: [join(folder, 'etc/own.sh'), '{goal}'],
      exitCodes: { 2: 'timeout' },
      killAfterMs: 5,
      worktree: 'detached',
    })
  })

  it('the default runner is a configured or a built-in one', async () => {
    write('delegation: { runner: mine }\nrunners: { mine: { module: ./mine.js } }')
    expect((await load()).runner).toBe('mine')
    write('delegation: { runner: shell }')
    expect((await load()).runner).toBe('shell')
  })
})

describe('what is wrong with it', () => {
  it('is a line for each problem, with the key, what was expected and what was given', async () => {
    const problems = await problemsOf(`
delegation:
  max_async_children: -1
  max_concurrent_children: three
  max_threads: 65
  capacity_scope: galaxy
  child_timeout_seconds: .inf
log: []
`)
    expect(problems).toEqual([
      'delegation.max_async_children: expected a whole number from 0 up, got -1',
      'delegation.max_concurrent_children: expected a whole number from 1 up, got "three"',
      'delegation.max_threads: expected a whole number from 1 to 64, got 65',
      'delegation.capacity_scope: expected one of process, session, ledger, got "galaxy"',
      'delegation.child_timeout_seconds: expected 0 or a number of seconds, got Infinity',
      'log: expected a mapping of keys to values, got an empty list',
    ])
  })

  it('limits of time, tokens, money and children are held to their bounds', async () => {
    const problems = await problemsOf(`
delegation:
  deadline_seconds: -1
  max_iterations: 0
  max_spawns_per_session: 1.5
  budgets:
    tokens_per_unit: 0
    cost_usd_per_unit: 0
    tokens_per_session: -1
    cost_usd_per_session: .nan
    tokens_total: 2000000000000
    cost_usd_total: five
    tokens_per_day: 1
`)
    expect(problems).toEqual([
      'delegation.deadline_seconds: expected 0 or a number of seconds up to 2147483, got -1',
      'delegation.max_iterations: expected a whole number from 1 up, got 0',
      'delegation.max_spawns_per_session: expected a whole number from 0 up, got 1.5',
      'delegation.budgets.tokens_per_unit: expected a whole number from 1 to 1000000000000, got 0',
      'delegation.budgets.cost_usd_per_unit: expected a number of dollars from 0.000001 to 1000000000, got 0',
      'delegation.budgets.tokens_per_session: expected a whole number from 0 to 1000000000000, got -1',
      'delegation.budgets.cost_usd_per_session: expected a number of dollars from 0 to 1000000000, got NaN',
      'delegation.budgets.tokens_total: expected a whole number from 0 to 1000000000000, got 2000000000000',
      'delegation.budgets.cost_usd_total: expected a number of dollars from 0 to 1000000000, got "five"',
      expect.stringMatching(/^delegation\.budgets\.tokens_per_day: unknown key/),
    ])
  })

  it('limits become options', async () => {
    const path = write(
      'delegation: { deadline_seconds: 60, max_iterations: 9, max_spawns_per_session: 0, budgets: { tokens_per_unit: 5, cost_usd_total: 2.5 } }',
    )
    expect((await load(path)).options).toMatchObject({
      deadlineSeconds: 60,
      maxIterations: 9,
      maxSpawnsPerSession: 0,
      budgets: { tokensPerUnit: 5, costUsdTotal: 2.5 },
    })
  })

  it.each([
    [
      'delegation: { max_async_childern: 1 }',
      'delegation.max_async_childern: unknown key; did you mean `max_async_children`?',
    ],
    ['runner: {}', 'runner: unknown key; did you mean `runners`?'],
    ['log: { pth: x }', 'log.pth: unknown key; did you mean `path`?'],
    ['runners: { a: { modul: ./x.js } }', 'runners.a.modul: unknown key; did you mean `module`?'],
    ['log: { colour: x }', 'log.colour: unknown key; known here: level, path'],
  ])('%s: an unknown key names the nearest one', async (text, problem) => {
    expect(await problemsOf(text)).toContain(problem)
  })

  it.each([
    [
      '{ builtin: shell, module: ./x.js }',
      'runners.a: expected exactly one of `builtin`, `module`, `agent`, `peer`, `molecule` and `command` (or `preset`), got a mapping of builtin, module',
    ],
    [
      '{}',
      'runners.a: expected exactly one of `builtin`, `module`, `agent`, `peer`, `molecule` and `command` (or `preset`), got an empty mapping',
    ],
    [
      '{ builtin: shell, export: x }',
      'runners.a.export: expected nothing here (it belongs to `module`), got "x"',
    ],
    ['{ builtin: bash }', 'runners.a.builtin: expected shell, got "bash"'],
    ['{ builtin: shell, options: { cwd: 3 } }', 'runners.a.options.cwd: expected a path, got 3'],
  ])('a runner that is %s', async (entry, problem) => {
    expect(await problemsOf(`runners: { a: ${entry} }`)).toContain(problem)
  })

  it.each([
    [
      "command: { argv: [a, '{gaol}'] }",
      'command.argv.1: unknown placeholder {gaol}; known: {goal}, {context}, {prompt}, {prompt_file}, {model}, {max_iterations}, ' +
        '{workdir}, {session}; write {{gaol}} for the text itself',
    ],
    ['command: {}', 'command.argv: expected a program and its arguments, got nothing'],
    ['preset: cloud', 'preset: expected one of claude, codex, gemini, opencode, hermes, got "cloud"'],
    [
      'command: { argv: [a], exit_codes: { 1000: failed } }',
      'command.exit_codes.1000: expected an exit code from 0 to 255, got text of 4 characters',
    ],
    ['command: [a]', 'command: expected a mapping of keys to values, got a list of 1'],
    [
      'preset: claude, module: ./x.js',
      ': expected exactly one of `builtin`, `module`, `agent`, `peer`, `molecule` and `command` (or `preset`), got a mapping of preset, module',
    ],
    [
      'preset: claude, options: { cwd: . }',
      'options: expected nothing here (those of a command stand in `command`), got a mapping of cwd',
    ],
  ])('a command: %s', async (entry, problem) => {
    const at = problem.startsWith(':') ? 'runners.a' : 'runners.a.'
    expect(await problemsOf(`runners: { a: { ${entry} } }`)).toEqual([at + problem])
  })

  it('a default runner that there is not', async () => {
    expect(await problemsOf('delegation: { runner: shel }')).toEqual([
      'delegation.runner: expected one of shell, agent, got "shel"; did you mean `shell`?',
    ])
  })

  it('shows no secret, no more than 60 characters, and nothing a terminal would act on', async () => {
    const secret = 'sk-abcdefgh12345'
    const [byValue, byKey, long, steering] = await problemsOf(
      [
        'delegation:',
        `  max_threads: ${secret}`,
        'runners:',
        '  a: { builtin: shell, options: { env: { API_KEY: { hunter2: x } } } }',
        `log: { level: "${'a word '.repeat(100)}" }`,
        'transcripts: "\\e[31mred"',
      ].join('\n'),
    ).then((problems) => [
      problems.find((line) => line.includes('max_threads')) ?? '',
      problems.find((line) => line.includes('API_KEY')) ?? '',
      problems.find((line) => line.includes('log.level')) ?? '',
      problems.find((line) => line.startsWith('transcripts')) ?? '',
    ])
    expect(byValue).toContain('got text of 16 characters')
    expect(byKey).toContain('expected text, got a mapping of hunter2')
    expect(long?.split('got ')[1]).toHaveLength(60)
    expect(steering).toContain('got "[31mred"')
  })
})

describe('what is no YAML', () => {
  it.each([
    ['a: [1\nb: 2', 2],
    ['a: 1\nb: 2\na: 3\n', 3],
    ['a: 1\n---\nb: 2\n', 2],
    ['\ta: 1\n', 1],
  ])('%j is named by its line', async (text, line) => {
    write(text)
    const { code, detail } = await errorOf(load())
    expect({ code, line: detail['line'] }).toEqual({ code: 'CONFIG_UNREADABLE', line })
    expect(detail['column']).toBeGreaterThan(0)
  })

  it.each([
    ['a: *nowhere\n', 'nowhere'],
    ['a: 1\n---\nb: 2\n', 'more than one document'],
  ])('%j: the reason is told in words for people', async (text, words) => {
    write(text)
    const { message } = await errorOf(load())
    expect(message).toContain(words)
    expect(message).not.toMatch(/ReferenceError|parseAllDocuments/)
  })

  it('no line of the file is quoted', async () => {
    write('api_key: "sk-verysecret\nb: [')
    expect((await errorOf(load())).message).not.toContain('verysecret')
  })

  it('aliases that multiply without end are refused', async () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let i = 0; i < 8; i++) {
      const [name, last] = [String.fromCharCode(98 + i), String.fromCharCode(97 + i)]
      bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${last}`).join(',')}]`)
    }
    write(bomb.join('\n'))
    expect((await errorOf(load())).code).toBe('CONFIG_UNREADABLE')
  })
})

it('a ledger of a kind that there is not is named', async () => {
  expect(await problemsOf('ledger: { kind: redis }')).toEqual([
    'ledger.kind: expected one of sqlite, memory, got "redis"',
  ])
})
