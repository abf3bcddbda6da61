import { readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { shellRunner, type DelegatorEventMap, type SingleEvent } from '../../src/index.js'
import type { RunnerContext, RunnerTask } from '../../src/runner.js'
import shell from '../../src/runners/shell.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'

async function run(goal: string, options: Parameters<typeof shellRunner>[0] = {}): Promise<SingleEvent> {
  const delegator = await open({ spillFolder: temporaryFolder() })
  const id = idOf(await delegator.dispatch({ goal, runner: shellRunner(options) }))
  return (await delegator.wait(id)) as SingleEvent
}

describe('the shell runner', () => {
  it('R21: standard output is the summary of a command that ends with 0', async () => {
    expect(await run('echo one; echo two')).toMatchObject({
      status: 'completed',
      summary: 'one\ntwo',
      error: null,
      exit_reason: 'completed',
    })
    expect(await run('true')).toMatchObject({ status: 'completed', summary: '(no output)' })
  })

  it('P9: another exit code fails, with the tail of standard error', async () => {
    expect(await run('echo so far; for n in $(seq 1 100); do echo line $n >&2; done; exit 3')).toMatchObject({
      status: 'failed',
      summary: 'so far',
      error: ['exit code 3', ...Array.from({ length: 20 }, (_, n) => `line ${n + 81}`)].join('\n'),
      exit_reason: 'error',
    })
  })

  it('P9: a command that is not there, and one that a signal ends, fail with the code of a shell', async () => {
    expect((await run('no-such-command-of-ours')).error).toMatch(/^exit code 127\n.*not found/)
    expect(await run('kill -KILL $$')).toMatchObject({ status: 'failed', error: 'exit code 137' })
  })

  it('P6: interrupted, it keeps what was printed so far', async () => {
    const delegator = await open({ interruptGraceMs: 10_000 })
    const printed = next(
      delegator,
      'progress',
      ({ progress }) => Number(progress?.['output_characters']) >= 10,
    )
    const id = idOf(
      await delegator.dispatch({ goal: 'echo half done; sleep 600; echo never', runner: shellRunner() }),
    )
    await printed
    expect(await delegator.interrupt(id, { reason: 'enough' })).toMatchObject({ signalled: 1, stopped: 1 })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      summary: 'half done',
      error: 'enough',
      exit_reason: 'interrupted',
    })
  })

  const stubborn = `trap '' INT TERM; echo stubborn; sleep 40; sleep 40`
  const isHeard = ({ progress }: DelegatorEventMap['progress'][0]): boolean =>
    Number(progress?.['output_characters']) >= 8

  it.each(['thread', 'process'] as const)(
    'P5, P6: in a %s, a command that ignores the signal is killed before the grace ends: what it printed is kept',
    async (isolation) => {
      const delegator = await open({ isolation })
      const heard = next(delegator, 'progress', isHeard)
      const id = idOf(await delegator.dispatch({ goal: stubborn, runner: shellRunner() }))
      await heard
      const report = await delegator.interrupt(id, { reason: 'enough', graceMs: 4_000 })
      expect(report).toMatchObject({ stopped: 1, escalated: 0 })
      expect(await delegator.wait(id)).toMatchObject({
        status: 'interrupted',
        summary: 'stubborn',
        error: 'enough (it did not end by itself and was killed)',
      })
    },
  )

  it('P5: likewise when its time is over', async () => {
    const delegator = await open({ childTimeoutSeconds: 2, interruptGraceMs: 4_000 })
    const id = idOf(await delegator.dispatch({ goal: stubborn, runner: shellRunner() }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'timeout', summary: 'stubborn' })
  })

  it('P5: a second stop with a shorter grace kills the command sooner', async () => {
    const delegator = await open()
    const heard = next(delegator, 'progress', isHeard)
    const id = idOf(await delegator.dispatch({ goal: stubborn, runner: shellRunner() }))
    await heard
    const stopping = delegator.interrupt(id, { reason: 'enough', graceMs: 600_000 })
    await delegator.interrupt(id, { reason: 'at once', graceMs: 4_000 })
    expect(await stopping).toMatchObject({ stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({
      summary: 'stubborn',
      error: expect.stringMatching(/^enough /) as string,
    })
  })

  it("R11: cwd and env are the options' own, beside the host's environment", async () => {
    const folder = temporaryFolder()
    const event = await run('pwd; echo "$HERMES_TEST_WORD $PATH"', {
      cwd: folder,
      env: { HERMES_TEST_WORD: 'hello' },
    })
    expect(event.summary).toBe(`${realpathSync(folder)}\nhello ${process.env['PATH']}`)
  })

  it('P9: a folder that is not there is what is wrong, and not the shell', async () => {
    const folder = temporaryFolder()
    const failure = (cwd: string) => run('true', { cwd })
    expect(await failure(join(folder, 'gone'))).toMatchObject({
      status: 'failed',
      error: `there is no folder ${join(folder, 'gone')} to work in`,
    })
    writeFileSync(join(folder, 'file'), '', { mode: 0o700 })
    expect(await failure(join(folder, 'file'))).toMatchObject({
      error: `Error: ${join(folder, 'file')} is no folder to work in`,
    })
  })

  it('P9: where there is no POSIX shell it says so', async () => {
    const { platform } = process
    onTestFinished(() => void Object.defineProperty(process, 'platform', { value: platform }))
    Object.defineProperty(process, 'platform', { value: 'win32' })
    const ctx = { options: null } as unknown as RunnerContext<null>
    expect(await shell({ goal: 'true' } as RunnerTask, ctx)).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('needs a POSIX shell') as string,
    })
  })

  it('R11: it reads nothing, and its goal is one shell line, quotes and all', async () => {
    expect(await run(`cat; echo 'a "b"' | tr a-z A-Z && printf '%s' "\$((6 * 7))"`)).toMatchObject({
      summary: 'A "B"\n42',
    })
  })

  it('P10: its transcript has a line per line of output, and only this user may read it', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder: `${folder}/live` } })
    const outcome = await delegator.dispatch({
      goal: 'echo to out; echo to err >&2; echo token=sk-abcdefghijklmnopqrstuvwx1234567890',
      runner: shellRunner(),
    })
    const event = await delegator.wait(idOf(outcome))
    const path = `${folder}/live/${idOf(outcome)}/task-0.log`
    expect(outcome).toMatchObject({ liveTranscripts: { '0': path } })
    expect(event.live_transcripts).toEqual({ '0': path })
    const text = readFileSync(path, 'utf8')
    expect(text).toMatch(/^\d\d:\d\d:\d\d stdout \| to out$/m)
    expect(text).toMatch(/^\d\d:\d\d:\d\d stderr \| to err$/m)
    expect(text).toMatch(/^\d\d:\d\d:\d\d final \| end status=completed exit_reason=completed$/m)
    expect(text).not.toContain('abcdefghijklmnop')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${folder}/live`).mode & 0o777).toBe(0o700)
  })

  it('P7: an endless output keeps its end, and says what was dropped', async () => {
    const event = await run('head -c 30000000 /dev/zero | tr "\\0" x; echo; echo the end')
    expect(event).toMatchObject({ status: 'completed', summary_truncated: true })
    const whole = readFileSync(event.summary_full_path ?? '', 'utf8')
    expect(whole).toMatch(/^\[\d+ characters of earlier output were dropped\]\nx/)
    expect(whole).toMatch(/x\nthe end$/)
  })
})
