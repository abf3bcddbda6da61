import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { agentRunner } from '../../src/agent/agent-runner.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { ledgerPath, openOn, startHost, type HostOnLedger } from '../runtime/host-on-ledger.js'
import { temporaryFolder } from '../runtime/support.js'
import { calls, says, serve, staysSilent, type ScriptedServer, type Turn } from './scripted-server.js'
import { quickRetry } from './support.js'

/** A host in a process of its own, whose ledger this process shares, with one child that may be adopted. */
async function startAgent(
  server: ScriptedServer,
  workdir: string,
): Promise<{ readonly host: HostOnLedger; readonly path: string; readonly id: string }> {
  const path = ledgerPath()
  const made = agentRunner(
    { baseUrl: server.url, model: 'm', workdir, retry: quickRetry, prices: { input: 1, output: 1 } },
    { onOwnerDeath: 'adopt' },
  )
  const { export: exported, options, onOwnerDeath } = made
  const host = startHost(path, {
    goals: ['go'],
    file: '../../../dist/agent/agent-child.js',
    export: exported,
    runner: { options, onOwnerDeath },
  })
  const handle = await host.said<{ readonly delegationId: string }>('handle')
  return { host, path, id: handle.delegationId }
}

async function checkpointHas(path: string, text: string): Promise<void> {
  const db = await openSqlite(path)
  const read = (): string =>
    db.sql('SELECT checkpoint FROM children').get<{ checkpoint: string | null }>()?.checkpoint ?? ''
  await expect.poll(read, { timeout: 30_000 }).toContain(text)
  db.close()
}

describe('P5: an agent whose host was killed', () => {
  it('goes on from its last checkpoint in another process: nothing is done twice, nothing that it was told is lost', async () => {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    const appends = calls(['write_file', { path: 'a.txt', content: 'once' }])
    const first: Turn = async (response, request) => {
      await released
      return appends(response, request)
    }
    const server = await serve(first, staysSilent, says('done by another'))
    const workdir = temporaryFolder()
    const { host, path, id } = await startAgent(server, workdir)
    const bystander = await openOn(path)
    await server.received(1)
    expect(await bystander.steer(id, 'look left')).toMatchObject({ status: 'taken' })
    release()
    await server.received(2)
    await checkpointHas(path, 'look left')
    await host.kill()

    const adopter = await openOn(path, { adopt: true })
    const event = await bystander.wait(id)
    await adopter.close()
    expect(event).toMatchObject({
      status: 'completed',
      results: [
        {
          status: 'completed',
          summary: 'done by another',
          api_calls: 2,
          usage: { input_tokens: 200, output_tokens: 20, cost_usd: 0.00022 },
          tool_trace: [{ tool: 'write_file', status: 'ok' }],
        },
      ],
    })
    expect(server.requests).toHaveLength(3)
    // Word for word what the dead one had asked.
    expect(server.requests[2]?.body.messages).toEqual(server.requests[1]?.body.messages)
    expect(JSON.stringify(server.requests[2]?.body.messages)).toContain('look left')
    expect(readFileSync(join(workdir, 'a.txt'), 'utf8')).toBe('once')
  })

  it('one that was killed before its first checkpoint begins anew', async () => {
    const server = await serve(staysSilent, says('begun again'))
    const workdir = temporaryFolder()
    const { host, path, id } = await startAgent(server, workdir)
    await server.received(1)
    await host.kill()
    const adopter = await openOn(path, { adopt: true })
    expect(await adopter.wait(id)).toMatchObject({ results: [{ summary: 'begun again', api_calls: 1 }] })
    expect(existsSync(join(workdir, 'a.txt'))).toBe(false)
  })
})

describe('an agent that goes on from one that has ended', () => {
  it('has its conversation and its last words before the new goal, and an account of its own', async () => {
    const server = await serve(
      calls(['list_files', {}]),
      says('the folder is empty'),
      says('and so it stays'),
    )
    const delegator = await openOn(ledgerPath())
    const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir: temporaryFolder() })
    const first = await delegator.dispatch({ goal: 'look', runner })
    const id = first.status === 'dispatched' ? first.delegationId : ''
    await delegator.wait(id)
    const second = await delegator.dispatch({ goal: 'look again', continueFrom: id })
    expect(await delegator.wait(second.status === 'dispatched' ? second.delegationId : '')).toMatchObject({
      summary: 'and so it stays',
      api_calls: 1,
      usage: { input_tokens: 100, output_tokens: 10 },
    })
    const messages = server.requests[2]?.body.messages ?? []
    expect(messages.map(({ role }) => role)).toEqual([
      ...['system', 'user', 'assistant', 'tool', 'assistant', 'user'],
    ])
    expect(messages.at(-2)?.content).toBe('the folder is empty')
    expect(messages.at(-1)?.content).toContain('look again')
  })
})
