import { createHook } from 'node:async_hooks'

/** What runs nothing by itself: promises, and handles that are closed but still wait for the garbage collector. */
const weightless: ReadonlySet<string> = new Set([
  'PROMISE',
  'TickObject',
  'Microtask',
  'FILEHANDLE',
  'ZLIB',
  'DNSCHANNEL',
])

/** Tells whether a child left something that can still run in its thread: a timer (even an unref'd one), a socket, a process. */
export interface ResidueWatch {
  start(): void
  /** What `make` makes at once is the thread's own, whoever asked for it. */
  except<T>(make: () => T): T
  /** True when nothing that was made since `start` is left. Gives finished handles a turn of the loop to close. */
  isClean(): Promise<boolean> | boolean
}

/** `isOurs` names handles of the thread itself, which are no residue. */
export function createResidueWatch(isOurs: (resource: object) => boolean): ResidueWatch {
  const alive = new Set<number>()
  /** The hook is put on once and stays: putting it on and off costs more than it does. */
  let isOn = false
  let isWatching = false
  const hook = createHook({
    init(id, type, _trigger, resource: object) {
      if (isWatching && !weightless.has(type) && !isOurs(resource)) alive.add(id)
    },
    destroy(id) {
      alive.delete(id)
    },
  })
  const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  /** Handles report their end an iteration late, some two. What is left after that is alive. */
  async function settle(): Promise<boolean> {
    const before = new Set(alive)
    for (let turn = 0; turn < 3 && before.size > 0; turn += 1) {
      await turnOfTheLoop()
      for (const id of before) if (!alive.has(id)) before.delete(id)
    }
    isWatching = false
    return before.size === 0
  }

  return {
    start() {
      alive.clear()
      isWatching = true
      if (!isOn) hook.enable()
      isOn = true
    },
    except(make) {
      const wasWatching = isWatching
      isWatching = false
      try {
        return make()
      } finally {
        isWatching = wasWatching
      }
    },
    isClean() {
      if (alive.size > 0) return settle()
      isWatching = false
      return true
    },
  }
}
