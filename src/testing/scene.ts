/** One check's world: a delegator, the adapter under test, and a model that sees every turn of every conversation. */
import { randomBytes } from 'node:crypto'
import {
  createDelegator,
  memoryLedger,
  type Delegator,
  type DelegatorOptions,
  type Ledger,
  type LedgerFactory,
} from '../index.js'

/** What an adapter does wrong. `breaks`: it throws, or never answers. */
export type Fault = 'loses' | 'doubles' | 'splices' | 'misroutes' | 'breaks'

/** Why a check failed. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
  readonly fault: Fault

  constructor(fault: Fault, message: string) {
    super(`${fault}: ${message}`)
    this.fault = fault
  }
}

/** One turn, as it enters a conversation: the words of the user, or the text of completions. */
export interface ModelTurn {
  readonly sessionKey: string
  readonly text: string
}

export interface AdapterGiven {
  readonly delegator: Delegator
  /** The keys of the conversations that the adapter has to serve. */
  readonly sessions: readonly string[]
  /** In place of your model: to be called once per turn. The turn lasts until the promise settles; it may throw. */
  readonly model: (turn: ModelTurn) => Promise<string>
}

/** Your agent with its host's side attached, and what its users do. */
export interface HostAdapter {
  /** The user types into a session; what comes during a turn waits for its end, or is refused. */
  say(sessionKey: string, text: string): unknown
  /** The user resets a session: what it waits for is of no interest any more. */
  reset?(sessionKey: string): unknown
  /** Detaches: no turn begins afterwards. The delegator is closed by its owner. */
  close(): unknown
}

export interface HostConformanceOptions {
  readonly createAdapter: (given: AdapterGiven) => HostAdapter | Promise<HostAdapter>
  /** False: the agent has one conversation. @defaultValue true */
  readonly manySessions?: boolean
  /** False: its sessions are never reset. @defaultValue true */
  readonly resets?: boolean
  /** For whatever has to come, ms. @defaultValue 10_000 */
  readonly timeoutMs?: number
  /** For whatever must not come, ms. @defaultValue 400 */
  readonly quietMs?: number
}

/** A delegation whose result can be told apart from every other text. */
export interface Mark {
  readonly mark: string
  readonly id: string
  readonly sessionKey: string
}

interface SeenTurn extends ModelTurn {
  readonly marks: readonly string[]
  hasEnded: boolean
}

export interface Scene {
  readonly delegator: Delegator
  readonly sessions: readonly string[]
  readonly turns: readonly SeenTurn[]
  readonly adapter: HostAdapter
  /** Another adapter of the same delegator, after the first was closed. */
  attachAgain(): Promise<void>
  /** The user says something of no meaning; resolves at once. */
  say(sessionKey: string): void
  /** Dispatches, and resolves once its completion is in the ledger. `foreign`: it is nobody's that the adapter knows. */
  finish(sessionKey: string, options?: { readonly foreign?: boolean }): Promise<Mark>
  /** A delegation of another host, dispatched for this session. */
  expect(mark: Mark): void
  /** From now on the turns of this session last until the returned function is called. */
  hold(sessionKey: string): () => void
  /** The next turn that tells of a completion fails: at once, or by its promise. */
  failNext(how: 'throws' | 'rejects'): void
  /** Called inside the next turn of that session. */
  insideNext(sessionKey: string, act: () => Promise<unknown>): void
  /** @throws {ConformanceError} when it does not come in time. */
  until(fits: () => boolean | Promise<boolean>, fault: Fault, what: string): Promise<void>
  /** Turns that tell of it. */
  turnsOf(mark: Mark): readonly SeenTurn[]
  /** Waits until all of them were told and acknowledged, and a little longer for what must not come. */
  told(marks: readonly Mark[], options?: { readonly mayRepeat?: readonly Mark[] }): Promise<void>
  quiet(): Promise<void>
  close(): Promise<void>
}

const markPattern = /mark-[0-9a-f]{16}/g
const saidPattern = /said-[0-9a-f]{16}/
const fresh = (word: string): string => `${word}-${randomBytes(8).toString('hex')}`
const defaults = { timeoutMs: 10_000, quietMs: 400 } as const
const lookMs = 10

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())

export interface SceneOptions {
  readonly sessions: number
  readonly ledger?: LedgerFactory
  /** Changes what the ledger answers, to bring about what is rare. */
  readonly spoil?: (ledger: Ledger) => Ledger
  readonly delegator?: DelegatorOptions
}

export async function openScene(options: HostConformanceOptions, given: SceneOptions): Promise<Scene> {
  const { timeoutMs, quietMs } = { ...defaults, ...options }
  const sessions = Array.from(
    { length: given.sessions },
    (_, index) => `agent:main:test:dm:${fresh(`c${index}`)}`,
  )
  const ledger: LedgerFactory = async (facts) => {
    const opened = await (given.ledger ?? ((known) => memoryLedger({ ...known, retainedUnits: 10_000 })))(
      facts,
    )
    return given.spoil?.(opened) ?? opened
  }
  const delegator = await createDelegator({
    maxUnits: 1_000,
    interruptGraceMs: 200,
    ...given.delegator,
    ledger,
  })
  const turns: SeenTurn[] = []
  const faults: ConformanceError[] = []
  const marks = new Map<string, Mark>()
  const repeatable = new Set<string>()
  const gates = new Map<string, Promise<void>>()
  const gateOpeners: (() => void)[] = []
  const inside = new Map<string, () => Promise<unknown>>()
  let failing: 'throws' | 'rejects' | null = null

  function blame(fault: Fault, message: string): void {
    faults.push(new ConformanceError(fault, message))
  }

  /** What can be seen of a turn at its beginning. */
  function judge(turn: SeenTurn): void {
    const { sessionKey, text } = turn
    if (turns.some((other) => other !== turn && other.sessionKey === sessionKey && !other.hasEnded)) {
      blame('splices', 'a turn began while another one of its session was under way')
    }
    if (turn.marks.length > 0 && saidPattern.test(text)) {
      blame('splices', 'a completion and the words of the user came in one turn')
    }
    for (const mark of turn.marks) {
      const known = marks.get(mark)
      if (known === undefined) continue
      if (known.sessionKey !== sessionKey) {
        blame(
          'misroutes',
          `a completion of ${known.sessionKey || 'a stranger'} came in a turn of ${sessionKey || 'no session'}`,
        )
      }
      const isFenced = new RegExp(`\\[child (\\w+)\\][^\\[]*${mark}[^\\[]*\\[/child \\1\\]`).test(text)
      if (!isFenced) blame('splices', 'a completion came without the fence around what its child wrote')
    }
  }

  /** Not async: it may have to throw at once. */
  function model({ sessionKey, text }: ModelTurn): Promise<string> {
    const turn: SeenTurn = { sessionKey, text, marks: [...new Set(text.match(markPattern))], hasEnded: false }
    turns.push(turn)
    judge(turn)
    const how = turn.marks.length > 0 ? failing : null
    if (how !== null) {
      failing = null
      turn.hasEnded = true
      const error = new Error('the model is not to be had')
      if (how === 'throws') throw error
      return Promise.reject(error)
    }
    const act = inside.get(sessionKey)
    inside.delete(sessionKey)
    const gate = gates.get(sessionKey)
    return (async () => {
      await act?.()
      await gate
      // At least one turn of the event loop: what comes into it would be seen.
      await new Promise((resolve) => setImmediate(resolve))
      turn.hasEnded = true
      return 'noted'
    })()
  }

  const attach = async (): Promise<HostAdapter> => options.createAdapter({ delegator, sessions, model })
  let adapter: HostAdapter
  try {
    adapter = await attach()
  } catch (error) {
    await delegator.close({ graceMs: 0 })
    throw error
  }

  async function until(fits: () => boolean | Promise<boolean>, fault: Fault, what: string): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const [first] = faults
      if (first !== undefined) throw first
      if (await fits()) return
      if (performance.now() > deadlineMs) throw new ConformanceError(fault, `${what}, within ${timeoutMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, lookMs))
    }
  }

  const scene: Scene = {
    delegator,
    sessions,
    turns,
    get adapter() {
      return adapter
    },
    async attachAgain() {
      adapter = await attach()
    },
    say(sessionKey) {
      // An agent may refuse it; what it does with its user's words is its own affair.
      Promise.resolve(adapter.say(sessionKey, fresh('said'))).catch(() => undefined)
    },
    async finish(sessionKey, { foreign = false } = {}) {
      const mark = fresh('mark')
      const handle = await delegator.dispatch({
        goal: 'to be told',
        sessionKey,
        runner: () => ({ summary: mark }),
      })
      if (handle.status === 'rejected') throw new Error(handle.error)
      const known = { mark, id: handle.delegationId, sessionKey: foreign ? '' : sessionKey }
      marks.set(mark, known)
      await delegator.wait(handle.delegationId)
      return known
    },
    expect: (mark) => void marks.set(mark.mark, mark),
    hold(sessionKey) {
      let open = (): void => undefined
      const gate = new Promise<void>((resolve) => (open = resolve))
      gates.set(sessionKey, gate)
      gateOpeners.push(open)
      return () => {
        if (gates.get(sessionKey) === gate) gates.delete(sessionKey)
        open()
      }
    },
    failNext: (how) => (failing = how),
    insideNext: (sessionKey, act) => inside.set(sessionKey, act),
    until,
    turnsOf: ({ mark }) => turns.filter((turn) => turn.marks.includes(mark)),
    async told(expected, { mayRepeat = [] } = {}) {
      for (const { mark } of mayRepeat) repeatable.add(mark)
      const missing = (): Mark[] => expected.filter((mark) => scene.turnsOf(mark).length === 0)
      try {
        await until(() => missing().length === 0, 'loses', 'not every completion was told')
      } catch (error) {
        if (!(error instanceof ConformanceError) || faults.length > 0) throw error
        throw new ConformanceError(
          'loses',
          `${missing().length} of ${expected.length} completions were not told`,
        )
      }
      const isDelivered = async ({ id }: Mark) => (await delegator.get(id)).delivery_state === 'delivered'
      await until(
        async () => (await Promise.all(expected.map(isDelivered))).every(Boolean),
        'doubles',
        'completions that were told were not acknowledged, and will come again',
      )
      await scene.quiet()
    },
    async quiet() {
      await new Promise((resolve) => setTimeout(resolve, quietMs))
      const twice = [...marks.values()].find(
        (mark) => !repeatable.has(mark.mark) && scene.turnsOf(mark).length > 1,
      )
      if (twice !== undefined) blame('doubles', `a completion was told ${scene.turnsOf(twice).length} times`)
      await until(() => true, 'breaks', '')
    },
    async close() {
      for (const open of gateOpeners) open()
      const closing = Promise.resolve(adapter.close()).then(() => true)
      const isClosed = await Promise.race([closing, after(timeoutMs).then(() => false)])
      await delegator.close({ graceMs: 0 })
      if (!isClosed) throw new ConformanceError('breaks', `close took longer than ${timeoutMs} ms`)
    },
  }
  return scene
}
