/** What Node itself takes (a process of it some 50 MB), and garbage outside of the heap that was not collected yet, MB. */
const allowanceMb = 128

/** Where a child whose heap may have `memoryMb` ends for memory that the heap limit does not see, bytes. */
export function memoryLimitBytes(memoryMb: number): number {
  return (memoryMb + allowanceMb) * 1_048_576
}
