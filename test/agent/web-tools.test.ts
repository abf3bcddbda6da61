import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readAgentOptions, type AgentSettings } from '../../src/agent/agent-options.js'
import { pageText } from '../../src/agent/page-text.js'
import { isPublicAddress } from '../../src/core/private-address.js'
import { webTools, type ResolveName } from '../../src/agent/web-tools.js'

async function site(answer: RequestListener): Promise<{ host: string; port: number; hits: string[] }> {
  const hits: string[] = []
  const server = createServer((request, response) => {
    hits.push(`${request.headers.host}${request.url}`)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { host: `127.0.0.1:${port}`, port, hits }
}

function web(options: Partial<AgentSettings['web']> = {}, resolve?: ResolveName) {
  const read = readAgentOptions({ baseUrl: 'http://localhost/v1', web: options })
  if ('problems' in read) throw new Error(read.problems.join())
  const [tool] = webTools(read.settings.web, resolve)
  return (url: string, more: object = {}): Promise<string> =>
    tool!.run({ url, ...more }, new AbortController().signal)
}

describe('fetch_url', () => {
  it('returns the text of a page, and its status', async () => {
    const { host } = await site((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      response.end(
        '<html><head><title>t</title></head><body><h1>Hé</h1><script>alert(1)</script><p>a &amp; b</p></body>',
      )
    })
    expect(await web({ allowPrivateHosts: [host] })(`http://${host}/x`)).toBe(
      `200 http://${host}/x\n\nHé\n\na & b`,
    )
  })

  it('an error page is a page, JSON is text, and an image is neither', async () => {
    const { host } = await site((request, response) => {
      const isImage = request.url === '/i'
      response.writeHead(isImage ? 200 : 404, {
        'content-type': isImage ? 'image/png' : 'application/problem+json',
      })
      response.end('{"a":1}')
    })
    const fetch = web({ allowPrivateHosts: ['127.0.0.1'] })
    expect(await fetch(`http://${host}/`)).toContain('404')
    expect(await fetch(`http://${host}/`)).toContain('{"a":1}')
    await expect(fetch(`http://${host}/i`)).rejects.toThrow('it is no text, but image/png')
  })

  it('a long page is read on with', async () => {
    const { host } = await site((_request, response) => response.end('x'.repeat(29_000) + 'the end'))
    const fetch = web({ allowPrivateHosts: [host] })
    expect(await fetch(`http://${host}/`)).toMatch(/\(7 more characters: from_character 29000\)$/)
    expect(await fetch(`http://${host}/`, { from_character: 29_000 })).toMatch(/\n\nthe end$/)
  })

  it('a page that never ends, or never begins, is left', async () => {
    const endless = await site((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(1_000_000), more)
      }
      more()
    })
    await expect(web({ allowPrivateHosts: [endless.host] })(`http://${endless.host}/`)).rejects.toThrow(
      'longer than 4000000 bytes',
    )
    const silent = await site(() => undefined)
    const options = { allowPrivateHosts: [silent.host], timeoutSeconds: 1 }
    await expect(web(options)(`http://${silent.host}/`)).rejects.toThrow('it took too long')
  })
})

describe('fetch_url keeps out of private networks', () => {
  const addresses = [
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://0.0.0.0/',
    'http://10.1.2.3/',
    'http://172.20.0.1/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://100.100.100.200/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a00:1]/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
  ]

  it.each(addresses)('%s', async (url) => {
    await expect(web()(url)).rejects.toThrow('is a private address')
  })

  it('names are judged by every address they have', async () => {
    const resolve: ResolveName = async (name) =>
      name === 'mixed.example' ? ['93.184.216.34', '10.0.0.1'] : ['127.0.0.1']
    await expect(web({}, resolve)('http://inside.example/')).rejects.toThrow(
      'inside.example is a private address',
    )
    await expect(web({}, resolve)('http://mixed.example/')).rejects.toThrow(
      'mixed.example is a private address',
    )
    await expect(web()('http://localhost/')).rejects.toThrow('localhost is a private address')
  })

  it('a redirect into one is refused, and is not followed', async () => {
    const inside = await site((_request, response) => response.end('secret'))
    const outside = await site(
      (_request, response) => void response.writeHead(302, { location: `http://${inside.host}/` }).end(),
    )
    await expect(web({ allowPrivateHosts: [outside.host] })(`http://${outside.host}/`)).rejects.toThrow(
      'is a private address',
    )
    expect(inside.hits).toEqual([])
  })

  it('the address that was checked is the one that is connected to, whatever the name means later', async () => {
    const there = await site((_request, response) => response.end('here'))
    let looks = 0
    const resolve: ResolveName = async () => [['127.0.0.1'], ['127.0.0.2']][looks++] ?? []
    const fetch = web({ allowPrivateHosts: ['moving.example'] }, resolve)
    expect(await fetch(`http://moving.example:${there.port}/`)).toContain('here')
    expect(looks).toBe(1)
    expect(there.hits).toEqual([`moving.example:${there.port}/`])
  })

  it('redirects are bounded, and may go to another page', async () => {
    const turning = await site((request, response) => {
      const hop = Number(request.url?.slice(1))
      if (hop === 0) response.end('arrived')
      else response.writeHead(302, { location: `/${hop - 1}` }).end()
    })
    const fetch = web({ allowPrivateHosts: [turning.host] })
    expect(await fetch(`http://${turning.host}/5`)).toBe(`200 http://${turning.host}/0\n\narrived`)
    await expect(fetch(`http://${turning.host}/6`)).rejects.toThrow('more than 5 redirects')
  })

  const wrong: [string, string][] = [
    ['nonsense', 'that is no URL'],
    ['file:///etc/passwd', 'file: is neither http nor https'],
    ['ftp://example.com/', 'ftp: is neither http nor https'],
    ['http://user:password@example.com/', 'a URL with a user in it is not fetched'],
    ['http://nothing.invalid/', 'there is no host nothing.invalid'],
  ]
  it.each(wrong)('%s: %s', async (url, message) => {
    await expect(web({}, async () => [])(url)).rejects.toThrow(message)
  })
})

describe('isPublicAddress', () => {
  it.each(['93.184.216.34', '1.1.1.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e'])(
    '%s is',
    (address) => {
      expect(isPublicAddress(address)).toBe(true)
    },
  )
  it.each([
    '',
    'localhost',
    '1.2.3',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '2001:db8::1',
    'ff02::1',
    '::ffff:8.8.8.8',
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

describe('pageText', () => {
  const cases: [html: string, text: string][] = [
    ['plain', 'plain'],
    ['<ul><li>a<li>b</ul>', '- a\n- b'],
    ['<table><tr><td>1</td><td>2</td></tr></table>', '| 1 | 2'],
    ['a<!-- <b>no</b> -->b', 'ab'],
    ['1 < 2 && 3 > 2', '1 < 2 && 3 > 2'],
    ['&#228;&#xe4;&auml;&nbsp;x&#0;', 'ää&auml; x'],
    ['<style>a{}</style>x<svg><text>no</text></svg>', 'x'],
    ['<SCRIPT>x</SCRIPT>y', 'y'],
    ['<script>never closed', ''],
    ['<p', ''],
  ]
  it.each(cases)('%j is %j', (html, text) => {
    expect(pageText(html)).toBe(text)
  })

  it('takes no longer for a page that is made to take long', () => {
    const startedMs = performance.now()
    for (const part of ['<script>', '<!--', '<', '</', '<p ', '&#', '&lt', ' \n '])
      pageText(part.repeat(4_000_000 / part.length))
    expect(performance.now() - startedMs).toBeLessThan(20_000)
  })
})
