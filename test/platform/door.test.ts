import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { request, type Server } from 'node:http'
import { expect, it } from 'vitest'
import { call, enroll, start } from './scene.js'

const adminToken = 'operator-operator'

interface Said {
  readonly status: number
  readonly code: string
}

/** With a `Host` of one's own, which `fetch` does not allow. */
function register(url: string, headers: Record<string, string>): Promise<Said> {
  const body = JSON.stringify({ id: randomUUID(), url: 'http://127.0.0.1:9/', agent_card: {} })
  return new Promise((resolve, reject) => {
    const sent = { 'content-type': 'application/json', ...headers }
    const call = request(`${url}/registry/register`, { method: 'POST', headers: sent }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => {
        const { code = '' } = JSON.parse(text) as { code?: string }
        resolve({ status: response.statusCode ?? 0, code })
      })
    })
    call.on('error', reject).end(body)
  })
}

it('a name that a stranger points here is refused; localhost and the public URL are not', async () => {
  const { url } = await start({ publicUrl: 'https://platform.example' })
  const { port } = new URL(url)
  for (const host of ['evil.example', `evil.example:${port}`, '10.0.0.1', 'localhost.evil.example'])
    expect(await register(url, { host })).toEqual({ status: 403, code: 'not_authorized' })
  for (const host of [`127.0.0.1:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, 'platform.example'])
    expect(await register(url, { host })).toMatchObject({ status: 200 })
})

it('one that listens everywhere is reached by any address, and by no foreign name', async () => {
  const { url } = await start({ host: '0.0.0.0', adminToken })
  const authorization = `Bearer ${adminToken}`
  const here = url.replace('0.0.0.0', '127.0.0.1')
  expect(await register(here, { authorization, host: '10.0.0.1:80' })).toMatchObject({ status: 200 })
  expect(await register(here, { authorization, host: 'evil.example' })).toMatchObject({ status: 403 })
})

it('pages of another origin are refused', async () => {
  const { url } = await start({ publicUrl: 'https://platform.example/' })
  for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1', 'http://platform.example'])
    expect(await register(url, { origin })).toEqual({ status: 403, code: 'not_authorized' })
  for (const origin of [url, 'https://platform.example'])
    expect(await register(url, { origin })).toMatchObject({ status: 200 })
})

it('bodies are JSON by their type, which a page may not send unasked', async () => {
  const { url } = await start()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
    expect(await register(url, { 'content-type': type })).toEqual({ status: 415, code: 'media_type' })
  expect(await register(url, { 'content-type': 'Application/JSON; charset=utf-8' })).toMatchObject({
    status: 200,
  })
})

it('the address of the proxy is the configured one', async () => {
  const { url } = await start({ publicUrl: 'https://platform.example' })
  const one = await enroll(url)
  const { body } = await one.call(`GET /registry/discover/${one.id}`, { from: one.id })
  expect(body.url).toBe(`https://platform.example/workspaces/${one.id}/a2a`)
})

it('connections, and the time that a request may take to arrive, are bounded', async () => {
  let server: Server | null = null
  const look = (message: unknown): void => void (server = (message as { server: Server }).server)
  const { url } = await start()
  subscribe('http.server.request.start', look)
  try {
    await call(url, 'GET /registry/nothing')
  } finally {
    unsubscribe('http.server.request.start', look)
  }
  expect(server).toMatchObject({ maxConnections: 4096, headersTimeout: 15_000, requestTimeout: 60_000 })
})
