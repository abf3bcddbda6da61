import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createPeerDirectory, peerRunner, type PeerDirectoryOptions } from '../../src/a2a/peer-runner.js'
import type { PeerDirectory } from '../../src/tools/tools.js'
import { createTools } from '../../src/tools/tools.js'
import { start } from '../e2e/cli-process.js'
import { open, temporaryFolder } from '../runtime/support.js'
import { eventually, quickly, sdkPeer } from './support.js'

async function toolsWithPeer(url: string, given: Partial<PeerDirectoryOptions> = {}) {
  const delegator = await open({ maxUnits: 10 })
  const directory: PeerDirectory = createPeerDirectory({
    delegator,
    peers: {
      painter: peerRunner({ url, ...quickly }),
      gone: peerRunner({ url: 'http://127.0.0.1:9', ...quickly }),
    },
    sessionKey: 's1',
    ...given,
  })
  const tools = createTools({ delegator, sessionKey: 's1', peers: directory })
  return { delegator, call: async (name: string, input: object) => (await tools.call(name, input)).data }
}

describe('the tools of a model, over peers', () => {
  it('list_peers names those that are configured, and which of them are there', async () => {
    const peer = await sdkPeer()
    const { call } = await toolsWithPeer(peer.url)
    expect(await call('list_peers', {})).toMatchObject({
      count: 2,
      peers: [
        { workspace_id: 'painter', name: 'Told agent', status: 'online' },
        { workspace_id: 'gone', status: 'offline' },
      ],
    })
  })

  it('delegate_task with a workspace_id waits for the answer, and nobody is told of it again', async () => {
    const peer = await sdkPeer()
    const { call, delegator } = await toolsWithPeer(peer.url)
    const told = await call('delegate_task', { workspace_id: 'painter', task: 'paint the fence' })
    expect(told).toMatchObject({
      workspace_id: 'painter',
      status: 'completed',
      result: 'did\npaint the fence',
    })
    expect(await delegator.completions.claim({ sessionKey: 's1' })).toEqual([])
    expect(await call('delegate_task', { workspace_id: 'painter', task: 'fail at it' })).toMatchObject({
      error: expect.stringMatching(/^DELEGATION FAILED to painter: it went wrong/) as string,
    })
    expect(await call('delegate_task', { workspace_id: 'nobody', task: 'x' })).toMatchObject({
      error: expect.stringContaining('not found') as string,
    })
  })

  it('B18: check_task_status knows local and remote tasks, each under its own workspace', async () => {
    const peer = await sdkPeer()
    const { call } = await toolsWithPeer(peer.url)
    const { task_id: id } = await call('delegate_task_async', {
      workspace_id: 'painter',
      task: 'wait for it',
    })
    await eventually(() => peer.agent.released.size === 1)
    const asked = { workspace_id: 'painter', task_id: id }
    expect(await call('check_task_status', asked)).toMatchObject({ status: 'in_progress' })
    expect(await call('check_task_status', { workspace_id: 'gone', task_id: id })).toHaveProperty('error')
    peer.agent.release()
    await eventually(async () => (await call('check_task_status', asked))['status'] === 'completed')
    expect(await call('check_task_status', asked)).toMatchObject({ result: 'did\nwait for it' })
  })

  it('another session does not find it', async () => {
    const peer = await sdkPeer()
    let key = 's1'
    const { call } = await toolsWithPeer(peer.url, { sessionKey: () => key })
    const { task_id: id } = await call('delegate_task_async', { workspace_id: 'painter', task: 'paint' })
    key = 's2'
    expect(await call('check_task_status', { workspace_id: 'painter', task_id: id })).toHaveProperty('error')
  })
})

describe('peers in the configuration, by the command line', () => {
  it('are added, listed, pinged, run and removed; the rest of the file stays as it is', async () => {
    const peer = await sdkPeer()
    const folder = temporaryFolder()
    const config = join(folder, 'hermes-delegate.yaml')
    writeFileSync(config, '# mine\nrunners:\n  sh: { builtin: shell } # kept\n')
    const cli = (...args: string[]) => start(['--config', config, ...args], { cwd: folder }).ended
    expect(await cli('peers', 'add', 'painter', peer.url)).toMatchObject({ code: 0 })
    expect(readFileSync(config, 'utf8')).toContain('# mine')
    expect(readFileSync(config, 'utf8')).toContain('# kept')
    expect((await cli('peers', 'add', 'painter', peer.url)).code).toBe(2)
    expect((await cli('peers', 'add', 'other', 'ftp://x')).code).toBe(2)
    const { stdout } = await cli('peers', '--json')
    expect(JSON.parse(stdout)).toMatchObject([{ name: 'painter', state: 'online', version: '1.0' }])
    expect((await cli('peers', 'ping', 'painter')).stdout).toContain('1.0 over JSONRPC')
    expect((await cli('peers', 'ping', 'http://127.0.0.1:9')).code).toBe(1)
    expect((await cli('peers', 'ping', 'nobody')).code).toBe(2)
    expect((await cli('run', '-r', 'painter', 'paint the fence')).stdout).toContain('paint the fence')
    expect((await cli('peers', 'remove', 'painter')).code).toBe(0)
    expect(readFileSync(config, 'utf8')).not.toContain('painter')
    expect(readFileSync(config, 'utf8')).toContain('sh:')
  }, 120_000)
})
