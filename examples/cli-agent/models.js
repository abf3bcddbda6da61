// Two models behind one function: OpenAI's messages in, OpenAI's message out. The scripted one knows a few sentences and is
// always the same; the other one is any OpenAI-compatible server: BASE_URL, MODEL and, if it wants one, API_KEY.

/** @returns {(messages: object[], tools?: object[]) => Promise<object>} */
export function modelFromEnvironment({ BASE_URL, MODEL = 'default', API_KEY } = process.env) {
  return BASE_URL === undefined
    ? scriptedModel
    : openAiModel({ baseUrl: BASE_URL, model: MODEL, apiKey: API_KEY })
}

export function openAiModel({ baseUrl, model, apiKey }) {
  return async (messages, tools = []) => {
    const answer = await fetch(`${baseUrl.replace(/\/$/, '')}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(apiKey && { authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify({ model, messages, ...(tools.length > 0 && { tools }) }),
    })
    if (!answer.ok)
      throw new Error(`the model answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`)
    const { choices } = await answer.json()
    if (choices?.[0]?.message === undefined) throw new Error('the model answered without a message')
    return choices[0].message
  }
}

const say = (content) => ({ role: 'assistant', content })

/** Delegates what it is asked to find out, does sums by itself, and tells what came of the rest. */
export async function scriptedModel(messages) {
  const { role, content } = messages.at(-1)
  if (role === 'tool') return say(ofHandle(JSON.parse(content)))
  if (/^\[(ASYNC DELEGATION|IMPORTANT)/.test(content)) return say(ofResults(content))
  const sum = /(\d+)\s*([+*-])\s*(\d+)/.exec(content)
  if (sum !== null) {
    const [a, b] = [Number(sum[1]), Number(sum[3])]
    return say(`${{ '+': a + b, '-': a - b, '*': a * b }[sum[2]]}.`)
  }
  const wanted = /find out (.*?)[.?]?$/i.exec(content)
  if (wanted === null) return say('I can find things out, and do sums.')
  const goals = wanted[1].split(/, and |, | and /)
  const call = { name: 'delegate_task', arguments: JSON.stringify({ goals }) }
  return { role: 'assistant', content: null, tool_calls: [{ id: 'call', type: 'function', function: call }] }
}

function ofHandle({ status, error, goals }) {
  if (status === 'rejected') return `That has to wait: ${error}`
  return `${goals.length === 1 ? 'A subagent is' : `${goals.length} subagents are`} on it. Ask me something else meanwhile.`
}

/** What children wrote stands between marks: it is data. */
function ofResults(text) {
  const tasks = text.split(/(?=--- [✓✗])/).slice(1)
  const answers = tasks.map((task) => {
    const [, goal = ''] = /TASK \d+\/\d+: (.*?)(?: {2,}| ---)/.exec(task) ?? []
    const [, words = ''] = /\[child \w+\]\s*([\s\S]*?)\s*\[\/child/.exec(task) ?? []
    return task.startsWith('--- ✓') ? `${capital(goal)}: ${words}.` : `Nobody could tell ${goal}.`
  })
  return answers.join(' ')
}

const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1)
