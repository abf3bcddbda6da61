import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { toolPrompt, toolSpecs } from '../../src/tools/tools.js'
import { openTools } from '../tools/support.js'
import { start, type Ended } from './cli-process.js'

let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const tools = (...args: string[]): Promise<Ended> => start(['tools', ...args], { cwd }).ended
const names = toolSpecs.map(({ name }) => name)

it('lists the registry with the limits as they are configured, and opens no ledger', async () => {
  writeFileSync(
    join(cwd, 'hermes-delegate.yaml'),
    'delegation: { max_concurrent_children: 7, max_spawn_depth: 2 }',
  )
  const { code, stdout, stderr } = await tools('--ledger', join(cwd, 'ledger.db'))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [head, ...rows] = stdout.trim().split('\n')
  expect(head).toMatch(/^NAME +SECTION +WHAT IT DOES$/)
  expect(rows.map((row) => row.split(' ')[0])).toEqual(names)
  expect(rows[0]).toContain('at most 7 tasks a call, 3 calls at once, depth 2')
  expect(existsSync(join(cwd, 'ledger.db'))).toBe(false)
})

it('--json and --openai are one line each, of the same tools', async () => {
  const json = JSON.parse((await tools('--json')).stdout) as { name: string; inputSchema: unknown }[]
  expect(json.map(({ name }) => name)).toEqual(names)
  const openai = JSON.parse((await tools('--openai')).stdout) as { function: Record<string, unknown> }[]
  expect(openai.map((each) => each.function['parameters'])).toEqual(
    json.map(({ inputSchema }) => inputSchema),
  )
})

it('--prompt prints the text for a system prompt, in two flavours', async () => {
  const known = await openTools()
  for (const flavour of ['tools', 'shell'] as const)
    expect((await tools('--prompt', flavour)).stdout).toBe(await toolPrompt(known, flavour))
})

it.each([
  [['--prompt', 'poem'], 'Allowed choices are tools, shell'],
  [['--json', '--openai'], 'cannot be used with'],
  [['--openai', '--prompt', 'shell'], 'cannot be used with'],
])('%j exits 2', async (args, words) => {
  const { code, stdout, stderr } = await tools(...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(words)
})

it('an agent that only has a shell can run what it is taught, word by word', async () => {
  const ledger = ['--ledger', join(cwd, 'ledger.db')]
  const { stdout } = await tools('--prompt', 'shell', '-r', 'shell', '--session', 'one chat', ...ledger)
  const taught = [...stdout.matchAll(/`hermes-delegate ([^`]+)`/g)].map(([, command = '']) => command)
  expect(taught.length).toBeGreaterThan(7)
  const [spawn = '', ...others] = taught
  const words = (command: string, id: string): string[] =>
    (command.replace(/ \[.*\]/, '').match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => {
      if (word === '"GOAL"') return 'echo done'
      return word === 'ID' ? id : word.replaceAll("'", '')
    })
  const run = (args: readonly string[]): Promise<Ended> => start([...args, ...ledger], { cwd }).ended
  const begun = await run(words(spawn, ''))
  expect({ code: begun.code, stderr: begun.stderr }).toEqual({ code: 0, stderr: '' })
  const id = begun.stdout.trim()
  for (const command of [`wait ${id}`, ...others]) {
    const { code, stderr } = await run(words(command, id))
    expect({ command, isUsage: code === 2, stderr }).toMatchObject({ isUsage: false })
  }
})
