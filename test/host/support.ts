import { onTestFinished } from 'vitest'
import { attachHost, type AttachedHost, type AttachHostOptions, type Delegator } from '../../src/index.js'
import { currentSession } from '../../src/runtime/session-context.js'
import { idOf, quick } from '../runtime/support.js'

export interface Turn {
  readonly text: string
  readonly goals: readonly string[]
  readonly sessionKey: string
  /** The session inside of which it was started. */
  readonly current: string
}

type Taken = 'started' | 'busy'

export interface TestHost {
  readonly host: AttachedHost
  readonly turns: Turn[]
  isBusy: boolean
  /** Resolves once there have been that many turns. */
  until(count: number): Promise<void>
}

/** A host that is idle unless told otherwise, and takes every turn unless `take` says otherwise. */
export function attach(
  delegator: Delegator,
  options: Partial<AttachHostOptions> & {
    readonly take?: (turn: Turn, count: number) => Taken | Promise<Taken>
    readonly isBusy?: boolean
  } = {},
): TestHost {
  const { take = (): Taken => 'started', isBusy = false, ...rest } = options
  const turns: Turn[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const test: TestHost = {
    turns,
    isBusy,
    until: (count) =>
      new Promise((resolve) => (turns.length >= count ? resolve() : void waiting.push({ count, resolve }))),
    host: attachHost(delegator, {
      isIdle: () => !test.isBusy,
      async startTurn(text, events, sessionKey) {
        const goals = events.map(({ goal }) => goal)
        const turn = { text, goals, sessionKey, current: currentSession() }
        turns.push(turn)
        const outcome = await take(turn, turns.length)
        for (const { count, resolve } of waiting) if (turns.length >= count) resolve()
        return outcome
      },
      ...rest,
    }),
  }
  onTestFinished(() => test.host.detach())
  return test
}

/** Runs one child to its end and returns the id. */
export async function finished(delegator: Delegator, goal: string, route: object = {}): Promise<string> {
  const id = idOf(await delegator.dispatch({ goal, runner: quick, ...route }))
  await delegator.wait(id)
  return id
}
