/** A runner that may be run again, for hosts that use threads. */
export default function runner() {
  return { summary: 'ran' }
}
