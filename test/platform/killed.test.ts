import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import {
  answer,
  atEnd,
  eventually,
  enroll,
  gate,
  json,
  memberOf,
  newFile,
  task,
  workspace,
  type Member,
} from './scene.js'

const program = fileURLToPath(new URL('../fixtures/platform-process.js', import.meta.url))

interface Running {
  readonly url: string
  kill(): Promise<void>
}

async function run(path: string): Promise<Running> {
  const child: ChildProcess = spawn(process.execPath, [program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  atEnd(() => void child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  return {
    url,
    async kill() {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

const at = ({ url }: Running, { id, token }: Member): Member => memberOf(url, id, token)

it('kill -9 between accept and proxy: what was accepted is sent by the next process, once', async () => {
  const path = newFile()
  const peer = await workspace()
  const first = await run(path)
  const caller = await enroll(first.url)
  const callee = await enroll(first.url, { url: peer.url })
  await callee.beat({ active_tasks: 1 })
  const ids: string[] = []
  for (let n = 0; n < 10; n += 1) ids.push(await caller.delegate(callee.id, `task ${n}`))
  await first.kill()
  expect(peer.seen).toHaveLength(0)

  const second = await run(path)
  const ended = await Promise.all(ids.map((id) => at(second, caller).until(id)))
  expect(ended.map(({ result }) => result)).toEqual(ids.map((_, n) => `did task ${n}`))
  expect(peer.seen.map(({ messageId }) => messageId)).toEqual(ids)
})

it('B25: kill -9 in the middle of a message: one that de-duplicates gets the same one, another none', async () => {
  const path = newFile()
  const peer = await workspace((seen, response, count) =>
    count > 2 ? answer(response, seen.text) : undefined,
  )
  const first = await run(path)
  const caller = await enroll(first.url)
  const knows = await enroll(first.url, { url: peer.url, deduplicates: true })
  const forgets = await enroll(first.url, { url: peer.url })
  const ids = [await caller.delegate(knows.id, 'again'), await caller.delegate(forgets.id, 'never again')]
  await eventually(() => peer.seen[1])
  await first.kill()

  const second = await run(path)
  const again = at(second, caller)
  expect(await again.until(ids[0]!)).toMatchObject({ status: 'completed', result: 'again' })
  const lost = await again.until(ids[1]!)
  expect(lost).toMatchObject({ status: 'failed' })
  expect(lost.error).toContain('may have had the message')
  expect(peer.seen.map(({ messageId }) => messageId).sort()).toEqual([ids[0], ids[0], ids[1]].sort())
})

it('a task that a workspace works on is followed by the next process, and not sent again', async () => {
  const path = newFile()
  const done = gate()
  let isDone = false
  void done.opened.then(() => (isDone = true))
  const peer = await workspace(({ method }, response) => {
    if (method === 'tasks/get' && isDone) json(response, 200, task('completed', 'after all'))
    else json(response, 200, task('working', ''))
  })
  const first = await run(path)
  const caller = await enroll(first.url)
  const callee = await enroll(first.url, { url: peer.url })
  const id = await caller.delegate(callee.id, 'x')
  await caller.until(id, 'in_progress')
  await first.kill()
  done.open()
  const second = await run(path)
  expect(await at(second, caller).until(id)).toMatchObject({ status: 'completed', result: 'after all' })
  expect(peer.seen.filter(({ method }) => method === 'message/send')).toHaveLength(1)
})

it('kill -9 again and again under load: all that was accepted ends, and nothing is done twice', async () => {
  const path = newFile()
  const done = new Map<string, string>()
  let works = 0
  const peer = await workspace((seen, response) => {
    // A workspace that de-duplicates: the same message is the same work, and has the same answer.
    if (!done.has(seen.messageId)) {
      works += 1
      done.set(seen.messageId, `did ${seen.text}`)
    }
    setImmediate(() => answer(response, done.get(seen.messageId)!))
  })
  let running = await run(path)
  const caller = await enroll(running.url)
  const callee = await enroll(running.url, { url: peer.url, deduplicates: true, max_concurrent_tasks: 4 })
  const accepted = new Map<string, string>()
  for (let round = 0; round < 5; round += 1) {
    const here = at(running, caller)
    const seenBefore = peer.seen.length
    const all = Array.from({ length: 20 }, async (_, n) => {
      const text = `task ${round}.${n}`
      const id = await here.delegate(callee.id, text, { idempotency_key: text }).catch(() => null)
      if (id !== null) accepted.set(id, text)
    })
    // In the middle of it, and not at its end: some have been sent, some have only been accepted.
    await eventually(() => (peer.seen.length > seenBefore + 3 * round ? true : undefined))
    await running.kill()
    await Promise.all(all)
    running = await run(path)
  }
  const last = at(running, caller)
  const ended = await eventually(async () => {
    await at(running, callee).beat()
    const { rows } = await last.call('GET /workspaces/:id/delegations?limit=500')
    return rows.every(({ status }) => status === 'completed') ? rows : undefined
  })
  const results = new Map(ended.map(({ delegation_id }) => [delegation_id, done.get(delegation_id)]))
  expect(accepted.size).toBeGreaterThan(5)
  for (const [id, text] of accepted) expect(results.get(id)).toBe(`did ${text}`)
  expect(works).toBe(ended.length)
})

it('two processes cannot have one file', async () => {
  const path = newFile()
  await run(path)
  const { createPlatform } = await import('../../src/platform/platform.js')
  await expect(createPlatform({ path })).rejects.toMatchObject({ code: 'LEDGER_BUSY' })
})
