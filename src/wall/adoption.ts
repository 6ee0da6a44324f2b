// The end of what elements overlap: ordinary ones, and the standard's adoption agency for formatting.
import { type Element, isSpecial, type Workbench } from './tree.ts'

/** The end of an element that has no rule of its own. */
export function endOther(bench: Workbench, name: string) {
  if (!bench.isOpen(name)) return
  for (let index = bench.stack.length - 1; index >= 0; index -= 1) {
    const element = bench.stack[index]
    if (!element) return
    if (element.space === 'html' && element.name === name) {
      bench.imply(name)
      bench.popUntil((popped) => popped === element)
      return
    }
    if (isSpecial(element)) return
  }
}

/** The adoption agency: the end of a formatting element that others overlap. */
export function adopt(bench: Workbench, name: string) {
  const { stack, formatting, top } = bench
  const current = top()
  // Most of them overlap nothing.
  if (current?.space === 'html' && current.name === name) {
    const isListed = formatting.has(current)
    if (!isListed || formatting.find(name) === current) {
      bench.pop()
      if (isListed) formatting.remove(current)
      return
    }
  }
  for (let round = 0; round < 8; round += 1) {
    const element = formatting.find(name)
    if (!element) {
      if (round === 0) endOther(bench, name)
      return
    }
    const at = stack.indexOf(element)
    if (at === -1) {
      formatting.remove(element)
      return
    }
    if (!bench.inScope((other) => other === element)) return
    const block = stack.slice(at + 1).find(isSpecial)
    if (!block) {
      bench.popUntil((popped) => popped === element)
      formatting.remove(element)
      return
    }
    moveOut(bench, element, block)
  }
}

/** One round: the block leaves the formatting element, which opens again in it. */
function moveOut(bench: Workbench, element: Element, block: Element) {
  const { stack, formatting } = bench
  let bookmark: Element | null = null
  let index = stack.indexOf(block)
  for (let inner = 1; ; inner += 1) {
    index -= 1
    const node = stack[index]
    if (!node || node === element) break
    if (inner > 3) formatting.remove(node)
    if (!formatting.has(node)) {
      bench.remove(node)
      continue
    }
    const clone = { ...node }
    formatting.replace(node, clone)
    bench.remove(node)
    bench.insert(clone, index)
    bookmark ??= clone
  }
  const clone = { ...element, parent: block, mode: block.mode, depth: block.depth + 1 }
  const place = bookmark === null ? formatting.indexOf(element) : formatting.indexOf(bookmark) + 1
  formatting.insertAt(place, clone)
  formatting.remove(element)
  bench.remove(element)
  bench.insert(clone, stack.indexOf(block) + 1)
}
