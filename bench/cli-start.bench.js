/** 9. How long `hermes-delegate --help` takes versus Node alone. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { interleave, median, ratioOf, report, row } from './lib.js'

const bin = fileURLToPath(new URL('../bin/hermes-delegate.js', import.meta.url))
const what = 'hermes-delegate --help versus node -e 0'
if (existsSync(bin)) {
  const wall = (args) => () => {
    const start = performance.now()
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
    if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`)
    return performance.now() - start
  }
  const ours = wall([bin, '--help'])
  const bare = wall(['-e', '0'])
  await interleave(2, ours, bare)
  const figures = await interleave(20, ours, bare)
  const bound = { ratio: { atMost: 1.7 } }
  report(
    row({
      id: '9',
      what,
      unit: 'ms',
      ours: median(figures.ours),
      bare: median(figures.bare),
      ...ratioOf(figures),
      bound,
    }),
  )
} else {
  report(row({ id: '9', what, unit: 'ms', ours: null, note: 'bin/hermes-delegate.js is not there' }))
}
process.exit()
