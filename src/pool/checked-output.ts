/**
 * The result of a child that was asked for JSON of a certain form: found, judged, and asked for once more where it does
 * not fit. Loaded by a worker only when a task has a schema.
 */
import { isSuccess } from '../core/delegation.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import type { Runner, RunnerContext, RunnerReference, RunnerResult, RunnerTask } from '../runner.js'
import { errorDetail } from './error-detail.js'
import { judge, type Judgement } from './json-schema.js'
import { toPlain } from './plain-data.js'

/** Half of what a result may have: its other fields need room, too. */
const outputCharacters = 524_288

interface CheckedJob {
  readonly task: RunnerTask
  readonly runner: RunnerReference
}

interface Verdict extends Judgement {
  /** What was judged; undefined where there was nothing to judge. */
  readonly output: Json | undefined
}

/**
 * Runs it, and once more with `task.correction` where its output does not fit, its runner corrects, and nobody has
 * stopped it meanwhile. An end that is no success is not judged.
 */
export async function runChecked(
  schema: JsonObject,
  runner: Runner,
  { task, runner: { correctsOutput } }: CheckedJob,
  ctx: RunnerContext,
): Promise<unknown> {
  const returned: unknown = (await runner(task, ctx)) ?? {}
  if (!isResult(returned) || !hasSucceeded(returned)) return returned
  const verdict = verdictOn(returned, schema)
  const { errors, isLate } = verdict
  if (errors.length === 0 || isLate || correctsOutput !== true || ctx.signal.aborted)
    return told(returned, verdict, 0)
  ctx.log(`${notFitting(errors)}; it is asked for once more`)
  const second = await corrected(runner, { ...task, correction: { errors, previous: returned } }, ctx)
  const result = { ...second, ...added(returned, second) }
  if (hasSucceeded(second)) return told(result, verdictOn(second, schema), 1)
  const { status, exit_reason } = second
  const error = `${notFitting(errors)}; its correction ended ${status ?? 'failed'}: ${second.error ?? 'no error was named'}`
  return {
    ...returned,
    ...result,
    summary: summaryOf(returned, verdict),
    status,
    exit_reason,
    error,
    ...fields(verdict, 1),
  }
}

/** What becomes of the correction is no reason to lose what there was before it. */
async function corrected(runner: Runner, task: RunnerTask, ctx: RunnerContext): Promise<RunnerResult> {
  try {
    const returned: unknown = (await runner(task, ctx)) ?? {}
    return isResult(returned) ? returned : { status: 'failed', error: 'it returned no object' }
  } catch (error) {
    const { name, message } = errorDetail(error)
    const word = ctx.signal.aborted ? 'interrupted' : 'error'
    return { status: word, error: `${name}: ${message}`, exit_reason: word }
  }
}

function isResult(returned: unknown): returned is RunnerResult {
  return isJsonObject(returned)
}

function hasSucceeded({ status }: RunnerResult): boolean {
  return (status ?? '') === '' || isSuccess(status)
}

function told(result: RunnerResult, verdict: Verdict, retries: number): RunnerResult {
  const summary = summaryOf(result, verdict)
  if (verdict.errors.length === 0) return { ...result, summary, ...fields(verdict, retries) }
  const end = { status: 'failed', exit_reason: 'error', error: notFitting(verdict.errors) }
  return { ...result, summary, ...end, ...fields(verdict, retries) }
}

/** `output` is there only if it fits. */
function fields({ output, errors }: Verdict, retries: number): JsonObject {
  const isValid = errors.length === 0
  return {
    output: isValid ? output : undefined,
    schema_valid: isValid,
    schema_retries: retries,
    schema_errors: isValid ? undefined : errors,
  }
}

/** A reader of the event sees its summary: an output without one becomes its own. */
function summaryOf({ summary }: RunnerResult, { output }: Verdict): string | null {
  if (summary !== undefined && summary !== null && summary !== '') return summary
  return output === undefined ? null : JSON.stringify(output, null, 2)
}

function notFitting(errors: readonly string[]): string {
  return `the output does not fit its schema: ${errors.join('; ')}`
}

/** Both runs cost something. */
function added(first: RunnerResult, second: RunnerResult): JsonObject {
  const both = ['api_calls', 'duration_seconds'].map(
    (name) => [name, sum(first[name], second[name])] as const,
  )
  const usages = [first['usage'], second['usage']].map((usage) => (isJsonObject(usage) ? usage : {}))
  const names = new Set(usages.flatMap((usage) => Object.keys(usage)))
  const usage = [...names].map((name) => [name, sum(usages[0]?.[name], usages[1]?.[name])] as const)
  const known = both.filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(known), ...(usage.length > 0 && { usage: Object.fromEntries(usage) }) }
}

/** Of what is no number, the later counts. */
function sum(first: Json | undefined, second: Json | undefined): Json | undefined {
  return typeof first === 'number' && typeof second === 'number' ? first + second : (second ?? first)
}

/** @throws {NotPlainError} for an `output` that no result could carry. */
function verdictOn({ output, summary }: RunnerResult, schema: JsonObject): Verdict {
  if (output !== undefined) {
    const plain = toPlain(output, 'output', outputCharacters)
    return { ...judge(schema, plain), output: plain }
  }
  const found = jsonIn(summary ?? '')
  if (typeof found === 'string') return { errors: [found], isLate: false, output: undefined }
  return { ...judge(schema, found.value), output: found.value }
}

const fence = '```'

/** The JSON that a text is, or the last that it has between fences; else why there is none. */
function jsonIn(text: string): { readonly value: Json } | string {
  let why = 'there is no JSON in the answer'
  for (const part of [text, lastFenced(text)]) {
    if (part === null) continue
    if (part.length > outputCharacters) {
      why = `the answer is over ${outputCharacters} characters`
      continue
    }
    try {
      return { value: toPlain(JSON.parse(part), 'output', outputCharacters) }
    } catch (error) {
      why = `the answer is no JSON: ${(error as Error).message}`
    }
  }
  return why
}

function lastFenced(text: string): string | null {
  const start = text.toLowerCase().lastIndexOf(`${fence}json`)
  if (start === -1) return null
  const from = start + fence.length + 'json'.length
  const end = text.indexOf(fence, from)
  return text.slice(from, end === -1 ? text.length : end)
}
