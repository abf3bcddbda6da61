import type { AnswerReport, SteerReport } from '../index.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printText } from './render.js'
import { UsageError } from './usage-error.js'

/** Options of `answer` and `steer`, as commander hands them over. */
export interface TalkOptions extends CommandOptions {
  /** From 1. */
  readonly task?: number
  readonly question?: string
}

/** Answers the question that a child waits with, whichever process runs it. */
export async function answer(id: string, text: string, options: TalkOptions): Promise<number> {
  const { question } = options
  return talk(id, options, async (delegator, where) => {
    const chosen = { ...where, ...(question !== undefined && { questionId: question }) }
    const report = await delegator.answer(id, text, chosen)
    if (options.json === true) printJson(report)
    else tellAnswer(report)
    return report.status === 'answered' ? exitCodes.ok : exitCodes.failed
  })
}

/** Sends a text to children that run, whichever process runs them. */
export async function steer(id: string, text: string, options: TalkOptions): Promise<number> {
  return talk(id, options, async (delegator, where) => {
    const report = await delegator.steer(id, text, where)
    if (options.json === true) printJson(report)
    else tellSteer(report)
    return report.status === 'taken' || report.status === 'queued' ? exitCodes.ok : exitCodes.failed
  })
}

type Opened = Awaited<ReturnType<typeof openDelegator>>

async function talk(
  id: string,
  options: TalkOptions,
  step: (delegator: Opened['delegator'], where: { readonly taskIndex?: number }) => Promise<number>,
): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const { delegator } = opened
    const { task } = options
    const { children } = await delegator.get(id)
    if (task !== undefined && task > children.length)
      throw new UsageError(`there is no task ${task}: ${id} has ${children.length}`)
    return await step(delegator, task === undefined ? {} : { taskIndex: task - 1 })
  } finally {
    await opened.close()
  }
}

function tellAnswer({ status, task_index = 0, questions = [] }: AnswerReport): void {
  if (status === 'answered') printOut(`answered task ${task_index + 1}\n`)
  if (status === 'not_waiting') printOut('nobody waits for an answer\n')
  if (status === 'no_reply') printOut('the process that runs it did not say whether it took the answer\n')
  if (status !== 'ambiguous') return
  printOut('several questions are open; say which by --task or --question:\n')
  for (const { question_id, task_index: index, text } of questions)
    printText(`--task ${index + 1} --question ${question_id}: ${text}`)
}

const words = {
  taken: 'taken',
  queued: 'not taken yet; it waits for the subagent',
  missed_steer: 'missed: the subagent does not run, or has too much to take already',
} as const

function tellSteer({ status, children }: SteerReport): void {
  if (status === 'no_reply') printOut('the process that runs it did not say whether it took the text\n')
  else if (children.length === 0) printOut('nothing of it runs\n')
  for (const { task_index: index, status: word } of children) printOut(`task ${index + 1}: ${words[word]}\n`)
}
