/**
 * Networks between two gateways that can be cut and restored. Each has the address where the peer listens, the URL by which
 * it is reached, the one by which it reaches a receiver of pushes, and a command within which the peer is started.
 */
import { execFileSync } from 'node:child_process'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'

/** `drop`: connections break, and new ones break at once. `stall`: they stand, and nothing passes until it is restored. */
async function proxyTo(target, how) {
  const pairs = new Set()
  let isCut = false
  let cutAfter = null

  const server = createServer((near) => {
    if (isCut && how === 'drop') return near.destroy()
    const far = connect(target, '127.0.0.1')
    const pair = [near, far]
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    near.on('data', (data) => {
      far.write(data)
      if (cutAfter === null || !data.includes(cutAfter)) return
      cutAfter = null
      cut()
    })
    far.on('data', (data) => near.write(data))
    if (isCut) for (const socket of pair) socket.pause()
  })

  function cut() {
    isCut = true
    for (const pair of [...pairs])
      for (const socket of pair) how === 'drop' ? socket.resetAndDestroy() : socket.pause()
  }
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut,
    /** As soon as a request with these letters has gone through: what is answered does not come back. */
    cutAfter: (letters) => (cutAfter = letters),
    isCut: () => isCut,
    restore() {
      isCut = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    close() {
      server.close()
      for (const [near] of [...pairs]) near.destroy()
    },
  }
}

const listening = (handler, address) =>
  new Promise((resolve) => {
    const server = createHttpServer(handler)
    server.listen(0, address, () => resolve(server))
  })

/** One proxy in each direction. */
export async function proxyLink(how, port, receiver) {
  const pushes = await listening(receiver, '127.0.0.1')
  const there = await proxyTo(port, how)
  const back = await proxyTo(pushes.address().port, how)
  return {
    name: `proxy that ${how}s`,
    address: '127.0.0.1',
    within: [],
    url: there.url,
    pushUrl: back.url,
    /** Cut in the moment when the message has reached the peer, and before its answer. */
    cutsAtSend: true,
    cutAfter(letters) {
      there.cutAfter(letters)
    },
    isCut() {
      if (there.isCut() && !back.isCut()) back.cut()
      return there.isCut()
    },
    cut() {
      there.cut()
      back.cut()
    },
    restore() {
      there.restore()
      back.restore()
    },
    close() {
      there.close()
      back.close()
      pushes.close()
      pushes.closeAllConnections()
    },
  }
}

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })

/** Two network namespaces with a cable between them: this process's own, and one that the peer is alone in. */
export async function cableLink(port, receiver) {
  const name = `hd${process.pid}`
  const [near, far] = [`${name}n`, `${name}f`]
  const subnet = `10.231.${process.pid % 250}`
  try {
    ip('netns', 'add', name)
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name)
    ip('addr', 'add', `${subnet}.1/30`, 'dev', near)
    ip('link', 'set', near, 'up')
    ip('-n', name, 'addr', 'add', `${subnet}.2/30`, 'dev', far)
    ip('-n', name, 'link', 'set', far, 'up')
  } catch (error) {
    remove(name)
    return { skipped: `no network namespaces: ${String(error.stderr || error.message).trim()}` }
  }
  const pushes = await listening(receiver, `${subnet}.1`)
  let isCut = false
  const turn = (way) => {
    isCut = way === 'down'
    ip('-n', name, 'link', 'set', far, way)
  }
  return {
    name: 'cable between network namespaces',
    address: `${subnet}.2`,
    within: ['ip', 'netns', 'exec', name],
    url: `http://${subnet}.2:${port}`,
    pushUrl: `http://${subnet}.1:${pushes.address().port}`,
    cutsAtSend: false,
    isCut: () => isCut,
    cut: () => turn('down'),
    restore: () => turn('up'),
    close() {
      pushes.close()
      pushes.closeAllConnections()
      remove(name)
    },
  }
}

function remove(name) {
  try {
    // Its end of the cable goes with it, and the other end with that.
    ip('netns', 'del', name)
  } catch {
    // It was never made.
  }
}
