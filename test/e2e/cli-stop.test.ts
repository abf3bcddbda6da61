import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processesOf, start, uniqueSleep, until, untilFile, besidesTheTree } from './cli-process.js'

let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const path = (name: string): string => join(cwd, name)
const write = (name: string, text: string): void => writeFileSync(path(name), text)
const containing = (text: string): unknown => expect.stringContaining(text)

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops the children, prints what was finished and exits %d', async (signal, code) => {
    write('hermes-delegate.yaml', 'delegation: { max_concurrent_children: 1 }')
    const sleep = uniqueSleep(600)
    const running = start(
      ['run', '-r', 'shell', 'echo finished', `touch started; ${sleep}; true`, 'touch third'],
      { cwd },
    )
    // One at a time: when the second has started, the first has ended.
    await untilFile(path('started'))
    await until(() => processesOf(sleep).length === 1)
    running.process.kill(signal)
    const ended = await running.ended
    expect(ended.code).toBe(code)
    expect(ended.stdout).toMatch(/✓ TASK 1\/3: echo finished .*\nfinished\n/)
    expect(ended.stdout).toMatch(/✗ TASK 2\/3: .*status=interrupted/)
    expect(ended.stdout).toMatch(/✗ TASK 3\/3: .*status=interrupted/)
    expect(processesOf(sleep)).toEqual([])
    expect(() => readFileSync(path('third'))).toThrow()
  })

  it('a second one leaves the children no grace, and what they had is printed all the same', async () => {
    write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 600000 }')
    const sleep = uniqueSleep(600)
    const goal = `trap 'touch asked' TERM; touch started; while :; do ${sleep} & wait; done`
    const running = start(['run', '-r', 'shell', goal], { cwd })
    await untilFile(path('started'))
    running.process.kill('SIGINT')
    await untilFile(path('asked'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stdout: containing('did not stop within 0 s') })
    await until(() => processesOf(sleep).length === 0)
  })

  it('a busy loop does not keep it from ending', async () => {
    write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 200 }')
    write(
      'busy.mjs',
      `import { writeFileSync } from 'node:fs'\nexport default () => { writeFileSync('started', ''); for (;;); }`,
    )
    const running = start(['run', '-r', './busy.mjs', 'spin'], { cwd })
    await untilFile(path('started'))
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({
      code: 130,
      stdout: containing('did not stop within 0.2 s'),
    })
  })

  describe('a child inside a native call, which nobody can stop', () => {
    const sleep = uniqueSleep(600)

    beforeEach(() => {
      write('hermes-delegate.yaml', 'delegation: { interrupt_grace_ms: 200 }')
      write(
        'native.mjs',
        `import { execSync } from 'node:child_process'\nexport default () => { execSync('exec ${sleep}') }`,
      )
    })
    afterEach(() => {
      for (const pid of processesOf(sleep)) process.kill(pid, 'SIGKILL')
    })

    it('does not hold up the exit: the call goes on, and the command is gone', async () => {
      const running = start(['run', '-r', './native.mjs', 'hang'], { cwd })
      await until(() => processesOf(sleep).length === 1)
      running.process.kill('SIGINT')
      const { code, stdout, stderr } = await running.ended
      expect({ code, others: besidesTheTree(stderr) }).toEqual({ code: 130, others: '' })
      expect(stdout).toContain('did not stop within 0.2 s')
      expect(processesOf(sleep)).toHaveLength(1)
    })

    it('nor after a timeout', async () => {
      const { code, stdout } = await start(['run', '-r', './native.mjs', '--timeout', '1', 'hang'], { cwd })
        .ended
      expect(code).toBe(1)
      expect(stdout).toContain('timed out after 1 s')
      expect(processesOf(sleep)).toHaveLength(1)
    })

    it('nor where it reads a FIFO that nobody writes to', async () => {
      execFileSync('mkfifo', [path('fifo')])
      write(
        'fifo.mjs',
        `import { readFileSync, writeFileSync } from 'node:fs'
         export default () => { writeFileSync('started', ''); readFileSync('fifo') }`,
      )
      const running = start(['run', '-r', './fifo.mjs', 'hang'], { cwd })
      await untilFile(path('started'))
      running.process.kill('SIGINT')
      const { code, stdout } = await running.ended
      expect(code).toBe(130)
      expect(stdout).toContain('did not stop within 0.2 s')
    })
  })
})
