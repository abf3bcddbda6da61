import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProcessExecutor, type ProcessExecutorOptions } from '../../src/pool/process-executor.js'
import type { Executor } from '../../src/pool/executor.js'
import type { RunnerReference } from '../../src/runner.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { executorContract, hasLine, spillDirectory, taskOf, watch, type Watched } from '../contract/executor.js'

const fixtures = new URL('../fixtures/runners/', import.meta.url)

function create(more: Partial<ProcessExecutorOptions> = {}): Executor {
  return createProcessExecutor({ clock: systemClock, childMemoryMb: 256, importTimeoutMs: 30_000, ...more })
}

function reference(name: string, file = 'outcomes.js'): RunnerReference {
  return { url: new URL(file, fixtures).href, export: name, placement: 'process' }
}

executorContract('the process executor', { create: () => create(), runner: (name) => reference(name) })
