import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { fileTools } from '../../src/agent/file-tools.js'
import { nameMatcher } from '../../src/agent/glob.js'
import { openWorkFolder } from '../../src/agent/work-folder.js'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

let outside = ''
let folder = ''
let call: (tool: string, input: object) => Promise<string>

beforeEach(async () => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), 'agent-files-')))
  onTestFinished(() => rmSync(outside, { recursive: true, force: true }))
  folder = join(outside, 'work')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  writeFileSync(join(outside, 'secret.txt'), 'the secret')
  writeFileSync(join(folder, 'a.txt'), 'one\ntwo\nthree\n')
  const tools = fileTools(await openWorkFolder(folder))
  call = (name, input) => {
    const tool = tools.find((found) => found.name === name)
    return tool!.run(input, new AbortController().signal)
  }
})

const atSecret: [what: string, path: () => string][] = [
  ['..', () => '../secret.txt'],
  ['.. behind a folder', () => 'sub/../../secret.txt'],
  ['an absolute path', () => join(outside, 'secret.txt')],
  ['a folder whose name begins the same', () => '../work2/secret.txt'],
  ['a link to a file', () => (symlinkSync(join(outside, 'secret.txt'), join(folder, 'link')), 'link')],
  ['a link to a folder', () => (symlinkSync(outside, join(folder, 'way')), 'way/secret.txt')],
  [
    'a link to a link',
    () => {
      symlinkSync(outside, join(folder, 'first'))
      symlinkSync('first', join(folder, 'second'))
      return 'second/secret.txt'
    },
  ],
  ['/proc', () => '/proc/self/environ'],
]

describe('file tools stay in the work folder', () => {
  it.each(atSecret)('reading by %s is refused', async (_what, path) => {
    await expect(call('read_file', { path: path() })).rejects.toThrow(/out(side)? of the work folder/)
  })

  it.each(atSecret)('writing by %s is refused, and changes nothing', async (_what, path) => {
    const given = path()
    await expect(call('write_file', { path: given, content: 'x' })).rejects.toThrow(
      /out(side)? of the work folder/,
    )
    await expect(call('edit_file', { path: given, old_text: 'secret', new_text: 'x' })).rejects.toThrow()
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('the secret')
    expect(readdirSync(outside).sort()).toEqual(['secret.txt', 'work'])
  })

  it('listing and searching do not follow a link out of it', async () => {
    symlinkSync(outside, join(folder, 'way'))
    await expect(call('list_files', { path: 'way' })).rejects.toThrow('out of the work folder')
    await expect(call('search_files', { path: 'way', regex: 'secret' })).rejects.toThrow(
      'out of the work folder',
    )
    expect(await call('search_files', { regex: 'secret' })).toBe('(no match)')
    expect(await call('list_files', { recursive: true })).toBe('a.txt')
  })

  it('a link within it is followed, and stays a link when it is written through', async () => {
    symlinkSync('a.txt', join(folder, 'alias'))
    expect(await call('read_file', { path: 'alias', lines: 1 })).toContain('1\tone')
    await call('write_file', { path: 'alias', content: 'new' })
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('new')
  })

  it('a link to nothing is not written through', async () => {
    symlinkSync(join(outside, 'not-there-yet'), join(folder, 'dangling'))
    await expect(call('write_file', { path: 'dangling', content: 'x' })).rejects.toThrow('a link to nothing')
    await expect(call('write_file', { path: 'dangling/deeper', content: 'x' })).rejects.toThrow(
      'a link to nothing',
    )
    expect(existsSync(join(outside, 'not-there-yet'))).toBe(false)
  })

  it('a work folder that is itself a link is one', async () => {
    symlinkSync(folder, join(outside, 'by-link'))
    const [read] = fileTools(await openWorkFolder(join(outside, 'by-link')))
    const signal = new AbortController().signal
    expect(await read!.run({ path: join(outside, 'by-link/a.txt') }, signal)).toContain('1\tone')
    expect(await read!.run({ path: join(folder, 'a.txt') }, signal)).toContain('1\tone')
  })

  it.each(['.git/hooks/pre-commit', '.GIT/config', 'sub/.git/config'])('%s is not written', async (path) => {
    await expect(call('write_file', { path, content: 'x' })).rejects.toThrow('belongs to git')
    expect(existsSync(join(folder, path))).toBe(false)
  })
})

describe('file tools', () => {
  it('read lines by their numbers', async () => {
    expect(await call('read_file', { path: 'a.txt' })).toBe('1\tone\n2\ttwo\n3\tthree')
    expect(await call('read_file', { path: 'a.txt', from_line: 2, lines: 1 })).toBe('2\ttwo\n(1 more lines)')
    await expect(call('read_file', { path: 'a.txt', from_line: 9 })).rejects.toThrow('a.txt has 3 lines')
    writeFileSync(join(folder, 'empty'), '')
    expect(await call('read_file', { path: 'empty' })).toBe('(the file is empty)')
  })

  it('say what is wrong with a file, without the path of the folder', async () => {
    writeFileSync(join(folder, 'binary'), Buffer.from([1, 0, 2]))
    writeFileSync(join(folder, 'latin1'), Buffer.from([0x66, 0xe4]))
    writeFileSync(join(folder, 'large'), Buffer.alloc(10_000_001, 'x'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    const told: [string, string][] = [
      ['nowhere', 'nowhere: there is no such file or folder'],
      ['a.txt/b', 'a.txt/b: a part of the path is no folder'],
      ['sub', 'sub is no file'],
      ['pipe', 'pipe is no file'],
      ['binary', 'binary is no text'],
      ['latin1', 'latin1 is no text'],
      ['large', 'large has 10000001 bytes, and the most that is read is 10000000'],
      ['a\0b', 'a path holds no NUL character'],
    ]
    for (const [path, message] of told) await expect(call('read_file', { path })).rejects.toThrow(message)
    await expect(call('write_file', { path: 'pipe', content: '' })).rejects.toThrow('pipe is no file')
  })

  it('edit what is there exactly once, as it stands', async () => {
    await call('edit_file', { path: 'a.txt', old_text: 'two', new_text: "$& $1 $' 2" })
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe("one\n$& $1 $' 2\nthree\n")
    await expect(call('edit_file', { path: 'a.txt', old_text: 'four', new_text: '' })).rejects.toThrow(
      'does not hold that text',
    )
    await expect(call('edit_file', { path: 'a.txt', old_text: 'e', new_text: '' })).rejects.toThrow('3 times')
    expect(await call('edit_file', { path: 'a.txt', old_text: 'e', new_text: 'E', replace_all: true })).toBe(
      'replaced 3 in a.txt',
    )
  })

  it('a file that is written anew keeps its mode, and leaves nothing else behind', async () => {
    chmodSync(join(folder, 'a.txt'), 0o755)
    await call('write_file', { path: 'a.txt', content: 'x' })
    expect(statSync(join(folder, 'a.txt')).mode & 0o777).toBe(0o755)
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'sub'])
    await expect(call('write_file', { path: 'sub', content: 'x' })).rejects.toThrow('sub is no file')
  })

  it('list and search, by name and by line', async () => {
    for (const name of ['sub/b.ts', 'sub/c.md', 'node_modules/x.ts', '.git/config']) {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), 'a line\nneedle in it\n')
    }
    expect(await call('list_files', {})).toBe('.git/\na.txt\nnode_modules/\nsub/')
    expect(await call('list_files', { path: 'sub' })).toBe('sub/b.ts\nsub/c.md')
    expect(await call('list_files', { recursive: true, pattern: '*.ts' })).toBe('sub/b.ts')
    expect(await call('search_files', { regex: 'need.e', pattern: '*.md' })).toBe('sub/c.md:2: needle in it')
    expect(await call('search_files', { regex: 'NEEDLE', ignore_case: true, path: 'sub/b.ts' })).toBe(
      'sub/b.ts:2: needle in it',
    )
    await expect(call('search_files', { regex: '(' })).rejects.toThrow('Invalid regular expression')
  })

  it('of very much, some is shown, and how much is missing', async () => {
    for (let index = 0; index < 1_003; index += 1) writeFileSync(join(folder, `sub/${index}`), 'hit\n')
    expect((await call('list_files', { path: 'sub' })).split('\n').at(-1)).toBe('(3 more)')
    const found = (await call('search_files', { regex: 'hit' })).split('\n')
    expect(found).toHaveLength(201)
    expect(found.at(-1)).toBe('(there may be more)')
  })

  it('P7: an expression that would run for ever is ended', async () => {
    writeFileSync(join(folder, 'trap'), `${'a'.repeat(50)}!\n`)
    await expect(call('search_files', { regex: '(a+)+$' })).rejects.toThrow('longer than 5000 ms')
  })
})

describe('nameMatcher', () => {
  const cases: [string | undefined, string, boolean][] = [
    [undefined, 'x', true],
    ['*.ts', 'a/b.ts', true],
    ['*.ts', 'a/b.tsx', false],
    ['src/**/*.ts', 'src/b.ts', true],
    ['src/**/*.ts', 'src/a/b.ts', true],
    ['src/**/*.ts', 'other/a/b.ts', false],
    ['src/*.ts', 'src/a/b.ts', false],
    ['a?c', 'abc', true],
    ['a.c', 'abc', false],
    ['(x)', '(x)', true],
  ]
  it.each(cases)('%s and %s: %s', (pattern, path, fits) => {
    expect(nameMatcher(pattern)(path)).toBe(fits)
  })

  it('refuses what could take for ever', () => {
    expect(() => nameMatcher('*a*a*a*a*a*a*a*')).toThrow('at most 6 stars')
  })
})
