import { describe, expect, it } from 'vitest'
import { checkedTraceContext, readTraceContext } from '../../src/core/trace-context.js'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('a trace context', () => {
  it('is its three headers, and nothing else of what was given', () => {
    const given = { traceparent, tracestate: 'vendor=1', baggage: 'user=7', other: 'x' }
    expect(checkedTraceContext(given)).toEqual({ traceparent, tracestate: 'vendor=1', baggage: 'user=7' })
  })

  it.each([
    ['no object', 'x'],
    ['no trace parent', {}],
    ['a trace of zeros', { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }],
    ['a span of zeros', { traceparent: `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01` }],
    ['the version that is none', { traceparent: `ff${traceparent.slice(2)}` }],
    ['capital letters', { traceparent: traceparent.toUpperCase() }],
    ['a second line', { traceparent: `${traceparent}\n` }],
    ['a header that would be two', { traceparent, tracestate: 'a=1\r\nX-Evil: 1' }],
    ['a trace state that is too long', { traceparent, tracestate: 'a'.repeat(513) }],
    ['a baggage that is too long', { traceparent, baggage: 'a'.repeat(8_193) }],
  ])('%s is refused', (_name, given) => {
    expect(() => checkedTraceContext(given)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
  })

  it('of a request is what can be used of it', () => {
    const headers = (all: Record<string, string>) => (name: string) => all[name]
    expect(readTraceContext(headers({ traceparent, baggage: 'user=7' }))).toEqual({
      traceparent,
      baggage: 'user=7',
    })
    expect(readTraceContext(headers({ traceparent, tracestate: 'a\nb' }))).toEqual({ traceparent })
    expect(readTraceContext(headers({ traceparent: 'lies' }))).toBeNull()
    expect(readTraceContext(headers({}))).toBeNull()
  })
})
