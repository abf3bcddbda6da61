/** 12. How long a refusal takes while 8 processes want the 5 slots of one ledger. */
import { newLedger, openDurable, program } from './ledger.js'
import { percentile, report, row } from './lib.js'

const processes = 8
const forMs = Number(process.env.BENCH_MS ?? 8_000)

/** `pauseMs` between two calls of one process: 0 leaves no CPU idle. */
async function race(ledger, pauseMs) {
  const racers = Array.from({ length: processes }, () => program('racer', { ledger, cap: 5, forMs, pauseMs }))
  await Promise.all(racers.map((racer) => racer.line()))
  for (const racer of racers) racer.say('go')
  const answers = await Promise.all(racers.map(async (racer) => JSON.parse(await racer.line())))
  return {
    refused: answers.flatMap(({ refused }) => refused),
    admitted: answers.reduce((sum, { admitted }) => sum + admitted, 0),
  }
}

async function inFile(pauseMs) {
  const ledger = newLedger()
  await (await openDurable(ledger)).close()
  return race(ledger, pauseMs)
}

const figures = {
  paced: await inFile(4),
  pacedBare: await race(null, 4),
  flat: await inFile(0),
  flatBare: await race(null, 0),
}
const line = (id, what, name, p, atMost) => {
  const { refused, admitted } = figures[name]
  return row({
    id,
    what,
    unit: 'ms',
    ours: percentile(refused, p),
    bare: percentile(figures[`${name}Bare`].refused, p),
    bound: atMost === null ? null : { ours: { atMost } },
    note: `${refused.length} refused, ${admitted} admitted`,
  })
}
report(
  line('12a', 'refusal, 8 processes that race for 5 slots as fast as they can, p50', 'flat', 50, null),
  line('12b', 'the same, p99', 'flat', 99, 0.5),
  line('12c', 'the same, p99.9', 'flat', 99.9, 10),
  line('12d', 'the same, where each tries every 4 ms, p99', 'paced', 99, null),
  line('12e', 'the same, p99.9', 'paced', 99.9, null),
)
process.exit()
