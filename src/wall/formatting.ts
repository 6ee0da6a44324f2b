// The list of active formatting elements, after the standard: what a misnested `</b>` does to the stack.
import type { Element } from './tree.ts'

/** More than this on the list is no page. */
const MOST = 64

export type Formatting = {
  /** Null is a marker: a cell, an object. */
  add(element: Element | null): void
  clearToMarker(): void
  remove(element: Element): void
  has(element: Element): boolean
  /** The last one of this name behind the last marker. */
  find(name: string): Element | null
  last(): Element | null
  /** Those behind the last marker, first ones first. */
  active(): Element[]
  replace(old: Element, by: Element): void
  insertBefore(element: Element, next: Element | null): void
  indexOf(element: Element): number
  insertAt(index: number, element: Element): void
}

const keyOf = ({ token }: Element) =>
  token === null ? '' : JSON.stringify([token.name, [...token.attributes.all()].sort(([a], [b]) => (a < b ? -1 : 1))])

export function newFormatting(): Formatting {
  const list: (Element | null)[] = []
  const active = () => list.slice(list.lastIndexOf(null) + 1).filter((element) => element !== null)
  return {
    add(element) {
      if (element !== null) {
        // Of three equal ones the first goes.
        const equal = list.length < 3 ? [] : active().filter(({ name }) => name === element.name)
        const key = equal.length > 2 ? keyOf(element) : ''
        const same = equal.length > 2 ? equal.filter((other) => keyOf(other) === key) : []
        if (same.length > 2 && same[0]) list.splice(list.indexOf(same[0]), 1)
      }
      list.push(element)
      if (list.length > MOST) throw new RangeError('too many open formatting elements')
    },
    clearToMarker() {
      while (list.length > 0 && list.pop() !== null);
    },
    remove(element) {
      const index = list.indexOf(element)
      if (index !== -1) list.splice(index, 1)
    },
    has: (element) => list.includes(element),
    find(name) {
      for (let index = list.length - 1; index >= 0; index -= 1) {
        const element = list[index]
        if (!element) return null
        if (element.name === name) return element
      }
      return null
    },
    last: () => list.at(-1) ?? null,
    active,
    replace(old, by) {
      const index = list.indexOf(old)
      if (index !== -1) list[index] = by
    },
    insertBefore(element, next) {
      const index = next === null ? -1 : list.indexOf(next)
      list.splice(index === -1 ? list.length : index, 0, element)
    },
    indexOf: (element) => list.indexOf(element),
    insertAt(index, element) {
      list.splice(index, 0, element)
    },
  }
}
