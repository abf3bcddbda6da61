import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../runtime/support.js'
import type { AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import { calls, says } from './scripted-server.js'
import { gone, runAgent, type AgentRun } from './support.js'

async function run(
  command: string,
  terminal: AgentRunnerOptions['terminal'] = {},
  more: object = {},
): Promise<AgentRun & { told: string }> {
  const done = await runAgent([calls(['run_command', { command, ...more }]), says('ok')], {
    toolsets: ['terminal'],
    terminal,
  })
  expect(done.result.summary).toBe('ok')
  return Object.assign(done, { told: done.toolResults(1)[0] ?? '' })
}

describe('the terminal of the agent runner', () => {
  it('runs in the work folder, and shows both streams and how it ended', async () => {
    const { told, workdir } = await run('pwd; echo wrong >&2; exit 3')
    expect(told).toContain('exit code 3')
    expect(told).toContain(realpathSync(workdir))
    expect(told).toContain('wrong')
    expect((await run('true')).told).toBe('(no output)')
  })

  it('a command that is denied is told so, is not run, and asks nobody', async () => {
    const workdir = temporaryFolder()
    const turns = [calls(['run_command', { command: 'touch made; rm -rf x' }]), says('I left it')]
    const done = await runAgent(turns, { toolsets: ['terminal'], workdir })
    expect(done.toolResults(1)[0]).toMatch(/^denied: it deletes recursively\. Nobody can approve it here/)
    expect(existsSync(join(workdir, 'made'))).toBe(false)
    expect(done.result).toMatchObject({ status: 'completed', tool_trace: [{ status: 'error' }] })
    expect((await run('mkdir x && rm -r x && echo gone', { autoApprove: true })).told).toBe('gone')
    expect((await run('echo secret-word', { deny: ['secret-\\w+'] })).told).toMatch(
      /^denied: this host does not allow it/,
    )
  })

  it('its output is bounded, head and tail', async () => {
    const { told } = await run('echo first; yes x | head -c 3000000; echo last')
    expect(told.length).toBeLessThan(31_000)
    expect(told).toMatch(/^first\n/)
    expect(told).toMatch(/characters left out/)
    expect(told).toMatch(/last$/)
  })

  it('it ends after its time, whatever it does about it', async () => {
    const { told } = await run(
      'trap "" TERM; echo begun; while :; do sleep 0.05; done',
      {},
      { timeout_seconds: 1 },
    )
    expect(told).toMatch(/^it was ended after 1 s\nbegun/)
  })

  it('nothing waits for an answer, and no secret of the host is there', async () => {
    process.env['TERMINAL_TEST_SECRET'] = 'x'
    const { told } = await run('read line || echo no input; env', { env: { set: { OWN: 'mine' } } })
    expect(told).toContain('no input')
    expect(told).toContain('GIT_TERMINAL_PROMPT=0')
    expect(told).toContain('OWN=mine')
    expect(told).not.toContain('TERMINAL_TEST_SECRET')
    expect((await run('env', { env: { pass: ['TERMINAL_TEST_SECRET'] } })).told).toContain(
      'TERMINAL_TEST_SECRET=x',
    )
  })

  it('its parent is not the host: neither a signal nor its environment reaches that', async () => {
    process.env['TERMINAL_TEST_SECRET'] = 'x'
    // Put together where it runs, as a script of the model's would: no list sees it.
    const sneaky = 'p=/proc/$PPID/env; test -e ${p}iron && tr "\\0" "\\n" < ${p}iron'
    const { told } = await run(`${sneaky}; echo parent $PPID`)
    expect(told).not.toContain('TERMINAL_TEST_SECRET')
    expect(told).toMatch(/^parent \d+$/m)
    expect(told).not.toContain(`parent ${process.pid}\n`)
    if (process.platform === 'linux') expect(told).toContain('GIT_TERMINAL_PROMPT=0')
    const { result, told: killed } = await run('k=kill; up=$(printf PP)ID; eval "$k -9 \\$$up"; sleep 60')
    expect(killed).toMatch(/^exit code 137/)
    expect(result.status).toBe('completed')
  })

  it('a command that a signal ends is told as a shell says it, and may tidy up before it goes', async () => {
    expect((await run("/bin/sh -c 'kill -TERM $$'")).told).toMatch(/^exit code 143/)
    const polite = 'trap "echo tidied; exit 0" TERM; echo begun; while :; do sleep 0.05; done'
    expect((await run(polite, {}, { timeout_seconds: 1 })).told).toMatch(
      /^it was ended after 1 s\nbegun[^]*tidied$/,
    )
  })

  it('what it leaves in the background is ended with it', async () => {
    const { told } = await run('sleep 600 & echo $!')
    await gone(Number(told))
  })

  it('a command of too many characters, or with a NUL, is an error of the model', async () => {
    expect((await run('x'.repeat(20_001))).told).toMatch(/Invalid input/)
    expect((await run('echo a\0b')).told).toBe('a command holds no NUL character')
  })
})
