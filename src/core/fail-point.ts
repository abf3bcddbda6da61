/**
 * Named steps at which a test may end the process, to prove that nothing is lost wherever it ends. A driver sets a
 * function at `globalThis[Symbol.for('hermes-delegate.fail-point')]`, which is called with the step's name; without
 * one, a step costs one look-up. Names are `step:moment`; test/chaos visits every one of them.
 */
const hook = Symbol.for('hermes-delegate.fail-point')

export function failPoint(name: string): void {
  ;(globalThis as { readonly [hook]?: (name: string) => void })[hook]?.(name)
}
