// What a gateway's subagents do for whoever asks, here or elsewhere: look into a small book, ask, or watch until told to stop.
import { setTimeout as sleep } from 'node:timers/promises'
import { defineRunner } from 'hermes-delegate/runner'

const book = {
  'the height of Mont Blanc': '4,806 metres',
  'the length of the Danube': '2,850 kilometres',
}

export default defineRunner(async ({ goal }, ctx) => {
  if (goal === 'keep watch') {
    ctx.progress({ current_tool: 'watch' })
    // It may have been told before it began.
    while (!ctx.signal.aborted) await sleep(1_000, undefined, { signal: ctx.signal }).catch(() => undefined)
    return { status: 'interrupted', summary: 'watched until it was told to stop' }
  }
  const wanted =
    goal === 'the length of a river' ? `the length of the ${await ctx.ask('Which river?')}` : goal
  ctx.progress({ current_tool: `look up ${wanted}` })
  await sleep(200, undefined, { signal: ctx.signal })
  if (book[wanted] === undefined) throw new Error(`there is no page about ${wanted}`)
  return { summary: book[wanted] }
})
