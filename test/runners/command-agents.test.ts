import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  commandRunner,
  type AgentName,
  type CommandRunnerOptions,
  type SingleEvent,
} from '../../src/index.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { pathWithAgents, run, type CommandTask } from './command-support.js'

let path: string
beforeEach(() => (path = pathWithAgents()))

const ask = (preset: AgentName, task: CommandTask, options: CommandRunnerOptions = {}) =>
  run({ preset, env: { set: { PATH: path } }, ...options }, task)

interface Agent {
  readonly session: string
  readonly model: string | null
  readonly apiCalls: number
  readonly usage?: object
  readonly complaint: string
}

const agents: Readonly<Record<AgentName, Agent>> = {
  claude: {
    session: '4e998062-ac68-4007-8adb-80e9b49eb5b7',
    model: 'claude-sonnet-4-6',
    apiCalls: 2,
    usage: { input_tokens: 3210, output_tokens: 45, cost_usd: 0.0123 },
    complaint: 'Not logged in · Please run /login',
  },
  codex: {
    session: '0199a213-81c0-7800-8aa1-bbab2a035a53',
    model: null,
    apiCalls: 0,
    usage: { input_tokens: 24763, output_tokens: 122 },
    complaint: 'unexpected status 401 Unauthorized',
  },
  gemini: {
    session: '6c1d0a7e-8b1c-4f5e-9d3a-2b7c6e5f4a3b',
    model: 'gemini-2.5-pro',
    apiCalls: 0,
    usage: { input_tokens: 20846, output_tokens: 67 },
    complaint: 'You have exhausted your daily quota on this model.',
  },
  opencode: {
    session: 'ses_fd1c15233ffeiwqf92JsdPfahU',
    model: null,
    apiCalls: 2,
    usage: { input_tokens: 9062, output_tokens: 64, cost_usd: 0.5 },
    complaint: 'Invalid API key',
  },
  hermes: { session: '20260323_101500_a1b2c3', model: null, apiCalls: 0, complaint: 'exit code 1' },
}

const counted = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] }

const names = Object.keys(agents) as AgentName[]
const withJson = names.filter((name) => name !== 'hermes')

describe('agents by their command lines', () => {
  it.each(names)('%s: its answer, its session and what it used are the result', async (name) => {
    const { session, model, apiCalls, usage } = agents[name]
    const event = await ask(name, { goal: 'tidy up', context: 'in here' })
    expect(event).toMatchObject({
      status: 'completed',
      summary: 'Did: tidy up\n\nin here',
      error: null,
      exit_reason: 'completed',
      session_id: session,
      model,
      api_calls: apiCalls,
    })
    expect(event.usage).toEqual(usage)
  })

  it.each(names)('%s: an error is the error, with the exit code', async (name) => {
    const event = await ask(name, { goal: 'fail' })
    expect(event).toMatchObject({ status: 'failed', exit_reason: 'error', session_id: agents[name].session })
    expect(event.error).toContain(agents[name].complaint)
    expect(event.error).toContain('exit code 1')
  })

  it.each(withJson)('P9: %s: what exits with 0 and reports an error has failed', async (name) => {
    const event = await ask(name, { goal: 'lie' })
    expect(event).toMatchObject({ status: 'failed', error: agents[name].complaint, exit_reason: 'error' })
  })

  it.each(withJson)('P9: %s: an output without its end is no success', async (name) => {
    expect(await ask(name, { goal: 'cut' })).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/its output ended before its result|Reconnecting/) as string,
    })
  })

  it.each(['claude', 'gemini'] as const)('%s: one that used up its turns says so', async (name) => {
    const event = await ask(name, { goal: 'limit' })
    expect(event).toMatchObject({ status: 'failed', exit_reason: 'max_iterations', summary: 'Did: limit' })
  })

  it.each(names)('%s: goes on with a session, on another model', async (name) => {
    const event = await ask(name, { goal: 'go on', model: '--odd' }, { session: 'abc-123' })
    expect(event).toMatchObject({ status: 'completed', session_id: 'abc-123', model: '--odd' })
  })

  it.each(names)('%s: a goal that looks like an option, or like a placeholder, is a goal', async (name) => {
    const goal = '--help {model} $(id) "quoted"'
    expect(await ask(name, { goal })).toMatchObject({ status: 'completed', summary: `Did: ${goal}` })
  })

  it.each(names)('%s: takes a prompt that no argument could hold', async (name) => {
    const event = await ask(name, { goal: 'x'.repeat(300), context: 'y'.repeat(300_000) })
    expect(event.status).toBe('completed')
    expect(event.summary).toMatch(name === 'hermes' ? /^Did: 300302 from/ : /^Did: x{300}\n\ny{300000}$/)
  })

  it.each(names)('%s: is told of the schema, and what was wrong, in its own session', async (name) => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder } })
    const runner = commandRunner({ preset: name, env: { set: { PATH: path } } })
    const id = idOf(await delegator.dispatch({ goal: 'count them', outputSchema: counted, runner }))
    expect(await delegator.wait(id)).toMatchObject({
      status: 'completed',
      output: { count: 3 },
      summary: '{"count": 3}',
      schema_valid: true,
      schema_retries: 1,
      session_id: agents[name].session,
      api_calls: 2 * agents[name].apiCalls,
    })
    const transcript = readFileSync(`${folder}/${id}/task-0.log`, 'utf8')
    expect(transcript).toContain('log | the output does not fit its schema: the answer is no JSON')
  })

  it('further arguments come before what ends the command line', async () => {
    const options = { args: ['--permission-mode=acceptEdits'] }
    expect(await ask('claude', { goal: 'edit' }, options)).toMatchObject({ summary: 'Did: edit with edits' })
  })

  it('P7: tools and texts are shown while it works, and in the transcript', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder } })
    const tools: unknown[] = []
    delegator.events.on('progress', ({ progress }) => tools.push(progress?.['current_tool']))
    const runner = commandRunner({ preset: 'claude', env: { set: { PATH: path } } })
    const id = idOf(await delegator.dispatch({ goal: 'tidy up', runner }))
    await delegator.wait(id)
    const transcript = readFileSync(`${folder}/${id}/task-0.log`, 'utf8')
    expect(transcript).toMatch(/stdout \| I will look\.\n.*stdout \| Bash {"command":"ls -la"}\n/)
    expect(transcript).not.toContain('"type"')
    expect(tools.length).toBeGreaterThan(0)
  })

  it('a child that is interrupted keeps the session, so that another can go on with it', async () => {
    const delegator = await open({ interruptGraceMs: 10_000 })
    const runner = commandRunner({ preset: 'claude', env: { set: { PATH: path } } })
    const started = next(delegator, 'progress', ({ progress }) => progress?.['current_tool'] === null)
    const id = idOf(await delegator.dispatch({ goal: 'hang', runner }))
    await started
    await delegator.interrupt(id, { reason: 'enough' })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      error: 'enough',
      session_id: agents.claude.session,
    })
  })
})

describe('continueFrom', () => {
  it.each(names)(
    '%s: goes on with the session that the earlier child had, and is told the goal alone',
    async (preset) => {
      const delegator = await open()
      const env = { set: { PATH: path } }
      // A stand-in that is given no session has another one.
      const runner = commandRunner({ preset, env, session: 'abc-123' })
      const first = idOf(await delegator.dispatch({ goal: 'begin', runner }))
      expect(await delegator.wait(first)).toMatchObject({ status: 'completed', session_id: 'abc-123' })
      const bare = commandRunner({ preset, env })
      const second = idOf(await delegator.dispatch({ goal: 'go on', runner: bare, continueFrom: first }))
      expect(await delegator.wait(second)).toMatchObject({ summary: 'Did: go on', session_id: 'abc-123' })
      // Without another runner it is the earlier one's.
      const third = idOf(await delegator.dispatch({ goal: 'and on', continueFrom: second }))
      expect(await delegator.wait(third)).toMatchObject({ summary: 'Did: and on', session_id: 'abc-123' })
    },
  )

  it('a program without sessions is told what the earlier child left', async () => {
    const delegator = await open({ transcripts: { folder: temporaryFolder() } })
    const runner = commandRunner({ argv: ['cat'], stdin: '{prompt}' })
    const first = idOf(await delegator.dispatch({ goal: 'boil water', runner }))
    await delegator.wait(first)
    const second = idOf(await delegator.dispatch({ goal: 'make tea', continueFrom: first }))
    const { summary } = (await delegator.wait(second)) as SingleEvent
    expect(summary).toMatch(/^make tea\n\nWhat follows is what an earlier run left \(completed\)/)
    expect(summary).toContain('Its goal: boil water\n\nIts summary:\nboil water')
    expect(summary).toContain('The end of its transcript:\n')
  })
})
