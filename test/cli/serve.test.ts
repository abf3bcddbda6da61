import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { start } from '../e2e/cli-process.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-serve-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function serve(config: object, env: Readonly<Record<string, string>> = {}, ...args: string[]) {
  writeFileSync(join(folder, 'hermes-delegate.yaml'), JSON.stringify(config))
  const { code, stderr } = await start(['serve', ...args], { cwd: folder, env }).ended
  return { code, stderr }
}

const token = 'a-token-of-alice-0123'
const callers = { alice: { token_env: 'ALICE', runner: 'shell' } }

it.each([
  ['nobody who may call', {}, {}, 'serve.callers names nobody who may call'],
  ['a token that is not there', { callers }, {}, 'serve.callers.alice: the variable ALICE is not set'],
  ['a token that is short', { callers }, { ALICE: 'short' }, 'ALICE has fewer than 16 characters'],
  [
    'a runner that there is not',
    { callers: { alice: { token_env: 'ALICE', runner: 'nothing' } } },
    { ALICE: token },
    'there is no runner "nothing"',
  ],
  ['a name with a colon', { callers: { 'a:b': callers.alice } }, { ALICE: token }, "got 'a:b'"],
  [
    'a token that two have',
    { callers: { ...callers, bob: callers.alice } },
    { ALICE: token },
    'these share one: alice, bob',
  ],
  ['a URL that is none', { callers, url: 'here' }, { ALICE: token }, 'serve.url'],
  ['a key that there is not', { callers, tokens: 1 }, { ALICE: token }, 'serve.tokens'],
])('with %s it does not start, and says so', async (_what, given, env, expected) => {
  const { code, stderr } = await serve({ serve: given }, env, '--port', '0')
  expect(code).toBe(2)
  expect(stderr).toContain(expected)
  expect(stderr).not.toMatch(/\n {4}at /)
})

it('with bounds of a caller that are none it does not start, and names each', async () => {
  for (const [max_tasks, max_streams] of [
    [0, 0],
    [1.5, 10_001],
    ['many', -1],
  ]) {
    const alice = { ...callers.alice, max_tasks, max_streams }
    const { code, stderr } = await serve({ serve: { callers: { alice } } }, { ALICE: token }, '--port', '0')
    expect(code).toBe(2)
    for (const key of ['max_tasks', 'max_streams']) expect(stderr).toContain(`serve.callers.alice.${key}`)
  }
})

it('at a port that is taken it does not start', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const { code, stderr } = await serve({ serve: { callers } }, { ALICE: token }, '--port', String(port))
  taken.close()
  expect(code).toBe(2)
  expect(stderr).toContain(`serve cannot listen on 127.0.0.1:${port}`)
})

it.each(['-1', '65536', 'http'])('--port %s is a mistake of the call', async (port) => {
  const { code, stderr } = await serve({}, {}, `--port=${port}`)
  expect(code).toBe(2)
  expect(stderr).toContain('from 0 to 65535')
})
