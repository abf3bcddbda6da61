/** What every ledger promises of letters to the owners of live units. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Hold } from '../../src/ledger/shapes.js'
import { createManualClock, type ManualClock } from '../support/manual-clock.js'
import { draftOf, endOf, ownerOf, type OpenLedger } from './ledger.js'

export function ledgerMailContract(name: string, open: OpenLedger): void {
  describe(`${name} keeps the contract of letters:`, () => {
    let clock: ManualClock
    let ledger: Ledger
    let hold: Hold
    const letter = (id: string, unitId = 'u1') => ({
      id,
      unitId,
      kind: 'answer',
      payload: { text: `of ${id}` },
    })
    const waitingIds = async (owner = 'a') => (await ledger.mail.waiting(owner)).map(({ id }) => id)

    beforeEach(async () => {
      clock = createManualClock()
      ledger = await open({ clock, random: () => 0.5 })
      await ledger.join(ownerOf('a'))
      await ledger.join(ownerOf('b'))
      const admission = await ledger.admit('a', draftOf('u1'), [])
      hold = (admission as { readonly hold: Hold }).hold
    })
    afterEach(() => ledger.close())

    it('one reaches the owner of the live unit, and nobody else, until it has a reply', async () => {
      clock.advance(1_000)
      expect(await ledger.mail.post(letter('l1'))).toBe('posted')
      expect(await ledger.mail.post(letter('l2'))).toBe('posted')
      const sentAt = clock.now()
      expect(await ledger.mail.waiting('a')).toEqual([
        { ...letter('l1'), sentAt },
        { ...letter('l2'), sentAt },
      ])
      expect(await waitingIds('b')).toEqual([])
      expect(await ledger.mail.reply('l1', { status: 'answered' })).toBe(true)
      expect(await waitingIds()).toEqual(['l2'])
    })

    it('its sender reads the first reply, until the letter is forgotten', async () => {
      await ledger.mail.post(letter('l1'))
      expect(await ledger.mail.replyTo('l1')).toBeNull()
      await ledger.mail.reply('l1', null)
      await ledger.mail.reply('l1', 'a second one')
      expect(await ledger.mail.replyTo('l1')).toEqual({ reply: null })
      await ledger.mail.forget('l1')
      expect(await ledger.mail.replyTo('l1')).toBeNull()
      expect(await ledger.mail.reply('l1', 'late')).toBe(false)
    })

    it('one to a unit that never was, or has ended, is not kept; one that waits goes with its unit', async () => {
      await ledger.mail.post(letter('l1'))
      await ledger.settle(hold, endOf(draftOf('u1')))
      expect(await waitingIds()).toEqual([])
      expect(await ledger.mail.post(letter('l2'))).toBe('not_live')
      expect(await ledger.mail.post(letter('l3', 'never'))).toBe('not_live')
      expect(await ledger.mail.replyTo('l2')).toBeNull()
    })

    it('P8: after a take-over it reaches the new owner', async () => {
      await ledger.mail.post(letter('l1'))
      await ledger.takeOver('a', 'b', 'all')
      expect(await waitingIds('b')).toEqual(['l1'])
    })

    it('P7: 100 may wait for one unit; those that have a reply do not count', async () => {
      for (let index = 0; index < 100; index += 1)
        expect(await ledger.mail.post(letter(`l${index}`))).toBe('posted')
      expect(await ledger.mail.post(letter('surplus'))).toBe('too_many')
      await ledger.mail.reply('l0', 'heard')
      expect(await ledger.mail.post(letter('next'))).toBe('posted')
      expect(await waitingIds()).toHaveLength(100)
    })

    it('who follows the ledger hears of a letter, and of its reply', async () => {
      let hints = 0
      let heard = (): void => undefined
      const stop = ledger.subscribe(() => {
        hints += 1
        heard()
      })
      const hint = (): Promise<void> => new Promise((resolve) => (heard = resolve))
      for (const step of [() => ledger.mail.post(letter('l1')), () => ledger.mail.reply('l1', 'heard')]) {
        const hinted = hint()
        await step()
        await hinted
      }
      expect(hints).toBeGreaterThanOrEqual(2)
      stop()
    })

    it('one that nobody forgot is dropped after an hour', async () => {
      await ledger.mail.post(letter('l1'))
      await ledger.mail.reply('l1', 'heard')
      clock.advance(3_599_000)
      await ledger.prune()
      expect(await ledger.mail.replyTo('l1')).toEqual({ reply: 'heard' })
      clock.advance(2_000)
      await ledger.prune()
      expect(await ledger.mail.replyTo('l1')).toBeNull()
    })

    it('what a child asks is read with its unit, until it is told that it waits no longer, or has its result', async () => {
      const question = { question_id: 'ask-1', text: 'tea?' }
      const childNow = async () => (await ledger.get('u1'))?.children[0]
      await ledger.record(hold, { child: { index: 0, state: 'input_required', question } })
      expect(await childNow()).toEqual({ state: 'input_required', result: null, checkpoint: null, question })
      await ledger.record(hold, { child: { index: 0, state: 'input_required', checkpoint: 1 } })
      expect(await childNow()).toMatchObject({ question, checkpoint: 1 })
      await ledger.record(hold, { child: { index: 0, state: 'running', question: null } })
      expect(await childNow()).toEqual({ state: 'running', result: null, checkpoint: 1 })
      await ledger.record(hold, { child: { index: 0, state: 'input_required', question } })
      await ledger.record(hold, { child: { index: 0, state: 'completed', result: { summary: 'x' } } })
      expect(await childNow()).not.toHaveProperty('question')
    })
  })
}
