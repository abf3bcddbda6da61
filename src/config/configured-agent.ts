import { resolve } from 'node:path'
import type { AgentRunnerOptions } from '../agent/agent-runner.js'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'

/** Below these stand names of the user's own: of servers, of variables. */
const freeNames: ReadonlySet<string> = new Set(['mcpServers', 'set'])

/** An `agent` of the file as what its maker takes. Paths start at `folder`. The maker checks the rest. */
export function agentOptions(agent: JsonObject, folder: string): AgentRunnerOptions {
  const { workdir, mcpServers, ...options } = camelCased(agent)
  const given: JsonObject = {
    ...options,
    ...(workdir !== undefined && { workdir: located(workdir, folder) }),
    ...(mcpServers !== undefined && { mcpServers: serversAt(mcpServers, folder) }),
  }
  return given as unknown as AgentRunnerOptions
}

function serversAt(servers: Json, folder: string): Json {
  if (!isJsonObject(servers)) return servers
  return Object.fromEntries(
    Object.entries(servers).map(([name, server]): [string, Json | undefined] => {
      if (!isJsonObject(server)) return [name, server]
      const { command, cwd, ...rest } = server
      // A program with a dot before its path is looked for where the file is.
      const isOurs = typeof command === 'string' && /^\.{1,2}\//.test(command)
      return [
        name,
        {
          ...rest,
          ...(command !== undefined && { command: isOurs ? resolve(folder, command) : command }),
          ...(cwd !== undefined && { cwd: located(cwd, folder) }),
        },
      ]
    }),
  )
}

const located = (path: Json, folder: string): Json =>
  typeof path === 'string' ? resolve(folder, path) : path

/** Keys as they are written in a file, by what makers call them. */
export function camelCased(value: JsonObject, areFree = false): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      // A key in the maker's own spelling is none of the file's: so it stays unknown.
      const name = areFree
        ? key
        : /[A-Z]/.test(key)
          ? `_${key}`
          : key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      return [name, isJsonObject(item) ? camelCased(item, freeNames.has(name)) : item]
    }),
  )
}

/** A problem of the maker with its key as it is written in the file. */
export function agentProblem(problem: string): string {
  const end = problem.indexOf(':')
  const names = problem.slice(0, end).split('.')
  const written = names.map((name, index) =>
    freeNames.has(names[index - 1] ?? '')
      ? name
      : name
          .replace(/^_/, '')
          .replace(name.startsWith('_') ? /$^/ : /[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  )
  return written.join('.') + problem.slice(end)
}
