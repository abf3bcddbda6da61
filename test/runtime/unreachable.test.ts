import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryLedger, type Delegator, type Runner } from '../../src/index.js'
import {
  childRuns,
  completionsOf,
  fileGate,
  fixture,
  gate,
  idOf,
  manualClock,
  open,
  openWithLedger,
  polite,
  refused,
  temporaryFolder,
  until,
} from './support.js'

describe('a child that cannot be stopped (P6)', () => {
  it('P6: a plain function that ignores the interrupt keeps its slot until it returns', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 1 })
    const told = completionsOf(delegator)
    const held = gate<{ summary: string }>()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: () => held.promise }))
    const report = await delegator.interrupt(id, { reason: 'enough', graceMs: 20 })
    expect(report).toEqual({ signalled: 1, stopped: 0, escalated: 0, unreachable: 1, units: 1 })
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ status: 'interrupted', summary: null })
    expect(delegator.activeCount()).toBe(0)
    expect(await delegator.capacity()).toMatchObject({
      inUse: 1,
      free: 0,
      holders: [{ delegation_id: id, goal: 'a' }],
    })
    expect((await delegator.get(id)).children).toMatchObject([{ state: 'interrupted', still_running: true }])
    expect(refused(await delegator.dispatch({ goal: 'b', runner: polite })).refusal?.holders).toMatchObject([
      { delegation_id: id },
    ])

    held.open({ summary: 'better late' })
    await until(ledger, async () => (await delegator.capacity()).inUse === 0)
    expect(idOf(await delegator.dispatch({ goal: 'b', runner: polite }))).toMatch(/^deleg_/)
    const late = (await ledger.get(id))?.late
    expect(late).toMatchObject([
      { child: { index: 0, state: 'completed', result: { summary: 'better late' } } },
    ])
    expect(told).toEqual([event])
    expect(await delegator.wait(id)).toEqual(event)
  })

  it('P6: a shared child that ignores it likewise, and its neighbours in the thread go on', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 2, maxSharedThreads: 1 })
    const told = completionsOf(delegator)
    const file = fileGate()
    const stubborn = fixture('untilFile', { placement: 'shared', options: { path: file.path } })
    const neighbour = fileGate()
    const beside = fixture('untilFile', { placement: 'shared', options: { path: neighbour.path } })
    const first = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: stubborn }))
    const other = idOf(await delegator.dispatch({ goal: 'b', runner: beside }))
    await first
    expect(await delegator.interrupt(id, { graceMs: 20 })).toMatchObject({ unreachable: 1, escalated: 0 })
    expect((await delegator.capacity()).holders.map((holder) => holder.delegation_id).sort()).toEqual(
      [id, other].sort(),
    )
    neighbour.open()
    expect(await delegator.wait(other)).toMatchObject({ status: 'completed', summary: 'late b' })
    file.open()
    await until(ledger, async () => (await delegator.capacity()).inUse === 0)
    expect((await ledger.get(id))?.late).toMatchObject([{ child: { result: { summary: 'late a' } } }])
    expect(told.map(({ delegation_id }) => delegation_id)).toEqual([id, other])
  })

  it('P4, P5: what a timed out child of a batch returns while its siblings run is kept as late', async () => {
    const clock = manualClock()
    const { delegator, ledger } = await openWithLedger({
      clock,
      childTimeoutSeconds: 30,
      maxConcurrentChildren: 1,
    })
    const answers = { a: gate<{ summary: string }>(), b: gate<{ summary: string }>() }
    const runner: Runner = ({ goal }) => answers[goal as 'a' | 'b'].promise
    const [first, second] = [childRuns(delegator, 0), childRuns(delegator, 1)]
    const id = idOf(await delegator.dispatchBatch({ goals: ['a', 'b'], runner }))
    await first
    clock.advance(30_000)
    clock.advance(5_000)
    await second
    answers.a.open({ summary: 'better late' })
    await until(ledger, async () => (await ledger.get(id))?.late.length === 1)
    const record = await ledger.get(id)
    expect(record).toMatchObject({ endedAt: null, children: [{ state: 'timeout' }, { result: null }] })
    expect(record?.late).toMatchObject([{ child: { index: 0, result: { summary: 'better late' } } }])
    answers.b.open({ summary: 'in time' })
    expect(await delegator.wait(id)).toMatchObject({
      results: [
        { status: 'timeout', summary: null },
        { status: 'completed', summary: 'in time' },
      ],
    })
  })

  describe.skipIf(process.platform === 'win32')('while it reads a FIFO', () => {
    /** Resolves once the child is about to read. `write` lets it go on. */
    async function stuck(delegator: Delegator): Promise<{ id: string; write: () => void }> {
      const path = join(temporaryFolder(), 'fifo')
      execFileSync('mkfifo', [path])
      const runner = fixture('readsFifo', { options: { path } })
      const id = idOf(await delegator.dispatch({ goal: 'a', runner }))
      await expect.poll(() => existsSync(`${path}-is-read`), { timeout: 30_000 }).toBe(true)
      // Opened for both, so that the test itself waits for nobody.
      return { id, write: () => writeFileSync(path, 'better late', { flag: 'r+' }) }
    }

    it('P6: it is unreachable, and keeps its slot until the read returns', async () => {
      const { delegator, ledger } = await openWithLedger({ maxUnits: 1 })
      const { id, write } = await stuck(delegator)
      expect(await delegator.interrupt(id, { graceMs: 100 })).toEqual({
        signalled: 1,
        stopped: 0,
        escalated: 0,
        unreachable: 1,
        units: 1,
      })
      expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', summary: null })
      expect(await delegator.capacity()).toMatchObject({ inUse: 1, holders: [{ delegation_id: id }] })
      write()
      await until(ledger, async () => (await delegator.capacity()).inUse === 0)
    })

    it('P6: close does not wait for it', async () => {
      const delegator = await open()
      const { write } = await stuck(delegator)
      await delegator.close({ graceMs: 20 })
      write()
    })
  })

  it('P6: an interrupt after its event finds nothing to stop', async () => {
    const delegator = await open()
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    await delegator.interrupt(id, { graceMs: 10 })
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 0, units: 0 })
    held.open()
  })

  it('P6: close does not wait for it', async () => {
    const delegator = await open({ ledger: memoryLedger })
    const never = gate()
    await delegator.dispatch({ goal: 'a', runner: async () => never.promise })
    await delegator.close({ graceMs: 20 })
  })
})
