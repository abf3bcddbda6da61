/** The dialect's own client against this platform, with nothing in between but sockets. */
import { expect, it } from 'vitest'
import { createMolecule } from '../../src/molecule/molecule.js'
import {
  answer,
  atEnd,
  enroll,
  eventually,
  gate,
  json,
  start,
  task,
  workspace,
  type Member,
} from './scene.js'

const long = 'ö'.repeat(2_000)

function client(platformUrl: string, { id, token }: Member) {
  const lost: string[] = []
  const molecule = createMolecule({
    env: { WORKSPACE_AUTH_TOKEN: token },
    platformUrl,
    workspaces: [{ id }],
    pollSeconds: 0.02,
    retryDelaySeconds: 0,
    onMirrorLost: (path, reason) => lost.push(`${path}: ${reason}`),
  })
  atEnd(async () => {
    await molecule.close()
  })
  return { molecule, lost }
}

it.each([
  ['sent by itself', false],
  ['sent by the platform', true],
])('B12: a delegation %s has its whole answer', async (_how, viaPlatform) => {
  const platform = await start()
  const peer = await workspace((seen, response) => answer(response, `${seen.text}: ${long}`))
  const caller = await enroll(platform.url)
  const callee = await enroll(platform.url, { url: peer.url })
  const { molecule } = client(platform.url, caller)
  const answered = await molecule.delegate(callee.id, 'go', { viaPlatform })
  expect(answered).toMatchObject({ ok: true, text: `go: ${long}` })
  expect(peer.seen).toHaveLength(1)
})

it('B1 B7 B13: one that is queued is told by its end, and every mirror is taken', async () => {
  const platform = await start()
  const hold = gate()
  const peer = await workspace(async (seen, response) => {
    if (seen.text === 'first') await hold.opened
    answer(response, `${seen.text}: ${long}`)
  })
  const caller = await enroll(platform.url)
  const callee = await enroll(platform.url, { url: peer.url })
  const { molecule, lost } = client(platform.url, caller)
  const first = molecule.delegate(callee.id, 'first')
  await eventually(() => peer.seen[0])
  const accepted = molecule.delegateAsync(callee.id, 'second')
  if (!accepted.success) throw new Error(accepted.error)
  const status = async (word: string) =>
    eventually(async () => {
      const found = await molecule.checkTaskStatus(accepted.task_id)
      return found['status'] === word ? found : undefined
    })
  await status('queued')
  hold.open()
  expect(await first).toMatchObject({ ok: true })
  expect((await status('completed'))['result']).toBe(`second: ${long}`)
  expect(peer.seen.map(({ text }) => text)).toEqual(['first', 'second'])
  const row = await caller.until(accepted.task_id)
  expect(row).toMatchObject({ status: 'completed', result: `second: ${long}` })
  await molecule.close()
  expect(lost).toEqual([])
})

it('B3: the cause of a failure reaches the caller', async () => {
  const platform = await start()
  const peer = await workspace((_seen, response) => json(response, 200, task('failed', 'the disk is full')))
  const caller = await enroll(platform.url)
  const callee = await enroll(platform.url, { url: peer.url })
  const { molecule } = client(platform.url, caller)
  const answered = await molecule.delegate(callee.id, 'go', { viaPlatform: true })
  expect(answered.ok).toBe(false)
  expect(answered.text).toContain('the disk is full')
})
