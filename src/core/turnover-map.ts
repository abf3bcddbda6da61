/**
 * A map whose entries come and go by the thousand. It keeps the order of insertion, as `Map` does.
 *
 * V8 leaves each table that a `Map` has outgrown pointing to the next one. Once a single one of them is old, all later
 * tables, and all that stood in them, outlive every minor collection. Here that is an empty cell per entry, and not
 * the entry: what was deleted is garbage at once.
 */
export class TurnoverMap<Key, Value extends object> {
  readonly #cells = new Map<Key, { value: Value | undefined }>()

  get size(): number {
    return this.#cells.size
  }

  has(key: Key): boolean {
    return this.#cells.has(key)
  }

  get(key: Key): Value | undefined {
    return this.#cells.get(key)?.value
  }

  set(key: Key, value: Value): void {
    const cell = this.#cells.get(key)
    if (cell === undefined) this.#cells.set(key, { value })
    else cell.value = value
  }

  delete(key: Key): boolean {
    const cell = this.#cells.get(key)
    if (cell === undefined) return false
    cell.value = undefined
    return this.#cells.delete(key)
  }

  *values(): Generator<Value> {
    for (const { value } of this.#cells.values()) if (value !== undefined) yield value
  }
}
