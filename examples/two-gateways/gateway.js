// One gateway: its own ledger, an A2A server for the other one, the other one as a runner, and a host with turns of its own.
// two-gateways.js starts two of them, each as a process, and says by messages what they do.
import { attachHost, createDelegator, moduleRunner, sqliteLedger } from 'hermes-delegate'
import { peerRunner } from 'hermes-delegate/a2a'
import { createA2AServer, createHttpServer } from 'hermes-delegate/a2a/server'
import { traced } from 'hermes-delegate/telemetry'

const { name, ledger, maxUnits, port = 0 } = JSON.parse(process.argv[2])
const worker = moduleRunner(new URL('./worker.js', import.meta.url))

// Until it has routes it answers 503: each gateway has to know where the other one is.
const routes = []
const http = createHttpServer(routes, { tell: console.error })
const address = `http://127.0.0.1:${await http.listen(port, '127.0.0.1')}`

/** @param {{ peer: string, url?: string }} given where the other one is, and where that one finds this one */
async function join({ peer, url = address, ...options }) {
  const delegator = traced(
    await createDelegator({
      ledger: sqliteLedger(ledger),
      maxUnits,
      adopt: true,
      runners: { worker, peer: peerRunner({ url: peer, auth: { tokenEnv: 'PEER_TOKEN' }, ...options }) },
    }),
  )
  const server = await createA2AServer(delegator, {
    card: {
      name,
      description: 'Looks things up.',
      version: '1.0.0',
      skills: [{ id: 'look-up', name: 'Look up', description: 'Heights and lengths.' }],
    },
    url,
    callers: { peer: { token: process.env.TOKEN, runner: worker } },
    tell: console.error,
  })
  routes.push(server.routes)
  // What it has delegated comes back as a turn, and so does a question. What the other one delegates to it never does.
  const host = attachHost(delegator, {
    sessionKey: 'chat',
    coalesce: false,
    isIdle: () => true,
    startTurn(_text, [event]) {
      process.send({ turn: event })
      return 'started'
    },
  })
  return {
    delegator,
    async close() {
      await host.detach()
      await server.stop()
      await http.close()
      await delegator.close()
    },
  }
}

// A gateway without the one that directs it has nothing to do.
process.on('disconnect', () => process.exit())

let gateway
process.on('message', async ({ n, call, given }) => {
  try {
    if (call === 'join') gateway = await join(...given)
    else if (call === 'close') await gateway.close()
    else return process.send({ n, answer: (await gateway.delegator[call](...given)) ?? null })
    process.send({ n, answer: null }, () => call === 'close' && process.disconnect())
  } catch (error) {
    process.send({ n, error: error.message })
  }
})
process.send({ address })
