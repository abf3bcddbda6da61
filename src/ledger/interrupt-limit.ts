/** Interrupts of one unit that wait for an answer, and answers that are kept: the newest. */
export const interruptLimit = 1_000
