/** The tokens that a peer is given do not come back: whatever repeats them has them struck out. */
import { withoutSecrets, type Json, type RunnerContext } from '../runner.js'
import type { PeerSettings } from './peer-options.js'

type Strike = <Value extends Json>(given: Value) => Value

export function withoutTokens(
  { auth, push }: PeerSettings,
  env: Readonly<Record<string, string | undefined>>,
): Strike {
  const names = [auth?.tokenEnv, push?.tokenEnv].filter((name) => name !== undefined)
  return withoutSecrets(names.map((name) => env[name]?.trim() ?? ''))
}

/** The same context; what goes through it to the host has no token in it. */
export function guardedContext(ctx: RunnerContext, struck: Strike): RunnerContext {
  const guarded: Partial<RunnerContext> = {
    checkpoint: (state) => ctx.checkpoint(struck(state)),
    progress: (fields) => ctx.progress(struck(fields)),
    ask: (question, options) => ctx.ask(struck(question), options),
    logger: {
      debug: (text) => ctx.logger.debug(struck(text)),
      info: (text) => ctx.logger.info(struck(text)),
      warn: (text) => ctx.logger.warn(struck(text)),
      error: (text) => ctx.logger.error(struck(text)),
    },
  }
  return Object.assign(Object.create(ctx) as RunnerContext, guarded)
}
