/** 20. What it costs a child to write 5 MB a second to its transcript. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interleave, median, open, ratioOf, report, row, runnerOf } from './lib.js'

const bytes = 5_000_000
const units = 1_000
const rounds = Number(process.env.BENCH_ROUNDS ?? 7)

const folder = mkdtempSync(join(tmpdir(), 'hermes-bench-'))
const delegator = await open({ transcripts: { folder } })

async function summaryOf(runner) {
  const outcome = await delegator.dispatch({ goal: 'talk', runner })
  if (outcome.status !== 'dispatched') throw new Error(outcome.error)
  const event = await delegator.wait(outcome.delegationId)
  if (event.status !== 'completed') throw new Error(JSON.stringify(event))
  return Number(event.summary)
}

const spins = await summaryOf(runnerOf('talks', { export: 'calibrate' }))
const takes = (options) => () => summaryOf(runnerOf('talks', { options: { units, spins, ...options } }))
const silent = takes({ bytes: 0, lineBytes: 1 })

async function line(id, lineBytes, bound) {
  const talking = takes({ bytes, lineBytes })
  await talking()
  const figures = await interleave(rounds, talking, silent)
  return row({
    id,
    what: `a child's second of work that writes 5 MB to its transcript, lines of ${lineBytes} B; baseline: silent`,
    unit: 'ms',
    ours: median(figures.ours),
    bare: median(figures.bare),
    ...ratioOf(figures),
    bound,
  })
}

report(
  await line('20a', 1_000, { ratio: { atMost: 1.1 } }),
  await line('20b', 400, { ratio: { atMost: 1.1 } }),
  await line('20c', 100, { ratio: { atMost: 1.1 } }),
)
rmSync(folder, { recursive: true, force: true })
process.exit()
