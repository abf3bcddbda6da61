import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { shellRunner, type BatchEvent, type Runner } from '../../src/index.js'
import { fileGate, fixture, idOf, next, open, quick, temporaryFolder } from './support.js'

const text = (path: string): string => readFileSync(path, 'utf8')

describe('the folder of transcripts', () => {
  it('has a manifest and a file for each child as soon as a unit is dispatched, for this user alone', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder }, maxConcurrentChildren: 1 })
    const sessionKey = 'agent:main:cli:dm:local'
    const goals = ['one', 'two']
    const id = idOf(await delegator.dispatchBatch({ goals, sessionKey, runner: quick }))
    const own = join(folder, id)
    await expect.poll(() => statSync(join(own, 'task-1.log')).mode & 0o777).toBe(0o600)
    const manifest: unknown = JSON.parse(text(join(own, 'manifest.json')))
    expect(manifest).toEqual({
      delegation_id: id,
      session_key: sessionKey,
      dispatched_at: expect.any(Number) as number,
      goals,
      transcripts: ['task-0.log', 'task-1.log'],
    })
    expect(statSync(own).mode & 0o777).toBe(0o700)
    expect(statSync(join(own, 'manifest.json')).mode & 0o777).toBe(0o600)
    await delegator.wait(id)
  })

  it('that cannot be made costs the transcripts, and not the unit', async () => {
    const file = join(temporaryFolder(), 'in-the-way')
    writeFileSync(file, '')
    const delegator = await open({ transcripts: { folder: file } })
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: fixture('echo') }))
    expect((await delegator.wait(id)).status).toBe('completed')
  })

  it('P7: that fills up costs lines, and neither the child nor the host', async (context) => {
    const disk = temporaryFolder()
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status !== 0)
      context.skip('mounting is not allowed here')
    onTestFinished(() => void spawnSync('umount', ['-l', disk]))
    const delegator = await open({ transcripts: { folder: join(disk, 'transcripts') } })
    const many: Runner = (task, { log }) => {
      for (let line = 0; line < 20_000; line += 1) log(`line ${line} of ${task.goal}`)
      return { summary: 'all said' }
    }
    const says = shellRunner()
    const goal = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done'
    const tasks = [
      { goal, runner: says },
      { goal, runner: { ...says, placement: 'shared' as const } },
      { goal, runner: { ...says, placement: 'process' as const } },
      { goal: 'a function', runner: many },
    ]
    const id = idOf(await delegator.dispatchBatch({ tasks }))
    const { results } = (await delegator.wait(id)) as BatchEvent
    expect(results.map(({ status, summary }) => [status, summary?.slice(-10)])).toEqual([
      ...Array.from({ length: 3 }, () => ['completed', 'line 20000']),
      ['completed', 'all said'],
    ])
    expect(statfsSync(disk).bavail).toBe(0)
    // The disk is full, and what is said of that is an event, as ever.
    const later = idOf(await delegator.dispatch({ goal: 'echo on a full disk', runner: says }))
    expect(await delegator.wait(later)).toMatchObject({ status: 'completed', summary: 'on a full disk' })
  })

  it('P7: that vanishes under a child comes back with its next line', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder } })
    const [first, second] = [fileGate(), fileGate()]
    const waitFor = (path: string): string => `while [ ! -e ${path} ]; do sleep 0.02; done`
    const goal = `echo before; ${waitFor(first.path)}; echo between; ${waitFor(second.path)}; echo after`
    const seen = (line: string): Promise<unknown> =>
      next(delegator, 'progress', ({ lines }) => lines.some((each) => each.endsWith(line)))
    const [before, between] = [seen('before'), seen('between')]
    const id = idOf(await delegator.dispatch({ goal, runner: shellRunner() }))
    const path = join(folder, id, 'task-0.log')
    await before
    await expect.poll(() => text(path)).toContain('before')
    rmSync(folder, { recursive: true })
    first.open()
    await between
    second.open()
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'before\nbetween\nafter' })
    expect(text(path)).toMatch(/stdout \| between\n.*stdout \| after\n.*final \| end status=completed/)
    expect(text(path)).not.toContain('before')
    expect(statSync(join(folder, id)).mode & 0o777).toBe(0o700)
  })
})
