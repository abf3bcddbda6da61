import { execFileSync } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startHost, type HostProcess } from './host-process.js'
import { fileGate, fixtureUrl } from './support.js'

const runners = fixtureUrl('runners.js').href

/** A program that dispatches one child and then does `deed`, without awaiting anything itself. */
function host(name: string, placement: string, deed: string, path = ''): HostProcess {
  return startHost('dispatches.js', [runners, name, placement, deed], { GATE: path })
}

describe('the life of the process (R5)', () => {
  it.each([
    ['isolated', 'deaf'],
    ['isolated', 'busy'],
    ['isolated', 'polite'],
    ['process', 'busy'],
    ['process', 'native'],
    ['shared', 'deaf'],
    ['inline', ''],
  ])(
    'R5: a program with a %s child (%s) that runs ends when it has nothing else to do',
    async (placement, name) => {
      const program = host(name, placement, 'nothing')
      expect(await program.ended).toBe(0)
      expect(program.lines).toEqual(['dispatched', 'exit'])
    },
  )

  it('R5: wait keeps it alive until the unit has ended', async () => {
    const gate = fileGate()
    const program = host('untilFile', 'isolated', 'wait', gate.path)
    await program.line((line) => line === 'dispatched')
    gate.open()
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'waited completed', 'exit'])
  })

  it('R5: wait with a limit keeps it alive until then', async () => {
    const program = host('deaf', 'isolated', 'waitAtMost')
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'WAIT_TIMEOUT', 'exit'])
  })

  it('R5: interrupt keeps it alive until its report is there', async () => {
    const program = host('busy', 'isolated', 'interrupt')
    expect(await program.ended).toBe(0)
    expect(JSON.parse(program.lines[1] ?? '')).toMatchObject({ signalled: 1, escalated: 1 })
  })

  it('R5: steer keeps it alive until it is known what came of it', async () => {
    const program = host('deaf', 'isolated', 'steer')
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'queued', 'exit'])
  })

  it('R5: so does waiting for a slot', async () => {
    const program = host('deaf', 'isolated', 'admit')
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'rejected', 'exit'])
  })

  it('R5: close keeps it alive until all has ended, and not longer', async () => {
    const program = host('deaf', 'isolated', 'close')
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'closed', 'exit'])
  })

  it('R5: an open follow keeps it alive until the loop is left', async () => {
    const gate = fileGate()
    const program = host('untilFile', 'shared', 'follow', gate.path)
    await program.line((line) => line === 'dispatched')
    gate.open()
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'followed completed', 'exit'])
  })

  it('R5: an attached host keeps it alive while something is to be delivered, and not longer', async () => {
    const gate = fileGate()
    const program = host('untilFile', 'isolated', 'attach', gate.path)
    await program.line((line) => line === 'dispatched')
    gate.open()
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'turn completed', 'exit'])
  })

  it('R5: a busy attached host does not keep it alive after close', async () => {
    const gate = fileGate()
    const program = host('untilFile', 'isolated', 'attachBusyThenClose', gate.path)
    await program.line((line) => line === 'dispatched')
    gate.open()
    expect(await program.ended).toBe(0)
    expect(program.lines).toEqual(['dispatched', 'closed', 'exit'])
  })
})

describe('a host that is killed', () => {
  /** Process groups of the shells that carry the marker. */
  const groupsWith = (marker: string): number[] => {
    const lines = execFileSync('ps', ['-eo', 'pgid,args'], { encoding: 'utf8' }).split('\n')
    const marked = lines.filter((line) => line.includes(marker) && !line.includes('shells.js'))
    return [...new Set(marked.map((line) => Number.parseInt(line, 10)))]
  }

  it('P6: kill -9 leaves no process of a shell behind', async () => {
    const marker = `hermes-marker-${process.pid}-${Date.now()}`
    // If the test fails, its shells are not to outlive it either.
    onTestFinished(() => {
      for (const group of groupsWith(marker)) process.kill(-group, 'SIGKILL')
    })
    const program = startHost('shells.js', [marker])
    await program.line((line) => line === 'running')
    expect(groupsWith(marker)).toHaveLength(4)
    program.process.kill('SIGKILL')
    expect(await program.ended).toBe('SIGKILL')
    while (groupsWith(marker).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  })
})

describe('a child inside one native call', () => {
  it('P6, R5: is unreachable, keeps its slot, and holds up neither close nor the exit event of its host', async () => {
    const program = startHost('native.js', [runners])
    const last = await program.line((line) => line.includes('closedAfterMs'))
    const seen = Object.assign({}, ...program.lines.map((line) => JSON.parse(line) as object)) as Record<
      string,
      unknown
    >
    expect(seen).toMatchObject({
      report: { signalled: 1, stopped: 0, escalated: 0, unreachable: 1, units: 1 },
      event: { status: 'interrupted', error: 'enough (it did not stop within 0.2 s)' },
      capacity: { inUse: 1, free: 0, holders: [{ goal: 'sleep' }] },
      active: 0,
      refused: { status: 'rejected', refusal: { code: 'CAPACITY', holders: [{ goal: 'sleep' }] } },
    })
    expect((JSON.parse(last) as { closedAfterMs: number }).closedAfterMs).toBeLessThan(10_000)
    await program.line((line) => line.includes('exits'))
  })
})
