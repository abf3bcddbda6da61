/** Who this process is, and whether another one still lives. A pid alone is no identity: pids are used again. */
import { readFileSync, readlinkSync } from 'node:fs'
import type { Clock } from '../core/clock.js'
import type { Owner } from '../ledger/shapes.js'

/** An owner on another machine, or in another container, is dead when it was not heard of for this long, ms. */
const silentMs = 10_000

export function ownerIdentity(id: string, clock: Clock): Owner {
  return {
    id,
    pid: process.pid,
    startedAt: startOf(process.pid) ?? Math.round(clock.now() - process.uptime()),
    bootId: firstLine('/proc/sys/kernel/random/boot_id'),
    pidNamespace: linkTarget('/proc/self/ns/pid'),
    seenAt: clock.now(),
  }
}

export interface OwnerJudge {
  /** True only with proof: its process is gone, or it has been silent for long enough while we listened. */
  isDead(owner: Owner): boolean
}

/** Silence is measured on our own monotonic clock, from when we first heard of it: a wall clock may jump. */
export function createOwnerJudge(self: Owner, clock: Clock): OwnerJudge {
  const heard = new Map<string, { readonly seenAt: number; readonly atMs: number }>()

  function isSilent({ id, seenAt }: Owner): boolean {
    const last = heard.get(id)
    const nowMs = clock.monotonicMs()
    if (last?.seenAt !== seenAt) {
      heard.set(id, { seenAt, atMs: nowMs })
      return false
    }
    return nowMs - last.atMs > silentMs
  }

  return {
    isDead(owner) {
      if (owner.id === self.id) return false
      const isNear =
        self.bootId !== '' && owner.bootId === self.bootId && owner.pidNamespace === self.pidNamespace
      return isNear ? !isRunning(owner) : isSilent(owner)
    },
  }
}

function isRunning({ pid, startedAt }: Owner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const start = startOf(pid)
  // Where the start cannot be read a pid that is in use counts as alive (spec 2.6).
  return start === null || start === startedAt
}

/** In clock ticks since the machine started, from `/proc`; null where there is none. */
function startOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; the 22nd field is the 20th after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended: only its parent has not looked yet.
    return fields[0] === 'Z' ? -1 : Number(fields[19])
  } catch {
    return null
  }
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
