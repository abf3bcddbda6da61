import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('.', import.meta.url))

export default defineConfig({
  // Worker threads start outside of vitest's transform, so the suite runs against the build, as users do:
  // tests name the sources, and the alias leads to what was compiled from them.
  resolve: { alias: [{ find: /^(?:\.\.\/)+src\/(.*)$/, replacement: `${root}dist/$1` }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    pool: 'forks',
    // Two at a time on any machine: the tests start threads and processes of their own.
    maxWorkers: 2,
    server: { deps: { external: [/\/dist\//, /\/examples\/.*\.js$/] } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { TZ: 'UTC' },
  },
})
