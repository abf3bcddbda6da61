import { build } from '../../scripts/build.js'

/** Runs once before the suite, unless the caller has just built. */
export function setup(): void {
  if (process.env['HERMES_DELEGATE_BUILT'] !== '1') build()
}
