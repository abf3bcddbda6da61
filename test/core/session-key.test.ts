import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildSessionKey, parseSessionKey } from '../../src/core/session-key.js'

const part = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !text.includes(':'))
const parts = fc.record({
  agent: part,
  platform: part,
  chatType: part,
  chatId: part,
  threadId: fc.option(part, { nil: null }),
})

describe('parseSessionKey', () => {
  it.each([
    ['agent:main:telegram:dm:12345:678', 'main', 'telegram', 'dm', '12345', '678'],
    ['agent:main:telegram:group:-100:7', 'main', 'telegram', 'group', '-100', '7'],
    ['agent:main:cli:dm:local', 'main', 'cli', 'dm', 'local', null],
  ])('takes %s apart', (key, agent, platform, chatType, chatId, threadId) => {
    expect(parseSessionKey(key)).toEqual({ agent, platform, chatType, chatId, threadId })
  })

  it.each([
    '',
    'agent',
    'agent:main:cli:dm',
    'agent:main:cli:dm:',
    'agent:main:cli:dm:local:',
    'agent::cli:dm:local',
    'agent:main:cli:dm:local:1:2',
    'Agent:main:cli:dm:local',
    'session:main:cli:dm:local',
    '20260620_101500_ab12cd',
  ])('leaves %j unrouted', (key) => expect(parseSessionKey(key)).toBeNull())

  it('reads every key of the conformance vectors, and builds it again', () => {
    const file = readFileSync(new URL('../conformance/registry.json', import.meta.url), 'utf8')
    const vectors = JSON.parse(file) as { input: { session_key: string } }[]
    const keys = new Set(vectors.map(({ input }) => input.session_key))
    keys.delete('')
    expect(keys.size).toBeGreaterThan(1)
    for (const key of keys) {
      const found = parseSessionKey(key)
      expect(found, key).not.toBeNull()
      expect(buildSessionKey(found!)).toBe(key)
    }
  })

  it('never throws, and gives only what buildSessionKey turns back into the same key', () => {
    const field = fc.constantFrom('agent', 'main', 'cli', '', '-1', ' ')
    const key = fc.oneof(
      fc.string(),
      fc.array(field, { maxLength: 8 }).map((fields) => fields.join(':')),
    )
    fc.assert(
      fc.property(key, (text) => {
        const found = parseSessionKey(text)
        if (found) expect(buildSessionKey(found)).toBe(text)
      }),
    )
  })
})

describe('buildSessionKey', () => {
  it('is the inverse of parseSessionKey', () => {
    fc.assert(
      fc.property(parts, (built) => {
        expect(parseSessionKey(buildSessionKey(built))).toEqual(built)
      }),
    )
  })

  it.each(['agent', 'platform', 'chatType', 'chatId', 'threadId'])(
    'refuses an empty or a divided %s by name',
    (name) => {
      const whole = { agent: 'main', platform: 'cli', chatType: 'dm', chatId: '1', threadId: '2' }
      for (const wrong of ['', 'a:b']) {
        const attempt = (): string => buildSessionKey({ ...whole, [name]: wrong })
        expect(attempt).toThrow(TypeError)
        expect(attempt).toThrow(`\`${name}\``)
      }
    },
  )
})
