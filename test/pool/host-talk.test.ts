import { expect, it } from 'vitest'
import type { ChildRequest } from '../../src/pool/executor.js'
import { createHostTalk } from '../../src/pool/host-talk.js'
import type { HostWord } from '../../src/pool/messages.js'

function talkOf(hasStarted = true) {
  const sent: HostWord[] = []
  const requests: ChildRequest[] = []
  const nothing = (): void => undefined
  const observer = { onStarted: nothing, onActivity: nothing, onEnd: nothing }
  const onRequest = (request: ChildRequest): void => void requests.push(request)
  const talk = createHostTalk({ ...observer, onRequest }, (word) => void sent.push(word), hasStarted)
  return { sent, requests, talk }
}

it('P7: the bound on open requests holds for a child that does not keep it', () => {
  const { talk, requests, sent } = talkOf()
  for (let request = 1; request <= 40; request += 1)
    talk.hear({ type: 'request', request, kind: 'ask', payload: null })
  expect(requests).toHaveLength(32)
  expect(sent).toHaveLength(8)
  expect(sent[0]).toMatchObject({ type: 'fail', request: 33, error: { code: 'REQUESTS_TOO_MANY' } })
})

it('nothing is said before the start, and nothing after the end', () => {
  const { talk, sent, requests } = talkOf(false)
  const taken: boolean[] = []
  const note = (isTaken: boolean): void => void taken.push(isTaken)
  talk.tell('steer', 'early', note)
  expect(sent).toEqual([])
  talk.start()
  expect(sent).toEqual([{ type: 'tell', tell: 1, kind: 'steer', payload: 'early' }])
  talk.hear({ type: 'request', request: 1, kind: 'ask', payload: null })
  talk.end()
  requests[0]?.answer('late')
  talk.tell('steer', 'late', note)
  expect(taken).toEqual([false, false])
  expect(sent).toHaveLength(1)
})
