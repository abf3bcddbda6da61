/**
 * Kills process groups whose host is gone. The watcher is a process in a session of its own, so that nothing a group
 * does to itself (`kill -STOP 0`) reaches it; it reads from a pipe whose writing end only its host holds. End of file,
 * for whatever reason (the thread was terminated, the host was killed with -9), and it kills every group it was told of.
 */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/** Its parent leaves it at once: it is nobody's zombie when a thread is terminated. */
const script = `( trap '' TERM INT HUP
exec <&3
groups=' '
while read -r verb group; do
  case $verb in
    watch) groups="$groups$group " ;;
    forget) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done ) &`

export interface GroupWatcher {
  /** Whether the group dies with the host from now on; false when no watcher can be started. */
  watch(group: number): boolean
  /** The group is gone: its number may become another's. */
  forget(group: number): void
}

/** One for a whole thread: it is started for the first group, within `exempt`, and stays. It holds up no process. */
export function createGroupWatcher(
  exempt: (start: () => Socket | null) => Socket | null = (start) => start(),
): GroupWatcher {
  const groups = new Set<number>()
  let pipe: Socket | null = null
  return {
    watch(group) {
      groups.add(group)
      if (pipe !== null && !pipe.destroyed) {
        pipe.write(`watch ${group}\n`)
        return true
      }
      pipe = exempt(startWatcher)
      // Should somebody kill a watcher, the next one takes over what it watched.
      for (const each of groups) pipe?.write(`watch ${each}\n`)
      return pipe !== null
    },
    forget(group) {
      if (groups.delete(group)) pipe?.write(`forget ${group}\n`)
    },
  }
}

function startWatcher(): Socket | null {
  const starter = spawn('/bin/sh', ['-c', script, 'hermes-delegate-watcher'], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  // That it could not be started is told by its missing pid.
  starter.on('error', () => undefined)
  starter.unref()
  const pipe = starter.stdio[3] as Socket | null
  // What is read is nothing, and its end: then the watcher is gone, and the pipe destroys itself.
  pipe?.resume().on('error', () => undefined)
  pipe?.unref()
  return starter.pid === undefined ? null : pipe
}
