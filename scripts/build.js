// Compiles src into an empty dist, so that nothing a deleted file left behind is shipped or tested.
import { rmSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export function build() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
