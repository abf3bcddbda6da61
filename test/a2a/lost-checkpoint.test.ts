/** A host that is killed after the peer has named a task, and before its ledger knows the name. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { TaskState } from '@a2a-js/sdk'
import { expect, it, onTestFinished } from 'vitest'
import { peerRunner } from '../../src/a2a/peer-runner.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { ledgerPath, openOn, startHost } from '../runtime/host-on-ledger.js'
import { serving, tokens } from './server/serving.js'
import { eventually, quickly } from './support.js'

process.env['LOST_CHECKPOINT_TOKEN'] = tokens.alice

/** Our own server behind something that sees each call, and may do something before it goes on. */
async function seenServer(before: (method: string) => Promise<void>) {
  const calls: string[] = []
  let target = ''
  const proxy = createServer((request, response) => {
    const pass = async (): Promise<void> => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
      const method = /"method":"(\w+)"/.exec(body)?.[1] ?? ''
      calls.push(method)
      await before(method)
      const { authorization = '', 'a2a-version': version } = request.headers
      const answer = await fetch(`${target}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { authorization, 'content-type': 'application/json', 'a2a-version': String(version) },
        ...(body !== '' && { body }),
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(await answer.text())
    }
    pass().catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    proxy.close()
    proxy.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const server = await serving({ serve: { url } })
  onTestFinished(() => server[Symbol.asyncDispose]())
  target = server.url
  return { url, server, count: (method: string) => calls.filter((each) => each === method).length }
}

/** The id of the delegation, after its host was killed while it followed a task that its ledger did not know of. */
async function killedBeforeCheckpoint(deduplicates: boolean) {
  const path = ledgerPath()
  const ledger = await openSqlite(path)
  onTestFinished(() => ledger.close())
  let isLocked = false
  const peer = await seenServer((method) => {
    // The answer is on its way only when nothing more can be written.
    if (method === 'SendMessage' && !isLocked) {
      ledger.exec('BEGIN IMMEDIATE')
      isLocked = true
    }
    return Promise.resolve()
  })
  const file = join(peer.server.folder, 'go')
  const reference = peerRunner({
    url: peer.url,
    auth: { tokenEnv: 'LOST_CHECKPOINT_TOKEN' },
    deduplicates,
    ...quickly,
    maxStreams: 0,
  })
  const host = startHost(path, {
    goal: `hold ${file}`,
    file: '../../../dist/a2a/peer-child.js',
    export: 'runPeer',
    runner: {
      options: reference.options,
      placement: reference.placement,
      onOwnerDeath: reference.onOwnerDeath,
    },
  })
  const { delegationId: id } = await host.said<{ delegationId: string }>('handle')
  // It looks at the task: so it knows its name.
  await eventually(() => peer.count('GetTask') > 0)
  await host.kill()
  ledger.exec('ROLLBACK')
  const [child] = ledger.sql('SELECT checkpoint FROM children').all<{ checkpoint: string | null }>({})
  expect(child?.checkpoint ?? '').not.toContain('"task_id":"')
  const tasks = async (): Promise<number> => {
    const client = await peer.server.client()
    const listed = await client.listTasks({
      tenant: '',
      contextId: '',
      status: TaskState.TASK_STATE_UNSPECIFIED,
      pageToken: '',
      statusTimestampAfter: undefined,
    })
    return listed.totalSize
  }
  const adopter = await openOn(path, { adopt: true })
  return { id, peer, adopter, tasks, release: () => writeFileSync(file, '') }
}

it('a peer that de-duplicates is sent it again, and goes on with the one task', async () => {
  const { id, peer, adopter, tasks, release } = await killedBeforeCheckpoint(true)
  const end = adopter.wait(id, { timeoutMs: 50_000 })
  await eventually(() => peer.count('SendMessage') === 2)
  release()
  expect(await end).toMatchObject({ status: 'completed', summary: 'held 0' })
  expect(await tasks()).toBe(1)
})

it('another one is not sent it again, and the end is unknown', async () => {
  const { id, peer, adopter, tasks } = await killedBeforeCheckpoint(false)
  expect(await adopter.wait(id, { timeoutMs: 50_000 })).toMatchObject({ status: 'unknown' })
  expect(peer.count('SendMessage')).toBe(1)
  expect(await tasks()).toBe(1)
})
