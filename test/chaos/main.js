/**
 * `npm run chaos`: every scenario in its long form. `npm run chaos -- kills cap-race`: those alone. `--short` is what
 * `npm test` runs; `--seed N` runs the rounds from that seed on, `--kills N` and `--rounds N` say how much; `--json`
 * prints what came out as one line. Exits with 1 when a promise was broken, and prints the seed that broke it.
 */
import { parseArgs } from 'node:util'
import { scenarios } from './scenarios.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string' },
    rounds: { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const size = values.short ? 'short' : 'long'
const asNumber = (text) => (text === undefined ? undefined : Number(text))
const asked = {
  seed: Number(values.seed),
  kills: asNumber(values.kills),
  rounds: asNumber(values.rounds),
  size,
}
const unknown = positionals.filter((name) => !(name in scenarios))
if (unknown.length > 0) {
  process.stderr.write(
    `There is no scenario ${unknown.join(', ')}: there are ${Object.keys(scenarios).join(', ')}\n`,
  )
  process.exit(2)
}

const say = (text) => process.stderr.write(`${text}\n`)
const results = {}
for (const name of positionals.length > 0 ? positionals : Object.keys(scenarios)) {
  const startedMs = performance.now()
  say(`${name}, seed ${asked.seed} ...`)
  const result = await scenarios[name](asked, say)
  results[name] = { ...result, seconds: Math.round((performance.now() - startedMs) / 100) / 10 }
  say(JSON.stringify(results[name], null, 2))
}
const broken = Object.entries(results).filter(([, { problems }]) => problems.length > 0)
for (const [name, { seed = asked.seed }] of broken)
  say(`BROKEN: ${name}. Again: npm run chaos -- ${name} --seed ${seed}`)
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`)
process.exit(broken.length > 0 ? 1 : 0)
