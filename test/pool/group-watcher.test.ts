import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createGroupWatcher, type GroupWatcher } from '../../src/pool/group-watcher.js'

/** A watcher whose pipe the test can cut, as the end of a host would. */
function cuttable(): { watcher: GroupWatcher; pipes: Socket[] } {
  const pipes: Socket[] = []
  const watcher = createGroupWatcher((start) => {
    const pipe = start()
    if (pipe !== null) pipes.push(pipe)
    return pipe
  })
  return { watcher, pipes }
}

describe('the watcher of process groups', () => {
  const groups: ChildProcess[] = []
  afterEach(() => {
    for (const group of groups.splice(0)) group.kill('SIGKILL')
  })

  function group(): { pid: number; exit: Promise<NodeJS.Signals | null> } {
    const leader = spawn('/bin/sleep', ['60'], { detached: true, stdio: 'ignore' })
    groups.push(leader)
    const exit = new Promise<NodeJS.Signals | null>((resolve) =>
      leader.once('exit', (_code, by) => resolve(by)),
    )
    return { pid: leader.pid ?? 0, exit }
  }

  it('P6: at the end of its pipe it kills all groups but those it was told to forget', async () => {
    const { watcher, pipes } = cuttable()
    const [first, forgotten, last] = [group(), group(), group()]
    for (const { pid } of [first, forgotten, last]) expect(watcher.watch(pid)).toBe(true)
    watcher.forget(forgotten.pid)
    pipes[0]?.destroy()
    expect(await Promise.all([first.exit, last.exit])).toEqual(['SIGKILL', 'SIGKILL'])
    process.kill(forgotten.pid, 'SIGTERM')
    expect(await forgotten.exit).toBe('SIGTERM')
  })

  it('P6: one that was killed is replaced by one that knows all groups', async () => {
    const { watcher, pipes } = cuttable()
    const [early, late] = [group(), group()]
    watcher.watch(early.pid)
    // As if its reader were gone; the group itself is spared by the first watcher's own forgetting.
    pipes[0]?.write(`forget ${early.pid}\n`)
    pipes[0]?.destroy()
    watcher.watch(late.pid)
    pipes[1]?.destroy()
    expect(await Promise.all([early.exit, late.exit])).toEqual(['SIGKILL', 'SIGKILL'])
  })
})
