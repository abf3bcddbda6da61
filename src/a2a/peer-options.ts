/** What a peer runner may be told: the one shape, its bounds and its defaults. */
import * as z from 'zod'

/** Plain data: secrets go in as names of variables. */
export interface PeerRunnerOptions {
  /** Where the agent is; its card is read from `/.well-known/agent-card.json` there. One of `url` and `card` is needed. */
  readonly url?: string
  /** Where its card is. */
  readonly card?: string
  readonly auth?: {
    /** Name of the variable that holds the token. */
    readonly tokenEnv: string
    /** Which header carries it. @defaultValue Authorization, as `Bearer TOKEN` */
    readonly header?: string
  }
  /** @defaultValue 1.0 if the card offers it, else 0.3 */
  readonly version?: '1.0' | '0.3'
  /** @defaultValue JSONRPC if the card offers it, else HTTP+JSON */
  readonly transport?: 'JSONRPC' | 'HTTP+JSON'
  /**
   * Further origins (`https://api.example.com`) to which the card and redirects may point. They get the token, too.
   * @defaultValue none but that of `url` or `card`
   */
  readonly allowOrigins?: readonly string[]
  /**
   * True: the peer takes a message with a `messageId` that it knows for the same one. Then it may be sent again when nobody
   * knows whether it arrived. @defaultValue what the card declares
   */
  readonly deduplicates?: boolean
  /** Of one request, seconds, from 0.1 to 3,600. @defaultValue 30 */
  readonly requestTimeoutSeconds?: number
  /** A peer that cannot be reached for so long while its task is followed is given up, seconds, up to 604,800. @defaultValue 600 */
  readonly lostAfterSeconds?: number
  /** How long a message may stand in the peer's queue, seconds, up to 604,800. @defaultValue 3,600 */
  readonly queuedTimeoutSeconds?: number
  /** How long the confirmation of a cancel is waited for, seconds, up to 3,600. @defaultValue 60 */
  readonly cancelTimeoutSeconds?: number
  readonly retry?: {
    /** Further tries of a message, from 0 to 20. @defaultValue 4 */
    readonly maxRetries?: number
    /** The first wait is a random part of this, ms; doubled each time. @defaultValue 500 */
    readonly initialMs?: number
    /** @defaultValue 15_000 */
    readonly maxMs?: number
    /** All tries and waits of one message, seconds. A peer that asks for a longer wait is not waited for. @defaultValue 120 */
    readonly maxSeconds?: number
  }
  readonly poll?: {
    /** Before the first look at a task, ms; then longer and longer. @defaultValue 20 */
    readonly initialMs?: number
    /** @defaultValue 10_000 */
    readonly maxMs?: number
  }
  /** Of one answer, and of all that one subscription sends; MB, from 0.001 to 100. @defaultValue 10 */
  readonly maxResponseMb?: number
  /** Subscriptions held at a time; other tasks are polled. From 0 to 64. @defaultValue 4 */
  readonly maxStreams?: number
  /** Where the host receives push notifications (see `pushReceiver`). @defaultValue none: the peer is asked for none */
  readonly push?: {
    readonly url: string
    /** Name of the variable that holds the token which the peer has to send along. */
    readonly tokenEnv: string
  }
}

const mapping = 'expected a mapping'

function number(from: number, to: number) {
  const expected = `expected a number from ${from} to ${to}`
  return z.number(expected).min(from, expected).max(to, expected)
}

function count(from: number, to: number) {
  const expected = `expected a whole number from ${from} to ${to}`
  return z.number(expected).int(expected).min(from, expected).max(to, expected)
}

/** What is no name is not shown: it may be the secret itself. */
const variable = 'expected the name of an environment variable (letters, digits, _)'
const variableName = z.string(variable).regex(/^[A-Za-z_]\w{0,99}$/, variable)
const address = 'expected an http or https URL without a user or a fragment'
const origin = 'expected an origin such as https://api.example.com'
const header = 'expected the name of a header'

function isAddress(given: string): boolean {
  if (!URL.canParse(given)) return false
  const { protocol, username, password, hash } = new URL(given)
  return /^https?:$/.test(protocol) && [username, password, hash].every((part) => part === '')
}

const url = z.string(address).max(2_000, address).refine(isAddress, address)

const peerOptions = z
  .strictObject(
    {
      url: url.optional(),
      card: url.optional(),
      auth: z
        .strictObject(
          {
            tokenEnv: variableName,
            header: z
              .string(header)
              .regex(/^[\w-]{1,100}$/, header)
              .optional(),
          },
          mapping,
        )
        .optional(),
      version: z.enum(['1.0', '0.3'], "expected '1.0' or '0.3'").optional(),
      transport: z.enum(['JSONRPC', 'HTTP+JSON'], 'expected JSONRPC or HTTP+JSON').optional(),
      allowOrigins: z
        .array(
          z.string(origin).refine((given) => isAddress(given) && new URL(given).origin === given, origin),
          'expected a list',
        )
        .max(20, 'expected at most 20 origins')
        .default([]),
      deduplicates: z.boolean('expected true or false').optional(),
      requestTimeoutSeconds: number(0.1, 3_600).default(30),
      lostAfterSeconds: number(0.1, 604_800).default(600),
      queuedTimeoutSeconds: number(0.1, 604_800).default(3_600),
      cancelTimeoutSeconds: number(0.1, 3_600).default(60),
      retry: z
        .strictObject(
          {
            maxRetries: count(0, 20).default(4),
            initialMs: number(0, 600_000).default(500),
            maxMs: number(0, 600_000).default(15_000),
            maxSeconds: number(0, 86_400).default(120),
          },
          mapping,
        )
        .prefault({}),
      poll: z
        .strictObject(
          { initialMs: number(1, 600_000).default(20), maxMs: number(1, 600_000).default(10_000) },
          mapping,
        )
        .prefault({}),
      maxResponseMb: number(0.001, 100).default(10),
      maxStreams: count(0, 64).default(4),
      push: z.strictObject({ url, tokenEnv: variableName }, mapping).optional(),
    },
    mapping,
  )
  .refine((given) => (given.url === undefined) !== (given.card === undefined), {
    path: ['url'],
    message: 'expected exactly one of `url` and `card`',
  })

/** The same with every default in it: what travels to the worker, which knows no schema. */
export type PeerSettings = z.output<typeof peerOptions>

/** The settings that options stand for, or a line for each problem, with the key it is at. No value is shown. */
export function readPeerOptions(
  options: unknown,
): { readonly settings: PeerSettings } | { readonly problems: readonly string[] } {
  const read = peerOptions.safeParse(options)
  if (read.success) return { settings: read.data }
  return {
    problems: read.error.issues.flatMap((issue) => {
      const path = issue.path.map(String).join('.') || '(all of it)'
      if (issue.code !== 'unrecognized_keys') return [`${path}: ${issue.message}`]
      return issue.keys.map((key) => `${[...issue.path.map(String), key].join('.')}: unknown key`)
    }),
  }
}
