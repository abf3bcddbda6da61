// npm run agent: a chat in a terminal. Type while subagents work; what they find comes in as a new turn of the agent.
import { createInterface, clearLine, cursorTo } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { attachHost, createDelegator, moduleRunner } from 'hermes-delegate'
import { modelFromEnvironment } from './models.js'

const system =
  'You are an agent in a terminal. Use delegate_task for whatever takes long: it comes back at once, and the results come ' +
  'later, as a message of their own. Then end your turn; do not wait, and do not make results up.'

const delegateTask = {
  type: 'function',
  function: {
    name: 'delegate_task',
    description: 'Starts one subagent per goal in the background.',
    parameters: {
      type: 'object',
      properties: { goals: { type: 'array', items: { type: 'string' } } },
      required: ['goals'],
    },
  },
}

/** The tools of a model. `dispatch` takes the session from the turn it is called in. */
export function delegationTools(delegator, milliseconds = 3_000) {
  const runner = moduleRunner(new URL('./subagent.js', import.meta.url), { options: { milliseconds } })
  return {
    specs: [delegateTask],
    async call(name, given, sessionKey) {
      if (name !== 'delegate_task') return { status: 'error', error: `there is no tool ${name}` }
      const { goals } = JSON.parse(given)
      return { ...(await delegator.dispatchBatch({ goals, runner, sessionKey })), goals }
    },
  }
}

/** One turn: the model and its tools, until it has nothing more to call. Adds to `messages`. */
export async function runTurn({ messages, model, tools, sessionKey, show }) {
  for (let step = 0; step < 8; step += 1) {
    const answer = await model(messages, tools.specs)
    messages.push(answer)
    if (answer.content) show('agent', answer.content)
    for (const { id, function: called } of answer.tool_calls ?? []) {
      const result = await tools
        .call(called.name, called.arguments, sessionKey)
        .catch(({ message }) => ({ error: message }))
      messages.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(result) })
    }
    if ((answer.tool_calls ?? []).length === 0) return
  }
}

/** One conversation. `show(kind, text)` prints: `agent`, `result` (what has ended, for the user) and `error`. */
export function createAgent({
  delegator,
  sessionKey,
  model,
  tools = delegationTools(delegator),
  show = () => {},
}) {
  const typed = []
  let messages = [{ role: 'system', content: system }]
  let isBusy = false

  async function turn(text) {
    isBusy = true
    messages.push({ role: 'user', content: text })
    try {
      await runTurn({ messages, model, tools, sessionKey, show })
    } catch (error) {
      show('error', error.message)
    }
    isBusy = false
    // First what the user typed meanwhile; then what has come back.
    const next = typed.shift()
    if (next !== undefined) await turn(next)
    else host.idle()
  }

  const host = attachHost(delegator, {
    sessionKey,
    isIdle: () => !isBusy,
    startTurn(text, events) {
      for (const event of events) show('result', headline(event))
      void turn(text)
      return 'started'
    },
  })

  return {
    say: (text) => (isBusy ? void typed.push(text) : turn(text)),
    /** A new conversation: what the old one waits for is stopped, and told to nobody. */
    async reset() {
      typed.length = 0
      messages = [{ role: 'system', content: system }]
      return delegator.endSession(sessionKey, { reason: '/reset' })
    },
    close: () => host.detach(),
  }
}

/** What a user wants to see of a completion: one line per child. What a child wrote is not printed raw. */
function headline({ goals, goal, results, status }) {
  const ends = results?.map((each) => [goals[each.task_index], each.status]) ?? [[goal, status]]
  const done = ends.filter(([, word]) => word === 'completed').length
  const lines = ends.map(([name, word]) => (word === 'completed' ? `  ✓ ${name}` : `  ✗ ${name} (${word})`))
  return [`${done} of ${ends.length} subagents have an answer`, ...lines].join('\n')
}

/** What a model or a goal says does not steer the terminal. */
const unprintable = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g

/** Prints above the line that is being typed. */
function createScreen(input, output) {
  const paint = (code, text) => (output.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text)
  const lines = createInterface({ input, output, prompt: paint('1;36', 'you › ') })
  return {
    lines,
    show(kind, text) {
      if (output.isTTY) {
        cursorTo(output, 0)
        clearLine(output, 0)
      }
      const heads = { agent: paint('1;32', 'agent › '), result: paint('33', '◆ '), error: paint('31', '✗ ') }
      output.write(`${heads[kind] ?? ''}${text.replace(unprintable, '')}\n`)
      if (output.isTTY) lines.prompt(true)
    },
  }
}

async function main() {
  const delegator = await createDelegator({ maxUnits: 3 })
  const { lines, show } = createScreen(process.stdin, process.stdout)
  const agent = createAgent({ delegator, sessionKey: 'chat', model: modelFromEnvironment(), show })
  const leave = async () => {
    lines.close()
    // A pipe that stays open would keep the process.
    process.stdin.destroy()
    await agent.close()
    await delegator.close()
  }
  show('', 'Type a question; /reset begins anew, /quit leaves.')
  lines.on('SIGINT', leave)
  lines.on('line', async (line) => {
    const text = line.trim()
    if (text === '/quit') return leave()
    if (text === '/reset') {
      const { interrupted } = await agent.reset()
      return show('', `A new conversation. Subagents stopped: ${interrupted.signalled}.`)
    }
    if (text !== '') await agent.say(text)
    if (process.stdout.isTTY) lines.prompt(true)
  })
  // At the end of input nothing is left to do but what is under way: the process ends with it.
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
