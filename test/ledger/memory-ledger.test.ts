import { describe, expect, it } from 'vitest'
import { createMemoryLedger } from '../../src/ledger/memory-ledger.js'
import { draftOf, endOf, ledgerContract, ownerOf, type OpenLedger } from '../contract/ledger.js'
import { ledgerMailContract } from '../contract/ledger-mail.js'
import { ledgerModelContract } from '../contract/ledger-model.js'
import { ledgerBudgetsContract } from '../contract/ledger-budgets.js'
import { growthOf } from '../support/growth.js'
import { createManualClock } from '../support/manual-clock.js'

const open: OpenLedger = async (given) => createMemoryLedger(given)

ledgerContract('the memory ledger', open)
ledgerModelContract('the memory ledger', async (given) => ({ ledger: await open(given) }))
ledgerMailContract('the memory ledger', open)
ledgerBudgetsContract('the memory ledger', open)

describe('retention of the memory ledger', () => {
  it('R38, R6: 50 ended units stay, the newest; the oldest go first', async () => {
    const ledger = createMemoryLedger({ clock: createManualClock(), random: () => 0.5 })
    await ledger.join(ownerOf('a'))
    for (let index = 0; index < 60; index += 1) {
      const draft = draftOf(`u${index}`)
      const admission = await ledger.admit('a', draft, [])
      if (admission.status === 'admitted') await ledger.settle(admission.hold, endOf(draft))
      await ledger.collect(draft.id)
    }
    await ledger.prune()
    const ids = (await ledger.list({ all: true }, false, { limit: 100 })).map(({ id }) => id)
    expect(ids).toHaveLength(50)
    expect(ids[0]).toBe('u59')
    expect(ids.at(-1)).toBe('u10')
    expect(await ledger.get('u9')).toBeNull()
    expect(await ledger.deliveries({ all: true }, ['delivered'], { limit: 100 })).toHaveLength(50)
    await ledger.close()
  })
})

describe('a wide batch in the memory ledger', () => {
  it('P7: recording its children takes time in proportion to their number', async () => {
    const recordAll = async (childCount: number): Promise<void> => {
      const ledger = createMemoryLedger({ clock: createManualClock(), random: () => 0.5 })
      await ledger.join(ownerOf('a'))
      const admission = await ledger.admit('a', draftOf('wide', '', { childCount }), [])
      if (admission.status !== 'admitted') throw new Error('there is no limit')
      for (let index = 0; index < childCount; index += 1)
        void ledger.record(admission.hold, { child: { index, state: 'completed' } })
      await ledger.close()
    }
    expect(await growthOf(recordAll, 10_000)).toBeLessThan(24)
  })
})
