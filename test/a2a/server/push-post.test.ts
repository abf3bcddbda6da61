import { createServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { postPush, receiverAddress, signature } from '../../../src/a2a/server/push-post.js'
import { waitBeforeRetry } from '../../../src/a2a/server/push-outbox.js'
import { receiver } from './serving.js'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]()
})
const hook = async (statusOf?: (n: number) => number) => {
  const made = await receiver(statusOf)
  open.push(made)
  return made
}
const post = (url: string) => ({ url, headers: {}, body: '{}', timeoutMs: 2_000 })
const publicAddress = '93.184.215.14'

describe('where a push may go', () => {
  it('a name with one private address among public ones is refused', async () => {
    const guard = { allowPrivateHosts: [], resolve: () => Promise.resolve([publicAddress, '10.0.0.1']) }
    await expect(receiverAddress('https://receiver.example/', guard)).rejects.toThrow('has no public address')
    const unknown = { ...guard, resolve: () => Promise.reject(new Error('ENOTFOUND')) }
    const said = (from: typeof guard) => receiverAddress('https://receiver.example/', from).catch(String)
    expect(await said(unknown)).toBe(await said(guard))
    const fine = { ...guard, resolve: () => Promise.resolve([publicAddress]) }
    expect(await receiverAddress('https://receiver.example/', fine)).toBe(publicAddress)
  })

  it('a name that has become private since it was registered is refused at the attempt', async () => {
    const { received, url } = await hook()
    let asked = 0
    const guard = {
      allowPrivateHosts: [],
      resolve: () => Promise.resolve([(asked += 1) === 1 ? publicAddress : '127.0.0.1']),
    }
    const named = url.replace('127.0.0.1', 'receiver.example')
    expect(await receiverAddress(named, guard)).toBe(publicAddress)
    await expect(postPush(post(named), guard)).rejects.toThrow('has no public address')
    expect(received).toEqual([])
  })

  it('the connection goes to the address that was looked at, whatever the name says a moment later', async () => {
    const { received, url } = await hook()
    let asked = 0
    const resolve = () => Promise.resolve([(asked += 1) === 1 ? '127.0.0.1' : '10.0.0.1'])
    await postPush(post(url.replace('127.0.0.1', 'intranet')), { allowPrivateHosts: ['intranet'], resolve })
    expect([received.length, asked]).toEqual([1, 1])
  })

  it('a redirect is no delivery, and is not followed', async () => {
    const target = await hook()
    const server = createServer((_request, response) =>
      response.writeHead(307, { location: target.url }).end(),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const guard = { allowPrivateHosts: ['127.0.0.1'] }
    await expect(postPush(post(`http://127.0.0.1:${port}/`), guard)).rejects.toThrow('it answered 307')
    server.close()
    expect(target.received).toEqual([])
  })

  it('a receiver that says nothing ends with its time', async () => {
    const server = createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const silent = { ...post(`http://127.0.0.1:${port}/`), timeoutMs: 50 }
    await expect(postPush(silent, { allowPrivateHosts: ['127.0.0.1'] })).rejects.toThrow()
    const slow = { allowPrivateHosts: [], resolve: () => new Promise<string[]>(() => undefined) }
    await expect(postPush({ ...silent, url: 'http://receiver.example/' }, slow)).rejects.toThrow()
    server.closeAllConnections()
    server.close()
  })
})

it('waits about twice as long each time, from one second to five minutes', () => {
  const middle = () => 0.5
  expect([0, 1, 3, 7, 1_000].map((age) => waitBeforeRetry(age, middle))).toEqual([1, 1, 3, 7, 300])
  expect(waitBeforeRetry(10, () => 0)).toBe(5)
  expect(waitBeforeRetry(10, () => 0.999)).toBeCloseTo(15, 1)
})

it('a signature covers the time and the body', () => {
  const one = signature('secret', 1_700_000_000.9, '{}')
  expect(one).toMatch(/^t=1700000000,v1=[0-9a-f]{64}$/)
  expect(signature('secret', 1_700_000_001, '{}')).not.toBe(one)
  expect(signature('secret', 1_700_000_000, '{ }').slice(16)).not.toBe(one.slice(16))
  expect(signature('other', 1_700_000_000, '{}').slice(16)).not.toBe(one.slice(16))
})
