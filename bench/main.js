/**
 * Runs the benchmarks one after the other, each in a process of its own, prints a table and writes
 * results/latest.json. `node bench/main.js <name>...` runs those alone; `--markdown` prints the table of the last run.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const folder = new URL('./', import.meta.url)
const latest = new URL('./results/latest.json', folder)
const order = [
  'throughput',
  'round-trip',
  'dispatch',
  'refusal',
  'batch',
  'memory',
  'loop-delay',
  'process',
  'retention',
  'cli-start',
  'durable',
  'durable-dispatch',
  'racing',
  'foreign-lock',
  'pending',
  'waking',
  'progress',
  'stop',
  'transcript',
  'host',
  'mcp',
  'peers',
]
const heads = ['', 'what', 'ours', 'baseline', 'ratio (middle half)', 'target', 'met']

const wanted = process.argv.slice(2)
if (wanted.includes('--markdown')) printMarkdown(JSON.parse(readFileSync(latest, 'utf8')))
else run()

function run() {
  const there = readdirSync(folder)
    .filter((name) => name.endsWith('.bench.js'))
    .map((name) => name.slice(0, -'.bench.js'.length))
    .sort((a, b) => order.indexOf(a) - order.indexOf(b))
  const unknown = wanted.filter((name) => !there.includes(name))
  if (unknown.length > 0) {
    process.stderr.write(`There is no benchmark ${unknown.join(', ')}: there are ${there.join(', ')}\n`)
    process.exit(2)
  }
  const results = {}
  for (const name of wanted.length > 0 ? wanted : there) {
    process.stderr.write(`${name} ...\n`)
    results[name] = rowsOf(name)
  }
  const facts = {
    at: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryMb: Math.round(totalmem() / 1e6),
    loadBefore: loadavg()[0],
  }
  const all = { facts, rows: Object.values(results).flat() }
  mkdirSync(new URL('./', latest), { recursive: true })
  // Some benchmarks alone renew their own rows only.
  const kept = wanted.length > 0 ? previous().filter(({ id }) => !all.rows.some((row) => row.id === id)) : []
  const rows = [...kept, ...all.rows].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
  writeFileSync(latest, `${JSON.stringify({ facts, rows }, null, 2)}\n`)
  printTable(all)
  if (all.rows.some(({ met }) => met === false)) process.exitCode = 1
}

function previous() {
  try {
    return JSON.parse(readFileSync(latest, 'utf8')).rows
  } catch {
    return []
  }
}

function rowsOf(name) {
  const at = new Date().toISOString()
  const file = fileURLToPath(new URL(`./${name}.bench.js`, folder))
  const { status, stdout } = spawnSync(process.execPath, ['--expose-gc', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: 300_000,
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (status === 0 && line.startsWith('{'))
    return JSON.parse(line).rows.map((row) => ({ ...row, at, load: loadavg()[0] }))
  return [{ id: `? ${name}`, what: `${name} failed (exit code ${status})`, unit: '', ours: null, met: false }]
}

function figure(value, unit = '') {
  if (value === null || value === undefined) return '–'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${unit === '' ? '' : ` ${unit}`}`
}

function cells({ id, what, unit, ours, bare, ratio, spread, target, met }) {
  const spreads = spread ? ` (${figure(spread[0])}–${figure(spread[1])})` : ''
  const word = met === null || met === undefined ? '–' : met ? 'yes' : 'NO'
  return [id, what, figure(ours, unit), figure(bare, unit), `${figure(ratio)}${spreads}`, target ?? '–', word]
}

function machine({ at, node, platform, cpus: count, cpu, memoryMb }) {
  return `${node}, ${platform}, ${count} CPUs (${cpu}), ${memoryMb} MB, ${at}`
}

function printTable({ facts, rows }) {
  const lines = [heads, ...rows.map(cells)]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  for (const line of lines) {
    process.stdout.write(
      `${line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
  process.stdout.write(`\n${machine(facts)}\n`)
}

function printMarkdown({ facts, rows }) {
  const line = (values) => `| ${values.join(' | ')} |\n`
  process.stdout.write(
    line(heads) + line(heads.map(() => '---')) + rows.map((row) => line(cells(row))).join(''),
  )
  const times = rows.map(({ at }) => at ?? facts.at).sort()
  const loads = rows.map(({ load }) => load ?? facts.loadBefore).sort((a, b) => a - b)
  // Rows that were renewed alone are of another time, and of another load, than the rest.
  process.stdout.write(`\n${machine(facts)}\n`)
  process.stdout.write(
    `\nRows from ${times[0]} to ${times.at(-1)}; load ${figure(loads[0])} to ${figure(loads.at(-1))}.\n`,
  )
}
