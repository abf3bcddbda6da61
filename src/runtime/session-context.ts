import { AsyncLocalStorage } from 'node:async_hooks'

const sessions = new AsyncLocalStorage<string>()

/** Runs `fn` for a session: what it dispatches belongs to `sessionKey`, unless the call names another (R20). */
export function withSession<T>(sessionKey: string, fn: () => T): T {
  return sessions.run(sessionKey, fn)
}

/** The session of the caller; `''` outside of any (the CLI). */
export function currentSession(): string {
  return sessions.getStore() ?? ''
}
