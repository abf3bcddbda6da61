import { describe, expect, it } from 'vitest'
import { calls, fails, says, type ChatMessage } from './scripted-server.js'
import { runAgent } from './support.js'

const outputSchema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] }
const prices = { input: 1, output: 1 }
const rolesOf = (messages: readonly ChatMessage[] = []): string[] => messages.map(({ role }) => role)

describe('an answer that does not fit its schema', () => {
  it('is sent back once, in the same conversation, and both runs are counted once', async () => {
    const turns = [calls(['list_files', {}]), says('{"count": "many"}'), says('{"count": 3}')]
    const { result, server } = await runAgent(turns, { prices }, { outputSchema })
    expect(result).toMatchObject({
      status: 'completed',
      output: { count: 3 },
      schema_valid: true,
      schema_retries: 1,
      api_calls: 3,
      tokens: { input: 300, output: 30 },
      usage: { input_tokens: 300, output_tokens: 30, cost_usd: 0.00033 },
      cost_usd: 0.00033,
      tool_trace: [{ tool: 'list_files' }],
    })
    const messages = server.requests[2]?.body.messages ?? []
    expect(rolesOf(messages)).toEqual(['system', 'user', 'assistant', 'tool', 'assistant', 'user'])
    expect(messages.at(-2)?.content).toBe('{"count": "many"}')
    expect(messages.at(-1)?.content).toMatch(
      /^Your answer does not have the form that was asked for:\n- .*count/,
    )
  })

  it('that does not fit either has failed, and is not asked for again', async () => {
    const { result, server } = await runAgent([says('many')], {}, { outputSchema })
    expect(server.requests).toHaveLength(2)
    expect(result).toMatchObject({ status: 'failed', schema_valid: false, schema_retries: 1, api_calls: 2 })
  })

  it('may be looked up once more: the correction has the tools', async () => {
    const turns = [says('?'), calls(['list_files', {}]), says('{"count": 0}')]
    const { result } = await runAgent(turns, {}, { outputSchema })
    expect(result).toMatchObject({ status: 'completed', output: { count: 0 }, api_calls: 3 })
  })

  it('the budget of calls holds for both: where it is used up nothing is asked', async () => {
    const { result, server } = await runAgent([says('many')], { maxIterations: 1 }, { outputSchema })
    expect(server.requests).toHaveLength(1)
    expect(result).toMatchObject({ status: 'failed', summary: 'many', api_calls: 1 })
    expect(result.error).toContain('its correction ended failed: the budget of 1 calls was used up')
  })

  it('a provider that fails in the correction loses nothing of the first run', async () => {
    const { result } = await runAgent([says('many'), fails(400, 'no')], { prices }, { outputSchema })
    expect(result).toMatchObject({
      status: 'failed',
      summary: 'many',
      failure_reason: 'bad_request',
      api_calls: 1,
      usage: { input_tokens: 100, output_tokens: 10, cost_usd: 0.00011 },
    })
  })
})

describe("the provider's JSON mode", () => {
  const formats = async (jsonMode: 'none' | 'object' | 'schema', toolsets: 'file'[]): Promise<unknown[]> => {
    const { server } = await runAgent(
      [says('many'), says('{"count": 1}')],
      { jsonMode, toolsets },
      { outputSchema },
    )
    return server.requests.map(({ body }) => body.response_format)
  }
  const schema = { type: 'json_schema', json_schema: { name: 'answer', schema: outputSchema, strict: true } }

  it('is used in calls without tools, and in the correction, which then has none', async () => {
    expect(await formats('none', [])).toEqual([undefined, undefined])
    expect(await formats('object', [])).toEqual([{ type: 'json_object' }, { type: 'json_object' }])
    expect(await formats('schema', ['file'])).toEqual([undefined, schema])
  })

  it('without a schema it is not', async () => {
    const { server } = await runAgent([says('ok')], { jsonMode: 'object', toolsets: [] })
    expect(server.requests[0]?.body).not.toHaveProperty('response_format')
  })
})
