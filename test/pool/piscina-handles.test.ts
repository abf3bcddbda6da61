import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../fixtures/hosts/dispatch-and-end.js', import.meta.url))
/** The children sleep for 60 s: a host that waits for one does not make it. */
const generousMs = 30_000

function runHost(...argv: string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const host = spawn(process.execPath, [script, ...argv], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: generousMs,
      killSignal: 'SIGKILL',
    })
    let output = ''
    host.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    host.on('close', (code) => resolve({ code, output }))
  })
}

describe('R5: a host that reaches its end exits at once', () => {
  it.each([
    ['isolated', 'cold', 'a child has been handed over and its thread still starts'],
    ['isolated', 'running', 'a child sleeps for 60 s'],
    ['isolated', 'idle', 'an idle thread is kept'],
    ['isolated', 'retired', 'a thread was just retired'],
    ['isolated', 'terminating', 'a thread was just terminated'],
    ['isolated', 'interrupted', 'a child pays no heed to its interrupt'],
    ['shared', 'cold', 'a shared child has been handed over'],
    ['shared', 'running', 'a shared child sleeps for 60 s'],
    ['shared', 'idle', 'an idle shared thread is kept'],
  ])('R5: %s, %s: %s', async (placement, mode) => {
    expect(await runHost(placement, mode)).toEqual({ code: 0, output: 'reached its end\n' })
  })
})
