/**
 * A child in one of these words goes on; any other word is its end (R22). The core has them, too: the tree that others
 * may attach loads nothing from outside of this folder, and a test keeps the two equal.
 */
export const liveWords: ReadonlySet<string> = new Set([
  'waiting',
  'running',
  'queued',
  'input_required',
  'auth_required',
  'stalling',
  'interrupting',
])
