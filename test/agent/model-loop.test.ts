import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../runtime/support.js'
import { calls, chunk, end, event, fails, says, type Turn } from './scripted-server.js'
import { runAgent } from './support.js'

const reads = (path: string): Turn => calls(['read_file', { path }])

describe('the loop of the agent runner', () => {
  it('begins a fresh conversation from goal and context, and returns the last answer with what it cost', async () => {
    const { result, server } = await runAgent(
      [says('the answer is 42')],
      { apiKeyEnv: 'PATH', temperature: 0.5, instructions: 'Be brief.', prices: { input: 2, output: 30 } },
      { goal: 'count the words', context: 'in German' },
    )
    expect(result).toMatchObject({
      status: 'completed',
      exit_reason: 'completed',
      summary: 'the answer is 42',
      model: 'scripted',
      api_calls: 1,
      tokens: { input: 100, output: 10 },
      cost_usd: 0.0005,
      usage: { input_tokens: 100, output_tokens: 10, cost_usd: 0.0005 },
      tool_trace: [],
    })
    const [{ url, headers, body }] = server.requests as [(typeof server.requests)[0]]
    expect(url).toBe('/v1/chat/completions')
    expect(headers.authorization).toBe(`Bearer ${process.env['PATH']}`)
    expect(body).toMatchObject({ model: 'scripted', stream: true, temperature: 0.5, tool_choice: 'auto' })
    const [system, ...rest] = body.messages
    expect(system?.role).toBe('system')
    for (const part of ['count the words', 'in German', 'Be brief.']) expect(system?.content).toContain(part)
    expect(rest.map(({ role }) => role)).toEqual(['user'])
  })

  it('runs tools, tells the model what came of them, and says so in the trace', async () => {
    const workdir = temporaryFolder()
    writeFileSync(join(workdir, 'a.txt'), 'first\nsecond\n')
    const run = await runAgent(
      [
        reads('a.txt'),
        calls(['write_file', { path: 'b/c.txt', content: 'x' }], ['list_files', {}]),
        says('done'),
      ],
      { workdir },
    )
    expect(run.result).toMatchObject({ status: 'completed', summary: 'done', api_calls: 3 })
    expect(run.result['tokens']).toEqual({ input: 300, output: 30 })
    expect(run.toolResults(1)).toEqual(['1\tfirst\n2\tsecond'])
    expect(run.toolResults(2).slice(1)).toEqual(['wrote 1 characters to b/c.txt', 'a.txt\nb/'])
    expect(readFileSync(join(workdir, 'b/c.txt'), 'utf8')).toBe('x')
    expect(run.result['tool_trace']).toEqual([
      { tool: 'read_file', args_bytes: 16, result_bytes: 16, status: 'ok' },
      { tool: 'write_file', args_bytes: 32, result_bytes: 29, status: 'ok' },
      { tool: 'list_files', args_bytes: 2, result_bytes: 8, status: 'ok' },
    ])
  })

  it('an output schema is told to the model, and its answer is judged by it', async () => {
    const outputSchema = { type: 'object', properties: { count: { type: 'number' } }, required: ['count'] }
    const { result, server } = await runAgent([says('{ "count": 3 }')], {}, { outputSchema })
    expect(server.requests[0]?.body.messages[0]?.content).toContain(JSON.stringify(outputSchema))
    expect(result).toMatchObject({ status: 'completed', output: { count: 3 } })
  })

  it('the model of the task comes before that of the runner', async () => {
    const { result, server } = await runAgent([says('ok')], {}, { model: 'other' })
    expect(server.requests[0]?.body.model).toBe('other')
    expect(result.model).toBe('other')
  })

  it('an endless loop of tools ends with the budget: the last call is for the answer, and it is truncated', async () => {
    const turn: Turn = (response, request) =>
      (request.body.tool_choice === 'none' ? says('as far as I got') : calls(['list_files', {}]))(
        response,
        request,
      )
    const { result, server } = await runAgent([turn], { maxIterations: 4 })
    expect(server.requests).toHaveLength(4)
    expect(result).toMatchObject({
      status: 'completed',
      exit_reason: 'max_iterations',
      truncated: true,
      summary: 'as far as I got',
      api_calls: 4,
    })
  })

  it('a model that wants tools even in its last call has failed', async () => {
    const { result, server } = await runAgent([calls(['list_files', {}])], { maxIterations: 3 })
    expect(server.requests).toHaveLength(3)
    expect(result).toMatchObject({
      status: 'failed',
      exit_reason: 'max_iterations',
      failure_reason: 'max_iterations',
      summary: null,
      error: 'the budget of 3 calls was used up without an answer',
    })
  })

  it.each(['', '   \n', '(empty)'])(
    'an answer of %j is none: it is asked for once, and then given up',
    async (nothing) => {
      const once = await runAgent([says(nothing), says('here it is')])
      expect(once.result).toMatchObject({ status: 'completed', summary: 'here it is', api_calls: 2 })
      expect(once.server.requests[1]?.body.messages.at(-1)?.content).toMatch(/^Your last answer was empty/)
      const twice = await runAgent([says(nothing)])
      expect(twice.server.requests).toHaveLength(2)
      expect(twice.result).toMatchObject({
        status: 'failed',
        exit_reason: 'error',
        failure_reason: 'empty_answer',
        summary: null,
      })
    },
  )

  it('an answer that is cut off for its length is gone on with, and joined', async () => {
    const { result, server } = await runAgent([says('one, two, ', 'length'), says('three')])
    expect(result).toMatchObject({
      status: 'completed',
      exit_reason: 'completed',
      summary: 'one, two, three',
    })
    expect(result).not.toHaveProperty('truncated')
    expect(server.requests[1]?.body.messages.slice(-2).map(({ role }) => role)).toEqual(['assistant', 'user'])
    const endless = await runAgent([says('more ', 'length')])
    expect(endless.server.requests).toHaveLength(4)
    expect(endless.result).toMatchObject({
      status: 'completed',
      truncated: true,
      summary: 'more more more more ',
    })
  })

  it('an answer that a filter held back has failed, without another try', async () => {
    const { result, server } = await runAgent([says('', 'content_filter')])
    expect(server.requests).toHaveLength(1)
    expect(result).toMatchObject({ status: 'failed', failure_reason: 'content_filter' })
  })

  it('what is no usage counts as none, and is not believed', async () => {
    const lying: Turn = (response) => {
      event(response, chunk({ content: 'ok' }, 'stop'))
      event(response, { choices: [], usage: { prompt_tokens: -5, completion_tokens: 7 } })
      event(response, '[DONE]')
      response.end()
    }
    const { result } = await runAgent([lying], { prices: { input: 1, output: 1_000_000 } })
    expect(result['usage']).toEqual({
      ...{ input_tokens: 0, output_tokens: 0, cost_usd: 0 },
      // Half of it believed would look like all of it.
      uncounted_calls: 1,
    })
    const silent: Turn = (response) => {
      event(response, chunk({ content: 'ok' }, 'stop'))
      response.end()
    }
    expect((await runAgent([silent])).result['usage']).toEqual({
      input_tokens: 0,
      output_tokens: 0,
      uncounted_calls: 1,
    })
  })

  it('cached input has a price of its own', async () => {
    const cached: Turn = (response) => {
      event(response, chunk({ content: 'ok' }, 'stop'))
      const details = { prompt_tokens_details: { cached_tokens: 600 } }
      event(response, { choices: [], usage: { prompt_tokens: 1_000, completion_tokens: 0, ...details } })
      response.end()
    }
    const { result } = await runAgent([cached], { prices: { input: 10, output: 1, cachedInput: 1 } })
    expect(result['cost_usd']).toBe(0.0046)
  })
})

describe('a model that lies about its tools', () => {
  const cases: [what: string, turn: Turn, told: RegExp][] = [
    ['arguments that are no JSON', calls(['read_file', '{"path": "a']), /Invalid input for tool read_file/],
    ['arguments of the wrong type', calls(['read_file', { path: 5 }]), /Invalid input for tool read_file/],
    ['arguments that are a list', calls(['read_file', [1]]), /Invalid input for tool read_file/],
    [
      'a tool that there is not',
      calls(['rm_everything', {}]),
      /there is no tool "rm_everything"; there are: read_file/,
    ],
    [
      'a tool of a toolset it does not have',
      calls(['run_command', { command: 'id' }]),
      /there is no tool "run_command"/,
    ],
  ]

  it.each(cases)('%s: it is told, and goes on', async (_what, turn, told) => {
    const run = await runAgent([turn, says('sorry')])
    expect(run.result).toMatchObject({ status: 'completed', summary: 'sorry', api_calls: 2 })
    expect(run.result['tool_trace']).toMatchObject([{ status: 'error' }])
    expect(run.toolResults(1)).toEqual([expect.stringMatching(told)])
    // What it is told that it said can be read by servers that insist on objects.
    const said = run.server.requests[1]?.body.messages.find(({ role }) => role === 'assistant')
    for (const call of said?.tool_calls ?? [])
      expect(JSON.parse(call.function.arguments)).toBeTypeOf('object')
  })

  it('numbers that are text are numbers', async () => {
    const workdir = temporaryFolder()
    writeFileSync(join(workdir, 'a'), '1\n2\n3')
    const run = await runAgent(
      [calls(['read_file', { path: 'a', from_line: '2', lines: '1' }]), says('ok')],
      { workdir },
    )
    expect(run.toolResults(1)).toEqual(['2\t2\n(1 more lines)'])
  })

  it('calls without arguments are calls with none', async () => {
    const run = await runAgent([calls(['list_files', '']), says('ok')])
    expect(run.toolResults(1)).toEqual(['(nothing)'])
  })

  it('of very many calls in one message, the first ones are run, and each is answered', async () => {
    const many = calls(...Array.from({ length: 40 }, () => ['list_files', {}] as const))
    const run = await runAgent([many, says('ok')])
    expect(run.result.status).toBe('completed')
    const results = run.toolResults(1)
    expect(results).toHaveLength(40)
    expect(results.filter((text) => text.startsWith('at most 32'))).toHaveLength(8)
  })

  it('text beside a call is no answer yet', async () => {
    const both: Turn = (response) => {
      event(response, chunk({ content: 'let me look' }))
      const call = { index: 0, id: 'c', type: 'function', function: { name: 'list_files', arguments: '{}' } }
      event(response, chunk({ tool_calls: [call] }))
      end(response, 'tool_calls')
    }
    expect((await runAgent([both, says('it is empty')])).result.summary).toBe('it is empty')
    // When nothing follows, it is what is left.
    const { result } = await runAgent([both, fails(400, 'no')])
    expect(result).toMatchObject({ status: 'failed', summary: 'let me look', failure_reason: 'bad_request' })
  })
})
