/** Eight processes want five slots, again and again: there are never more than five, and nobody is refused for good. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createDelegator, sqliteLedger } from '../../dist/index.js'
import { newFolder, openLook, start } from './lib.js'
import { mostAtOnce } from './verdict.js'

const processes = 8
const cap = 5
const sampleMs = 5

export async function capRace({ size }) {
  const attempts = size === 'long' ? 100_000 : 400
  const folder = newFolder()
  const ledger = join(folder, 'ledger.db')
  await (await createDelegator({ ledger: sqliteLedger(ledger) })).close()
  const look = await openLook(ledger)
  let samples = 0
  let most = 0
  const timer = setInterval(() => {
    samples += 1
    most = Math.max(most, look.number('SELECT count(*) FROM units WHERE slot_held = 1'))
  }, sampleMs)
  const racers = Array.from({ length: processes }, () => start('racer', { ledger, cap, attempts }))
  await Promise.all(racers.map(({ ended }) => ended))
  clearInterval(timer)
  const answers = racers.map(({ printed }) => JSON.parse(printed() || '{"last":"nothing"}'))
  const sum = (name) => answers.reduce((total, answer) => total + (answer[name] ?? 0), 0)
  const byTimes = mostAtOnce(look.all('SELECT admitted_at, ended_at FROM units'))
  const left = look.number('SELECT count(*) FROM counters')
  look.close()
  rmSync(folder, { recursive: true })
  const problems = [
    ...(Math.max(most, byTimes) > cap
      ? [`${most} and ${byTimes} units were live at once, ${cap} may be`]
      : []),
    ...answers
      .filter(({ last }) => last !== 'dispatched')
      .map(({ last }) => `a process got no slot: ${last}`),
    ...(left > 0 ? ['slots are held although nothing runs'] : []),
    ...(sum('errors') > 0 ? [`${sum('errors')} dispatches threw`] : []),
  ]
  const counts = {
    admitted: sum('admitted'),
    refused: sum('refused'),
    samples,
    mostSampled: most,
    mostByTimes: byTimes,
  }
  return { problems, processes, attemptsEach: attempts, ...counts }
}
