import { readFileSync, realpathSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { shellRunner, type SingleEvent } from '../../src/index.js'
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

  it('P6: a command that ignores the signal is killed when the grace ends', async () => {
    const delegator = await open()
    const trapped = next(delegator, 'progress', ({ progress }) => Number(progress?.['output_characters']) > 0)
    const goal = "trap '' TERM; echo trapped; while true; do sleep 0.1; done"
    const id = idOf(await delegator.dispatch({ goal, runner: shellRunner() }))
    await trapped
    expect(await delegator.interrupt(id, { graceMs: 200 })).toMatchObject({ escalated: 1 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted' })
  })

  it("R11: cwd and env are the options' own, beside the host's environment", async () => {
    const folder = temporaryFolder()
    const event = await run('pwd; echo "$HERMES_TEST_WORD $PATH"', {
      cwd: folder,
      env: { HERMES_TEST_WORD: 'hello' },
    })
    expect(event.summary).toBe(`${realpathSync(folder)}\nhello ${process.env['PATH']}`)
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
