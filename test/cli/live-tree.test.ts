import { EventEmitter } from 'eventemitter3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attachTree, type AttachedTree } from '../../src/cli/live-tree.js'
import type { AsyncDelegationEvent } from '../../src/index.js'

/** Time that stands still until it is told to go on. */
function handClock() {
  let now = 0
  let due: { at: number; fn: () => void }[] = []
  return {
    monotonicMs: () => now,
    after(ms: number, fn: () => void) {
      const entry = { at: now + ms, fn }
      due.push(entry)
      return () => void (due = due.filter((other) => other !== entry))
    },
    pass(ms: number) {
      const end = now + ms
      for (;;) {
        const [next] = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        due = due.filter((other) => other !== next)
        now = next.at
        next.fn()
      }
      now = end
    },
    get waiting() {
      return due.length
    },
  }
}

/** What a terminal shows after `text`, as far as the tree moves its cursor. */
function screenOf(text: string): string[] {
  const lines = ['']
  let row = 0
  for (const [, up, other, plain] of text.matchAll(
    /\u001b\[(\d+)A|(\r|\n|\u001b\[2K|\u001b\[J)|([^\r\n\u001b]+)/g,
  )) {
    if (up !== undefined) row -= Number(up)
    else if (other === '\n') lines[++row] ??= ''
    else if (other === '\u001b[2K') lines[row] = ''
    else if (other === '\u001b[J') lines.splice(row, Infinity, '')
    else if (plain !== undefined) lines[row] = `${lines[row] ?? ''}${plain}`
    if (row < 0) throw new Error('the cursor left the screen')
  }
  return lines.slice(0, -1)
}

let noColor: string | undefined
let clock: ReturnType<typeof handClock>
let emitter: EventEmitter
let written: string
let tree: AttachedTree | null

beforeEach(() => {
  noColor = process.env['NO_COLOR']
  process.env['NO_COLOR'] = '1'
  process.env['TERM'] = 'xterm'
  clock = handClock()
  emitter = new EventEmitter()
  written = ''
})
afterEach(() => {
  tree?.stop()
  if (noColor === undefined) delete process.env['NO_COLOR']
  else process.env['NO_COLOR'] = noColor
})

function attach(stream: { isTTY?: boolean; columns?: number; rows?: number }): void {
  const write = (text: string): void => void (written += text)
  tree = attachTree({ events: emitter }, { stream: { ...stream, write }, clock })
}

const unit = (id: string, ...goals: string[]): void =>
  void emitter.emit('dispatched', { delegation_id: id, goals, session_key: '' })
function child(id: string, task_index: number, state: string, error?: string | null): void {
  const result = error === undefined ? {} : { result: { task_index, status: state, error } }
  emitter.emit('child', { delegation_id: id, task_index, goal: 'g', state, ...result })
}
const progress = (id: string, task_index: number, lines: string[], fields: object | null = null): void =>
  void emitter.emit('progress', { delegation_id: id, task_index, progress: fields, lines })
const completion = (id: string, event: Partial<AsyncDelegationEvent>): void =>
  void emitter.emit('completion', { delegation_id: id, ...event })

describe('on a terminal', () => {
  it('shows each child with its state, its goal, its seconds and its last line', () => {
    attach({ isTTY: true, columns: 80, rows: 24 })
    unit('deleg_1', 'first', 'second', 'third')
    child('deleg_1', 0, 'running')
    child('deleg_1', 1, 'running')
    clock.pass(1500)
    progress('deleg_1', 0, ['10:00:00 stdout | one', '10:00:01 stdout | two | three'])
    progress('deleg_1', 1, [], { current_tool: 'grep' })
    child('deleg_1', 1, 'failed', 'exit code 3\nno such file')
    clock.pass(500)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 1 of 3 subagents ended · 2.0s',
      '  ⠋ first      2.0s  two | three',
      '  ✗ second     1.5s  failed: exit code 3 no such file',
      '  · third            waiting',
    ])
  })

  it('names the tool that a child is in, and that it is being interrupted', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    child('deleg_1', 0, 'running')
    progress('deleg_1', 0, [], { current_tool: 'grep' })
    child('deleg_1', 0, 'interrupting')
    clock.pass(100)
    expect(screenOf(written)[1]).toMatch(/^ {2}⠙ goal +0\.1s {2}interrupting: grep$/)
  })

  it('a unit that ended stays above, and the others go on below', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'one')
    unit('deleg_2', 'two')
    child('deleg_1', 0, 'running')
    clock.pass(100)
    child('deleg_1', 0, 'completed', null)
    completion('deleg_1', { status: 'completed' })
    clock.pass(1000)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 1 subagent · 0.1s · completed',
      '  ✓ one     0.1s',
      'deleg_2 · 1 subagent · 1.1s',
      '  · two           waiting',
    ])
  })

  it('children that one function ran are known by the end alone', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'one', 'two')
    completion('deleg_1', {
      is_batch: true,
      status: 'completed',
      results: [
        { task_index: 0, status: 'success' },
        { task_index: 1, status: 'odd', error: 'why' },
      ],
    })
    expect(screenOf(written).slice(1)).toEqual(['  ✓ one           success', '  ✗ two           odd: why'])
  })

  it('is never wider or taller than the terminal', () => {
    attach({ isTTY: true, columns: 30, rows: 6 })
    unit('deleg_1', ...Array.from({ length: 20 }, (_, index) => `goal ${index} ${'日本'.repeat(40)}`))
    for (let index = 0; index < 20; index++) child('deleg_1', index, 'running')
    clock.pass(300)
    const lines = screenOf(written)
    expect(lines).toHaveLength(5)
    expect(lines[4]).toBe('  … 17 more lines')
    for (const line of lines) expect(line.replace(/[日本]/g, 'xx').length).toBeLessThan(30)
    tree?.stop()
    expect(screenOf(written)).toHaveLength(21)
  })

  it('a terminal that does not know its size gets one', () => {
    attach({ isTTY: true, columns: 0, rows: 0 })
    unit('deleg_1', 'goal')
    clock.pass(100)
    expect(screenOf(written)).toHaveLength(2)
  })

  it('what a child says does not steer the terminal', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'go\u001b[2Jal\u0007')
    child('deleg_1', 0, 'running')
    progress('deleg_1', 0, ['10:00:00 log | \u001b]0;owned\u0007x\u009b31m\u202ey'])
    clock.pass(100)
    expect(screenOf(written)[1]).toMatch(/^ {2}⠙ goal +0\.1s {2}xy$/)
  })

  it('is drawn at most once per frame, however much is told', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    for (let index = 0; index < 1000; index++) progress('deleg_1', 0, [`10:00:00 log | ${index}`])
    expect(written).toBe('')
    clock.pass(100)
    expect(written.split('deleg_1')).toHaveLength(2)
  })

  it('colours it, unless NO_COLOR says otherwise', () => {
    delete process.env['NO_COLOR']
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    clock.pass(100)
    expect(written).toContain('\u001b[36mdeleg_1')
  })

  it('stop draws for the last time, and leaves no timer and no listener', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    tree?.stop()
    const last = written
    tree?.stop()
    unit('deleg_2', 'goal')
    clock.pass(1000)
    expect(written).toBe(last)
    expect(screenOf(last)).toHaveLength(2)
    expect(clock.waiting).toBe(0)
    expect(emitter.eventNames()).toEqual([])
  })

  it('an empty tree draws nothing for ever', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    completion('deleg_1', { status: 'completed' })
    clock.pass(1000)
    expect(clock.waiting).toBe(0)
  })
})

describe('on anything else', () => {
  it.each([{ isTTY: false }, {}])('a plain line per change (%j)', (stream) => {
    attach(stream)
    unit('deleg_1', 'first', 'second')
    child('deleg_1', 0, 'running')
    progress('deleg_1', 0, ['10:00:00 log | not shown'])
    clock.pass(2000)
    child('deleg_1', 0, 'completed', null)
    child('deleg_1', 1, 'interrupted', 'stopped')
    completion('deleg_1', { status: 'completed' })
    expect(written.split('\n')).toEqual([
      'deleg_1 dispatched: 2 subagents',
      'deleg_1 1/2 running: first',
      'deleg_1 1/2 completed after 2.0s: first',
      'deleg_1 2/2 interrupted after 0.0s: second',
      'deleg_1 completed after 2.0s',
      '',
    ])
  })

  it('a terminal that cannot move its cursor is one of them', () => {
    process.env['TERM'] = 'dumb'
    attach({ isTTY: true })
    unit('deleg_1', 'goal')
    expect(written).toBe('deleg_1 dispatched: 1 subagent\n')
  })
})
