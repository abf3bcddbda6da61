import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { start } from '../e2e/cli-process.js'
import { enroll, eventually, workspace } from '../platform/scene.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-platform-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function run(platform: object, env: Readonly<Record<string, string>> = {}) {
  writeFileSync(join(folder, 'hermes-delegate.yaml'), JSON.stringify({ platform }))
  return start(['serve', '--platform', '--port', '0'], { cwd: folder, env })
}

it('serves until SIGTERM: two workspaces delegate through it, and what is under way may end', async () => {
  const running = run(
    { allow_loopback: true, path: 'own.db', admin_token_env: 'OPERATOR' },
    { OPERATOR: 'operator-operator' },
  )
  const url = await eventually(() => /at (http:\S+)/.exec(running.printed())?.[1])
  let isStopping = false
  const peer = await workspace(async (seen, response) => {
    if (seen.text === 'second') await eventually(() => (isStopping ? true : undefined))
    response.end(JSON.stringify({ result: { parts: [{ kind: 'text', text: `did ${seen.text}` }] } }))
  })
  const caller = await enroll(url, {}, 'operator-operator')
  const callee = await enroll(url, { url: peer.url }, 'operator-operator')
  const ended = await caller.until(await caller.delegate(callee.id, 'first'))
  expect(ended).toMatchObject({ status: 'completed', result: 'did first' })
  const second = caller.send(callee.id, 'second')
  await eventually(() => peer.seen[1])
  running.process.kill('SIGTERM')
  isStopping = true
  expect((await second).said).toBe('did second')
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
  expect(statSync(join(folder, 'own.db')).mode & 0o777).toBe(0o600)
})

it.each([
  ['a token that is not there', { admin_token_env: 'NOBODY' }, 'the variable NOBODY is not set'],
  ['a token that is short', { admin_token_env: 'SHORT' }, '16 characters'],
  ['a door open to others', { host: '0.0.0.0' }, 'adminToken'],
  ['a key that there is not', { prot: 1 }, 'platform.prot'],
  ['a number out of its range', { max_queued: 0 }, 'platform.max_queued'],
])('with %s it does not start, and says so', async (_what, platform, expected) => {
  const { code, stderr } = await run(platform, { SHORT: 'short' }).ended
  expect(code).toBe(2)
  expect(stderr).toContain(expected)
  expect(stderr).not.toMatch(/\n {4}at /)
})
