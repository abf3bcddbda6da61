import { describe, expect, it } from 'vitest'
import { answer, call, eventually, gate, enroll, json, saidIn, start, task, workspace } from './scene.js'

const long = 'ä'.repeat(5_000)

describe('delegations that the platform runs', () => {
  it('an accept waits for no workspace, and the result comes whole', async () => {
    const platform = await start()
    const hold = gate()
    const peer = await workspace(async (_seen, response) => {
      await hold.opened
      answer(response, long)
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'write a report')
    const live = await caller.until(id, 'dispatched')
    expect(live).toMatchObject({
      status: 'dispatched',
      source_id: caller.id,
      target_id: callee.id,
      direction: 'sent',
    })
    hold.open()
    const ended = await caller.until(id)
    expect(ended).toMatchObject({
      status: 'completed',
      result: long,
      task: 'write a report',
      type: 'delegation',
      id,
    })
    expect(peer.seen).toHaveLength(1)
    expect(peer.seen[0]).toMatchObject({ messageId: id, text: 'write a report', method: 'message/send' })
    expect(peer.seen[0]!.headers['x-workspace-id']).toBe(caller.id)
  })

  it('B12: lists carry the whole result, not 300 characters of it', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response) => answer(response, long))
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'go')
    await caller.until(id)
    const { rows } = await caller.call('GET /workspaces/:id/delegations')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ id, delegation_id: id, type: 'delegation', response_preview: long })
    const received = await callee.call('GET /workspaces/:id/delegations')
    expect(received.rows[0]).toMatchObject({ delegation_id: id, direction: 'received' })
  })

  it('B15: a list goes on where it ended, and one row is found however old it is', async () => {
    const platform = await start()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url)
    const ids: string[] = []
    for (let n = 0; n < 7; n += 1) ids.push(await caller.delegate(callee.id, `task ${n}`))
    const first = await caller.call('GET /workspaces/:id/delegations?limit=5')
    const rest = await caller.call(`GET /workspaces/:id/delegations?before=${first.rows[4]!.cursor}`)
    const found = [...first.rows, ...rest.rows].map(({ delegation_id }) => delegation_id)
    expect(found).toEqual([...ids].reverse())
    expect((await caller.call(`GET /workspaces/:id/delegations/${ids[0]}`)).status).toBe(200)
  })

  it.each([
    ['B10: a task that failed', task('failed', 'no disk'), 'failed', 'no disk'],
    [
      'B10: a crash inside an answer',
      { result: { parts: [{ kind: 'text', text: 'Agent error: boom' }] } },
      'failed',
      'Agent error: boom',
    ],
    [
      'a task of protocol 1.0',
      {
        result: {
          task: {
            id: 't',
            status: { state: 'TASK_STATE_COMPLETED' },
            artifacts: [{ parts: [{ text: 'one' }] }],
          },
        },
      },
      'completed',
      'one',
    ],
    [
      'a message of protocol 1.0',
      { result: { message: { parts: [{ text: 'hello' }] } } },
      'completed',
      'hello',
    ],
    ['an error of JSON-RPC', { error: { code: -32603, message: 'oops' } }, 'failed', 'oops (code=-32603)'],
    ['B9: a result that is no object', { result: 7 }, 'failed', 'unknown shape'],
    [
      'B9: artifacts that are null',
      { result: { status: { state: 'completed' }, id: 't', artifacts: null } },
      'completed',
      '',
    ],
    ['a question', task('input-required', ''), 'failed', 'nobody can answer here'],
    ['no JSON', 'not json', 'failed', 'no JSON object'],
    ['an empty answer', '', 'failed', 'empty answer'],
  ])('%s ends as it should', async (_name, body, status, text) => {
    const platform = await start()
    const peer = await workspace((_seen, response) =>
      typeof body === 'string' ? void response.end(body) : json(response, 200, body),
    )
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const ended = await caller.until(await caller.delegate(callee.id, 'go'))
    expect(ended.status).toBe(status)
    expect(status === 'failed' ? ended.error : ended.result).toContain(text)
    if (status === 'failed') expect(ended.error_detail).toBe(ended.error)
  })

  it('B10: a task that works is asked about until it has ended, and never sent again', async () => {
    const platform = await start()
    let looks = 0
    const peer = await workspace(({ method }, response) => {
      if (method === 'message/send') return json(response, 200, task('working', ''))
      looks += 1
      if (looks === 1) return json(response, 500, { error: 'a hiccup' })
      json(response, 200, looks < 4 ? task('working', '') : task('completed', 'at last'))
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'go')
    expect(await caller.until(id)).toMatchObject({ status: 'completed', result: 'at last' })
    expect(peer.seen.filter(({ method }) => method === 'message/send')).toHaveLength(1)
  })

  it('B29: the acknowledgement of a queue is no answer, and nothing is sent again', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response) =>
      json(response, 200, { status: 'queued', delivery_mode: 'poll' }),
    )
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'go')
    expect(await caller.until(id, 'queued')).toMatchObject({ status: 'queued' })
    await callee.beat()
    await callee.beat()
    const { body } = await caller.call(`GET /workspaces/:id/delegations/${id}`)
    expect(body).toMatchObject({ status: 'queued' })
    expect(body.result).toBeUndefined()
    expect(peer.seen).toHaveLength(1)
  })

  it('a lost answer is not asked for again from a workspace that does not de-duplicate', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response) => void response.destroy())
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const ended = await caller.until(await caller.delegate(callee.id, 'go'))
    expect(ended).toMatchObject({ status: 'failed' })
    expect(ended.error).toContain('may have had the message')
    expect(peer.seen).toHaveLength(1)
  })

  it('B5: one that de-duplicates by its card gets the same message again', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response, count) =>
      count === 1 ? void response.destroy() : answer(response, 'done'),
    )
    const caller = await enroll(platform.url)
    const uri = 'urn:hermes-delegate:a2a:deduplicates-message-id'
    const callee = await enroll(platform.url, {
      url: peer.url,
      agent_card: { capabilities: { extensions: [{ uri }] } },
    })
    const id = await caller.delegate(callee.id, 'go')
    await caller.until(id, 'queued')
    await callee.beat()
    expect(await caller.until(id)).toMatchObject({ status: 'completed', result: 'done' })
    expect(new Set(peer.seen.map(({ messageId }) => messageId))).toEqual(new Set([id]))
  })

  it('is bounded: what is lost five times has failed', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response) => void response.destroy())
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url, deduplicates: true })
    const id = await caller.delegate(callee.id, 'go')
    const ended = await eventually(async () => {
      await callee.beat()
      const row = await caller.until(id, 'queued', 'dispatched')
      return row.status === 'failed' ? row : undefined
    })
    expect(ended.error).toContain('sent 5 times')
    expect(peer.seen).toHaveLength(5)
  })
})

describe('idempotency', () => {
  it('B2, B24: the same key gives the same delegation, with how it stands now', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'go', { idempotency_key: 'k' })
    await caller.until(id)
    const again = await caller.call('POST /workspaces/:id/delegate', {
      body: { target_id: callee.id, task: 'go', idempotency_key: 'k' },
    })
    expect(again.status).toBe(200)
    expect(again.body).toEqual({
      delegation_id: id,
      status: 'completed',
      target_id: callee.id,
      idempotent_hit: true,
    })
    expect(peer.seen).toHaveLength(1)
  })

  it('a failed one gives its key back, and another task under a key is refused', async () => {
    const platform = await start()
    const peer = await workspace((seen, response, count) =>
      count === 1 ? json(response, 400, { error: 'no' }) : answer(response, seen.text),
    )
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const first = await caller.delegate(callee.id, 'go', { idempotency_key: 'k' })
    expect(await caller.until(first)).toMatchObject({ status: 'failed', error: 'HTTP 400: no' })
    const second = await caller.delegate(callee.id, 'go', { idempotency_key: 'k' })
    expect(second).not.toBe(first)
    expect(await caller.until(second)).toMatchObject({ status: 'completed' })
    const other = await caller.call('POST /workspaces/:id/delegate', {
      body: { target_id: callee.id, task: 'another', idempotency_key: 'k' },
    })
    expect(other).toMatchObject({ status: 409, body: { code: 'key_reused' } })
  })

  it('keys and ids are their own: another workspace with the same ones is not disturbed', async () => {
    const platform = await start()
    const peer = await workspace()
    const [a, b] = [await enroll(platform.url), await enroll(platform.url)]
    const callee = await enroll(platform.url, { url: peer.url, max_concurrent_tasks: 4 })
    const ids = [
      await a.delegate(callee.id, 'of a', { idempotency_key: 'k' }),
      await b.delegate(callee.id, 'of b', { idempotency_key: 'k' }),
    ]
    expect(await a.until(ids[0]!)).toMatchObject({ result: 'did of a' })
    expect(await b.until(ids[1]!)).toMatchObject({ result: 'did of b' })
    for (const [who, task_] of [
      [a, 'x'],
      [b, 'y'],
    ] as const) {
      const body = { target_id: callee.id, task: task_, delegation_id: 'same' }
      expect(await who.call('POST /workspaces/:id/delegations/record', { body })).toMatchObject({
        status: 202,
      })
    }
  })
})

describe('delegations that a workspace runs itself', () => {
  it('B7: queued is a word of an update, and the drained answer ends the recorded delegation', async () => {
    const platform = await start()
    const hold = gate()
    const peer = await workspace(async (seen, response) => {
      if (seen.text === 'first') await hold.opened
      answer(response, `${seen.text}: ${long}`)
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const first = caller.send(callee.id, 'first')
    await eventually(() => peer.seen[0])
    const record = { target_id: callee.id, task: 'second', delegation_id: 'own-id' }
    const recorded = await caller.call('POST /workspaces/:id/delegations/record', { body: record })
    expect(recorded).toMatchObject({ status: 202, body: { delegation_id: 'own-id', status: 'recorded' } })
    const queued = await caller.send(callee.id, 'second', {}, { metadata: { parent_task_id: 'own-id' } })
    expect(queued).toMatchObject({ status: 202, body: { queued: true, queue_depth: 1 } })
    const update = await caller.call('POST /workspaces/:id/delegations/own-id/update', {
      body: { status: 'queued', error: '', response_preview: '' },
    })
    expect(update).toMatchObject({ status: 200, body: { status: 'queued', delegation_id: 'own-id' } })
    hold.open()
    expect((await first).said).toContain('first')
    expect(await caller.until('own-id')).toMatchObject({ status: 'completed', result: `second: ${long}` })
    const row = await caller.call(`GET /workspaces/${callee.id}/a2a/queue/${queued.body.queue_id}`)
    expect(row.body).toMatchObject({ status: 'completed', attempts: 1 })
    expect(saidIn(row.body.response_body)).toBe(`second: ${long}`)
  })

  it('the first end wins, a repeated one changes nothing, and both are told once', async () => {
    const platform = await start()
    const [caller, callee] = [await enroll(platform.url), await enroll(platform.url)]
    const body = { target_id: callee.id, task: 'x', delegation_id: 'd' }
    await caller.call('POST /workspaces/:id/delegations/record', { body })
    const end = (status: string, text: string) =>
      caller.call('POST /workspaces/:id/delegations/d/update', {
        body: { status, error: text, response_preview: text },
      })
    expect((await end('completed', 'one')).status).toBe(200)
    await end('completed', 'two')
    await end('failed', 'three')
    expect(await caller.until('d')).toMatchObject({ status: 'completed', result: 'one' })
    const { rows } = await caller.call('GET /workspaces/:id/activity?type=delegation')
    expect(rows.map(({ method }) => method)).toEqual(['delegate_result', 'delegate'])
    // B14: what a workspace reports itself names its target, too.
    expect(rows[0]).toMatchObject({ target_id: callee.id, source_id: caller.id, status: 'completed' })
  })

  it('an end from the caller takes what still waits out of the queue', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    await callee.beat({ active_tasks: 1 })
    const id = await caller.delegate(callee.id, 'never mind')
    await caller.until(id, 'queued')
    const body = { status: 'failed', error: 'changed my mind' }
    expect((await caller.call(`POST /workspaces/:id/delegations/${id}/update`, { body })).status).toBe(200)
    await callee.beat({ active_tasks: 0 })
    expect(await caller.until(id)).toMatchObject({ status: 'failed', error: 'changed my mind' })
    const next = await caller.delegate(callee.id, 'this one')
    await caller.until(next)
    expect(peer.seen.map(({ text }) => text)).toEqual(['this one'])
  })
})

it('self-delegation and a target out of reach are refused, and nothing is kept', async () => {
  const platform = await start()
  const caller = await enroll(platform.url)
  const child = await enroll(platform.url, { parent_id: caller.id })
  const foreign = await enroll(platform.url)
  const tries = [
    [caller, caller.id, 400, 'self_delegation'],
    [child, foreign.id, 403, 'not_authorized'],
    [caller, '00000000-0000-4000-8000-000000000000', 404, 'not_found'],
    [caller, 'no-uuid', 400, 'invalid_request'],
  ] as const
  for (const [who, target_id, status, code] of tries) {
    const reply = await who.call('POST /workspaces/:id/delegate', { body: { target_id, task: 'x' } })
    expect(reply).toMatchObject({ status, body: { code } })
    expect((await who.call('GET /workspaces/:id/delegations')).body).toEqual([])
  }
  expect((await call(platform.url, 'GET /nothing')).body.code).toBe('not_found')
})
