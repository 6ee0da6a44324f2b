// An article that ends before there is a cut is the article all the same: what comes behind it is not cut in its place.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newCutter } from '../../src/wall/cut.ts'
import { parseSelector } from '../../src/wall/select.ts'

const START = '<!doctype html><html lang=en><head><title>T</title></head><body>'
/** The last words of an article: always paid, since at least as much has to follow as was shown. */
const END = 'marmalade'
const p = (letters: number, words = '') => `<p>${'lorem '.repeat(Math.ceil(letters / 5))}${words}</p>`
const BRIEF = p(200) + p(200) + p(100, END)
const LONG = p(400).repeat(9) + p(400, END)
const TITLE = '<h1>Title</h1>'
const comment = `<article class="comment-body"><footer>Ann</footer>${p(200).repeat(3)}${p(900)}</article>`
const others = `<section>${p(200).repeat(3)}${p(900)}</section>`

function leavesOf(body: string, { keep = 3, select = '' } = {}): string | null {
  const parsed = parseSelector(select)
  const cutter = newCutter({ select: parsed.ok ? parsed.value : null, keep }, () => null)
  const cut = cutter.push(`${START}${body}</body></html>`) ?? cutter.finish()
  return cut && `${cut.before}[card]${cutter.end()}`
}

describe('the end of an article does not leave', () => {
  test.each<[string, string, number?]>([
    [
      'of three paragraphs, before comments',
      `<main><article>${TITLE}<div class="entry-content">${BRIEF}</div></article>${comment}${comment}</main>`,
    ],
    [
      'with a short tail, before a long comment',
      `<main><article>${TITLE}<div class="entry-content">${p(200).repeat(3)}${p(100)}${p(100, END)}</div></article>${comment}</main>`,
    ],
    [
      'before paragraphs of the page',
      `<main><article>${TITLE}<section class="gh-content">${BRIEF}</section></article>${others}</main>`,
    ],
    [
      'of two paragraphs, before paragraphs of the page',
      `<main><article>${TITLE}${p(400)}${p(300, END)}</article>${others}</main>`,
    ],
    [
      'before a comment without paragraphs',
      `<main><article>${TITLE}${p(400)}${p(300, END)}</article><article>${'lorem '.repeat(200)}</article></main>`,
    ],
    [
      'without a title, before a longer comment',
      `<main><article><h2>T</h2>${p(100).repeat(3)}${p(200, END)}</article>${comment}</main>`,
    ],
    [
      'in one paragraph, before comments',
      `<main><article>${TITLE}<p>${'lorem ipsum<br>'.repeat(400)}${END}</p></article>${comment}</main>`,
    ],
    [
      'without paragraphs, before some',
      `<main>${TITLE}<div class="entry-content">${'<div>lorem ipsum</div>'.repeat(400)}${END}</div>${others}</main>`,
    ],
    [
      'before cards of others',
      `<main>${TITLE}<div class="entry-content">${p(200)}${p(150, END)}</div></main><article>${p(100)}</article>${comment}`,
    ],
    [
      'that shows nothing, before a longer comment',
      `<main><article>${TITLE}${LONG}</article><article>${p(400).repeat(11)}</article></main>`,
      0,
    ],
    [
      'shorter than what is shown of others, before a longer comment',
      `<main><article>${TITLE}${LONG}</article><article>${p(400).repeat(11)}</article></main>`,
      20,
    ],
    [
      'in a box of main, around a short comment',
      `<main>${TITLE}<div class="post">${p(900).repeat(3)}${p(800)}${p(800, END)}</div><li><article class="comment-body"><p>Nice piece.</p></article></li></main>`,
    ],
    [
      'in main without paragraphs, around a comment',
      `<main>${TITLE}${'lorem ipsum dolor<br>'.repeat(300)}${END}<article><p>Nice piece.</p></article></main>`,
    ],
    [
      'behind a card and in front of a title',
      `<article>${p(200)}</article><article><h2>T</h2>${p(500).repeat(7)}${p(500, END)}</article><h1>Comments</h1><article>${p(200)}</article>`,
    ],
    [
      'of no usual place, in lines, before comments',
      `<h1>Title</h1><div class="story">${'lorem ipsum dolor<br>'.repeat(300)}${END}</div>${comment}`,
    ],
    [
      'before the text of a related one',
      `<main>${TITLE}<div class="entry-content">${BRIEF}</div><ul><li><div class="entry-content">${p(600)}</div></li></ul></main>`,
    ],
    ['of no usual place, before comments', `<h1>Title</h1><div class="story">${LONG}</div>${comment}`],
  ])('%s', (_what, body, keep = 3) => {
    expect(leavesOf(body, { keep }) ?? '').not.toContain(END)
  })
})

test('an article of no usual place is no page that can be cut, unless the publisher names it', () => {
  const body = `<h1>Title</h1><div class="story">${LONG}</div>${comment}`
  expect(leavesOf(body)).toBeNull()
  const cut = leavesOf(body, { select: '.story' })
  expect(cut).toContain('[card]')
  expect(cut).not.toContain(END)
})

test('what stands behind a short article does not make it another’s', () => {
  const cut = leavesOf(`<article>${TITLE}${p(300)}${p(320, END)}</article><section>${p(700).repeat(3)}</section>`)
  expect(cut).toContain('[card]')
  expect(cut).not.toContain(END)
})

test('an article in pieces beside each other is one', () => {
  const piece = (text: string) => `<div class="entry-content">${text}</div>`
  const cut = leavesOf(
    `<main>${TITLE}${piece(p(100))}<figure></figure>${piece(p(100).repeat(2))}${piece(p(300) + p(300, END))}</main>`,
  )
  expect(cut?.split('[card]')[0]?.split('<p>')).toHaveLength(4)
  expect(cut).not.toContain(END)
})

test('a comment in main does not take the cut from the article around it', () => {
  const cut = leavesOf(
    `<main>${TITLE}<div>${p(900).repeat(3)}${p(800).repeat(2)}</div><article><p>Nice.</p></article></main>`,
  )
  expect(cut?.split('[card]')[0]?.split('<p>')).toHaveLength(3)
})

test('a banner in front of the article changes nothing', () => {
  const cut = leavesOf(`<div class="banner">${p(500)}</div><article>${TITLE}${LONG}</article>`)
  expect(cut).toMatch(/Title.*\[card\]/s)
})

test('no more than half of an article is shown', () => {
  const [front = ''] = (leavesOf(`<article>${TITLE}${p(200).repeat(5)}</article>`) ?? '').split('[card]')
  expect(front.split('<p>')).toHaveLength(3)
})

/** A story of 1,500 letters and more, its last words paid, in the ways people write one. */
const stories = fc
  .record({ count: fc.integer({ min: 1, max: 12 }), kind: fc.constantFrom('p', 'br', 'li', 'div', 'blockquote') })
  .map(({ count, kind }) => {
    const texts = Array.from({ length: count }, (_, i) => {
      const letters = Math.ceil(1_500 / count) + (i % 3) * 40
      return 'lorem '.repeat(Math.ceil(letters / 5)) + (i === count - 1 ? END : '')
    })
    if (kind === 'br') return texts.join('<br><br>')
    return texts.map((text) => `<${kind}>${text}</${kind}>`).join('')
  })
const inside = (tags: readonly string[]) => fc.constantFrom(...tags)
const BOXES = [
  'div',
  'div class="story"',
  'article',
  'main',
  'section',
  'div class="entry-content"',
  'div class="gh-content"',
  'li',
]
const boxed = (box: string, text: string) => `<${box}>${text}</${box.split(' ')[0]}>`
const small = fc
  .record({ box: inside(BOXES), letters: fc.integer({ min: 0, max: 300 }), count: fc.integer({ min: 0, max: 4 }) })
  .map(({ box, letters, count }) => boxed(box, p(letters).repeat(count)))
const large = fc
  .record({ box: inside(BOXES), letters: fc.integer({ min: 50, max: 900 }), count: fc.integer({ min: 1, max: 8 }) })
  .map(({ box, letters, count }) => boxed(box, p(letters).repeat(count)))
const title = fc.constantFrom('', TITLE, '<h2>Title</h2>')

test('wherever a story stands, and whatever stands around it, its end does not leave', () => {
  fc.assert(
    fc.property(
      fc.array(small, { maxLength: 3 }),
      // Named pieces beside each other are one article.
      fc.array(fc.oneof(small, large), { maxLength: 3 }).map((texts) => texts.map((text) => `<div>${text}</div>`)),
      fc.array(large, { maxLength: 3 }),
      fc.array(inside(BOXES), { minLength: 1, maxLength: 3 }),
      stories,
      fc.tuple(title, title, title),
      fc.constantFrom(0, 1, 3, 9),
      (before, after, comments, boxes, story, [first, second, third], keep) => {
        const text = second + story + comments.map((comment) => `<article>${comment}</article>`).join('')
        const page =
          first + before.join('') + boxes.reduce((inner, box) => boxed(box, inner), text) + after.join('') + third
        expect(leavesOf(page, { keep }) ?? '').not.toContain(END)
      },
    ),
    { numRuns: 1_500 },
  )
})
