import { describe, expect, it } from 'vitest'
import type { DelegatorOptions } from '../../src/index.js'
import { fixture, idOf, open, quick } from './support.js'

/** Short enough for a test; what is asserted is what happens, and not when. */
const stall = { idleSeconds: 1, inToolSeconds: 60, graceSeconds: 0.2, sweepSeconds: 0.05 }
const runner = (name: string, more = {}) => fixture(name, more, 'progress.js')

async function ended(name: string, options: DelegatorOptions = {}, more = {}) {
  const delegator = await open({ stall, ...options })
  return delegator.wait(
    idOf(await delegator.dispatch({ goal: 'read the files', runner: runner(name, more) })),
  )
}

describe('a child without progress', () => {
  it('is interrupted as stalled, and what it had comes with how long it was quiet', async () => {
    const event = await ended('fallsSilent')
    expect(event).toMatchObject({
      status: 'stalled',
      summary: 'half of it',
      stall_threshold_seconds: 1,
      stall_phase: 'idle',
      stall_grace_seconds: 0.2,
      stall_loop_blocked: false,
    })
    expect(event.stalled_after_quiet_seconds).toBeGreaterThanOrEqual(1)
  })

  it('P4: that returns a result inside the grace has it delivered as it is', async () => {
    const event = await ended('finishesInGrace')
    expect(event).toMatchObject({ status: 'completed', summary: 'just in time' })
    expect(event).not.toHaveProperty('stall_phase')
  })

  it('P6: that does not hear is ended by force when the grace is over', async () => {
    const event = await ended('fallsSilentAndDeaf')
    expect(event).toMatchObject({ status: 'stalled', exit_reason: 'stalled', stall_phase: 'idle' })
    expect(event.error).toMatch(/^"read the files" stalled: it stopped responding and was cancelled/)
  })

  it('P7: whose event loop is blocked is told apart from one that waits', async () => {
    const event = await ended('spins')
    expect(event).toMatchObject({ status: 'stalled', stall_loop_blocked: true })
    expect(event.error).toContain('its event loop is blocked')
  })
})

describe('not stalled is', () => {
  it('a child that never reported progress: its silence means nothing', async () => {
    expect(await ended('silent')).toMatchObject({ status: 'completed', summary: 'done in silence' })
  })

  it('unless its runner says that it reports', async () => {
    expect((await ended('silent', {}, { reportsProgress: true })).status).toBe('stalled')
  })

  it('one that reports, but whose runner says that this means nothing', async () => {
    const delegator = await open({ stall })
    const quietly = runner('silentInTool', { reportsProgress: false })
    expect(
      (await delegator.wait(idOf(await delegator.dispatch({ goal: 'x', runner: quietly })))).status,
    ).toBe('completed')
  })

  it('one that is inside a tool, for longer', async () => {
    expect(await ended('silentInTool')).toMatchObject({ status: 'completed', summary: 'the build is done' })
  })

  it('one that streams text', async () => {
    expect(await ended('streams')).toMatchObject({ status: 'completed', summary: 'streamed' })
  })

  it('anything, where it is switched off', async () => {
    expect((await ended('silent', { stall: false }, { reportsProgress: true })).status).toBe('completed')
  })
})

describe('in a batch', () => {
  it('P5: a stalled child is stopped alone; finished siblings keep their results', async () => {
    const delegator = await open({ stall, maxConcurrentChildren: 3 })
    const tasks = [
      { goal: 'quick', runner: quick },
      { goal: 'stuck', runner: runner('fallsSilentAndDeaf') },
      { goal: 'long', runner: runner('streams') },
    ]
    const states: string[] = []
    delegator.events.on('child', ({ task_index, state }) => {
      if (task_index === 1) states.push(state)
    })
    const id = idOf(await delegator.dispatchBatch({ tasks }))
    const event = await delegator.wait(id)
    expect(event).toMatchObject({
      status: 'completed',
      results: [
        { status: 'completed', summary: 'did quick' },
        { status: 'stalled', stall_phase: 'idle' },
        { status: 'completed', summary: 'streamed' },
      ],
    })
    expect(states).toEqual(['running', 'stalling', 'stalled'])
  })

  it('the unit is stalling once nothing of it goes on, and stalled when all of it was', async () => {
    const delegator = await open({ stall: { ...stall, graceSeconds: 0.5 } })
    const goals = ['one', 'two']
    const id = idOf(await delegator.dispatchBatch({ goals, runner: runner('fallsSilentAndDeaf') }))
    await expect.poll(async () => (await delegator.get(id)).status, { timeout: 20_000 }).toBe('stalling')
    const event = await delegator.wait(id)
    expect(event).toMatchObject({
      status: 'stalled',
      stall_phase: 'idle',
      results: [{ status: 'stalled' }, { status: 'stalled' }],
    })
  })
})

it.each([
  { stall: { idleSeconds: -1 }, name: 'stall.idleSeconds' },
  { stall: { graceSeconds: Number.NaN }, name: 'stall.graceSeconds' },
])('a threshold out of its bounds names itself: $name', async ({ stall: given, name }) => {
  await expect(open({ stall: given })).rejects.toThrow(name)
})
