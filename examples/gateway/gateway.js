// node examples/gateway/gateway.js: many chats in one process. Each has turns of its own, none waits for another.
import { fileURLToPath } from 'node:url'
import { attachHost, buildSessionKey, createDelegator, parseSessionKey } from 'hermes-delegate'
import { delegationTools, runTurn } from '../cli-agent/agent.js'
import { modelFromEnvironment } from '../cli-agent/models.js'

/** @param send is given the parts of the session's key: platform, chat, thread. */
export function createGateway({ delegator, platform, model, tools = delegationTools(delegator), send }) {
  const chats = new Map()

  function chatOf(sessionKey) {
    if (!chats.has(sessionKey)) chats.set(sessionKey, { messages: [], inbox: [], isBusy: false })
    return chats.get(sessionKey)
  }

  async function turn(sessionKey, text) {
    const chat = chatOf(sessionKey)
    chat.isBusy = true
    chat.messages.push({ role: 'user', content: text })
    const show = (_kind, words) => send(parseSessionKey(sessionKey), words)
    try {
      await runTurn({
        messages: chat.messages,
        model: (...given) => model(...given, sessionKey),
        tools,
        sessionKey,
        show,
      })
    } catch (error) {
      show('error', error.message)
    }
    chat.isBusy = false
    const next = chat.inbox.shift()
    if (next !== undefined) await turn(sessionKey, next)
    else host.idle(sessionKey)
  }

  const host = attachHost(delegator, {
    // A key that names no chat of this platform is nobody's here.
    owns: ({ session_key }) => parseSessionKey(session_key)?.platform === platform && chats.has(session_key),
    isIdle: (sessionKey) => chats.get(sessionKey)?.isBusy === false,
    startTurn(text, _events, sessionKey) {
      void turn(sessionKey, text)
      return 'started'
    },
  })

  return {
    /** A chat is there: what waits for it from before may come. */
    open(sessionKey) {
      chatOf(sessionKey)
      host.idle(sessionKey)
    },
    receive(sessionKey, text) {
      const chat = chatOf(sessionKey)
      return chat.isBusy ? void chat.inbox.push(text) : turn(sessionKey, text)
    },
    async reset(sessionKey) {
      Object.assign(chatOf(sessionKey), { messages: [], inbox: [] })
      return delegator.endSession(sessionKey, { reason: '/reset' })
    },
    close: () => host.detach(),
  }
}

/** A chat service in memory: three people write at the same time; one of them resets, and hears nothing more of it. */
async function main() {
  const delegator = await createDelegator({ maxUnits: 9 })
  const shown = new Map()
  const note = (chatId, line) => shown.set(chatId, [...(shown.get(chatId) ?? []), line])
  const gateway = createGateway({
    delegator,
    platform: 'demo',
    model: modelFromEnvironment(),
    tools: delegationTools(delegator, 500),
    send: ({ chatId }, words) => note(chatId, `  agent › ${words}`),
  })
  const keyOf = (chatId) =>
    buildSessionKey({ agent: 'main', platform: 'demo', chatType: 'dm', chatId, threadId: null })
  const write = (chatId, text) => {
    note(chatId, `  ${chatId} › ${text}`)
    return gateway.receive(keyOf(chatId), text)
  }

  await Promise.all([
    write('ada', 'Find out the height of Mont Blanc and the depth of Lake Baikal.'),
    write('bob', 'Find out the length of the Danube.'),
    write('eve', 'Find out the depth of Lake Baikal.'),
  ])
  await write('bob', 'What is 6 * 7?')
  const { interrupted } = await gateway.reset(keyOf('eve'))
  note('eve', `  (reset; ${interrupted.signalled} subagent was stopped)`)
  await write('eve', 'What is 1 + 1?')

  // Ada and Bob are told, in a turn of their own; Eve is not.
  const isTold = (chatId) => (shown.get(chatId) ?? []).some((line) => /metres/.test(line))
  while (!isTold('ada') || !isTold('bob')) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const [chatId, lines] of [...shown].sort())
    process.stdout.write(`chat with ${chatId}\n${lines.join('\n')}\n`)
  await gateway.close()
  await delegator.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
