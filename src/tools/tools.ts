/** Front of the tools: the one registry of what a model sees, and every form that is generated from it. */
import { DelegationError, type Delegator } from '../index.js'
import type { JsonObject } from '../runner.js'
import { boundedAnswer } from './bounded-answer.js'
import { ignoredNote } from './checked-tasks.js'
import { checkTaskStatus } from './check-status.js'
import { delegateTaskAsync } from './delegate-async.js'
import { delegateTask, waitNote } from './delegate-task.js'
import { commitMemory, recallMemory, type MemoryOptions } from './memory.js'
import type { PeerDirectory } from './peer-directory.js'
import { getWorkspaceInfo, listPeers, sendMessageToUser, workspaceOf } from './peers.js'
import { inputObject, jsonSchemaOf, readInput } from './read-input.js'
import { shownText } from './shown-results.js'
import { checkToolsOptions } from './tools-options.js'
import {
  shownId,
  ToolProblem,
  type Arrival,
  type ToolChild,
  type ToolHost,
  type ToolSection,
  type ToolSpec,
} from './tool-spec.js'

export { aiSdkTools } from './ai-sdk.js'
export { langchainTools } from './langchain.js'
export type { MemoryOptions, MemoryPermission } from './memory.js'
export { mcpCall, mcpTools, type McpTool, type McpToolResult } from './mcp.js'
export { openAiTools, type OpenAiTool } from './openai.js'
export { isOwn, ownUnit } from './own-units.js'
export { shownText } from './shown-results.js'
export { toolPrompt, type ShellSituation } from './prompt.js'
export { ToolProblem } from './tool-spec.js'
export type { PeerDirectory, PeerTaskStatus } from './peer-directory.js'
export type { Arrival, ToolChild, ToolHost, ToolSection, ToolSpec } from './tool-spec.js'

/** In the order of every listing. */
export const toolSpecs: readonly ToolSpec[] = [
  delegateTask,
  delegateTaskAsync,
  checkTaskStatus,
  listPeers,
  getWorkspaceInfo,
  sendMessageToUser,
  commitMemory,
  recallMemory,
]

export interface ToolsOptions {
  readonly delegator: Delegator
  /**
   * Whose tools they are: what is dispatched belongs to it, and nobody else's ids are known. A function that gives null
   * says that there is no conversation: then every call is an error, as for anything else that is no text.
   * @defaultValue `''`: what this delegator runs
   */
  readonly sessionKey?: string | (() => string | null)
  /**
   * At the cap. `reject`: the model gets the refusal as data. `inline`: the work runs at once, over the cap, while the
   * model waits; as many units as the cap allows may do so at a time, and more are refused. @defaultValue 'reject'
   */
  readonly onRefusal?: 'reject' | 'inline'
  /** False where the session has no later turn: then `delegate_task` waits for its results. @defaultValue true */
  readonly acceptsLaterResults?: boolean
  /**
   * What a model is told after a dispatch. With one of the host's own the descriptions leave it to the note to say how
   * results arrive. @defaultValue to end its turn: the results arrive as a new one
   */
  readonly dispatchNote?: string
  /** Tools of the host's own, listed after the registry's, with names of their own. @defaultValue none */
  readonly more?: readonly ToolSpec[]
  /** Tools for a child: its units run below it, and it waits for them. @defaultValue none: the host's own model */
  readonly child?: ToolChild
  /** @defaultValue none: such calls are answered with "No peers configured" */
  readonly peers?: PeerDirectory
  /** @defaultValue none: such calls are answered with "No memory configured" */
  readonly memory?: MemoryOptions
}

export interface ToolCallOptions {
  /**
   * Aborts when nobody waits for the answer any more: what the call waits for is interrupted, and what had ended by then is
   * the answer. What runs in the background goes on; what runs below a child ends with that child.
   */
  readonly signal?: AbortSignal
}

/** One tool, as a model is told of it now. */
export interface ToolListing {
  readonly name: string
  readonly section: ToolSection
  readonly description: string
  readonly whenToUse: string
  readonly shell: string | null
  /** JSON Schema, draft-07. */
  readonly inputSchema: JsonObject
}

export interface ToolResult {
  readonly isError: boolean
  /** Plain data; `error` says what went wrong. */
  readonly data: JsonObject
}

export interface Tools {
  readonly arrival: Arrival
  /** With the limits of the delegator; of tools for a child, those that a child may have (spec 4.3). */
  list(): Promise<readonly ToolListing[]>
  /** Never rejects: what goes wrong is data for the model. */
  call(name: string, input: unknown, options?: ToolCallOptions): Promise<ToolResult>
  /** Refuses new work of these tools; what runs goes on, and can be steered and stopped. */
  setSpawnPaused(paused: boolean): void
}

/** @throws {DelegationError} OPTION_INVALID, naming the option, what was given and what was expected */
export function createTools(options: ToolsOptions): Tools {
  checkToolsOptions(
    options,
    toolSpecs.map(({ name }) => name),
  )
  const { delegator, sessionKey = '' } = options
  const arrival = arrivalFor(options)
  const specs = [...toolSpecs, ...(options.more ?? [])]
  let isPaused = false
  const host: Omit<ToolHost, 'sessionKey' | 'signal'> = {
    delegator,
    peers: options.peers ?? null,
    memory: options.memory ?? null,
    onRefusal: options.onRefusal ?? 'reject',
    acceptsLaterResults: options.acceptsLaterResults ?? true,
    dispatchNote: options.dispatchNote ?? waitNote,
    arrival,
    child: options.child ?? null,
    isPaused: () => isPaused,
  }
  return {
    arrival,
    list: () => {
      const listed = specs
        .filter((spec) => isFor(spec, host))
        .map(({ name, section, short, whenToUse, shell, input }) => ({
          name,
          section,
          description: short(delegator.limits, arrival),
          whenToUse: typeof whenToUse === 'function' ? whenToUse(arrival) : whenToUse,
          shell,
          inputSchema: jsonSchemaOf(input),
        }))
      return Promise.resolve(listed)
    },
    call: (name, input, { signal } = {}) => {
      const ownKey = (): string => {
        const key: unknown = typeof sessionKey === 'string' ? sessionKey : sessionKey()
        if (typeof key === 'string') return key
        throw new ToolProblem(`${shownId(name)} requires a parent agent context.`)
      }
      return called(specs, name, input, { ...host, sessionKey: ownKey, signal: signal ?? null })
    },
    setSpawnPaused: (paused) => void (isPaused = paused),
  }
}

function arrivalFor({ child, acceptsLaterResults = true, dispatchNote }: ToolsOptions): Arrival {
  if (child !== undefined || !acceptsLaterResults) return 'answer'
  return dispatchNote === undefined || dispatchNote === waitNote ? 'turn' : 'request'
}

function isFor({ isHostsOnly = false }: ToolSpec, { child }: Pick<ToolHost, 'child'>): boolean {
  return child === null || !isHostsOnly
}

async function called(
  specs: readonly ToolSpec[],
  name: string,
  input: unknown,
  host: ToolHost,
): Promise<ToolResult> {
  const spec = specs.find((known) => known.name === name)
  try {
    if (spec === undefined) throw new ToolProblem(`Unknown tool: ${shownId(name)}`)
    if (!isFor(spec, host)) throw new ToolProblem(`${name} is not for subagents.`)
    host.sessionKey()
    const given = inputObject(input)
    const { values, ignored } = readInput(spec.input, spec.prepare?.(given, host) ?? given)
    const { data, leftOut } = boundedAnswer(await spec.run(values, host))
    const notes = [
      data['note'],
      ignored.length > 0 ? ignoredNote(ignored) : undefined,
      leftOut === null ? undefined : `${leftOut} ${restHint(spec, values)}`,
    ]
    const note = notes.filter((part) => typeof part === 'string').join(' ')
    return { isError: false, data: note === '' ? data : { ...data, note } }
  } catch (error) {
    return { isError: true, data: boundedAnswer(problemData(error)).data }
  }
}

/** How to get what an answer has no room for. */
function restHint({ section }: ToolSpec, values: JsonObject): string {
  if (section === 'peers' || workspaceOf(values['workspace_id']) !== null)
    return 'Ask the peer for the part that you need.'
  if (section === 'memory') return 'Ask for less at once.'
  return (
    "check_task_status with '<delegation_id>:<task_index>' as its task_id shows one subagent alone; of a text that is cut " +
    "even there, the host has the rest, in its summary_full_path or by 'hermes-delegate show'."
  )
}

function problemData(error: unknown): JsonObject {
  if (error instanceof ToolProblem) return { error: error.message, ...error.facts }
  if (error instanceof DelegationError) return { error: shownText(error.message), code: error.code }
  return { error: shownText(error instanceof Error ? error.message : String(error)) }
}
