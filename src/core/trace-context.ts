/** The trace that a delegation belongs to, as the W3C's headers say it (Trace Context level 2, Baggage). */
import { DelegationError } from './errors.js'
import { isJsonObject, type JsonObject } from './json.js'
import { shownValue } from './shown-value.js'

/** Header values, ready to be sent on. */
export interface TraceContext extends JsonObject {
  /** `00-<trace id>-<span id>-<flags>`. */
  readonly traceparent: string
  /** At most 512 characters. */
  readonly tracestate?: string
  /** At most 8,192 characters. */
  readonly baggage?: string
}

/** Ids of zeros alone are none, and version ff is none. */
const traceparentShape = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const headerValue = /^[\t\x20-\x7e]*$/
const longest = { tracestate: 512, baggage: 8_192 } as const

/** A copy of what belongs to it. @throws {DelegationError} OPTION_INVALID */
export function checkedTraceContext(given: unknown): TraceContext {
  const fail = (facts: JsonObject): never => {
    throw new DelegationError('OPTION_INVALID', facts)
  }
  if (!isJsonObject(given))
    return fail({ traceContext: shownValue(given), expected: 'an object with traceparent' })
  const { traceparent } = given
  if (typeof traceparent !== 'string' || !traceparentShape.test(traceparent))
    return fail({
      traceparent: shownValue(traceparent),
      expected: '00-<32 hex digits>-<16 hex digits>-<2 hex digits>',
    })
  const rest: { tracestate?: string; baggage?: string } = {}
  for (const name of ['tracestate', 'baggage'] as const) {
    const value = given[name]
    if (value === undefined || value === '') continue
    const isFit = typeof value === 'string' && value.length <= longest[name] && headerValue.test(value)
    if (!isFit)
      return fail({
        [name]: shownValue(value),
        expected: `a header value of ${longest[name]} characters at most`,
      })
    rest[name] = value
  }
  return { traceparent, ...rest }
}

/** What a request's headers say, or null where they say nothing that can be used: a stranger's header fails no call. */
export function readTraceContext(header: (name: string) => string | null | undefined): TraceContext | null {
  const given = Object.fromEntries(
    ['traceparent', 'tracestate', 'baggage']
      .map((name) => [name, header(name)] as const)
      .filter(([, value]) => typeof value === 'string'),
  )
  for (const names of [['traceparent', 'tracestate', 'baggage'], ['traceparent']]) {
    try {
      return checkedTraceContext(Object.fromEntries(names.map((name) => [name, given[name]])))
    } catch {
      // Without its companions it may still be one.
    }
  }
  return null
}
