// The article in a page: what `select` names, without anything that a reader does not see.
import { describe, expect, test } from 'vitest'
import { articleIn } from '../../src/wall/article.ts'
import { parseSelector } from '../../src/wall/select.ts'

const selector = (text: string) => {
  const parsed = parseSelector(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}
const page = (body: string) => `<!doctype html><html><head><title>T</title></head><body>${body}</body></html>`

describe('which part of a page', () => {
  test('the narrowest of the usual ones', () => {
    const body = '<main><h2>More</h2><article><h1>A</h1><div class="entry-content"><p>Text</p></div></article></main>'
    expect(articleIn(page(body), null, false)).toBe('<div class="entry-content"><p>Text</p></div>')
  })

  test('the publisher’s own, in all its pieces', () => {
    const body = '<div class="a"><p>One</p></div><aside>Ad</aside><div class="a"><p>Two</p></div><article>B</article>'
    expect(articleIn(page(body), selector('.a'), false)).toBe(
      '<div class="a"><p>One</p></div>\n<div class="a"><p>Two</p></div>',
    )
  })

  test('of several articles the longest', () => {
    const body = '<article>Card</article><article><p>The long text of it</p></article><article>Card two</article>'
    expect(articleIn(page(body), null, false)).toBe('<article><p>The long text of it</p></article>')
  })

  test('no article in a page is none, unless what is stored is one', () => {
    expect(articleIn('<h1>Hello</h1><p>Text', null, false)).toBeNull()
    expect(articleIn('<h1>Hello</h1><p>Text', null, true)).toContain('<h1>Hello</h1><p>Text')
    expect(articleIn('', null, true)).toBeNull()
    expect(articleIn(page('<article> </article>'), null, false)).toBeNull()
  })

  test('a page that is in doubt has none', () => {
    const old = '<!doctype html public "-//W3C//DTD HTML 3.2//EN"><article>Text</article>'
    expect(articleIn(old, null, false)).toBeNull()
  })
})

test.each([
  ['<script>SECRET</script>'],
  ['<style>SECRET</style>'],
  ['<template>SECRET</template>'],
  ['<noscript>SECRET</noscript>'],
  ['<!-- SECRET -->'],
  ['<p hidden>SECRET</p>'],
  ['<p style="display: none">SECRET</p>'],
  ['<span aria-hidden="true">SECRET</span>'],
  ['<dialog>SECRET</dialog>'],
  ['<form><button>SECRET</button></form>'],
  ['<nav>SECRET</nav>'],
  ['<svg><title>SECRET</title><text>SECRET</text></svg>'],
  ['<div hidden><p>SECRET<img src="/SECRET"></p></div>'],
  ['<iframe>SECRET</iframe>'],
  ['<textarea>SECRET</textarea>'],
  ['<p data-state="SECRET" title="SECRET">'],
])('nobody sees %s, so it does not pass', (part) => {
  const article = articleIn(page(`<article><p>Seen</p>${part}<p>Too</p></article>`), null, false)
  expect(article).not.toContain('SECRET')
  expect(article).toContain('<p>Seen</p>')
  expect(article).toContain('Too')
})

test('no address that runs something passes', () => {
  const article = articleIn(
    page('<article><a href="java&#115;cript:alert(1)" onclick="x()">T</a></article>'),
    null,
    false,
  )
  expect(article).toBe('<article><a>T</a></article>')
})

test('a text stays a text', () => {
  expect(articleIn(page('<article>1 &lt; 2 &amp;lt; <b>x</article>'), null, false)).toBe(
    '<article>1 &lt; 2 &amp;lt; <b>x</b></article>',
  )
})
