/**
 * How much longer `fn` takes for 400 kB of `piece` than for 200 kB: about 2 when linear, 4 when quadratic. The
 * fastest of several runs counts, since noise only ever adds; a run too short to measure counts as linear
 * (a quadratic one of this size would take seconds).
 */
export function growth(fn: (text: string) => unknown, piece: string): number {
  const small = fastestMs(fn, piece.repeat(Math.ceil(200_000 / piece.length)))
  const large = fastestMs(fn, piece.repeat(Math.ceil(400_000 / piece.length)))
  return large < 60 ? 2 : large / small
}

function fastestMs(fn: (text: string) => unknown, text: string): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now()
    fn(text)
    return performance.now() - start
  })
  return Math.min(...times)
}
