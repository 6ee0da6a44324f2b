// Which elements and attributes of a page pass.
import { expect, test } from 'vitest'
import { isGone, isMarked, isStylesheet, written } from '../../src/wall/clean.ts'
import { newTokenizer, type StartTag } from '../../src/wall/tokens.ts'

function tag(html: string): StartTag {
  const found: StartTag[] = []
  const tokenizer = newTokenizer({
    isForeign: () => false,
    take(token) {
      if (token.kind === 'start') found.push(token)
      return 'data'
    },
  })
  tokenizer.push(html)
  const [first] = found
  if (!first) throw new Error(`${html} is no tag`)
  return first
}

test.each([
  '<script>',
  '<noscript>',
  '<template>',
  '<object>',
  '<embed>',
  '<iframe src=/a>',
  '<textarea>',
  '<div hidden>',
  '<p HIDDEN=until-found>',
  '<input type=" hidden">',
  '<meta http-equiv=refresh content=0>',
  '<meta http-equiv=content-security-policy>',
  '<meta name=page-state content=x>',
  '<meta itemprop=articleBody content=x>',
  `<meta name=description content="${'x'.repeat(2000)}">`,
  '<link rel=amphtml href=/a>',
  '<link rel=alternate type=application/rss+xml href=/a>',
  '<link rel=alternate type="application/json+oembed" href=/a>',
  '<link rel="https://api.w.org/" href=/a>',
  '<link rel=preload as=fetch href=/a>',
  '<link rel=modulepreload href=/a>',
  '<link rel=prefetch href=/a>',
  '<link href=/a>',
])('%s goes', (html) => {
  expect(isGone(tag(html), 'html')).toBe(true)
})

test.each([
  '<div>',
  '<x-card>',
  '<form>',
  '<input type=search>',
  '<meta charset=utf-8>',
  '<meta name=viewport content=x>',
  '<meta property=og:title content=x>',
  '<meta name=twitter:card content=x>',
  '<link rel=stylesheet href=/a>',
  '<link rel="shortcut icon" href=/a>',
  '<link rel=canonical href=/a>',
  '<link rel=alternate hreflang=de href=/a>',
  '<link rel=preload as=font href=/a>',
])('%s passes', (html) => {
  expect(isGone(tag(html), 'html')).toBe(false)
})

test.each([
  ['<p onclick=a ONLOAD=b data-c=d style="e:f" x-g=h @i=j :k=l v-m=n>', '<p style="e:f">'],
  ['<a href=" java\nscript:a">', '<a>'],
  ['<a href="data:text/html,a">', '<a>'],
  ['<img src="data:image/png;base64,a">', '<img src="data:image/png;base64,a">'],
  ['<img src="data:text/html,a" srcdoc=b>', '<img>'],
  ['<img src=a data-src=b>', '<img src="b">'],
  ['<div data-src=b>', '<div>'],
  ['<input type=submit value=a>', '<input type="submit" value="a">'],
  ['<input type=text value=a>', '<input type="text">'],
  [`<p title="${'x'.repeat(2000)}">`, '<p>'],
  ['<meta charset=shift_jis>', '<meta charset="utf-8">'],
  ['<div content=a ng-state=b>', '<div>'],
])('%s leaves as %s', (html, expected) => {
  expect(written(tag(html), 'html')).toBe(expected)
})

test('a mark is one however it is written', () => {
  for (const html of [
    '<p data-newsstand=paid>',
    '<p DATA-NEWSSTAND=" Paid ">',
    '<p data-newsstand="&#x70;aid">',
    '<p data-newsstand="x paid">',
  ])
    expect(isMarked(tag(html), 'paid')).toBe(true)
  for (const html of ['<p data-newsstand>', '<p data-newsstand=unpaid>', '<p class=paid>'])
    expect(isMarked(tag(html), 'paid')).toBe(false)
})

test('a stylesheet is a link that says so', () => {
  expect(isStylesheet(tag('<link rel="StyleSheet preload" href=a>'))).toBe(true)
  expect(isStylesheet(tag('<link rel=icon href=a>'))).toBe(false)
})
