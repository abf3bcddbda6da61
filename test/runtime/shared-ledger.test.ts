import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  DelegationError,
  sqliteLedger,
  type AsyncDelegationEvent,
  type Dispatched,
  type GatedCall,
  type Rejected,
} from '../../src/index.js'
import { openSqlite } from '../../src/ledger/sqlite-driver.js'
import { ledgerPath, openOn, startHost, type HostOnLedger } from './host-on-ledger.js'
import { gate, idOf, polite, quick } from './support.js'

const sessionKey = 'agent:main:cli:dm:local'

const handleOf = async (host: HostOnLedger): Promise<string> =>
  idOf(await host.said<Dispatched | Rejected>('handle'))

const childIs =
  (state: string) =>
  (child: { readonly state: string }): boolean =>
    child.state === state

describe('the cap of a shared ledger', () => {
  it('P1: holds across processes, and the refusal names the holder in the other one', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', options: { maxUnits: 1 } })
    const id = await handleOf(host)
    const here = await openOn(path, { maxUnits: 1 })
    const refused = await here.dispatch({ goal: 'second', runner: quick })
    expect(refused).toMatchObject({
      status: 'rejected',
      refusal: { code: 'CAPACITY', limit: 1, inUse: 1, scope: 'ledger', holders: [{ delegation_id: id }] },
    })
    expect(await here.capacity()).toMatchObject({ inUse: 1, free: 0 })
    expect((await here.get(id)).owner_pid).toBe(host.process.pid)
  })

  it('P1: who waits for a slot is woken by the end of a unit elsewhere', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', options: { maxUnits: 1 } })
    const id = await handleOf(host)
    const here = await openOn(path, { maxUnits: 1 })
    const waiting = here.dispatch({ goal: 'second', runner: quick, admitWithinMs: 30_000 })
    await here.interrupt(id)
    expect((await waiting).status).toBe('dispatched')
  })
})

describe('a unit of another process', () => {
  it('P6: is stopped from here, and the report adds up', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goals: ['wait', 'wait', 'quick'] })
    const id = await handleOf(host)
    await host.said('child', childIs('completed'))
    const here = await openOn(path)
    expect(await here.interrupt(id, { reason: 'enough', graceMs: 30_000 })).toEqual({
      signalled: 2,
      stopped: 2,
      escalated: 0,
      unreachable: 0,
      units: 1,
    })
    const event = await here.wait(id)
    expect(event).toMatchObject({ status: 'completed', is_batch: true })
    expect(event.is_batch === true && event.results).toMatchObject([
      { status: 'interrupted', summary: 'half of wait' },
      { status: 'interrupted' },
      { status: 'completed', summary: 'did quick' },
    ])
  })

  it('P6: the report counts what was stopped, also when it comes after the end', async () => {
    const path = ledgerPath()
    const mayReport = gate()
    const owner = await openOn(path, {
      ledger: async (given) => {
        const ledger = await sqliteLedger(path)(given)
        return {
          ...ledger,
          async record(hold, patch) {
            if (patch.interruptReport !== undefined) await mayReport.promise
            return ledger.record(hold, patch)
          },
        }
      },
    })
    const id = idOf(await owner.dispatch({ goal: 'wait', runner: polite }))
    const here = await openOn(path)
    const report = here.interrupt(id)
    await here.wait(id)
    // Long enough for who looks at every change of the ledger to have seen the end alone.
    await new Promise((resolve) => setTimeout(resolve, 100))
    mayReport.open()
    expect(await report).toMatchObject({ signalled: 1, stopped: 1, units: 1 })
  })

  it('the states of its children are seen from here, while they live and after their owner died', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goals: ['wait', 'wait', 'wait'], options: { maxConcurrentChildren: 2 } })
    const id = await handleOf(host)
    const here = await openOn(path)
    const states = async (): Promise<string[]> => (await here.get(id)).children.map(({ state }) => state)
    await expect.poll(states, { timeout: 20_000 }).toEqual(['running', 'running', 'waiting'])
    await host.kill()
    await here.wait(id)
    expect(await states()).toEqual(['unknown', 'unknown', 'unknown'])
  })

  it('P6: by force, when it does not hear', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', export: 'deaf' })
    const id = await handleOf(host)
    const here = await openOn(path)
    const report = await here.interrupt(id, { graceMs: 100 })
    expect(report).toMatchObject({ signalled: 1, stopped: 0, escalated: 1, unreachable: 0 })
  })

  it('P6: a session is stopped wherever its units run', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', sessionKey })
    await handleOf(host)
    const here = await openOn(path)
    const own = idOf(await here.dispatch({ goal: 'here', runner: polite, sessionKey }))
    const other = idOf(
      await here.dispatch({ goal: 'other', runner: polite, sessionKey: 'agent:main:cli:dm:2' }),
    )
    expect(await here.interruptForSession({ sessionKey }, { graceMs: 30_000 })).toMatchObject({
      signalled: 2,
      stopped: 2,
      units: 2,
    })
    expect((await here.wait(own)).status).toBe('interrupted')
    expect((await here.get(other)).status).toBe('running')
  })

  it('is unreachable when its owner does not answer (a suspended process)', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait' })
    const id = await handleOf(host)
    host.process.kill('SIGSTOP')
    const here = await openOn(path)
    expect(await here.interrupt(id, { graceMs: 0 })).toMatchObject({ signalled: 1, unreachable: 1 })
    host.process.kill('SIGCONT')
    expect((await here.wait(id)).status).toBe('interrupted')
  })

  it('is waited for, and one wait collects what no claim gets then', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', sessionKey })
    const id = await handleOf(host)
    const here = await openOn(path)
    await expect(here.wait(id, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' })
    const waiting = here.wait(id, { collect: true })
    await here.interrupt(id)
    expect((await waiting).delegation_id).toBe(id)
    expect(await here.completions.claim({ sessionKey })).toEqual([])
  })

  it('P3: its completion reaches who follows its session here', async () => {
    const path = ledgerPath()
    const here = await openOn(path)
    const follower = here.completions.follow({ sessionKey })
    const first = follower.next()
    const host = startHost(path, { goal: 'quick', sessionKey })
    const id = await handleOf(host)
    const { value } = await first
    expect(value).toMatchObject({ event: { delegation_id: id, status: 'completed' } })
    await follower.return()
  })
})

describe('an owner that died', () => {
  it('P5, P3: its unit is `unknown` within seconds, with what its children had finished', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goals: ['quick one', 'wait'], sessionKey })
    const id = await handleOf(host)
    await host.said('child', childIs('completed'))
    const here = await openOn(path)
    await expect.poll(async () => (await here.get(id)).children[0]?.state).toBe('completed')
    await host.kill()
    const event = await here.wait(id)
    expect(event).toMatchObject({
      status: 'unknown',
      is_batch: true,
      last_known_status: 'running',
      error:
        'Delegation owner exited before the unit finished; 1/2 child results were recorded and are included below, ' +
        'the rest are unknown.',
      results: [
        { task_index: 0, status: 'completed', summary: 'did quick one' },
        { task_index: 1, status: 'unknown', summary: null },
      ],
    })
    const [completion] = await here.completions.claim({ sessionKey })
    expect(completion?.event).toMatchObject({ delegation_id: id, restored: true })
    expect((await here.capacity()).inUse).toBe(0)
  })

  it('P3: is found by the next one to start, too; a single unit says what was known of it', async () => {
    const path = ledgerPath()
    const transcripts = mkdtempSync(join(tmpdir(), 'hermes-transcripts-'))
    onTestFinished(() => rmSync(transcripts, { recursive: true, force: true }))
    const host = startHost(path, {
      goal: 'wait',
      sessionKey,
      options: { transcripts: { folder: transcripts } },
    })
    const id = await handleOf(host)
    await host.said('child', childIs('running'))
    const log = join(transcripts, id, 'task-0.log')
    await expect.poll(() => existsSync(log) && readFileSync(log, 'utf8')).toContain('working on wait')
    await host.kill()
    const here = await openOn(path)
    const event = await here.wait(id)
    expect(event).toMatchObject({
      status: 'unknown',
      summary: null,
      error: 'Delegation owner exited before recording a terminal result; outcome unknown.',
      last_known_status: 'running',
      transcript_tails: { '0': expect.stringContaining('working on wait') as string },
    })
  })

  it('P3: what it had claimed is claimed again, and that cost no attempt', async () => {
    const path = ledgerPath()
    const here = await openOn(path)
    const id = idOf(await here.dispatch({ goal: 'one', runner: quick, sessionKey }))
    await here.wait(id)
    const host = startHost(path, { claim: true, sessionKey })
    expect(await host.said('claimed')).toMatchObject({ delegation_id: id })
    expect(await here.completions.claim({ sessionKey })).toEqual([])
    await host.kill()
    const follower = here.completions.follow({ sessionKey })
    const { value } = await follower.next()
    expect(value?.event.delegation_id).toBe(id)
    await value?.ack()
    await follower.return()
  })

  it('P4: that wakes up after it was declared dead can write nothing', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', sessionKey })
    const id = await handleOf(host)
    host.process.kill('SIGSTOP')
    const here = await openOn(path)
    const ledger = await sqliteLedger(path)({
      clock: { now: () => Date.now() / 1000 } as never,
      random: () => 0.5,
    })
    const [owner] = (await ledger.owners()).filter(({ pid }) => pid === host.process.pid)
    await ledger.join({
      id: 'judge',
      pid: process.pid,
      startedAt: 0,
      bootId: 'x',
      pidNamespace: 'x',
      seenAt: 0,
    })
    const [taken] = await ledger.takeOver(owner!.id, 'judge', 'all')
    const event = {
      ...(taken!.unit as object),
      type: 'async_delegation',
      delegation_id: id,
      event_id: id,
      session_key: sessionKey,
    }
    await ledger.settle(taken!.hold, {
      state: 'unknown',
      cause: 'owner_died',
      event: event as unknown as AsyncDelegationEvent,
      slot: 'freed',
    })
    host.process.kill('SIGCONT')
    // What is not its own any more does not go on either: somebody else may run it now.
    await host.said('child', childIs('interrupted'))
    host.process.stdin?.end()
    await new Promise((resolve) => host.process.on('close', resolve))
    expect((await here.get(id)).status).toBe('unknown')
    await ledger.close()
  })
})

describe('the first call after a crash', () => {
  it('P1, P3: finds the slots of the dead free, and their units ended', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait', options: { maxUnits: 1 } })
    const id = await handleOf(host)
    await host.kill()
    const here = await openOn(path, { maxUnits: 1 })
    expect((await here.list()).map(({ delegation_id, status }) => [delegation_id, status])).toEqual([
      [id, 'unknown'],
    ])
    expect((await here.dispatch({ goal: 'next', runner: quick })).status).toBe('dispatched')
  })

  it('P1: a unit that may be run again is given up when nobody came for it within a minute', async () => {
    const path = ledgerPath()
    const runner = { onOwnerDeath: 'retry', idempotent: true }
    const host = startHost(path, { goal: 'wait', runner, options: { maxUnits: 1 } })
    const id = await handleOf(host)
    await host.kill()
    const soon = await openOn(path, { maxUnits: 1 })
    expect((await soon.get(id)).status).toBe('running')
    await soon.close()
    const db = await openSqlite(path)
    db.exec('UPDATE owners SET seen_at = seen_at - 61')
    db.close()
    const later = await openOn(path, { maxUnits: 1 })
    expect((await later.get(id)).status).toBe('unknown')
  })
})

describe('P5: a runner that may be run again', () => {
  it.each([
    ['retry', { idempotent: true }, 'resumed from null'],
    ['adopt', {}, 'resumed from {"step":7}'],
  ] as const)(
    '%s: unfinished children alone are, by a delegator that adopts',
    async (onOwnerDeath, more, summary) => {
      const path = ledgerPath()
      const mark = join(mkdtempSync(join(tmpdir(), 'hermes-mark-')), 'mark')
      onTestFinished(() => rmSync(join(mark, '..'), { recursive: true, force: true }))
      const runner = { onOwnerDeath, ...more }
      const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
      const call = { traceContext }
      const host = startHost(path, { goals: ['quick', mark], export: 'secondTime', runner, sessionKey, call })
      const id = await handleOf(host)
      await host.said('child', childIs('completed'))
      await expect.poll(() => existsSync(mark)).toBe(true)
      const bystander = await openOn(path)
      await host.kill()
      const adopter = await openOn(path, { adopt: true })
      const event = await bystander.wait(id)
      expect(event).toMatchObject({
        status: 'completed',
        results: [
          { task_index: 0, summary: 'did quick' },
          { task_index: 1, summary, trace: traceContext },
        ],
      })
      expect((await adopter.capacity()).inUse).toBe(0)
    },
  )

  it('P3: one that the gate does not let in any more is not run, and ends with its reason as the error', async () => {
    const path = ledgerPath()
    const mark = join(mkdtempSync(join(tmpdir(), 'hermes-mark-')), 'mark')
    onTestFinished(() => rmSync(join(mark, '..'), { recursive: true, force: true }))
    const runner = { onOwnerDeath: 'adopt' }
    const host = startHost(path, { goals: ['quick', mark], export: 'secondTime', runner, sessionKey })
    const id = await handleOf(host)
    await host.said('child', childIs('completed'))
    await expect.poll(() => existsSync(mark)).toBe(true)
    await host.kill()
    const asked: GatedCall[] = []
    const told: string[] = []
    const adopter = await openOn(path, {
      adopt: true,
      gate(call) {
        asked.push(call)
        throw new DelegationError('PERMISSION_DENIED', { permission: 'delegate' })
      },
    })
    adopter.events.on('completion', ({ delegation_id }) => told.push(delegation_id))
    const event = await adopter.wait(id)
    const results = event.is_batch === true ? event.results : []
    expect(results).toMatchObject([
      { task_index: 0, status: 'completed', summary: 'did quick' },
      { task_index: 1, status: 'error', error_detail: { code: 'PERMISSION_DENIED' } },
    ])
    expect(results[1]?.['error']).toContain('permission: delegate')
    expect(asked).toMatchObject([
      { sessionKey, parentId: null, children: [{ goal: mark, runner: { onOwnerDeath: 'adopt' } }] },
    ])
    expect(told).toEqual([id])
    expect((await adopter.capacity()).inUse).toBe(0)
    expect(await adopter.completions.read({ ids: [id] })).toHaveLength(1)
  })

  it('a child that is run again has to give what was asked for the first time', async () => {
    const path = ledgerPath()
    const mark = join(mkdtempSync(join(tmpdir(), 'hermes-mark-')), 'mark')
    onTestFinished(() => rmSync(join(mark, '..'), { recursive: true, force: true }))
    const runner = { onOwnerDeath: 'retry', idempotent: true }
    const call = { outputSchema: { type: 'string' } }
    const host = startHost(path, { goal: mark, export: 'secondTime', runner, sessionKey, call })
    const id = await handleOf(host)
    await expect.poll(() => existsSync(mark)).toBe(true)
    await host.kill()
    const adopter = await openOn(path, { adopt: true })
    expect(await adopter.wait(id)).toMatchObject({
      status: 'failed',
      summary: 'resumed from null',
      schema_valid: false,
    })
  })

  it('retry without `idempotent` is no runner', async () => {
    const here = await openOn(ledgerPath())
    const runner = { url: 'file:///nowhere.js', onOwnerDeath: 'retry' } as const
    await expect(here.dispatch({ goal: 'x', runner })).rejects.toMatchObject({ code: 'RUNNER_INVALID' })
  })
})
