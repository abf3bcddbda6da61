/** What every host has to get right, each as something that happens to the adapter under test. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sqliteLedger, type Ledger } from '../index.js'
import { ConformanceError, type HostConformanceOptions, type Mark, type Scene } from './scene.js'
import { openScene, type SceneOptions } from './scene.js'

export interface CheckDraft {
  readonly name: string
  /** It is about several sessions. */
  readonly isOfMany?: boolean
  readonly isOfReset?: boolean
  run(options: HostConformanceOptions): Promise<void>
}

const floodSize = 200
const raceRounds = 20

async function inScene(
  options: HostConformanceOptions,
  given: SceneOptions,
  act: (scene: Scene, first: string) => Promise<void>,
): Promise<void> {
  const scene = await openScene(options, given)
  try {
    await act(scene, scene.sessions[0] ?? '')
  } finally {
    await scene.close()
  }
}

const one = { sessions: 1 }

/** A user's turn that lasts, until the returned function is called. */
async function busyTurn(scene: Scene, sessionKey: string): Promise<() => void> {
  const open = scene.hold(sessionKey)
  const before = scene.turns.length
  scene.say(sessionKey)
  await scene.until(() => scene.turns.length > before, 'breaks', "no turn began at the user's words")
  return open
}

/** The first acknowledgement is lost: its claim is gone, as if its lease had ended, and the event is free again. */
function losesFirstAck(ledger: Ledger): Ledger {
  let isLost = false
  return {
    ...ledger,
    async resolve(tokens, verdict) {
      if (verdict.kind !== 'ack' || isLost) return ledger.resolve(tokens, verdict)
      isLost = true
      await ledger.resolve(tokens, { kind: 'defer', forSeconds: 0 })
      return tokens.map(() => false)
    },
  }
}

async function attemptsOf(scene: Scene, { id }: Mark): Promise<number> {
  const [delivery] = await scene.delegator.completions.read({ ids: [id] })
  return delivery?.attempts ?? 0
}

const basics: readonly CheckDraft[] = [
  {
    name: 'a completion comes to an idle session as a turn of its own',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        await scene.told([await scene.finish(session)])
        await scene.told([await scene.finish(session)])
      }),
  },
  {
    name: 'what comes during a turn waits for its end, and costs no attempt',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const endTurn = await busyTurn(scene, session)
        const mark = await scene.finish(session)
        await scene.quiet()
        if (scene.turnsOf(mark).length > 0) {
          throw new ConformanceError('splices', 'a completion was told while a turn was under way')
        }
        const attempts = await attemptsOf(scene, mark)
        endTurn()
        await scene.told([mark])
        if (attempts > 0) throw new ConformanceError('loses', `waiting cost ${attempts} of its attempts`)
      }),
  },
  {
    name: 'words that are typed in the moment a completion comes',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const marks: Mark[] = []
        for (let round = 0; round < raceRounds; round += 1) {
          const mark = scene.finish(session)
          // Before it has ended, in its moment, and a little later.
          if (round % 4 > 0) await mark
          if (round % 4 > 1) await new Promise((resolve) => setTimeout(resolve, round % 4))
          scene.say(session)
          marks.push(await mark)
        }
        await scene.told(marks)
      }),
  },
  {
    name: 'users who do not stop typing: what waits is told in the end',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const endTurn = await busyTurn(scene, session)
        const marks = [await scene.finish(session), await scene.finish(session)]
        for (let word = 0; word < 3; word += 1) scene.say(session)
        endTurn()
        await scene.told(marks)
      }),
  },
  {
    name: 'work that a turn starts, and that ends inside of it, comes in a later turn',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        let followUp: Mark | null = null
        scene.insideNext(session, async () => {
          followUp = await scene.finish(session)
          await new Promise((resolve) => setTimeout(resolve, 50))
        })
        const mark = await scene.finish(session)
        await scene.until(() => followUp !== null, 'loses', 'the first completion was not told')
        await scene.told([mark, followUp as unknown as Mark])
      }),
  },
  {
    name: `a flood of ${floodSize} completions`,
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const flood = Array.from({ length: floodSize }, () => scene.finish(session))
        await scene.told(await Promise.all(flood))
      }),
  },
]

const failures: readonly CheckDraft[] = [
  ...(['throws', 'rejects'] as const).map((how) => ({
    name: `a turn that fails (its model ${how}) costs no other completion`,
    run: (options: HostConformanceOptions) =>
      inScene(options, one, async (scene, session) => {
        scene.failNext(how)
        const failed = await scene.finish(session)
        await scene.until(() => scene.turnsOf(failed).length > 0, 'loses', 'the completion was not told')
        // It may come again, or count as told.
        await scene.told([await scene.finish(session), await scene.finish(session)], { mayRepeat: [failed] })
      }),
  })),
  {
    name: 'a completion comes again, because its acknowledgement was lost',
    run: (options) =>
      inScene(options, { ...one, spoil: losesFirstAck }, async (scene, session) => {
        await scene.told([await scene.finish(session)])
        await scene.told([await scene.finish(session)])
      }),
  },
  {
    name: 'another host dies between its claim and its acknowledgement',
    async run(options) {
      const folder = await mkdtemp(join(tmpdir(), 'hermes-conformance-'))
      const path = join(folder, 'ledger.db')
      try {
        await inScene(options, { ...one, ledger: sqliteLedger(path) }, async (scene, session) => {
          const mark = await dyingHost(path, session)
          scene.expect(mark)
          await scene.told([mark])
        })
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  },
  {
    name: 'after it was closed nothing begins, and the next one is told what waited',
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const endTurn = await busyTurn(scene, session)
        const mark = await scene.finish(session)
        const closing = Promise.resolve(scene.adapter.close())
        endTurn()
        await closing
        const late = await scene.finish(session)
        await scene.quiet()
        const told = [mark, late].filter((each) => scene.turnsOf(each).length > 0)
        if (told.includes(late)) throw new ConformanceError('breaks', 'a turn began after it was closed')
        await scene.attachAgain()
        await scene.told([mark, late])
      }),
  },
]

const sessions: readonly CheckDraft[] = [
  {
    name: "a stranger's completion is told to nobody, and stays where it is",
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const strange = await scene.finish('agent:main:test:dm:stranger', { foreign: true })
        await scene.told([await scene.finish(session)])
        const { delivery_state: state } = await scene.delegator.get(strange.id)
        if (state !== 'pending')
          throw new ConformanceError('loses', `what is a stranger's became ${String(state)}`)
      }),
  },
  {
    name: 'each session is told its own, and nothing else',
    isOfMany: true,
    run: (options) =>
      inScene(options, { sessions: 20 }, async (scene) => {
        const twice = [...scene.sessions, ...scene.sessions]
        await scene.told(await Promise.all(twice.map((session) => scene.finish(session))))
      }),
  },
  {
    name: 'a session in a long turn holds up no other',
    isOfMany: true,
    run: (options) =>
      inScene(options, { sessions: 3 }, async (scene, session) => {
        const endTurn = await busyTurn(scene, session)
        const waits = await scene.finish(session)
        const others = await Promise.all(scene.sessions.slice(1).map((other) => scene.finish(other)))
        await scene.told(others)
        endTurn()
        await scene.told([waits])
      }),
  },
  {
    name: 'a session that was reset hears nothing of what came before',
    isOfReset: true,
    run: (options) =>
      inScene(options, one, async (scene, session) => {
        const endTurn = await busyTurn(scene, session)
        const waits = await scene.finish(session)
        const runner = (_task: unknown, { signal }: { readonly signal: AbortSignal }) =>
          new Promise<{ summary: string }>((resolve) => {
            signal.addEventListener('abort', () => resolve({ summary: 'half of it' }), { once: true })
          })
        const runs = await scene.delegator.dispatch({ goal: 'still runs', sessionKey: session, runner })
        const resetting = Promise.resolve(scene.adapter.reset?.(session))
        endTurn()
        await resetting
        if (runs.status === 'dispatched') await scene.delegator.interrupt(runs.delegationId)
        await scene.told([await scene.finish(session)])
        const old = scene.turns.find(({ text }) => text.includes(waits.mark) || text.includes('half of it'))
        if (old !== undefined)
          throw new ConformanceError('misroutes', 'the new conversation was told of the old one')
      }),
  },
]

/** Runs `crashing-host.js` to its death. */
async function dyingHost(path: string, sessionKey: string): Promise<Mark> {
  const mark = `mark-${randomBytes(8).toString('hex')}`
  const file = fileURLToPath(new URL('./crashing-host.js', import.meta.url))
  try {
    await promisify(execFile)(process.execPath, [file, path, sessionKey, mark])
  } catch (error) {
    const { signal, stdout, stderr } = error as { signal?: string; stdout?: string; stderr?: string }
    if (signal === 'SIGKILL' && stdout !== undefined) return { mark, id: stdout, sessionKey }
    throw new Error(`the host that was to be killed ended by itself: ${String(stderr)}`, { cause: error })
  }
  throw new Error('the host that was to be killed ended by itself')
}

export const checkDrafts: readonly CheckDraft[] = [...basics, ...failures, ...sessions]
