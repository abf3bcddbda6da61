/** The command lines of known agents, without a terminal: their arguments, what they need, and how they answer. */
import { claudeReader, codexReader, geminiReader, opencodeReader } from './agent-readers.js'
import type { Reader } from './command-reading.js'
import type { CommandTemplate } from './command-template.js'

/** What a preset stands for. Each part may be given anew by the runner's own options. */
export interface AgentPreset {
  /** With `extra` where the program takes options for good: before what ends its command line. */
  readonly argv: (extra: readonly string[]) => CommandTemplate
  readonly stdin?: string
  /** For a prompt that is too long for an argument. */
  readonly large?: { readonly argv: (extra: readonly string[]) => CommandTemplate }
  /** Variables of its own, among them those that may hold its key. */
  readonly pass: readonly string[]
  readonly output: 'text' | 'jsonl'
  readonly reader?: () => Reader
  /** A program without JSON: where in its output the id of its session stands, as the first group. */
  readonly sessionLine?: RegExp
}

// Options carry their value behind `=`: a value that begins with a dash stays a value.
const model = ['--model={model}'] as const
const resume = ['--resume={session}'] as const
const hermes = (extra: readonly string[]): CommandTemplate => [
  'hermes',
  'chat',
  '--quiet',
  ...extra,
  model,
  resume,
]

const presets = {
  claude: {
    argv: (extra) => ['claude', '-p', '--output-format=stream-json', '--verbose', ...extra, model, resume],
    stdin: '{prompt}',
    pass: [
      ...['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_BASE_URL'],
      ...['CLAUDE_CODE_OAUTH_TOKEN', 'CLAUDE_CONFIG_DIR'],
    ],
    output: 'jsonl',
    reader: claudeReader,
  },
  codex: {
    argv: (extra) => [
      ...['codex', 'exec', '--json', '--skip-git-repo-check', ...extra],
      model,
      ['resume', '{session}'],
      '-',
    ],
    stdin: '{prompt}',
    pass: ['CODEX_HOME', 'CODEX_API_KEY', 'OPENAI_API_KEY', 'OPENAI_BASE_URL'],
    output: 'jsonl',
    reader: codexReader,
  },
  gemini: {
    argv: (extra) => ['gemini', '--output-format=stream-json', ...extra, model, resume],
    stdin: '{prompt}',
    pass: [
      ...['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLOUD_PROJECT'],
      ...['GOOGLE_CLOUD_LOCATION', 'GOOGLE_GENAI_USE_VERTEXAI', 'GOOGLE_GENAI_USE_GCA'],
    ],
    output: 'jsonl',
    reader: geminiReader,
  },
  opencode: {
    argv: (extra) => ['opencode', 'run', '--format=json', ...extra, model, ['--session={session}']],
    stdin: '{prompt}',
    pass: ['OPENCODE_API_KEY', 'OPENCODE_CONFIG', 'OPENCODE_CONFIG_DIR'],
    output: 'jsonl',
    reader: opencodeReader,
  },
  hermes: {
    argv: (extra) => [...hermes(extra), '--query={prompt}'],
    large: { argv: (extra) => [...hermes(extra), '--query-file={prompt_file}'] },
    pass: ['HERMES_HOME'],
    output: 'text',
    sessionLine: /^session_id: (\S+)$/m,
  },
} as const satisfies Readonly<Record<string, AgentPreset>>

/** Agents whose command line is known. */
export type AgentName = keyof typeof presets

export const agentNames = Object.keys(presets) as readonly AgentName[]

export function presetOf(name: AgentName): AgentPreset {
  return presets[name]
}
