import { expect, it } from 'vitest'
import { withoutPaths } from '../../../src/a2a/server/task-view.js'

it.each([
  ['cannot load file:///home/ada/agents/stubborn.mjs', 'cannot load …/stubborn.mjs'],
  ["ENOENT: no such file, open '/srv/app/secret plans/x'", "ENOENT: no such file, open '…/secret plans/x'"],
  ['at run (/opt/agent/run.js:3:1)', 'at run (…/run.js:3:1)'],
  ['open C:\\Users\\ada\\x.txt', 'open …/x.txt'],
  ['GET https://example.com/a/b failed: 404', 'GET https://example.com/a/b failed: 404'],
  ['1/2 of it, and/or nothing', '1/2 of it, and/or nothing'],
])('%j is told to a caller as %j', (error, told) => expect(withoutPaths(error)).toBe(told))
