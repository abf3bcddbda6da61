import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TurnoverMap } from '../../src/core/turnover-map.js'

const key = fc.integer({ min: 0, max: 9 })
const step = fc.oneof(
  fc.record({ type: fc.constant('set' as const), key, value: fc.object() }),
  fc.record({ type: fc.constant('delete' as const), key }),
)

it('whatever is set and deleted, it holds what a Map would hold, in the order of insertion', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const [map, model] = [new TurnoverMap<number, object>(), new Map<number, object>()]
      for (const each of steps) {
        if (each.type === 'delete') expect(map.delete(each.key)).toBe(model.delete(each.key))
        else [map, model].forEach((target) => void target.set(each.key, each.value))
        expect([map.size, map.has(0), map.get(0)]).toEqual([model.size, model.has(0), model.get(0)])
        expect([...map.values()]).toEqual([...model.values()])
      }
    }),
  )
})

it('what is deleted during a walk is not visited any more', () => {
  const map = new TurnoverMap<string, { readonly index: number }>()
  for (const [index, name] of ['a', 'b', 'c'].entries()) map.set(name, { index })
  const seen = []
  for (const { index } of map.values()) {
    seen.push(index)
    map.delete('b')
  }
  expect(seen).toEqual([0, 2])
})
