import { describe, expect, it } from 'vitest'
import { chunk, event, type Turn } from './scripted-server.js'
import { runAgent } from './support.js'

/** Says all of its answer, and then what it likes about what that took. */
const saysOfTokens =
  (usage: unknown): Turn =>
  (response) => {
    event(response, chunk({ role: 'assistant', content: 'all of the ⛵ answer' }))
    event(response, { ...chunk({}, 'stop'), usage })
    event(response, '[DONE]')
    response.end()
  }

describe('what a server says of tokens', () => {
  it.each([
    { prompt_tokens: 10, completion_tokens: 'NaN' },
    { prompt_tokens: 1e300, completion_tokens: 1e300 },
    { prompt_tokens: -5, completion_tokens: 1 },
    { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 'many' } },
    'a lot',
  ])('%j is no reason to lose the answer, and is not counted', async (usage) => {
    const { result } = await runAgent([saysOfTokens(usage)], { prices: { input: 1, output: 1 } })
    expect(result).toMatchObject({
      status: 'completed',
      summary: 'all of the ⛵ answer',
      usage: { input_tokens: 0, output_tokens: 0, uncounted_calls: 1, cost_usd: 0 },
    })
  })

  it('what can be true is counted, with whatever else a server tells', async () => {
    const usage = { prompt_tokens: 7, completion_tokens: 3, cost: 'free', prompt_tokens_details: null }
    const { result } = await runAgent([saysOfTokens(usage)])
    expect(result).toMatchObject({ status: 'completed', usage: { input_tokens: 7, output_tokens: 3 } })
    expect(result['usage']).not.toHaveProperty('uncounted_calls')
  })
})
