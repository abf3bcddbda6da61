import type { PeerTaskStatus } from './peer-directory.js'

/** What the model must do at each of the five words (R 3.4). */
export const guidance: Readonly<Record<PeerTaskStatus['status'], string>> = {
  pending: 'It has not begun. Wait, and check again later.',
  in_progress: 'It is being worked on. Wait, and check again later; do not start it again.',
  queued:
    'The peer is busy with an earlier task; the reply will arrive. Check now and then, do not delegate it again, do not do ' +
    'the work yourself; tell the user that the peer is busy, and go on with other things.',
  completed: 'Use `result`.',
  failed: 'It has really failed; `error` says why. Only now fall back: another peer, or do it yourself.',
}

export const stoppedGuidance =
  'It was stopped, it did not fail by itself; what it had by then is in `result`. Do not start it again, and do not do it ' +
  'yourself, unless the work is still wanted.'
export const unknownGuidance =
  'How it ended is not known: it may have done all or a part of its work. Look at what is there before you do any of it again.'

/** Other words that peers use. */
const otherWords: Readonly<Record<string, PeerTaskStatus['status']>> = {
  ...{ submitted: 'pending', waiting: 'pending', busy: 'queued' },
  ...{ working: 'in_progress', running: 'in_progress', input_required: 'in_progress' },
  ...{ success: 'completed', done: 'completed' },
  ...{ error: 'failed', timeout: 'failed', interrupted: 'failed', stalled: 'failed', unknown: 'failed' },
  ...{ canceled: 'failed', cancelled: 'failed', rejected: 'failed' },
}

/** One of the five words; what a peer says beyond all tables is no end of its task. */
export function knownWord(said: string): PeerTaskStatus['status'] {
  const word = said.trim().toLowerCase().replaceAll('-', '_')
  if (Object.hasOwn(guidance, word)) return word as PeerTaskStatus['status']
  return (Object.hasOwn(otherWords, word) ? otherWords[word] : undefined) ?? 'in_progress'
}
