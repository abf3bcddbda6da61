/** The actions of `delegate_task` on subagents that run (spec 4.8). They are there when spawning is paused, too. */
import type { JsonObject } from '../runner.js'
import { ownLiveUnits, ownUnit } from './own-units.js'
import type { DelegationRecord, Dispatched } from '../index.js'
import { shownText } from './shown-results.js'
import { shownId, textOf, ToolProblem, type ToolHost } from './tool-spec.js'

/** A subagent is `<delegation_id>:<task_index>`. */
interface Target {
  readonly id: string
  readonly taskIndex: number
}

/** Of the tasks of a call, in their order. */
export function subagentIds({ delegationId, units }: Dispatched, taskCount: number): readonly string[] {
  const unitOf = (index: number): string =>
    units?.find(({ taskIndexes }) => taskIndexes.includes(index))?.delegationId ?? delegationId
  return Array.from({ length: taskCount }, (_, index) => `${unitOf(index)}:${index}`)
}

/** Words of a child that runs; whether its runner takes what it is told shows only when it is told something. */
const hearing: readonly string[] = ['running', 'input_required', 'auth_required', 'stalling']

export async function control(action: string, input: JsonObject, host: ToolHost): Promise<JsonObject> {
  const { subagent_id: subagentId, message } = input
  switch (action) {
    case 'list':
      return listed(host)
    case 'steer': {
      const text = textOf(message)
      if (text === null) throw new ToolProblem("Action 'steer' needs a 'message'.")
      const { id, taskIndex } = await targetOf(textOf(subagentId), action, host)
      const { status } = await host.delegator.steer(id, text, { taskIndex })
      // The original's word for both; `taken` tells them apart.
      return {
        action,
        subagent_id: `${id}:${taskIndex}`,
        status: status === 'taken' ? 'queued' : status,
        taken: status === 'taken',
        ...(status !== 'taken' && { note: untakenNotes[status] }),
      }
    }
    case 'stop': {
      const { id, taskIndex } = await targetOf(textOf(subagentId), action, host)
      const stopping = host.delegator.interrupt(id, { taskIndex, reason: 'Async delegation cancelled' })
      const { signalled } = await stopping
      return {
        action,
        subagent_id: `${id}:${taskIndex}`,
        status: signalled > 0 ? 'interrupt_requested' : 'not_running',
      }
    }
    default:
      throw new ToolProblem(
        `Unknown action '${action.slice(0, 60)}'. Use spawn (default), list, steer, or stop.`,
      )
  }
}

const untakenNotes = {
  queued:
    'The subagent has not taken it yet, and perhaps never will: not every one listens. If it ends first, its result says so as `missed_steer`.',
  missed_steer: 'The subagent cannot have it any more.',
  no_reply: 'The process that runs the subagent did not answer: whether it has it is not known.',
} as const

async function listed(host: ToolHost): Promise<JsonObject> {
  const records = await ownLiveUnits(host)
  const { at, units } = host.delegator.snapshot()
  /** Of what another process runs it is known only when it was dispatched. */
  const secondsOf = (record: DelegationRecord, index: number): number => {
    const unit = units.find(({ delegation_id }) => delegation_id === record.delegation_id)
    const child = unit?.children.find(({ task_index }) => task_index === index)
    return child?.seconds ?? Math.max(0, Math.round((at - record.dispatched_at) * 100) / 100)
  }
  const subagents = records.flatMap((record) =>
    record.children.map((child) => ({
      subagent_id: `${record.delegation_id}:${child.task_index}`,
      parent_id: record.parent_id ?? null,
      goal: shownText(child.goal).slice(0, 200),
      model: record.model,
      status: child.state,
      running_seconds: secondsOf(record, child.task_index),
      accepting_steer: hearing.includes(child.state) ? 'unknown' : false,
      live_transcript: record.live_transcripts?.[String(child.task_index)] ?? null,
    })),
  )
  return { action: 'list', count: subagents.length, subagents }
}

async function targetOf(subagentId: string | null, action: string, host: ToolHost): Promise<Target> {
  if (subagentId === null)
    throw new ToolProblem(`Action '${action}' needs a 'subagent_id'; action 'list' has them.`)
  const [, id, index] = /^(.+?)(?::(\d{1,5}))?$/s.exec(subagentId) ?? []
  const record = id === undefined ? null : await ownUnit(id, host)
  const child = record?.children.find(({ task_index }) => task_index === Number(index ?? 0))
  const isPlain = index !== undefined || record?.children.length === 1
  if (record === null || child === undefined || record.completed_at !== null || !isPlain) {
    throw new ToolProblem(
      `No live subagent '${shownId(subagentId)}' in this conversation's spawn tree; action 'list' has those that run.`,
    )
  }
  return { id: record.delegation_id, taskIndex: child.task_index }
}
