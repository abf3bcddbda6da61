import { describe, expect, it } from 'vitest'
import { fixture, gate, open, polite, quick } from '../runtime/support.js'
import { openTools } from './support.js'

const call = async (input: unknown, tools = openTools()) => (await tools).call('delegate_task', input)
const errorOf = async (input: unknown, tools = openTools()): Promise<unknown> => {
  const awaited = await tools
  const { isError, data } = await awaited.call('delegate_task', input)
  expect(isError).toBe(true)
  expect(await awaited.delegator.list()).toEqual([])
  return data['error']
}
const long = (index: number) => `look at the file number ${index}`

describe('delegate_task in the background', () => {
  it('answers with a handle that tells the model to end its turn; a goal is a batch of one', async () => {
    const tools = await openTools()
    const { data } = await tools.call('delegate_task', { goal: 'todo' })
    expect(data).toMatchObject({ status: 'dispatched', mode: 'background', count: 1, goals: ['todo'] })
    expect(data['note']).toMatch(/End your turn now.*only between turns/)
    const event = await tools.delegator.wait(data['delegation_id'] as string)
    expect(event).toMatchObject({ is_batch: true, session_key: 's1', status: 'completed' })
  })

  it('what the call says holds for tasks that say nothing else; a role needs a level below it', async () => {
    const seen: unknown[] = []
    const runner = (task: { goal: string; context: unknown; role: unknown }) => {
      seen.push([task.goal, task.context, task.role])
      return { summary: 'ok' }
    }
    const tasks = [{ goal: long(0) }, { goal: long(1), context: 'own', role: 'leaf' }]
    for (const [maxDepth, role] of [
      [1, 'leaf'],
      [2, 'orchestrator'],
    ] as const) {
      const tools = await openTools({}, { maxDepth, runner })
      const { data } = await tools.call('delegate_task', { tasks, context: 'all', role: 'orchestrator' })
      await tools.delegator.wait(data['delegation_id'] as string)
      expect(seen.splice(0)).toEqual([
        [long(0), 'all', role],
        [long(1), 'own', 'leaf'],
      ])
    }
    const off = await openTools({}, { maxDepth: 2, orchestratorEnabled: false, runner })
    const { data } = await off.call('delegate_task', { goal: 'g', role: 'orchestrator' })
    await off.delegator.wait(data['delegation_id'] as string)
    expect(seen).toEqual([['g', null, 'leaf']])
  })
})

it('R44: a model runs in the background at the top whatever it asks for, and waits below', async () => {
  for (const background of [false, 'false', true, 'yes', 7, [], {}])
    expect((await call({ goal: 'g', background })).data).toMatchObject({ mode: 'background' })
  const delegate = () => Promise.resolve({ status: 'completed', results: [], error: null })
  const below = await openTools({ child: { depth: 1, delegate } }, { maxDepth: 2 })
  const { data } = await below.call('delegate_task', { goal: 'g', background: true })
  expect(data).toEqual({ results: [] })
})

describe('checks, each with nothing started (spec 4.2)', () => {
  it.each([
    [{}, "Provide either 'goal' (single task) or 'tasks' (batch)."],
    [{ tasks: [] }, "Provide either 'goal' (single task) or 'tasks' (batch)."],
    [{ action: 'dance' }, "Unknown action 'dance'. Use spawn (default), list, steer, or stop."],
    [{ tasks: ['x'] }, 'Task 0 must be an object, got string.'],
    [{ tasks: [{ goal: long(0) }, { goal: ' ' }] }, "Task 1 is missing a 'goal'."],
    [{ tasks: [{ goal: 'todo' }] }, 'Task 0 has a placeholder as its goal: "todo". Say what is to be done.'],
    [
      { tasks: [{ goal: 'Task 3' }] },
      'Task 0 has a placeholder as its goal: "Task 3". Say what is to be done.',
    ],
    [
      { tasks: [{ goal: 'build <feature_name> now' }] },
      'Task 0 has a marker in its goal that was not filled in: <feature_name>.',
    ],
    [
      { tasks: [{ goal: 'read the {file path} now' }] },
      'Task 0 has a marker in its goal that was not filled in: {file path}.',
    ],
    [
      { tasks: [{ goal: long(0) }, { goal: 'fix it' }] },
      'Task 1 has a goal of 6 characters: "fix it". In a batch a goal has at least 10.',
    ],
    [{ tasks: '[{"goal": ' }, `'tasks': given as a string that is no JSON: "[{\\"goal\\": ".`],
    [{ tasks: '{"goal": "x"}' }, "'tasks' must be an array, got object."],
    [{ goal: ['a'] }, "'goal' must be a string, got array."],
    ['nonsense', 'The arguments: given as a string that is no JSON: "nonsense".'],
    [[1], 'The arguments must be an object, got array.'],
  ])('%j', async (input, error) => {
    expect(await errorOf(input)).toBe(error)
  })

  it.each([
    'fix class Box<T extends x> now',
    'print f"{name}" here',
    'use <my-component> here',
    'echo ${MY_DIR} now',
    'fill `<feature_name>` in',
  ])('what is code is no marker: %s', async (goal) => {
    expect((await call({ tasks: [{ goal }] })).data).toMatchObject({ status: 'dispatched' })
  })

  it('500 tasks are refused as a whole, with the limit', async () => {
    const tasks = Array.from({ length: 500 }, (_, index) => ({ goal: long(index) }))
    expect(await errorOf({ tasks })).toMatch(
      /^Too many tasks: 500 provided, but max_concurrent_children is 3\. /,
    )
  })

  it('a pause is said before the depth, and the depth before the tasks; a control verb comes before both', async () => {
    const tools = openTools({ child: { depth: 1, delegate: () => Promise.reject(new Error('called')) } })
    expect(await errorOf({ tasks: ['x'] }, tools)).toMatch(
      /^Delegation depth limit reached \(depth=1, max_spawn_depth=1\)\. /,
    )
    ;(await tools).setSpawnPaused(true)
    expect(await errorOf({ goal: 'x' }, tools)).toMatch(/^Delegation spawning is paused\. /)
    expect((await call({ action: 'list' }, tools)).data).toEqual({ action: 'list', count: 0, subagents: [] })
    ;(await tools).setSpawnPaused(false)
    expect(await errorOf({ goal: 'x' }, tools)).toMatch(/depth limit/)
  })

  it('without a conversation nothing is answered (spec 4.2, check 1)', async () => {
    const tools = openTools({ sessionKey: () => null })
    ;(await tools).setSpawnPaused(true)
    for (const input of [{ goal: 'x' }, { action: 'list' }, { action: 'dance' }])
      expect(await errorOf(input, tools)).toBe('delegate_task requires a parent agent context.')
  })

  it('what is wrong is said in the order of the original: action, pause, depth, then the tasks', async () => {
    const tools = openTools({ child: { depth: 1, delegate: () => Promise.reject(new Error('called')) } })
    const bad = { tasks: '[{' }
    expect(await errorOf(bad, tools)).toMatch(/^Delegation depth limit/)
    ;(await tools).setSpawnPaused(true)
    expect(await errorOf(bad, tools)).toMatch(/^Delegation spawning is paused/)
    expect(await errorOf({ ...bad, action: 'dance' }, tools)).toMatch(/^Unknown action 'dance'/)
    expect((await call({ ...bad, action: 'list' }, tools)).isError).toBe(false)
    const many = JSON.stringify(Array.from({ length: 4 }, () => 7))
    expect(await errorOf({ tasks: many })).toMatch(/^Too many tasks: 4 provided/)
    expect(await errorOf({ action: {} })).toBe("'action' must be a string, got object.")
    expect(await errorOf({ action: 5 })).toMatch(/^Unknown action '5'/)
  })

  it('a runner that there is not is the error of a dispatch (check 5), before nothing but the tasks', async () => {
    const delegator = await open()
    expect(await errorOf({ goal: 'x' }, openTools({ delegator }))).toMatch(/^no runner was given/)
  })

  it('an empty list of tasks is no batch, and what Hermes knows besides is left out and told', async () => {
    const { data } = await call({ tasks: [], goal: 'one', images: ['a.png'], acp_command: 'rm' })
    expect(data).toMatchObject({ count: 1, goals: ['one'] })
    expect(data['note']).toContain('images, acp_command')
  })

  it('a schema that cannot be used is the error of a dispatch', async () => {
    const tools = openTools({}, { runner: fixture('echo') })
    expect(await errorOf({ goal: 'x', output_schema: { type: 'nonsense' } }, tools)).toMatch(
      /^the output schema cannot/,
    )
  })
})

describe('what models really send', () => {
  it('tasks as a JSON string, a goal as a number, and duplicates are taken', async () => {
    const { data } = await call({ tasks: JSON.stringify([{ goal: long(1) }, { goal: long(1) }]) })
    expect(data).toMatchObject({ status: 'dispatched', count: 2 })
    expect((await call({ goal: 42 })).data).toMatchObject({ goals: ['42'] })
    expect((await call('{"goal": "as text"}')).data).toMatchObject({ goals: ['as text'] })
    expect((await call({ goal: 'g', context: null, tasks: null })).data).toMatchObject({ count: 1 })
  })

  it('toolsets and other keys that are not its own go nowhere, and it is told so; background is ignored', async () => {
    const tools = await openTools()
    const input = {
      goal: 'g',
      toolsets: ['terminal'],
      max_iterations: '9',
      background: 'false',
      role: 'king',
    }
    const { data } = await tools.call('delegate_task', input)
    expect(data).toMatchObject({ mode: 'background' })
    expect(data['note']).toContain('Ignored, as it is not yours to set here: toolsets, max_iterations.')
    expect(data['note']).toContain('There is no role "king": the subagent is a leaf.')
    const record = await tools.delegator.get(data['delegation_id'] as string)
    expect(record.toolsets).toBeNull()
    const inTask = await tools.call('delegate_task', { tasks: [{ goal: long(0), toolsets: ['web'] }] })
    expect(inTask.data['note']).toContain('toolsets')
  })
})

describe('at the cap', () => {
  const full = async (onRefusal: 'reject' | 'inline', maxUnits = 1) => {
    const opened = gate()
    const delegator = await open({
      maxUnits,
      runner: async (task, ctx) => {
        if (task.goal === 'hold') await Promise.race([opened.promise, polite(task, ctx)])
        return quick(task, ctx)
      },
    })
    if (maxUnits > 0) await delegator.dispatch({ goal: 'hold' })
    return { opened, tools: await openTools({ delegator, onRefusal }) }
  }

  it('reject: the refusal as data, and a text against loops', async () => {
    const { opened, tools } = await full('reject')
    for (const [name, input] of [
      ['delegate_task', { goal: 'more' }],
      ['delegate_task_async', { task: 'more' }],
    ] as const) {
      const { isError, data } = await tools.call(name, input)
      expect(isError).toBe(true)
      expect(data).toMatchObject({ status: 'rejected', refusal: { code: 'CAPACITY', limit: 1, inUse: 1 } })
      expect(data['note']).toContain('Do not retry in a loop')
    }
    opened.open()
  })

  it('inline: runs at once and says so; its result reaches no drain', async () => {
    const { opened, tools } = await full('inline')
    const { isError, data } = await tools.call('delegate_task', { goal: 'more' })
    expect(isError).toBe(false)
    expect(data).toMatchObject({ results: [{ task_index: 0, status: 'completed', summary: 'did more' }] })
    expect(data['note']).toContain('nothing more will arrive')
    expect(await tools.delegator.completions.claim({ all: true })).toEqual([])
    opened.open()
  })

  it('inline: as many run over the cap as the cap allows, and more are refused', async () => {
    const { opened, tools } = await full('inline')
    const twice = await openTools({ delegator: { ...tools.delegator }, onRefusal: 'inline' })
    const first = tools.call('delegate_task', { goal: 'hold' })
    const others = await Promise.all([
      tools.call('delegate_task', { goal: 'second' }),
      twice.call('delegate_task', { goal: 'third' }),
    ])
    for (const { data } of others) expect(data).toMatchObject({ status: 'rejected' })
    opened.open()
    expect((await first).data).toMatchObject({ results: [{ summary: 'did hold' }] })
  })

  it('inline: delegate_task_async runs at once as well, and its answer has the results', async () => {
    const { opened, tools } = await full('inline')
    const { isError, data } = await tools.call('delegate_task_async', { task: 'more' })
    expect(isError).toBe(false)
    expect(data).toMatchObject({ success: true, status: 'completed', results: [{ summary: 'did more' }] })
    expect(data['note']).toContain('nothing more will arrive')
    opened.open()
  })

  it("a refusal shows one's own goals, others as a count, and no words for the host", async () => {
    const key = `sk-ant-api03-${'a1B2c3D4'.repeat(6)}`
    const { opened, tools } = await full('reject', 2)
    await tools.delegator.dispatch({
      goal: `mine ${key} ${'x'.repeat(900)}`,
      sessionKey: 's1',
      runner: () => opened.promise,
    })
    const { data } = await tools.call('delegate_task', { goal: 'more' })
    const text = JSON.stringify(data)
    expect(data['refusal']).toMatchObject({
      holders: [{ goal: expect.stringMatching(/^mine/) as string }],
      other_holders: 1,
    })
    expect(text.length).toBeLessThan(1_200)
    for (const foreign of ['hold"', key, 'config.yaml', 'admitWithinMs', 're-enter', 'max_async_children'])
      expect(text).not.toContain(foreign)
    opened.open()
  })

  it('inline does not go round a cap of 0, which switches delegation off', async () => {
    const { tools } = await full('inline', 0)
    expect((await tools.call('delegate_task', { goal: 'more' })).data).toMatchObject({ status: 'rejected' })
  })
})

describe('synchronous', () => {
  it('where nothing can arrive later the results are the answer, with a note, and without secrets', async () => {
    const key = `sk-${'a1B2c3D4'.repeat(6)}`
    const tools = await openTools(
      { acceptsLaterResults: false },
      { runner: () => ({ summary: `it is ${key}` }) },
    )
    const { data } = await tools.call('delegate_task', { tasks: [{ goal: long(0) }, { goal: long(1) }] })
    expect(data).toMatchObject({ results: [{ task_index: 0 }, { task_index: 1 }] })
    expect(data['note']).toContain('cannot receive later results')
    expect(JSON.stringify(data)).not.toContain(key)
    expect(await tools.delegator.completions.claim({ all: true })).toEqual([])
    const refused = await tools.call('delegate_task_async', { task: 'x' })
    expect(refused.data['error']).toContain('use delegate_task')
  })

  it('a child waits for what runs below it, and gets its results', async () => {
    const asked: unknown[] = []
    const child = {
      depth: 1,
      delegate: async (given: unknown) => {
        asked.push(given)
        return { status: 'completed', results: [{ task_index: 0, summary: 'below' }], error: null }
      },
    }
    const tools = await openTools({ child }, { maxDepth: 2 })
    const { data } = await tools.call('delegate_task', { goal: 'below', role: 'orchestrator' })
    expect(data).toEqual({ results: [{ task_index: 0, summary: 'below' }] })
    expect(asked).toEqual([{ tasks: [{ goal: 'below', role: 'leaf' }] }])
    const schema = { type: 'object' }
    const smuggled = { goal: 'g', output_schema: schema, toolsets: ['terminal'], model: 'big', group: 'a' }
    const { data: told } = await tools.call('delegate_task', { tasks: [smuggled] })
    expect(asked[1]).toEqual({ tasks: [{ goal: 'g', role: 'leaf', outputSchema: schema }] })
    expect(told['note']).toContain('toolsets, model')
    const refusing = { depth: 1, delegate: async () => ({ status: 'rejected', error: 'full' }) as never }
    const refused = await (
      await openTools({ child: refusing }, { maxDepth: 2 })
    ).call('delegate_task', { goal: 'g' })
    expect(refused).toMatchObject({ isError: true, data: { status: 'rejected', error: 'full' } })
  })
})

it('after close a call is an error as data', async () => {
  const tools = await openTools()
  await tools.delegator.close()
  expect((await tools.call('delegate_task', { goal: 'g' })).data).toMatchObject({ code: 'CLOSED' })
})
