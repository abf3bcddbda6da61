import { missedLines, questionLines } from './format-question.js'
import { fieldText, isTruthy, listOf, taskIndex, textOr } from './format-values.js'
import { isJsonObject } from './json.js'
import type { JsonObject } from './json.js'

// The original's layout of a completion (spec 3.1 to 3.3), byte for byte but for the introduction, which is ours.
// An event may come from a foreign host: whatever a field holds, these functions print something and never throw.

/** How a completion is printed. */
export interface FormatOptions {
  /**
   * IANA name of the zone times are shown in, such as `Europe/Berlin`. A name the platform does not know throws
   * a `RangeError`.
   * @defaultValue the zone of the process
   */
  readonly timeZone?: string
  /** Sentences for the end of the introduction; must not contain a newline. */
  readonly note?: string
  /** How many tasks a batch has, where the event does not hold all of them. @defaultValue as many as it holds */
  readonly taskCount?: number
}

/**
 * The text of one completion event, single or batch, in the original's layout and with the child's own words as
 * they are: for tests and foreign hosts. What enters a conversation is made by `renderTurn` (P10).
 */
export function formatCompletion(event: JsonObject, options: FormatOptions = {}): string {
  const kind = isQuestion(event) ? questionLines : isBatch(event) ? batchLines : singleLines
  const lines = kind(event, options)
  return lines.join('\n')
}

/** True when the batch layout is used: the event says so, or carries a list of results. */
export function isBatch(event: JsonObject): boolean {
  return isTruthy(event['is_batch']) || Array.isArray(event['results'])
}

/** The tasks of a batch in the order they are printed: by `task_index`, which counts as 0 when it is no number. */
export function sortedResults(event: JsonObject): readonly JsonObject[] {
  return listOf(event['results'])
    .map((entry) => (isJsonObject(entry) ? entry : {}))
    .sort((a, b) => taskIndex(a) - taskIndex(b))
}

/** True for what is told of a unit that still runs. */
export function isNotice(event: JsonObject): boolean {
  return isTruthy(event['task_failure_notice']) || isTruthy(event['task_result_notice'])
}

/** True for a child of a unit that waits for an answer. */
export function isQuestion(event: JsonObject): boolean {
  return isJsonObject(event['question'])
}

/** `YYYY-MM-DD HH:MM:SS` of an instant, Unix seconds, or `null` when the calendar does not reach that far. */
export function localTime(at: number, timeZone?: string): string | null {
  const date = new Date(Math.floor(at) * 1000)
  if (Number.isNaN(date.getTime())) return null
  if (timeZone !== undefined) return zonedTime(date, timeZone)
  const day = [padded(date.getFullYear(), 4), padded(date.getMonth() + 1), padded(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part)).join(':')}`
}

function zonedTime(date: Date, timeZone: string): string {
  const style = { dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23', timeZone } as const
  // Sweden writes dates as ISO 8601 does.
  return new Intl.DateTimeFormat('sv-SE', style).format(date)
}

function padded(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}

/** `45s`, `18m`, `2m3s`, `2h`, `2h3m`: seconds are dropped from an hour on. */
function ageText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const whole = Math.trunc(seconds)
  const minutes = Math.trunc(whole / 60)
  if (whole < 60) return `${whole}s`
  if (minutes < 60) return unitsText(minutes, 'm', whole % 60, 's')
  return unitsText(Math.trunc(minutes / 60), 'h', minutes % 60, 'm')
}

function unitsText(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return `${large}${largeUnit}${small === 0 ? '' : `${small}${smallUnit}`}`
}

function title(words: string, event: JsonObject): string {
  return `[${words} — ${textOr(event['delegation_id'], '?')}]`
}

function introduction(sentence: string, options: FormatOptions): string {
  const rest =
    'You may have moved on since: what follows is enough to use the result, or to dispatch the work again.'
  return [sentence, rest, ...(options.note === undefined ? [] : [options.note])].join(' ')
}

function dispatchedLines(event: JsonObject, options: FormatOptions): string[] {
  const { dispatched_at: dispatched, completed_at: completed } = event
  if (typeof dispatched !== 'number') return []
  const time = localTime(dispatched, options.timeZone)
  if (time === null) return []
  // The original's "ago" is the run time: completed minus dispatched, not the time since now.
  const age = typeof completed === 'number' ? ageText(completed - dispatched) : '?'
  return [`Dispatched: ${time} (${age} ago)`]
}

function callerLines(event: JsonObject): string[] {
  const { context, toolsets } = event
  const names = Array.isArray(toolsets) ? listOf(toolsets).map(fieldText).join(', ') : fieldText(toolsets)
  return [
    ...(isTruthy(context) ? [`Context you provided: ${fieldText(context)}`] : []),
    ...(isTruthy(toolsets) ? [`Toolsets: ${names}`] : []),
  ]
}

function roleAndModel(event: JsonObject): string {
  return `Role: ${textOr(event['role'], 'leaf')}   Model: ${textOr(event['model'], '?')}`
}

function singleLines(event: JsonObject, options: FormatOptions): string[] {
  const { api_calls: calls = 0, duration_seconds: duration = '?' } = event
  return [
    title('ASYNC DELEGATION COMPLETE', event),
    introduction('A subagent you dispatched to the background earlier has ended.', options),
    '',
    ...dispatchedLines(event, options),
    `Original goal: ${textOr(event['goal'], '')}`,
    ...callerLines(event),
    roleAndModel(event),
    `Status: ${statusOf(event)}   API calls: ${fieldText(calls)}   Duration: ${fieldText(duration)}s`,
    '--- RESULT ---',
    ...singleBody(event),
    ...missedLines(event),
    ...transcriptLines(event, {}),
  ]
}

function singleBody(event: JsonObject): string[] {
  const { summary, error } = event
  if (isDone(event) && isTruthy(summary)) return [fieldText(summary)]
  const partial = isTruthy(summary) ? ['Partial output:', fieldText(summary)] : []
  if (statusOf(event) === 'interrupted') {
    const reason = isTruthy(error) ? `: ${fieldText(error)}` : '.'
    return [`The subagent was interrupted before completing${reason}`, ...partial]
  }
  return [
    `The subagent did not complete successfully (status=${statusOf(event)}).`,
    ...(isTruthy(error) ? [fieldText(error)] : []),
    ...partial,
  ]
}

/** A child that ended while its unit still runs (spec 3.4). */
function noticeLines(event: JsonObject, entry: JsonObject, options: FormatOptions): string[] {
  const count = fieldText(event['n_tasks'])
  const [word, what] = isTruthy(event['task_failure_notice']) ? ['FAILED', 'failed'] : ['COMPLETE', 'ended']
  const id = `${textOr(event['delegation_id'], '?')}, task ${taskIndex(entry) + 1}/${count}`
  return [
    title(`ASYNC DELEGATION TASK ${word}`, { delegation_id: id }),
    introduction(
      `One subagent of a batch you dispatched has ${what}; the others still run, and the consolidated result will come.`,
      options,
    ),
    ...taskLines(entry, event, count),
  ]
}

function batchLines(event: JsonObject, options: FormatOptions): string[] {
  const results = sortedResults(event)
  const [first] = results
  if (first !== undefined && isNotice(event)) return noticeLines(event, first, options)
  const { taskCount = results.length } = options
  const goals = listOf(event['goals']).length
  // Of one of several units of a call, tasks are counted within the call (spec 3.3).
  const isPart = Array.isArray(event['task_indexes']) || isTruthy(event['group'])
  const count = taskCount === 0 ? goals : taskCount
  // An absent key and a null differ, as in the original: `?` and `None`.
  const { duration_seconds: duration = '?', total_duration_seconds: total = duration } = event
  const subagents = count === 1 ? '1 subagent' : `${count} subagents`
  return [
    title('ASYNC DELEGATION BATCH COMPLETE', event),
    introduction(
      isPart
        ? `${partOf(event, count)}, which you dispatched to the background earlier, has ended; the others report separately.`
        : `A batch of ${subagents} you dispatched to the background earlier has ended.`,
      options,
    ),
    '',
    ...dispatchedLines(event, options),
    ...callerLines(event),
    `${roleAndModel(event)}   Total duration: ${fieldText(total)}s`,
    ...(results.length === 0 && isTruthy(event['error'])
      ? ['--- ERROR ---', `The batch did not complete successfully: ${fieldText(event['error'])}`]
      : results.flatMap((entry) => taskLines(entry, event, isPart ? goals : taskCount))),
  ]
}

function partOf(event: JsonObject, count: number): string {
  const whole = `the ${listOf(event['goals']).length} subagents of a call`
  const tasks = count === 1 ? `One of ${whole}` : `${count} of ${whole}`
  return isTruthy(event['group']) ? `${tasks} (group ${fieldText(event['group'])})` : tasks
}

function taskLines(entry: JsonObject, event: JsonObject, count: number | string): string[] {
  const index = taskIndex(entry)
  const goal = listOf(event['goals'])[index]
  const { api_calls: calls, duration_seconds: duration } = entry
  const facts = [
    `status=${statusOf(entry)}`,
    ...(isTruthy(calls) ? [`api_calls=${fieldText(calls)}`] : []),
    ...(duration === null || duration === undefined ? [] : [`${fieldText(duration)}s`]),
  ]
  const heading = `${isDone(entry) ? '✓' : '✗'} TASK ${index + 1}/${count}${isTruthy(goal) ? `: ${fieldText(goal)}` : ''}`
  return [
    '',
    `--- ${heading}  (${facts.join(', ')}) ---`,
    ...taskBody(entry),
    ...missedLines(entry),
    ...transcriptLines(event, entry),
  ]
}

function taskBody(entry: JsonObject): string[] {
  const { summary, error } = entry
  const status = statusOf(entry)
  const reason = isTruthy(error) ? `: ${fieldText(error)}` : ''
  if (!isTruthy(summary)) return [`(no summary — status=${status}${reason})`]
  if (isDone(entry)) return [fieldText(summary)]
  return [...(reason === '' ? [] : [`(${status}${reason})`]), 'Partial output:', fieldText(summary)]
}

/** Where the complete trace is: what the entry itself names, else what the event holds for its index. */
function transcriptLines(event: JsonObject, entry: JsonObject): string[] {
  const held = event['live_transcripts']
  const ofIndex = isJsonObject(held) ? held[String(taskIndex(entry))] : undefined
  const path = isTruthy(entry['live_transcript']) ? entry['live_transcript'] : ofIndex
  return isTruthy(path) ? [`Full live transcript (complete tool/assistant trace): ${fieldText(path)}`] : []
}

function statusOf(entry: JsonObject): string {
  return textOr(entry['status'], 'unknown')
}

/** True for a task that did what it was asked. */
export function isDone(entry: JsonObject): boolean {
  return entry['status'] === 'completed' || entry['status'] === 'success'
}
