import { expect, it } from 'vitest'
import { createMemoryLedger } from '../../src/ledger/memory-ledger.js'
import { claimOwned } from '../../src/runtime/claim-owned.js'
import { draftOf, endOf, eventOf, ownerOf } from '../contract/ledger.js'
import { createManualClock } from '../support/manual-clock.js'

it("P8: another session's event of the same delegation is not claimed along with one's own", async () => {
  const ledger = createMemoryLedger({ clock: createManualClock(), random: () => 0.5 })
  await ledger.join(ownerOf('a'))
  await ledger.publish('a', eventOf(draftOf('u1', 'theirs'), { event_id: 'foreign' }))
  const draft = draftOf('u1', 'ours')
  const admission = await ledger.admit('a', draft, [])
  if (admission.status !== 'admitted') throw new Error(admission.status)
  await ledger.settle(admission.hold, endOf(draft))
  const { claims } = await claimOwned(ledger, {
    ownerId: 'a',
    owns: ({ session_key }) => session_key === 'ours',
    among: { all: true },
    limit: 9,
    leaseSeconds: 60,
    now: 0,
  })
  expect(claims.map(({ eventId }) => eventId)).toEqual(['u1'])
  await ledger.close()
})

it('P3: a predicate gets what was deferred or leased before the wall clock was set back', async () => {
  const clock = createManualClock()
  const ledger = createMemoryLedger({ clock, random: () => 0.5 })
  await ledger.join(ownerOf('a'))
  const claim = async (): Promise<string[]> => {
    const among = { all: true } as const
    const request = { ownerId: 'a', owns: () => true, among, limit: 9, leaseSeconds: 60, now: clock.now() }
    return (await claimOwned(ledger, request)).claims.map(({ eventId }) => eventId)
  }
  for (const id of ['deferred', 'leased']) await ledger.publish('a', eventOf(draftOf(id)))
  const { claims } = await ledger.claim('a', { all: true }, 9, 60)
  await ledger.resolve([claims[0]!.token], { kind: 'defer', forSeconds: 600 })
  clock.setBack(3_600_000)
  expect(await claim()).toEqual(['deferred'])
  clock.advance(60_000)
  expect((await claim()).sort()).toEqual(['deferred', 'leased'])
  await ledger.close()
})
