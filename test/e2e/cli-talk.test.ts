import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { start, until, type Ended } from './cli-process.js'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
  writeFileSync(
    join(cwd, 'asks.mjs'),
    `export default async (task, ctx) => ({ summary: 'was told: ' + (await ctx.ask(task.goal)) })
export async function steered(task, ctx) {
  const text = await new Promise((resolve) => {
    ctx.onSteer(resolve)
    ctx.ask('where to?')
  })
  return { summary: 'went ' + text }
}
export const counts = (task, ctx) => {
  const at = (ctx.resumeFrom ?? 0) + 1
  ctx.checkpoint(at)
  return { summary: task.goal + ' ' + at + ' ' + (task.continued?.summary ?? '') }
}
`,
  )
  writeFileSync(
    join(cwd, 'hermes-delegate.yaml'),
    'runners:\n  steered: { module: ./asks.mjs, export: steered }\n  counts: { module: ./asks.mjs, export: counts }\n',
  )
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const run = (...args: readonly string[]): Promise<Ended> => start(args, { cwd }).ended
/** A unit that asks, with its id; its own process tells of its questions on standard error. */
async function asking(count: number, ...args: readonly string[]) {
  const running = start(['run', ...args], { cwd })
  let errors = ''
  running.process.stderr?.on('data', (text: string) => (errors += text))
  await until(() => errors.split('\n').filter((line) => line.includes(' asks: ')).length === count)
  const id = /answer (deleg_\w+)/.exec(errors)?.[1] ?? ''
  return { ...running, id, errors }
}

describe('answer', () => {
  it('from another process answers what run tells of, and run prints what came of it', async () => {
    const { id, errors, ended } = await asking(1, '-r', './asks.mjs', 'tea?')
    expect(errors).toContain(`1/1 asks: tea? (answer: hermes-delegate answer ${id} --question ask-1 "...")`)
    const shown = await run('show', id)
    expect(shown.stdout).toContain('input_required')
    expect(shown.stdout).toContain('task 1 asks: tea?')
    expect(await run('answer', id, 'with milk')).toMatchObject({ code: 0, stdout: 'answered task 1\n' })
    expect(await ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('was told: with milk') as string,
    })
    expect(await run('answer', id, 'more')).toMatchObject({ code: 1, stdout: 'nobody waits for an answer\n' })
    // Nothing of it is left for a drain.
    expect((await run('drain', '--all')).stdout).not.toContain('QUESTION')
  })

  it('with --json, where nothing else is shown, run tells of a question all the same', async () => {
    const { id, errors, ended } = await asking(1, '--json', '-r', './asks.mjs', 'tea?')
    expect(errors).toContain(`task 1 asks: tea? (answer: hermes-delegate answer ${id}`)
    await run('answer', id, 'yes')
    expect(JSON.parse((await ended).stdout)).toMatchObject({ summary: 'was told: yes' })
  })

  it('of several questions says which there are; --task and --question choose', async () => {
    const { id, ended } = await asking(2, '-r', './asks.mjs', 'tea?', 'milk?')
    const unclear = await run('answer', id, 'yes')
    expect(unclear.code).toBe(1)
    expect(unclear.stdout).toMatch(/--task 1 --question ask-\d: tea\?\n--task 2 --question ask-\d: milk\?\n/)
    const first = await run('answer', id, 'green', '--task', '1', '--json')
    expect(JSON.parse(first.stdout)).toMatchObject({ status: 'answered', delegation_id: id, task_index: 0 })
    expect((await run('answer', id, 'none')).code).toBe(0)
    const { stdout } = await ended
    expect(stdout).toContain('was told: green')
    expect(stdout).toContain('was told: none')
  })

  it('a detached unit asks by a turn on the rail', async () => {
    const { stdout: id } = await run('run', '--detach', '-r', './asks.mjs', '--session', 's', 'tea?')
    const drained = start(['drain', '--session', 's', '--follow'], { cwd })
    await until(() => drained.printed().includes('--- QUESTION ---'))
    expect(drained.printed()).toContain('tea?')
    expect((await run('answer', id.trim(), 'yes')).code).toBe(0)
    await until(() => drained.printed().includes('was told: yes'))
    drained.process.kill('SIGINT')
    await drained.ended
  })

  it.each([
    [['answer', 'deleg_never', 'x'], 1, 'no delegation of that id is known'],
    [['answer', 'deleg_never'], 2, "missing required argument 'text'"],
    [['answer', 'deleg_never', 'x', '--task', '0'], 2, 'Expected a whole number from 1 up'],
    [['steer', 'deleg_never', 'x'], 1, 'no delegation of that id is known'],
    [['steer'], 2, "missing required argument 'id'"],
    [['run', '--task', '1', 'x'], 2, '--task needs --continue ID'],
    [['run', '--continue', 'deleg_never', 'x'], 1, 'no delegation of that id is known'],
    [['run', '--continue', 'deleg_never', 'x', 'y'], 2, 'with one goal'],
  ])('%j exits %d and says why', async (args, code, why) => {
    const ended = await run(...args)
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(why)
  })

  it('a task that there is not, and a text over 64 kB, are refused by name', async () => {
    const done = JSON.parse((await run('run', '--json', '-r', 'counts', 'x')).stdout) as {
      delegation_id: string
    }
    const missing = await run('answer', done.delegation_id, 'x', '--task', '2')
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no task 2') as string,
    })
    const long = await run('steer', done.delegation_id, 'x'.repeat(65_537))
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('65537 characters') as string })
  })
})

it('steer reaches a child of another process, and says what came of it', async () => {
  const { id, ended } = await asking(1, '-r', 'steered', 'go')
  expect(await run('steer', id, 'left', '--task', '1')).toMatchObject({ code: 0, stdout: 'task 1: taken\n' })
  expect((await ended).stdout).toContain('went left')
  expect(await run('steer', id, 'right')).toMatchObject({ code: 1, stdout: 'nothing of it runs\n' })
})

it('run --continue goes on with the runner, the checkpoint and the summary of an ended child', async () => {
  const first = JSON.parse((await run('run', '--json', '-r', 'counts', 'a', 'b')).stdout) as {
    delegation_id: string
  }
  const which = await run('run', '--continue', first.delegation_id, 'c')
  expect(which).toMatchObject({ code: 2, stderr: expect.stringContaining('a taskIndex with it') as string })
  const { stdout } = await run('run', '--json', '--continue', first.delegation_id, '--task', '2', 'c')
  const second = JSON.parse(stdout) as { delegation_id: string; summary: string }
  expect(second.summary).toBe('c 2 b 1 ')
  expect((await run('show', second.delegation_id)).stdout).toContain(`from ${first.delegation_id}`)
})

it('run --continue of a live unit is refused', async () => {
  const { id, ended, process } = await asking(1, '-r', './asks.mjs', 'tea?')
  const going = await run('run', '--continue', id, 'go on')
  expect(going).toMatchObject({ code: 2, stderr: expect.stringContaining('still runs') as string })
  process.kill('SIGINT')
  await ended
})
