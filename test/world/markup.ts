// Broken markup whose elements and words are numbered, out of a seed, and what each word of it stands in after the wall's
// stack of open elements.
import { newTokenizer } from '../../src/wall/tokens.ts'
import { type Element, newTree } from '../../src/wall/tree.ts'

/** Every element that has a rule of its own, and some that have none. What scripts of the browser would change is left out. */
const NAMES =
  'constructor p div span b i a em font nobr li ul ol dl dd dt h1 h2 table tbody tr td th caption colgroup col form button article section svg g path math mi desc foreignObject title style object option ruby rt rp rb rtc pre hr br img input center marquee textarea template script head body html address x-card footer select optgroup iframe xmp noembed noframes dialog main search link meta base basefont applet param keygen image annotation-xml mglyph malignmark big tt strike dir tfoot thead h6 track source area frame menu details summary video u small code label mtext mn'.split(
    ' ',
  )
/** What they say late is said of all that came before. */
export const LATE = new Set(['html', 'head', 'body'])
const ODD = [
  ' ',
  '<!-- c -->',
  '<!---->',
  '<![CDATA[ w@ ]]>',
  '<',
  '</>',
  '<!x>',
  '<svg n=@/>',
  '<path n=@ />',
  '<font n=@ color=red>',
  '<b n=1>',
  '<b n=1 class=x>',
  '<B N=1>',
  '<!----!>',
  '<!--->',
  '<?x>',
  '<!--w@--!>',
  '<script><!--<script></script>w@</script>',
  '<input type=HIDDEN n=@>',
  '<annotation-xml encoding=text/html n=@>',
  '<annotation-xml encoding="application/XHTML+xml" n=@>',
  '<select><option>w@</select>',
  '<table><tr><td n=@>',
  '<table><caption n=@>',
  '<table><colgroup>',
  '<template n=@><tr>',
  '<svg n=@><foreignObject n=@>',
  '<svg><title n=@>',
  '<math><annotation-xml n=@>',
  '</table>',
  '</svg>',
  '</math>',
  '</br>',
  '<div n=@/>',
  '\0',
  '&amp;w@',
]

/** Pages out of a seed. Each uses few names, so that they meet. */
export function brokenMarkup(seed: number, count: number): string[] {
  let state = seed
  // mulberry32
  function random(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const one = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? ''
  function piece(few: readonly string[]): string {
    const kind = random()
    const name = one(random() < 0.8 ? few : NAMES)
    if (kind < 0.38) return LATE.has(name) ? `<${name}>` : `<${name} n=@>`
    if (kind < 0.66) return `</${name}>`
    return kind < 0.85 ? 'w@ ' : one(ODD)
  }
  return Array.from({ length: count }, () => {
    const few = Array.from({ length: 8 }, () => one(NAMES))
    const pieces = Array.from({ length: 2 + Math.floor(random() * random() * 40) }, () => piece(few))
    let number = 0
    return (random() < 0.5 ? '<!doctype html>' : '') + pieces.join('').replaceAll('@', () => `${++number}`)
  })
}

/** For each word, the numbers of the elements it stands in; null where the stack is in doubt. */
export function standingIn(html: string): Map<string, Set<string>> | null {
  const found = new Map<string, Set<string>>()
  // What an element stands in is known when it opens, and stays: a form leaves the stack before what is in it does.
  const inside = new Map<Element, Set<string>>()
  const tree = newTree({
    opened(element) {
      const outer = (element.parent && inside.get(element.parent)) ?? []
      const own = element.token?.attributes.get('n')
      inside.set(element, new Set([...outer, ...(own === undefined ? [] : [own])]))
    },
    closed() {},
  })
  let isInDoubt = false
  const tokenizer = newTokenizer({
    isForeign: tree.isForeign,
    take(token) {
      if (isInDoubt) return 'data'
      try {
        const reading = tree.take(token)
        const top = tree.top()
        if (token.kind === 'text')
          for (const [word] of token.text.matchAll(/w\d+/g)) found.set(word, (top && inside.get(top)) ?? new Set())
        return reading
      } catch {
        isInDoubt = true
        return 'data'
      }
    },
  })
  tokenizer.push(html)
  tokenizer.end()
  return isInDoubt ? null : found
}
