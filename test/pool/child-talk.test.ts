import { expect, it } from 'vitest'
import { createChildTalk } from '../../src/pool/child-talk.js'
import type { ChildWord } from '../../src/pool/messages.js'

function talkOf() {
  const said: ChildWord[] = []
  return { said, talk: createChildTalk((word) => void said.push(word)) }
}

it.each([
  [{ call: () => 'me' }, 'REQUEST_NOT_PLAIN', 'request.call is a function'],
  ['x'.repeat(1_048_577), 'REQUEST_TOO_LARGE', 'larger than 1048576 characters'],
])('what cannot travel is refused by name, and nothing of it is said', async (payload, code, why) => {
  const { talk, said } = talkOf()
  const error = { name: 'RunnerError', code, message: expect.stringContaining(why) as string }
  await expect(talk.request('any', payload)).rejects.toMatchObject(error)
  expect(said).toEqual([])
})

it('P4: after the end nothing is said, taken, or rejected', async () => {
  const { talk, said } = talkOf()
  const settled: string[] = []
  const note = (promise: Promise<unknown>) =>
    promise.then(
      () => settled.push('resolved'),
      () => settled.push('rejected'),
    )
  void note(talk.request('any', 'before'))
  talk.end()
  void note(talk.request('any', 'after'))
  talk.hear({ type: 'answer', request: 1, value: 'late' })
  talk.hear({ type: 'tell', tell: 1, kind: 'steer', payload: 'late' })
  talk.interrupt('late')
  await new Promise((resolve) => setImmediate(resolve))
  expect(settled).toEqual([])
  expect(said).toHaveLength(1)
})

it('kinds are apart: what is said under one waits for its own taker', () => {
  const { talk, said } = talkOf()
  const heard: unknown[] = []
  talk.hear({ type: 'tell', tell: 1, kind: 'steer', payload: 'left' })
  talk.hear({ type: 'tell', tell: 2, kind: 'other', payload: 1 })
  talk.onTold('other', (payload) => void heard.push(payload))
  expect(heard).toEqual([1])
  expect(said).toEqual([{ type: 'told', tell: 2, taken: true }])
})
