/** 22. Calls of `check_task_status` over MCP's stdio, beside a server of the bare SDK that answers with as much. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { fixture, interleave, median, ratioOf, report, row } from './lib.js'

const calls = Number(process.env.BENCH_TOTAL ?? 500)
const rounds = 10
const bin = fileURLToPath(new URL('../bin/hermes-delegate.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'bench-mcp-'))

async function connect(args) {
  const client = new Client({ name: 'bench', version: '1' })
  const env = { ...process.env, XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, cwd: folder }))
  return client
}

const own = await connect([bin, '--ledger', join(folder, 'ledger.db'), 'mcp', '-r', 'shell'])
const started = await own.callTool({ name: 'delegate_task', arguments: { goal: 'sleep 600' } })
const task_id = started.structuredContent.delegation_id
const question = { name: 'check_task_status', arguments: { task_id } }
const { structuredContent } = await own.callTool(question)
const bare = await connect([fileURLToPath(fixture('bare-mcp')), JSON.stringify(structuredContent)])

/** Calls a second, with so many under way. */
const rate = (client, inFlight) => async () => {
  const startMs = performance.now()
  let left = calls
  const chain = async () => {
    while (left > 0) {
      left -= 1
      const { structuredContent: data } = await client.callTool(question)
      if (data.status !== 'in_progress') throw new Error(JSON.stringify(data))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, chain))
  return (calls / (performance.now() - startMs)) * 1_000
}

async function rowOf(id, inFlight, how) {
  const [ours, theirs] = [rate(own, inFlight), rate(bare, inFlight)]
  await interleave(2, ours, theirs)
  const figures = await interleave(rounds, ours, theirs)
  return row({
    id,
    what: `MCP over stdio: check_task_status of a unit that runs, ${how}; baseline: the bare SDK`,
    unit: '/s',
    ours: median(figures.ours),
    bare: median(figures.bare),
    ...ratioOf(figures),
    bound: { ratio: { atLeast: 0.7 } },
  })
}

const rows = [await rowOf('22a', 1, 'one after the other'), await rowOf('22b', 16, '16 under way')]
await own.callTool({ name: 'interrupt', arguments: { all: true } })
report(...rows)
process.exit()
