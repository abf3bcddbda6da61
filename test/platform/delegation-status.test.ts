import { expect, it } from 'vitest'
import { canBecome, delegationStatuses, isTerminal } from '../../src/platform/delegation-status.js'
import { read } from '../support/sources.js'

it('the page explains each word, and no other', () => {
  const [, table = ''] = read('docs/platform.md').split('| Status ')
  const words = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, word]) => word)
  expect(words).toEqual(delegationStatuses)
})

it('P44: an end is final, and every word leads to both ends', () => {
  for (const from of delegationStatuses)
    for (const to of delegationStatuses)
      if (isTerminal(from)) expect(canBecome(from, to)).toBe(false)
      else if (isTerminal(to)) expect(canBecome(from, to)).toBe(true)
})
