/**
 * How much longer `fn` takes for 800 kB of `piece` than for 100 kB: about 8 when linear, 64 when quadratic. The
 * fastest of several runs counts, since noise only ever adds; a run too short to measure counts as linear
 * (a quadratic one of this size takes minutes).
 */
export function growth(fn: (text: string) => unknown, piece: string): number {
  const small = fastestMs(fn, piece.repeat(Math.ceil(100_000 / piece.length)))
  const large = fastestMs(fn, piece.repeat(Math.ceil(800_000 / piece.length)))
  return large < 1_500 ? 8 : large / small
}

function fastestMs(fn: (text: string) => unknown, text: string): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now()
    fn(text)
    return performance.now() - start
  })
  return Math.min(...times)
}

/** The same for `many` things and eight times as many: `run` is given how many. */
export async function growthOf(run: (count: number) => Promise<unknown>, many: number): Promise<number> {
  const timeOf = async (count: number): Promise<number> => {
    const start = performance.now()
    await run(count)
    return performance.now() - start
  }
  const small = Math.min(await timeOf(many), await timeOf(many), await timeOf(many))
  const large = Math.min(await timeOf(8 * many), await timeOf(8 * many))
  return large < 1_500 ? 8 : large / small
}
