// The stack of open elements beside a browser's own: over broken markup, each word stands at least in the elements that
// Chromium puts it in. parse5 follows the standard's text; this is what a reader's browser does.
import { afterAll, expect, test } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { brokenMarkup, standingIn } from '../world/markup.ts'

const browser = await startBrowser()
afterAll(() => browser.close())

/** How many pages are read; a part of them is in doubt, and gets no cut. */
const PAGES = 8_000
const AT_ONCE = 4_000

test('every word stands at least in what Chromium puts it in', async () => {
  const tab = await browser.newPage()
  let inDoubt = 0
  for (let from = 0; from < PAGES; from += AT_ONCE) {
    const pages = brokenMarkup(from + 1, AT_ONCE)
    const seen = await tab.evaluate((list) => {
      type Word = { word: string; inside: string[] }
      function wordsOf(node: Node, inside: string[]): Word[] {
        if (node instanceof Text) return [...node.data.matchAll(/w\d+/g)].map(([word]) => ({ word, inside }))
        const own = node instanceof Element ? node.getAttribute('n') : null
        const next = own === null ? inside : [...inside, own]
        const children = [...node.childNodes, ...(node instanceof HTMLTemplateElement ? node.content.childNodes : [])]
        return children.flatMap((child) => wordsOf(child, next))
      }
      return list.map((html) => wordsOf(new DOMParser().parseFromString(html, 'text/html'), []))
    }, pages)
    for (const [index, html] of pages.entries()) {
      const ours = standingIn(html)
      if (ours === null) inDoubt += 1
      else
        for (const { word, inside } of seen[index] ?? []) {
          const stack = ours.get(word)
          expect(
            inside.filter((n) => !stack?.has(n)),
            `${word} in ${JSON.stringify(html)}`,
          ).toEqual([])
          expect(stack, `${word} is seen in ${JSON.stringify(html)}`).toBeDefined()
        }
    }
  }
  // The test would show nothing where all is in doubt.
  expect(inDoubt).toBeLessThan(PAGES / 10)
})
