/** What becomes of a task elsewhere when the host that follows it, or the peer, is killed. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { deduplicatingExtension } from '../../src/a2a/card.js'
import { peerRunner } from '../../src/a2a/peer-runner.js'
import type { AsyncDelegationEvent } from '../../src/index.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { ledgerPath, openOn, startHost } from '../runtime/host-on-ledger.js'
import { next } from '../runtime/support.js'
import { eventually, openOnPeer, quickly, sdkPeer, start } from './support.js'

/** Another process with one delegation at the peer. */
async function hostAt(url: string, path: string, options: object = {}) {
  const { options: settings, placement, onOwnerDeath } = peerRunner({ url, ...quickly, ...options })
  const host = startHost(path, {
    goal: 'wait for it',
    file: '../../../dist/a2a/peer-child.js',
    export: 'runPeer',
    runner: { options: settings, placement, onOwnerDeath },
  })
  const handle = await host.said<{ delegationId: string }>('handle')
  return { host, id: handle.delegationId }
}

/** The checkpoint of its child, as the ledger has it. */
async function kept(path: string): Promise<string> {
  const db = await openSqlite(path)
  try {
    const [row] = db.sql('SELECT checkpoint FROM children').all<{ checkpoint: string | null }>({})
    return row?.checkpoint ?? ''
  } finally {
    db.close()
  }
}

const adopted = async (path: string, id: string): Promise<AsyncDelegationEvent> => {
  const here = await openOn(path, { adopt: true })
  return here.wait(id, { timeoutMs: 50_000 })
}

describe('B16: the host dies', () => {
  it('an adopter goes on following the task, and sends nothing again', async () => {
    const peer = await sdkPeer()
    const path = ledgerPath()
    const { host, id } = await hostAt(peer.url, path)
    await eventually(async () => (await kept(path)).includes(peer.agent.contexts[0]?.taskId ?? '?'))
    await host.kill()
    const end = adopted(path, id)
    await eventually(() => peer.count('GetTask') > 1)
    peer.agent.release()
    expect(await end).toMatchObject({ status: 'completed', summary: 'did\nwait for it' })
    expect(peer.agent.executed).toEqual([`${id}-0`])
  })

  it('before a task was named: a peer that does not de-duplicate is not sent to again, and the end is unknown', async () => {
    let hold = true
    const peer = await sdkPeer({ intercept: ({ rpc }) => hold && rpc === 'SendMessage' })
    const path = ledgerPath()
    const { host, id } = await hostAt(peer.url, path)
    await eventually(() => peer.count('SendMessage') === 1)
    await host.kill()
    hold = false
    expect(await adopted(path, id)).toMatchObject({ status: 'unknown' })
    expect(peer.count('SendMessage')).toBe(1)
  })

  it('B5: one that does is sent the same messageId again', async () => {
    let hold = true
    const peer = await sdkPeer({
      extensions: [{ uri: deduplicatingExtension }],
      intercept: ({ rpc }) => hold && rpc === 'SendMessage',
    })
    const path = ledgerPath()
    const { host, id } = await hostAt(peer.url, path)
    await eventually(() => peer.count('SendMessage') === 1)
    await host.kill()
    hold = false
    const end = adopted(path, id)
    await eventually(() => peer.agent.released.size === 1)
    peer.agent.release()
    expect(await end).toMatchObject({ status: 'completed' })
    const ids = peer.requests
      .filter(({ rpc }) => rpc === 'SendMessage')
      .map(({ params }) => (params?.['message'] as { messageId: string }).messageId)
    expect(ids).toEqual([`${id}-0`, `${id}-0`])
  })
})

describe('the peer dies', () => {
  it('killed, and started again without its tasks: the task is lost, and told so', async () => {
    const program = fileURLToPath(new URL('../fixtures/a2a/sdk-server.js', import.meta.url))
    const begin = async (options: object) => {
      const server = spawn(process.execPath, [program, JSON.stringify(options)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void server.kill('SIGKILL'))
      for await (const line of createInterface({ input: server.stdout })) return { server, url: line }
      throw new Error('it did not start')
    }
    const first = await begin({})
    const delegator = await openOnPeer(first.url, { lostAfterSeconds: 30 })
    const works = next(delegator, 'progress', ({ progress }) => progress?.['peer_state'] === 'working')
    const id = await start(delegator, 'wait')
    await works
    const gone = new Promise((resolve) => first.server.once('exit', resolve))
    first.server.kill('SIGKILL')
    await gone
    await begin({ port: Number(new URL(first.url).port) })
    expect(await delegator.wait(id)).toMatchObject({ status: 'failed', failure_reason: 'PEER_LOST' })
  })
})
