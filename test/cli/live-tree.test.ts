import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attachTree, type AttachedTree } from '../../src/cli/live-tree.js'
import type { AsyncDelegationEvent, Delegator, DelegatorEvent, DelegatorSnapshot } from '../../src/index.js'

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
  let column = 0
  for (const [, up, erase, other, plain] of text.matchAll(
    /\u001b\[(\d+)A|\u001b\[([KJ])|(\r|\n|\u001b\[\?\d+[hl])|([^\r\n\u001b]+)/g,
  )) {
    const line = lines[row] ?? ''
    if (up !== undefined) row -= Number(up)
    else if (other === '\r') column = 0
    else if (other === '\n') {
      lines[++row] ??= ''
      column = 0
    } else if (erase === 'K') lines[row] = line.slice(0, column)
    else if (erase === 'J') lines.splice(row, Infinity, '')
    else if (plain !== undefined) {
      lines[row] = line.slice(0, column) + plain + line.slice(column + plain.length)
      column += plain.length
    }
    if (row < 0) throw new Error('the cursor left the screen')
  }
  return lines.slice(0, -1)
}

/** A delegator that tells what the test says. */
function tellingDelegator() {
  const listeners = new Set<(event: DelegatorEvent) => void>()
  let n = 0
  let units: DelegatorSnapshot['units'] = []
  return {
    tell(type: DelegatorEvent['type'], payload: object): void {
      n += 1
      for (const listener of [...listeners]) listener({ n, type, payload } as DelegatorEvent)
    },
    /** What it had been told of before. */
    hold(held: DelegatorSnapshot['units']): void {
      units = held
    },
    get listeners() {
      return listeners.size
    },
    snapshot: (): DelegatorSnapshot => ({ n, at: 0, capacity: { limit: 3, in_use: units.length }, units }),
    events: {
      onAny(listener: (event: DelegatorEvent) => void) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    } as Delegator['events'],
  }
}

let noColor: string | undefined
let clock: ReturnType<typeof handClock>
let delegator: ReturnType<typeof tellingDelegator>
let written: string
let tree: AttachedTree | null

beforeEach(() => {
  noColor = process.env['NO_COLOR']
  process.env['NO_COLOR'] = '1'
  process.env['TERM'] = 'xterm'
  clock = handClock()
  delegator = tellingDelegator()
  written = ''
})
afterEach(() => {
  tree?.stop()
  if (noColor === undefined) delete process.env['NO_COLOR']
  else process.env['NO_COLOR'] = noColor
})

function attach(stream: { isTTY?: boolean; columns?: number; rows?: number }): void {
  const write = (text: string): void => void (written += text)
  tree = attachTree(delegator, { stream: Object.assign(stream, { write }), clock })
}

const noFacts = {
  current_tool: null,
  api_calls: 0,
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
}
/** What a child used: calls, tokens, dollars. */
const used = (api_calls: number, tokens = 0, cost_usd = 0) => ({
  ...noFacts,
  api_calls,
  usage: { input_tokens: tokens, output_tokens: 0, cost_usd },
})
const unit = (id: string, ...goals: string[]): void =>
  delegator.tell('dispatched', {
    delegation_id: id,
    goals,
    task_indexes: goals.map((_goal, index) => index),
    session_key: '',
    slot_key: id,
  })
function child(
  id: string,
  task_index: number,
  state: string,
  error?: string | null,
  facts: object = {},
): void {
  const result = error === undefined ? {} : { result: { task_index, status: state, error } }
  delegator.tell('child', {
    delegation_id: id,
    task_index,
    goal: 'g',
    state,
    ...noFacts,
    ...facts,
    ...result,
  })
}
const progress = (id: string, task_index: number, lines: string[], facts: object = {}): void =>
  delegator.tell('progress', {
    delegation_id: id,
    task_index,
    progress: null,
    lines,
    ...noFacts,
    ...facts,
  })
const completion = (id: string, event: Partial<AsyncDelegationEvent>): void =>
  delegator.tell('completion', { delegation_id: id, ...event })

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

  it('shows what each child uses, and what the unit uses in all', () => {
    attach({ isTTY: true, columns: 100 })
    unit('deleg_1', 'first', 'second')
    child('deleg_1', 0, 'running')
    child('deleg_1', 1, 'running')
    progress('deleg_1', 0, ['10:00:00 log | reading'], { ...used(12, 45_678, 0.5), current_tool: 'grep' })
    child('deleg_1', 1, 'completed', null, used(1, 900))
    clock.pass(1000)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 1 of 2 subagents ended · 1.0s · 13 calls · 46.6k tokens · $0.50',
      '  ⠋ first      1.0s  12 calls  45.7k tok  grep · reading',
      '  ✓ second     0.0s    1 call    900 tok',
    ])
  })

  it('on a narrow terminal the unit alone says what was used', () => {
    attach({ isTTY: true, columns: 60 })
    unit('deleg_1', 'first')
    child('deleg_1', 0, 'running', undefined, used(12, 45_678))
    clock.pass(1000)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 1 subagent · 1.0s · 12 calls · 45.7k tokens',
      '  ⠋ first     1.0s',
    ])
  })

  it.each([
    ['input_required', '  ? goal     1.0s  input_required'],
    ['stalling', '  ⠋ goal     1.0s  stalling'],
    ['interrupting', '  ⠋ goal     1.0s  interrupting'],
  ])('says that a child is %s', (state, line) => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    child('deleg_1', 0, 'running')
    child('deleg_1', 0, state)
    clock.pass(1000)
    expect(screenOf(written)[1]).toBe(line)
  })

  it('who attaches late sees what runs already, and nothing twice', () => {
    unit('deleg_1', 'told before')
    delegator.hold([
      {
        delegation_id: 'deleg_1',
        parent_id: null,
        slot_key: 'deleg_1',
        session_key: '',
        state: 'running',
        seconds: 9,
        totals: { children: 2, ended: 1, ...used(5) },
        children: [
          { task_index: 0, goal: 'done', state: 'failed', seconds: 4, ...used(2) },
          {
            task_index: 1,
            goal: 'goes on',
            state: 'running',
            seconds: 8,
            ...used(3),
            current_tool: 'sed',
          },
        ],
      },
    ])
    attach({ isTTY: true, columns: 80 })
    clock.pass(1000)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 1 of 2 subagents ended · 10.0s · 5 calls',
      '  ✗ done        4.0s  2 calls  failed',
      '  ⠋ goes on     9.0s  3 calls  sed',
    ])
    child('deleg_1', 1, 'completed', null, used(7))
    completion('deleg_1', { status: 'completed' })
    expect(screenOf(written)).toEqual([
      'deleg_1 · 2 of 2 subagents ended · 10.0s · 9 calls · completed',
      '  ✗ done        4.0s  2 calls  failed',
      '  ✓ goes on     9.0s  7 calls',
    ])
  })

  it('what stands below another unit is indented, and leaves without a trace', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'above')
    delegator.tell('dispatched', {
      delegation_id: 'deleg_2',
      goals: ['below'],
      task_indexes: [0],
      session_key: '',
      slot_key: 'deleg_1',
      parent_id: 'deleg_1',
    })
    clock.pass(100)
    expect(screenOf(written).slice(2)).toEqual([
      '  deleg_2 · 1 subagent · 0.1s',
      '    · below           waiting',
    ])
    completion('deleg_2', { status: 'completed' })
    expect(screenOf(written)).toHaveLength(2)
  })

  it('a unit that another owner took over leaves without a completion', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    delegator.tell('gone', { delegation_id: 'deleg_1' })
    clock.pass(1000)
    expect(clock.waiting).toBe(0)
  })

  it('where not all fit, children that have ended make room first', () => {
    attach({ isTTY: true, columns: 40, rows: 6 })
    unit('deleg_1', ...Array.from({ length: 10 }, (_, index) => `goal ${index}`))
    for (let index = 0; index < 9; index++) child('deleg_1', index, 'completed', null)
    clock.pass(100)
    expect(screenOf(written)).toEqual([
      'deleg_1 · 9 of 10 subagents ended · 0.…',
      '  · goal 9           waiting',
      '  … 9 more lines',
    ])
  })

  it('a terminal that becomes narrower has wrapped the lines: they are drawn over all the same', () => {
    const stream = { isTTY: true, columns: 60, rows: 24 }
    attach(stream)
    unit('deleg_1', 'a goal that is long enough to reach over the new border')
    child('deleg_1', 0, 'running')
    clock.pass(100)
    stream.columns = 30
    written = ''
    clock.pass(100)
    // The second line had more than 30 columns: it takes two rows now.
    expect(written).toContain('\u001b[3A')
    written = ''
    clock.pass(100)
    expect(written).toContain('\u001b[2A')
  })

  it('a picture comes at once, and its lines cannot wrap', () => {
    attach({ isTTY: true, columns: 80 })
    unit('deleg_1', 'goal')
    clock.pass(100)
    expect(written).toMatch(/^\u001b\[\?2026h\u001b\[\?7l[^]*\u001b\[\?7h\u001b\[\?2026l$/)
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
    expect(written).toContain('\u001b[1mdeleg_1')
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
    expect(delegator.listeners).toBe(0)
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

  it('what was used stands in the lines of the ends', () => {
    attach({})
    unit('deleg_1', 'first')
    child('deleg_1', 0, 'completed', null, used(3, 1200, 0.0123))
    completion('deleg_1', { status: 'completed' })
    expect(written.split('\n').slice(1)).toEqual([
      'deleg_1 1/1 completed after 0.0s · 3 calls · 1.2k tokens · $0.0123: first',
      'deleg_1 completed after 0.0s · 3 calls · 1.2k tokens · $0.0123',
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
