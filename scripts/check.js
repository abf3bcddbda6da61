// The one gate: format, lint, types, build, package, tests. No warnings, only errors and silence.
// `--without-tests`: for who has run them already.
import { execFileSync, spawnSync } from 'node:child_process'
import { isBuiltin } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from './build.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url))

/** Runs one step and ends the gate when it fails. */
function step(name, command, args, env = {}) {
  const startedMs = performance.now()
  process.stdout.write(`${name} ... `)
  try {
    const output = execFileSync(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: 'pipe',
    })
    process.stdout.write(`ok (${((performance.now() - startedMs) / 1000).toFixed(1)} s)\n`)
    if (name === 'tests') process.stdout.write(output)
  } catch (error) {
    process.stdout.write(`failed\n${error.stdout ?? ''}${error.stderr ?? ''}`)
    process.exit(1)
  }
}

/** knip's optional parts for other platforms are missing from any lock file, so it cannot be installed with the rest. */
function unused() {
  const knip = ['--yes', 'knip@6.44.2']
  const reachable = spawnSync('npx', [...knip, '--version'], { cwd: root, encoding: 'utf8' }).status === 0
  if (reachable) step('unused exports and dependencies', 'npx', knip)
  else process.stdout.write('unused exports and dependencies ... skipped: knip cannot be fetched here\n')
}

/** The other SQLite: `node:sqlite`, which the Node that runs this may not have. */
function otherDriver() {
  if (isBuiltin('node:sqlite')) return
  const node = ['--yes', '--package', 'node@24.21.0', 'node']
  const reachable = spawnSync('npx', [...node, '--version'], { cwd: root, encoding: 'utf8' }).status === 0
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', 'test/ledger', 'test/memory']
  if (reachable)
    step('ledgers and memories over node:sqlite', 'npx', [...node, ...vitest], { HERMES_DELEGATE_BUILT: '1' })
  else
    process.stdout.write(
      'ledgers and memories over node:sqlite ... skipped: Node 24 cannot be fetched here\n',
    )
}

step('format', bin('prettier'), ['--check', '--log-level', 'warn', '.'])
step('types', bin('tsc'), ['-p', 'tsconfig.json'])
step('lint', bin('eslint'), ['.', '--max-warnings', '0'])
process.stdout.write('build ... ')
build()
process.stdout.write('ok\n')
unused()
step('publint', bin('publint'), ['--strict'])
step('attw', bin('attw'), ['--pack', '.', '--profile', 'esm-only', '--quiet'])
if (!process.argv.includes('--without-tests'))
  step('tests', bin('vitest'), ['run', '--reporter=dot'], { HERMES_DELEGATE_BUILT: '1' })
otherDriver()
