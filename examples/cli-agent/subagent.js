// A subagent: a runner module, in a thread of its own. With a real model it asks that; else it looks slowly into a small book.
import { setTimeout as sleep } from 'node:timers/promises'
import { defineRunner } from 'hermes-delegate/runner'
import { modelFromEnvironment } from './models.js'

const book = {
  'the height of Mont Blanc': '4,806 metres',
  'the depth of Lake Baikal': '1,642 metres',
  'the length of the Danube': '2,850 kilometres',
}

export default defineRunner(async ({ goal, context }, ctx) => {
  ctx.progress({ current_tool: `look up ${goal}` })
  if (process.env.BASE_URL !== undefined) {
    const model = modelFromEnvironment()
    const { content } = await model([{ role: 'user', content: [context, goal].filter(Boolean).join('\n\n') }])
    return { summary: content, api_calls: 1 }
  }
  await sleep(ctx.options.milliseconds, undefined, { signal: ctx.signal })
  if (book[goal] === undefined) throw new Error(`there is no page about ${goal}`)
  return { summary: book[goal] }
})
