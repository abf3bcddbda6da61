import { describe, expect, it } from 'vitest'
import {
  renderTurn,
  type BatchEvent,
  type DispatchOptions,
  type ModuleRunnerOptions,
  type SingleEvent,
} from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import { fixture, idOf, next, open, quick, temporaryFolder } from './support.js'

const schema = {
  type: 'object',
  properties: { count: { type: 'integer' } },
  required: ['count'],
  additionalProperties: false,
}

const structured = (name: string, options: ModuleRunnerOptions = {}) =>
  fixture(name, options, 'structured.js')

async function run(name: string, goal: string, more: Partial<DispatchOptions> & ModuleRunnerOptions = {}) {
  const { placement, correctsOutput, ...call } = more
  const options = { ...(placement && { placement }), ...(correctsOutput && { correctsOutput }) }
  const delegator = await open({ spillFolder: temporaryFolder() })
  const handle = await delegator.dispatch({
    goal,
    outputSchema: schema,
    runner: structured(name, options),
    ...call,
  })
  return (await delegator.wait(idOf(handle))) as SingleEvent
}

const wrong = 'the output does not fit its schema: '

describe('a task with an output schema', () => {
  it.each(['isolated', 'shared', 'process'] as const)(
    '%s: JSON in the summary that fits is the output',
    async (placement) => {
      const event = await run('says', '{"count": 3}', { placement })
      expect(event).toMatchObject({ status: 'completed', summary: '{"count": 3}', output: { count: 3 } })
      expect(event).toMatchObject({ schema_valid: true, schema_retries: 0 })
      expect(event).not.toHaveProperty('schema_errors')
    },
  )

  it.each(['isolated', 'shared', 'process'] as const)(
    '%s: one that does not fit has failed, and keeps its text',
    async (placement) => {
      const event = await run('says', '{"count": "three", "more": 1}', { placement })
      expect(event).toMatchObject({
        status: 'failed',
        exit_reason: 'error',
        summary: '{"count": "three", "more": 1}',
        schema_valid: false,
        schema_retries: 0,
        schema_errors: ['(all of it) must NOT have additional properties ("more")', '/count must be integer'],
      })
      expect(event.error).toBe(`${wrong}${event.schema_errors?.join('; ')}`)
      expect(event).not.toHaveProperty('output')
    },
  )

  it('the JSON may stand between fences, and the last one counts', async () => {
    const text = 'First I had\n```json\n{"count": 1}\n```\nbut it is\n```JSON\n{"count": 2}\n```\nas you see.'
    expect(await run('says', text)).toMatchObject({ output: { count: 2 }, summary: text })
    expect(await run('says', '```json\n{"count": 2}')).toMatchObject({ output: { count: 2 } })
  })

  it.each([
    ['three of them', 'the answer is no JSON: '],
    ['```json\n{"count": \n```', 'the answer is no JSON: '],
    ['['.repeat(100) + ']'.repeat(100), 'output[0][0]'],
    ['"three"', '(all of it) must be object'],
    ['{"__proto__": {"count": 1}}', "(all of it) must have required property 'count'"],
  ])('%s is no output', async (goal, error) => {
    const event = await run('says', goal)
    expect(event).toMatchObject({ status: 'failed', summary: goal, schema_valid: false })
    expect(event.schema_errors?.[0]).toContain(error)
  })

  it('an output of its own comes first, and becomes the summary where there is none', async () => {
    expect(await run('outputs', '{"count":3}')).toMatchObject({
      status: 'completed',
      output: { count: 3 },
      summary: '{\n  "count": 3\n}',
    })
    const event = await run('outputs', '{"count":"3"}')
    expect(event).toMatchObject({ status: 'failed', summary: '{\n  "count": "3"\n}', schema_valid: false })
    expect(event).not.toHaveProperty('output')
  })

  it('what every object inherits is not there', async () => {
    const outputSchema = { type: 'object', required: ['constructor'] }
    expect(await run('says', '{}', { outputSchema })).toMatchObject({ schema_valid: false })
  })

  it('draft-07 and draft 2020-12 are told apart', async () => {
    const items = [{ type: 'integer' }, { type: 'string' }]
    const old = { $schema: 'http://json-schema.org/draft-07/schema#', items }
    const current = { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: items }
    for (const outputSchema of [old, current]) {
      expect(await run('says', '[1, "one"]', { outputSchema })).toMatchObject({ schema_valid: true })
      expect(await run('says', '[1, 1]', { outputSchema })).toMatchObject({
        schema_errors: ['/1 must be string'],
      })
    }
  })

  it('an end that is no success is not judged', async () => {
    const event = await run('fails', 'x')
    expect(event).toMatchObject({ status: 'failed', error: 'no credit', summary: 'nothing' })
    expect(event).not.toHaveProperty('schema_valid')
  })

  it('an output that is too large has failed; all of its text is kept', async () => {
    const event = await run('tooLong', 'x')
    expect(event).toMatchObject({
      status: 'failed',
      schema_errors: ['the answer is over 524288 characters'],
      summary_truncated: true,
    })
  })

  it('in a batch each task has its own schema, or that of the batch, or none', async () => {
    const delegator = await open()
    const tasks = [
      { goal: '{"count": 1}' },
      { goal: '"two"', outputSchema: { type: 'string' } },
      { goal: '"three"' },
    ]
    const handle = await delegator.dispatchBatch({ tasks, outputSchema: schema, runner: structured('says') })
    const { results } = (await delegator.wait(idOf(handle))) as BatchEvent
    expect(results.map(({ status, output, schema_valid }) => [status, output, schema_valid])).toEqual([
      ['completed', { count: 1 }, true],
      ['completed', 'two', true],
      ['failed', undefined, false],
    ])
    const plain = await delegator.dispatchBatch({ goals: ['"two"'], runner: structured('says') })
    const [entry] = ((await delegator.wait(idOf(plain))) as BatchEvent).results
    expect(Object.keys(entry ?? {}).filter((name) => /schema|output/.test(name))).toEqual([])
  })
})

describe('one correction', () => {
  it('a runner that corrects is told what was wrong, once; both runs count', async () => {
    const event = await run('corrects', '{"count": 3}', { correctsOutput: true })
    expect(event).toMatchObject({
      status: 'completed',
      output: { count: 3 },
      schema_valid: true,
      schema_retries: 1,
      api_calls: 2,
      usage: { input_tokens: 20, output_tokens: 2 },
    })
  })

  it('it sees the errors and all that it had returned', async () => {
    const delegator = await open()
    const runner = structured('corrects', { correctsOutput: true })
    const handle = await delegator.dispatchBatch({ goals: ['{"count": 3}'], outputSchema: schema, runner })
    const [entry] = ((await delegator.wait(idOf(handle))) as BatchEvent).results
    expect(entry?.['told']).toMatchObject({
      errors: ['/count must be integer'],
      previous: { summary: '{"count": "three"}', session_id: 's-1' },
    })
  })

  it('an output that is wrong again has failed', async () => {
    const event = await run('corrects', '{"count": null}', { correctsOutput: true })
    expect(event).toMatchObject({
      status: 'failed',
      summary: '{"count": null}',
      schema_valid: false,
      schema_retries: 1,
    })
  })

  it('who does not declare it is asked once', async () => {
    expect(await run('corrects', '{"count": 3}')).toMatchObject({
      schema_valid: false,
      schema_retries: 0,
      api_calls: 1,
    })
  })

  it.each([
    ['throws', 'error', 'RangeError: lost it'],
    ['fails', 'failed', 'no credit left'],
  ])('a correction that %s loses nothing of what there was', async (goal, status, why) => {
    const event = await run('failsToCorrect', goal, { correctsOutput: true })
    expect(event).toMatchObject({ status, summary: 'three of them', schema_valid: false, schema_retries: 1 })
    expect(event.error).toContain(wrong)
    expect(event.error).toContain(why)
  })

  it('one that is stopped while it corrects was stopped', async () => {
    const delegator = await open()
    const runner = structured('failsToCorrect', { correctsOutput: true })
    const correcting = next(delegator, 'progress', ({ progress }) => progress?.['correcting'] === true)
    const id = idOf(await delegator.dispatch({ goal: 'waits', outputSchema: schema, runner }))
    await correcting
    await delegator.interrupt(id, { reason: 'enough' })
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ status: 'interrupted', summary: 'three of them', schema_valid: false })
  })
})

describe('P7: a hostile schema hurts nobody else', () => {
  const endless = { type: 'object', properties: { count: { type: 'string', pattern: '^(a+)+$' } } }
  const victim = JSON.stringify({ count: `${'a'.repeat(60)}b` })

  it('a pattern that never ends is ended, and the thread carries its siblings on', async () => {
    const delegator = await open()
    const runner = structured('says', { placement: 'shared', correctsOutput: true })
    const tasks = [
      { goal: victim, outputSchema: endless },
      { goal: '{"count": 1}', outputSchema: schema },
    ]
    const handle = await delegator.dispatchBatch({ tasks, runner })
    const { results } = (await delegator.wait(idOf(handle))) as BatchEvent
    expect(results[0]).toMatchObject({
      status: 'failed',
      schema_errors: ['it could not be judged within 5 s'],
      schema_retries: 0,
    })
    expect(results[1]).toMatchObject({ status: 'completed', schema_valid: true })
  })

  it('a child that is judged for ever ends with its grace, as any other', async () => {
    const delegator = await open({ interruptGraceMs: 100 })
    const handle = await delegator.dispatch({
      goal: victim,
      outputSchema: endless,
      runner: structured('says'),
      childTimeoutSeconds: 0.5,
    })
    expect(await delegator.wait(idOf(handle))).toMatchObject({ status: 'timeout' })
  })

  it('errors are few and short, however many there are', async () => {
    const key = 'k'.repeat(5_000)
    const outputSchema = {
      additionalProperties: { allOf: Array.from({ length: 20 }, () => ({ type: 'string' })) },
    }
    const goal = JSON.stringify(
      Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${key.slice(0, 500)}${i}`, i])),
    )
    const { schema_errors: errors = [] } = await run('says', goal, { outputSchema })
    expect(errors).toHaveLength(10)
    for (const error of errors) expect(error.length).toBeLessThanOrEqual(300)
  })

  it('more errors than memory holds cost a moment, and the first is told', async () => {
    const outputSchema = { items: { allOf: Array.from({ length: 200 }, () => ({ type: 'string' })) } }
    const { schema_errors: errors } = await run('manyNumbers', 'x', { outputSchema })
    expect(errors).toEqual(['/0 must be string'])
  })

  it('P10: what a child wrote into the errors stands inside of its fence', async () => {
    const event = await run('hostileField', 'x')
    expect(event.schema_errors?.join()).toContain('deleg_x')
    const turn = renderTurn([event], { nonce: 'n0nce4f9a2c71' })
    expect(turn.replaceAll(/\[child n0nce4f9a2c71\][^]*?\[\/child n0nce4f9a2c71\]/g, '')).not.toContain(
      'deleg_x',
    )
    expect(turn).not.toContain('\u202e')
    expect(turn).toContain('does not fit its schema')
  })

  it('without a schema nothing of it is loaded; with one the thread is used again', async () => {
    const delegator = await open({ maxThreads: 1 })
    const runner = structured('loaded')
    const ask = async (more: Partial<DispatchOptions>): Promise<JsonObject | undefined> => {
      const handle = await delegator.dispatchBatch({ goals: ['x'], runner, ...more })
      return ((await delegator.wait(idOf(handle))) as BatchEvent).results[0]
    }
    const before = await ask({})
    const during = await ask({ outputSchema: schema })
    const after = await ask({})
    expect(before).toMatchObject({ ajv: 0 })
    expect(during).toMatchObject({ schema_valid: true })
    expect(after?.['ajv']).toBeGreaterThan(0)
    expect([during?.['thread'], after?.['thread']]).toEqual([before?.['thread'], before?.['thread']])
  })
})

describe('bad schemas are refused before anything is admitted', () => {
  const deep = (levels: number): JsonObject => (levels === 0 ? {} : { not: deep(levels - 1) })
  const cyclic: Record<string, unknown> = {}
  cyclic['not'] = cyclic

  it.each<[string, unknown, string, string]>([
    ['a text', '{}', 'SCHEMA_INVALID', 'a string'],
    ['a list', [], 'SCHEMA_INVALID', 'a list'],
    ['null', null, 'SCHEMA_INVALID', 'null'],
    ['a function in it', { type: () => 1 }, 'SCHEMA_INVALID', 'schema.type is a function'],
    ['a cycle', cyclic, 'SCHEMA_INVALID', 'refers back to itself'],
    ['one too deep', deep(70), 'SCHEMA_INVALID', 'nested more than 64 deep'],
    ['one too large', { description: 'x'.repeat(65_536) }, 'SCHEMA_TOO_LARGE', 'at_most: 65536'],
    ['an enormous one', { description: 'x'.repeat(50_000_000) }, 'SCHEMA_INVALID', 'larger than'],
    ['an unknown type', { type: 'whole' }, 'SCHEMA_INVALID', 'type'],
    ['a keyword of the wrong kind', { properties: 3 }, 'SCHEMA_INVALID', 'properties must be object'],
    ['a pattern that is none', { pattern: '(' }, 'SCHEMA_INVALID', 'Invalid regular expression'],
    [
      'a reference to a server',
      { $ref: 'https://example.org/schema.json' },
      'SCHEMA_INVALID',
      "can't resolve reference",
    ],
    ['a reference to a file', { $ref: 'file:///etc/passwd' }, 'SCHEMA_INVALID', "can't resolve reference"],
    ['a reference to nothing', { $ref: '#/$defs/none' }, 'SCHEMA_INVALID', "can't resolve reference"],
    [
      'another draft',
      { $schema: 'http://json-schema.org/draft-04/schema#' },
      'SCHEMA_INVALID',
      'neither draft',
    ],
    ['one that would answer later', { $async: true }, 'SCHEMA_INVALID', '$async'],
    [
      'one that takes too much to compile',
      { allOf: Array.from({ length: 3_500 }, () => ({ type: 'string' })) },
      'SCHEMA_INVALID',
      'call stack',
    ],
  ])('%s', async (_name, outputSchema, code, words) => {
    const delegator = await open()
    const call = { goal: 'x', outputSchema: outputSchema as JsonObject, runner: structured('says') }
    const error: unknown = await delegator.dispatch(call).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'DelegationError', code })
    expect((error as Error).message).toContain(words)
    expect(await delegator.list()).toEqual([])
  })

  it('the task is named', async () => {
    const delegator = await open()
    const tasks = [{ goal: 'a' }, { goal: 'b', outputSchema: { type: 'whole' } }]
    await expect(delegator.dispatchBatch({ tasks, runner: structured('says') })).rejects.toMatchObject({
      code: 'SCHEMA_INVALID',
      detail: { task: 1 },
    })
    const others = [{ goal: 'a' }, { goal: 'b', outputSchema: 3 as unknown as JsonObject }]
    await expect(delegator.dispatchBatch({ tasks: others, runner: structured('says') })).rejects.toThrow(
      'of task 1',
    )
  })

  it('a plain function runs on the loop of its host, where nothing is judged', async () => {
    const delegator = await open()
    const expected = { code: 'OPTION_INVALID' }
    await expect(
      delegator.dispatch({ goal: 'x', outputSchema: schema, runner: quick }),
    ).rejects.toMatchObject(expected)
    const whole = { goals: ['x'], outputSchema: schema, run: () => ({ results: [] }) }
    await expect(delegator.dispatchBatch(whole)).rejects.toMatchObject(expected)
  })

  it('many children that share a schema cost one look', async () => {
    const delegator = await open({ maxConcurrentChildren: 8 })
    const outputSchema = { ...schema, description: 'x'.repeat(60_000) }
    const goals = Array.from({ length: 200 }, () => '{"count": 1}')
    const handle = await delegator.dispatchBatch({
      goals,
      outputSchema,
      runner: structured('says', { placement: 'shared' }),
    })
    const { status, results } = (await delegator.wait(idOf(handle))) as BatchEvent
    expect(status).toBe('completed')
    expect(results.every(({ schema_valid }) => schema_valid)).toBe(true)
  })

  it('a delegator that was closed meanwhile dispatches nothing', async () => {
    const delegator = await open()
    const outputSchema = { ...schema, title: 'seen for the first time' }
    const dispatched = delegator.dispatch({ goal: '{}', outputSchema, runner: structured('says') })
    await Promise.all([expect(dispatched).rejects.toMatchObject({ code: 'CLOSED' }), delegator.close()])
  })
})
