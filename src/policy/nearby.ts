// Which rules an address may lie under, found without looking at each: a tree of their segments, folded as the most careless
// software reads them. It finds too many at most; what is found is matched one by one, in the order of the rules.
import { fold, type Pattern } from './paths.ts'

type Ruled = { path: Pattern }

type Node = { byName: Map<string, Node>; any: Node | null; here: number[]; below: number[] }

const newNode = (): Node => ({ byName: new Map(), any: null, here: [], below: [] })

/** The tree of a list of rules, for as long as that list is in use. */
const trees = new WeakMap<readonly Ruled[], Node>()

/** The rules that match a path in some reading, in their order, and maybe some that do not. */
export function nearby<Rule extends Ruled>(rules: readonly Rule[], path: string): Rule[] {
  const root = trees.get(rules) ?? planted(rules)
  const found: number[] = []
  const segments = path.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  const walk = (node: Node, depth: number): void => {
    found.push(...node.below)
    const segment = segments[depth]
    if (segment === undefined) {
      found.push(...node.here)
      return
    }
    if (node.any) walk(node.any, depth + 1)
    const named = node.byName.size === 0 ? undefined : node.byName.get(fold(segment))
    if (named) walk(named, depth + 1)
  }
  walk(root, 0)
  return found.sort((a, b) => a - b).flatMap((place) => rules[place] ?? [])
}

function planted(rules: readonly Ruled[]): Node {
  const root = newNode()
  for (const [place, { path }] of rules.entries()) {
    let node = root
    for (const segment of path.segments) node = childOf(node, segment)
    ;(path.tree ? node.below : node.here).push(place)
  }
  trees.set(rules, root)
  return root
}

function childOf(node: Node, segment: string): Node {
  if (segment.startsWith(':')) {
    node.any ??= newNode()
    return node.any
  }
  const name = fold(segment)
  const child = node.byName.get(name) ?? newNode()
  node.byName.set(name, child)
  return child
}
