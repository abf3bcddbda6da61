import { describe, expect, it } from 'vitest'
import { commandOf } from '../../src/cli/notify.js'

describe('the words of a command', () => {
  it.each([
    ['tell', ['tell']],
    ['  tell   me\tall ', ['tell', 'me', 'all']],
    [`tell 'me all' "of it"`, ['tell', 'me all', 'of it']],
    [`tell --name='a b'c`, ['tell', '--name=a bc']],
    [`tell a\\ b "say \\"hi\\"" '\\n'`, ['tell', 'a b', 'say "hi"', '\\n']],
    [`tell "\\n" ''`, ['tell', '\\n', '']],
    ['tell $HOME; rm -rf * | cat `id`', ['tell', '$HOME;', 'rm', '-rf', '*', '|', 'cat', '`id`']],
  ])('%s', (text, words) => {
    expect(commandOf(text)).toEqual(words)
  })

  it.each(['', '   ', `''`, `tell 'me`, 'tell "me', 'tell me\\'])('%j is none', (text) => {
    expect(() => commandOf(text)).toThrow(expect.objectContaining({ name: 'UsageError' }) as Error)
  })
})
