import { expect } from 'vitest'
import type { Delegator } from '../../src/index.js'

/** Resolves once so many units of the delegator are live, and hold so many slots. */
export async function attached(delegator: Delegator, units: number): Promise<void> {
  await expect.poll(() => delegator.activeCount(), { timeout: 10_000 }).toBe(units)
  if (units === 0)
    await expect.poll(async () => (await delegator.capacity()).inUse, { timeout: 10_000 }).toBe(0)
}
