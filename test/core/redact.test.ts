import { readFileSync, readdirSync, statSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact } from '../../src/core/redact.js'
import { growth } from '../support/growth.js'

const root = new URL('../../', import.meta.url)

// Put together here, so that no scanner takes this file for a leak.
const random = 'aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2bC3dE4fG5h'
const secretOf = (prefix: string, length: number): string => prefix + random.slice(0, length)
const webToken = [
  'eyJhbGciOiJIUzI1NiJ9',
  'eyJzdWIiOiIxMjM0NTY3ODkwIn0',
  'dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P',
].join('.')
const keyBorder = (word: string): string => `-----${word} RSA PRIVATE KEY-----`
const keyLine = 'MIIEpAIBAAKCAQEAu5aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/aBcDeFgH'
const keyBlock = [keyBorder('BEGIN'), keyLine, keyLine, 'aBcD==', keyBorder('END')].join('\n')

const secrets: readonly (readonly [string, string, string])[] = [
  ['anthropic-key', 'an Anthropic key', secretOf('sk-ant-api03-', 40)],
  ['openai-key', 'an OpenAI key', secretOf('sk-', 44)],
  ['openai-key', 'an OpenAI project key', secretOf('sk-proj-', 40)],
  ['github-token', 'a GitHub token', secretOf('ghp_', 36)],
  ['github-token', 'a GitHub OAuth token', secretOf('gho_', 36)],
  ['github-token', 'a GitHub app token', secretOf('ghs_', 36)],
  ['github-token', 'a fine-grained GitHub token', secretOf('github_pat_', 22) + '_' + random],
  ['gitlab-token', 'a GitLab token', secretOf('glpat-', 20)],
  ['slack-token', 'a Slack token', `xoxb-123456789012-${random}`],
  ['aws-key-id', 'an AWS key id', 'AKIA' + 'Q3EGZ7LNX2WVT5KD'],
  ['aws-key-id', 'a temporary AWS key id', 'ASIA' + 'QAEGZBLNXCWVTDKF'],
  ['google-key', 'a Google key', secretOf('AIza', 35)],
  ['stripe-key', 'a Stripe key', secretOf('sk_live_', 24)],
  ['stripe-key', 'a restricted Stripe key', secretOf('rk_live_', 24)],
  ['npm-token', 'an npm token', secretOf('npm_', 36)],
  ['hf-token', 'a Hugging Face token', secretOf('hf_', 34)],
  ['jwt', 'a JSON web token', webToken],
  ['private-key', 'a private key', keyBlock],
  ['private-key', 'a private key in JSON', keyBlock.replaceAll('\n', String.raw`\n`)],
]

describe('redact replaces', () => {
  it.each(secrets)('by %s: %s', (kind, _what, secret) => {
    for (const [before, after] of [
      ['', ''],
      ['use ', ' now'],
      ['("', '")'],
      ['KEY=', '\n'],
      ['?key=', '&x=1'],
    ] as const) {
      expect(redact(before + secret + after)).toBe(`${before}[REDACTED:${kind}]${after}`)
    }
  })

  it('two secrets side by side, each by its own mark', () => {
    expect(redact(`${secretOf('ghp_', 36)} ${secretOf('npm_', 36)}`)).toBe(
      '[REDACTED:github-token] [REDACTED:npm-token]',
    )
  })

  it('the lines that are there of a private key that was cut off, and nothing after them', () => {
    const text = ['a', keyBorder('BEGIN'), keyLine, keyLine, '', 'and so on'].join('\n')
    expect(redact(text)).toBe('a\n[REDACTED:private-key]\n\nand so on')
  })

  it.each([
    ['Authorization: Bearer a1b2c3d4e5', 'Authorization: Bearer [REDACTED:authorization]'],
    ['authorization: basic dXNlcjpwYXNz', 'authorization: basic [REDACTED:authorization]'],
    ['-H "Authorization: token 0123456789abcdef"', '-H "Authorization: token [REDACTED:authorization]"'],
    [
      `{ 'Authorization': 'Bearer hvs.CAES1aB2cD3eF' }`,
      `{ 'Authorization': 'Bearer [REDACTED:authorization]' }`,
    ],
    [`set('authorization', 'Bearer a1b2c3d4e5')`, `set('authorization', 'Bearer [REDACTED:authorization]')`],
  ])('the credentials of a header: %s', (text, redacted) => expect(redact(text)).toBe(redacted))

  it.each([
    ['postgres://app:hunter2@db/x', 'postgres://app:[REDACTED:url-password]@db/x'],
    ['redis://:s3cr3t@cache:6379', 'redis://:[REDACTED:url-password]@cache:6379'],
    [
      'https://a:b%40c@x and https://d:e:f@y',
      'https://a:[REDACTED:url-password]@x and https://d:[REDACTED:url-password]@y',
    ],
  ])('only the password of a URL: %s', (text, redacted) => expect(redact(text)).toBe(redacted))

  it.each([
    ['password = "hunter22"', 'password = "[REDACTED:secret]"'],
    [`"password": "c0rrect-h0rse"`, `"password": "[REDACTED:secret]"`],
    [String.raw`{\"passwd\":\"Summer2024!\"}`, String.raw`{\"passwd\":\"[REDACTED:secret]\"}`],
    ['DB_PASSWORD=Summer2024!', 'DB_PASSWORD=[REDACTED:secret]'],
    ['api_key: 5d41402abc4b2a76b9719d911017c592', 'api_key: [REDACTED:secret]'],
    [`const apiKey = '9f86d081884c7d65'`, `const apiKey = '[REDACTED:secret]'`],
    ['client_secret=aB3dE5fG7hJ9&x=1', 'client_secret=[REDACTED:secret]&x=1'],
    ['token: 550e8400-e29b-41d4-a716-446655440000', 'token: [REDACTED:secret]'],
    ['APIKEY=aB3dE5fG7hJ9==', 'APIKEY=[REDACTED:secret]'],
    [
      'aws_secret_access_key = ' + 'wJalrXUtnFEMIbK7MDENGabPxRfiCYzZzZzZzZzZ',
      'aws_secret_access_key = [REDACTED:secret]',
    ],
    ['token = "see password=aB3dE5fG7hJ9"', 'token = "see password=[REDACTED:secret]"'],
  ])('the value of an assignment: %s', (text, redacted) => expect(redact(text)).toBe(redacted))
})

describe('redact leaves alone', () => {
  it.each([
    'password = process.env.DB_PASSWORD_2',
    'token: string | undefined',
    'const token = createToken2(options)',
    'const secret = config.secretV2.value',
    'password=<token>',
    'token=${TOKEN}',
    'token: "{{vault_pw1}}"',
    'API_KEY=xxxxxxxxxxxx1',
    'api_key: "your-api-key-1"',
    'token: "GITHUB_TOKEN_2"',
    'token=$GITHUB_TOKEN_2',
    'secret: "session-token-v2"',
    'const SECRET = "AES-256-GCM"',
    'password: z.string().min(12)',
    'token = accessToken2',
    'type Token = Token$1;',
    'token: ClosingBraceToken$1',
    'private_key: ./certs/key1.pem',
    'PWD=/tmp/build-3f2a9c1e/x',
    'maxTokens = 12345678',
    'password: 12345678',
    'password: *default1',
    'new Uint8Array(32)',
    'Authorization: Bearer <token>',
    'Authorization: Bearer ${token}',
    'Authorization: Bearer accessTokenValue',
    'Authorization: Basic credentials',
    'https://user:pass@host/x',
    'https://user:${PASSWORD}@host/x',
    'http://localhost:8080/a@b',
    'task-550e8400-e29b-41d4-a716-446655440000',
    'sk-some-long-kebab-case-identifier-2',
    `ghp_${'x'.repeat(36)}`,
    `AKIA${'X'.repeat(16)}`,
    'Authorization: Bearer process.env.TOKEN_2',
    'Authorization: Bearer config.token2',
    'token="a1b2c3[REDACTED:jwt]"',
    'deleg_0123456789abcdef0123',
    'sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==',
    keyBorder('BEGIN') + ' is the first line of a key and ' + keyBorder('END') + ' its last',
  ])('%s', (text) => expect(redact(text)).toBe(text))

  const configuration = readdirSync(root).filter((name) => /\.(?:[jt]s|json|ya?ml)$|^\.\w/.test(name))
  const sources = ['src', 'scripts', 'bin'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true }).map((name) => `${folder}/${String(name)}`),
  )
  const files = [...configuration, ...sources].filter((name) => statSync(new URL(name, root)).isFile())

  it('the sources and configuration of this repository', () => {
    expect(files.length).toBeGreaterThan(15)
    for (const file of files) {
      const text = readFileSync(new URL(file, root), 'utf8')
      expect(redact(text), file).toBe(text)
    }
  })
})

describe('redact', () => {
  const piece = fc.oneof(
    fc.constantFrom(...secrets.map(([, , secret]) => secret)),
    fc.constantFrom(
      keyBorder('BEGIN'),
      keyBorder('END'),
      keyLine,
      '\n',
      ' ',
      '"',
      "'",
      '`',
      ':',
      '=',
      '\\',
      '@',
      '.',
      '-',
      '_',
    ),
    fc.constantFrom(
      'password',
      'token=',
      'api_key: ',
      'Authorization: Bearer ',
      'https://u:',
      'aB3dE5fG7hJ9',
      '[',
      ']',
    ),
    fc.constantFrom(
      '[REDACTED:secret]',
      '[REDACTED:',
      'sk-',
      'eyJ',
      'AKIA',
      'ghp_',
      '://',
      'secret',
      'hunter22',
    ),
    fc.string({ maxLength: 12 }),
  )
  const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''))

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(text, (input) => {
        const once = redact(input)
        expect(redact(once)).toBe(once)
      }),
      { numRuns: 5_000 },
    )
  })

  it.each([
    'token=aB3dE5fG7hJ9Authorization: Bearer Authorization: Bearer aB3dE5fG7hJ9',
    'Authorization: Bearer AAtoken=aB3dE5fG7hJ9',
    `${keyBorder('BEGIN')} ${keyBorder('BEGIN')}${keyLine}${keyBorder('END')} ${keyLine}${keyBorder('END')}`,
    [
      keyBorder('BEGIN'),
      keyLine,
      keyBorder('BEGIN'),
      secretOf('sk-', 44),
      keyBorder('BEGIN'),
      keyBorder('END'),
    ].join(''),
  ])('changes nothing the second time, though one secret stands in the way of another: %s', (input) => {
    const once = redact(input)
    expect(once).not.toBe(input)
    expect(redact(once)).toBe(once)
  })

  it.each([
    ...[
      'a',
      'eyJ',
      'eyJa.',
      `${webToken.slice(0, 12)}.`,
      'sk-',
      'sk-a1',
      'ghp_',
      'A',
      'AKIA',
      'token="',
      `token="token='`,
    ],
    ...[
      'password=',
      'password=a1',
      'token: ',
      '://',
      '://u:',
      'a://b:c',
      'Authorization: Bearer ',
      ' ',
      '\\n',
      '"a1b2',
      '=',
    ],
    ...[
      keyBorder('BEGIN'),
      `${keyBorder('BEGIN')}\n${keyLine}`,
      `${keyBorder('BEGIN')}\n`,
      '-----BEGIN A ',
      `${keyLine}\n`,
    ],
  ])('takes time in proportion to a text made of %j', (repeated) => {
    expect(growth(redact, repeated)).toBeLessThan(24)
  })

  it.each(['token="', `${keyBorder('BEGIN')}\n`, 'password=', 'sk-', '://u:', 'Authorization: Bearer '])(
    'takes time in proportion to a long text after %j, and survives it',
    (start) => {
      for (const filler of ['a', 'a1', ' ', `${keyLine}\n`]) {
        expect(growth((body) => redact(start + body), filler)).toBeLessThan(24)
        redact(start + filler.repeat(5_000_000 / filler.length))
      }
    },
  )

  it('reads a megabyte without secrets within 100 ms', () => {
    const prose = 'The parser keeps a cache of the session, see index.ts:12 (https://example.org/a?b=c).\n'
    const large = prose.repeat(12_000)
    redact(large)
    const start = performance.now()
    redact(large)
    expect(performance.now() - start).toBeLessThan(100)
  })
})
