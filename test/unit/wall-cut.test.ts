// Where the cut is in small pages, and what passes in front of it and behind it.
import fc from 'fast-check'
import { defaultTreeAdapter as adapter, type DefaultTreeAdapterTypes, parse } from 'parse5'
import { describe, expect, test } from 'vitest'
import { type CutSettings, newCutter } from '../../src/wall/cut.ts'
import { parseSelector } from '../../src/wall/select.ts'

const START = '<!doctype html><html lang=en><head><title>T</title></head><body>'
const LONG = '<p>and so on and so on and so on and so on and so on and so on and so on and so on</p>'

function selector(text: string) {
  const parsed = parseSelector(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

const PLAIN: CutSettings = { select: null, keep: 2 }

/** What leaves of a page, with `[card]` where the card stands; null: no cut. */
function cutOf(html: string, settings: CutSettings = PLAIN, jsonLdOf: (raw: string) => string | null = () => null) {
  const cutter = newCutter(settings, jsonLdOf)
  const cut = cutter.push(html) ?? cutter.finish()
  return cut === null ? null : { ...cut, all: `${cut.before}[card]${cutter.end()}` }
}

/** The same of the inside of a body. */
const bodyOf = (body: string, settings: CutSettings = PLAIN) =>
  cutOf(START + body, settings)?.all.replace(START_LEFT, '') ?? null
const START_LEFT = '<!doctype html><html lang="en"><head><title>T</title></head><body>'
const closed = (text: string) => `${text}</body></html>`

describe('where the cut is', () => {
  test.each<[string, string, string]>([
    [
      'behind the second paragraph',
      `<article><p>one<p>two${LONG}</article>`,
      '<article><p>one<p>two</p>[card]</article>',
    ],
    [
      'at the first marked part, which wins',
      `<article><p>one</p><div data-newsstand=paid>two</div>${LONG}${LONG}</article>`,
      '<article><p>one</p>[card]</article>',
    ],
    [
      'outside a paragraph that holds the mark',
      `<article><p>one <b>two <i data-newsstand=paid>three</i> four</b> five</p></article>`,
      '<article><p>one <b>two </b></p>[card]</article>',
    ],
    [
      'outside a list whose item is marked',
      '<article><ul><li>one<li data-newsstand=paid>two</ul></article>',
      '<article><ul><li>one</li></ul>[card]</article>',
    ],
    [
      'outside a table whose row is marked',
      '<article><table><tr><td>one<tr data-newsstand=paid><td>two</table></article>',
      '<article><table><tr><td>one</td></tr></table>[card]</article>',
    ],
    [
      'counting nested paragraphs, and none without words, in figures, quotes, asides, lists or tables',
      `<article><div><p>one</div><p>&nbsp;<p><img src=x><blockquote><p>no</blockquote><aside><p>no</aside><ul><li><p>no</ul><table><tr><td><p>no</table><figure><p>no</figure><p>two</p>${LONG}</article>`,
      '<article><div><p>one</div><p>&nbsp;<p><img src="x"><blockquote><p>no</blockquote><aside><p>no</aside><ul><li><p>no</ul><table><tr><td><p>no</table><figure><p>no</figure><p>two</p>[card]</article>',
    ],
    [
      'further up where less follows than was shown',
      '<article><p>one</p><p>two two two two</p><p>three</p></article>',
      '<article><p>one</p>[card]</article>',
    ],
    [
      'behind title and picture where there is no paragraph',
      '<article><h1>Title</h1>words<figure><img src=a alt=A><figcaption>words</figcaption></figure><img src=b><div>words</div></article>',
      '<article><h1>Title</h1><img src="a" alt="A">[card]</article>',
    ],
    [
      'behind title and picture where there is one huge paragraph',
      '<article><h1>Title<div>words</div></h1><p>all of it</p></article>',
      '<article><h1>Title</h1>[card]</article>',
    ],
    [
      'in the article, and not in the cards before it or the comments behind it',
      `<main><article><p>card</article><article><p>card</article><article><h1>T</h1><p>one<p>two${LONG}<p>more</article><article><p>comment</article></main>`,
      '<main><article><p>card</article><article><p>card</article><article><h1>T</h1><p>one<p>two</p>[card]</article></main>',
    ],
    [
      'in the body of the entry rather than in the article around it',
      `<article><p>standfirst</p><p>byline</p><div class="x entry-content"><p>one</p><p>two</p>${LONG}</div></article>`,
      '<article><p>standfirst</p><p>byline</p><div class="x entry-content"><p>one</p><p>two</p>[card]</div></article>',
    ],
    [
      'outside a link that was left open',
      `<article><p>one<p><a href=/x>two</p>${LONG}</article>`,
      '<article><p>one<p><a href="/x">two</p></a>[card]</article>',
    ],
  ])('%s', (_, page, expected) => {
    expect(bodyOf(page)).toBe(closed(expected))
  })

  test('where the publisher says', () => {
    const settings = { select: selector('#story .text'), keep: 1 }
    expect(bodyOf(`<article><p>no</p><div id=story><p>no</p><div class=text><p>one</p>${LONG}`, settings)).toBe(
      closed('<article><p>no</p><div id="story"><p>no</p><div class="text"><p>one</p>[card]</div></div></article>'),
    )
  })

  test('before the end of the page, as soon as as much has followed', () => {
    const cutter = newCutter(PLAIN, () => null)
    expect(cutter.push(`${START}<article><h1>T</h1><p>one</p><p>two</p><p>three and fo and fo`)).toBeNull()
    expect(cutter.push('ur</p>')?.before).toMatch(/two<\/p>$/)
  })

  const CARD = `<article><h3>Another</h3>${'<p>a few words of it</p>'.repeat(6)}</article>`
  const ARTICLE = `<h1>T</h1><p>one</p><p>two</p>${LONG}`
  test.each<[string, string, string]>([
    ['in the article, not in a card before it', `${CARD.repeat(2)}<article>${ARTICLE}</article>`, 'two</p>'],
    [
      'in the first article of a page whose title has been',
      `<h1>T</h1>${CARD}${CARD}`,
      'Another</h3><p>a few words of it</p><p>a few words of it</p>',
    ],
    [
      'before a list that is longer than key points are',
      `<article><h1>T</h1><p>one</p><ul>${'<li>words and words and words</li>'.repeat(40)}</ul><p>two</p>${LONG.repeat(40)}</article>`,
      'one</p>',
    ],
    [
      'before text in no paragraph',
      `<article><h1>T</h1><p>one</p>${'words and more words<br>'.repeat(60)}<p>two</p>${LONG.repeat(40)}</article>`,
      'one</p>',
    ],
  ])('%s', (_, body, shown) => {
    expect(bodyOf(body)?.split('[card]')[0]).toMatch(new RegExp(`${shown}$`))
  })

  test('behind the title alone where the text stands in no paragraph', () => {
    const body = bodyOf(
      `<article><h1>T</h1>${'words and more words<br>'.repeat(90)}<p>one</p><p>two</p>${LONG}</article>`,
    )
    expect(body).toMatch(/<h1>T<\/h1>\[card\]/)
    expect(body).not.toContain('words')
  })

  test.each<[string, string]>([
    ['without anything to cut', '<div><p>one<p>two<p>three</div>'],
    ['with frames', `<frameset><p>one</p><p>two</p>${LONG}`],
    ['of plain text', `<plaintext><p data-newsstand=paid>`],
    ['nested too deep', `${'<div>'.repeat(300)}<p data-newsstand=paid>`],
    ['with markup in a select, which browsers read differently', '<select><xmp></select><p data-newsstand=paid>'],
    ['that is marked as a whole, late', '<p>one</p><body data-newsstand=paid>'],
    ['written by a script', '<div id=__next></div><div data-newsstand=paid>'],
    ['whose mark is in a noscript', '<noscript><p data-newsstand=paid>x</noscript><p data-newsstand=paid>'],
  ])('nowhere in a page %s', (_, body) => {
    expect(bodyOf(body)).toBeNull()
  })

  test('nowhere in AMP', () => {
    expect(cutOf('<!doctype html><html amp><body><p data-newsstand=paid>')).toBeNull()
    expect(cutOf('<!doctype html><html ⚡><body><p data-newsstand=paid>')).toBeNull()
  })

  test('nothing leaves, whatever is asked, where there is no cut', () => {
    const cutter = newCutter(PLAIN, () => null)
    expect(cutter.push(`${START}<frameset>`)).toBeNull()
    expect(cutter.push('<p data-newsstand=paid>')).toBeNull()
    expect(cutter.finish()).toBeNull()
    expect(cutter.rest('<footer>x') + cutter.end()).toBe('')
  })
})

describe('what passes in front of the cut', () => {
  const CUT = '<div data-newsstand=paid>paid</div>'
  test.each<[string, string, string]>([
    [
      'no script, but one that is kept',
      '<script>a</script><script nonce=n data-newsstand=keep>b<c</script>',
      '<script nonce="n">b<c</script>',
    ],
    ['no comment', 'a<!-- b -->c', 'ac'],
    ['no tag that two texts would make', '<<!-- -->b>', '&lt;b>'],
    [
      'no template, noscript, object, textarea or frame',
      '<template><p>a</template><noscript>b</noscript><object>c</object><textarea>d</textarea><iframe srcdoc=e>f</iframe>g',
      'g',
    ],
    ['no hidden part', '<div hidden>a<div>b</div></div>c<input type=HIDDEN value=d>', 'c'],
    [
      'no handler, state or value',
      '<div onclick=a data-state=b class=c style="color:red" aria-label=d><input value=e></div>',
      '<div class="c" style="color:red" aria-label="d"><input></div>',
    ],
    ['no address that runs', '<a href="java&#115;cript:a">b</a><a href="/c">d</a>', '<a>b</a><a href="/c">d</a>'],
    [
      'what is lazy as what it stands for',
      '<img src="data:image/gif;base64,R0" data-src=a data-srcset="a 2x">',
      '<img src="a" srcset="a 2x">',
    ],
    [
      'a drawing',
      '<svg viewBox="0 0 1 1"><path d="M0 0" fill=red /><foreignObject>a</foreignObject></svg>',
      '<svg viewbox="0 0 1 1"><path d="M0 0" fill="red"/></svg>',
    ],
    ['a style as it stands', '<style>a > b { content: "<" }</style>', '<style>a > b { content: "<" }</style>'],
    [
      'quotes in values',
      `<p><abbr title='a "b" &lt;'>c</abbr></p>`,
      '<p><abbr title="a &quot;b&quot; &lt;">c</abbr></p>',
    ],
  ])('%s', (_, page, expected) => {
    expect(bodyOf(`<main>${page}</main>${CUT}`)).toBe(closed(`<main>${expected}</main>[card]`))
  })

  test('of the head: what shows the page, and no feed, refresh, policy or state', () => {
    const page = cutOf(
      `<!doctype html><html lang=de><head><meta charset=shift_jis><title>A &amp; B</title><meta http-equiv=refresh content="0;/x"><meta http-equiv=Content-Security-Policy content="img-src *"><meta name=viewport content=w><meta name=state content=s><link rel=stylesheet href=/s><link rel=alternate type=application/rss+xml href=/feed><link rel=amphtml href=/amp><script type=application/ld+json>{"a":"</b>"}</script></head><body>${CUT}`,
      PLAIN,
      (raw) => raw,
    )
    expect(page?.before).toBe(
      '<!doctype html><html lang="de"><head><meta charset="utf-8"><title>A &amp; B</title><meta name="viewport" content="w"><link rel="stylesheet" href="/s"><script type="application/ld+json">{"a":"\\u003c/b>"}</script></head><body>',
    )
    expect(page?.head).toEqual({
      title: 'A & B',
      lang: 'de',
      metas: [
        { name: 'refresh', content: '0;/x' },
        { name: 'content-security-policy', content: 'img-src *' },
        { name: 'viewport', content: 'w' },
        { name: 'state', content: 's' },
      ],
      links: [
        { rel: 'stylesheet', href: '/s' },
        { rel: 'alternate', href: '/feed' },
        { rel: 'amphtml', href: '/amp' },
      ],
      jsonLd: ['{"a":"</b>"}'],
      policies: ['img-src *'],
      keptScripts: [],
      base: '',
    })
  })

  test.each<[string, string, string]>([
    [
      'a style sheet that a script would switch on is on',
      `<link rel=stylesheet href=/a media=print onload="this.media='all'">`,
      '<link rel="stylesheet" href="/a">',
    ],
    [
      'one that is loaded before it is one, too',
      `<link rel=preload as=style href=/a onload="this.rel='stylesheet'">`,
      '<link rel="stylesheet" href="/a">',
    ],
    [
      'one for print stays one',
      '<link rel=stylesheet href=/a media=print>',
      '<link rel="stylesheet" href="/a" media="print">',
    ],
    [
      'styles keep the nonce that a policy lets them in by',
      '<style nonce=a>b{}</style>',
      '<style nonce="a">b{}</style>',
    ],
    [
      'what a card of another site shows of it',
      '<meta property=og:title content=a><meta name=twitter:card content=b>',
      '<meta property="og:title" content="a"><meta name="twitter:card" content="b">',
    ],
    [
      'no meta that only looks like those',
      '<meta property=og:article:body content=a><meta property=article:content content=b><meta name=twitter:data1 content=c><meta name=keywords content=d>',
      '',
    ],
  ])('%s', (_, head, expected) => {
    expect(cutOf(`<!doctype html><html><head>${head}</head><body>${CUT}`)?.before).toBe(
      `<!doctype html><html><head>${expected}</head><body>`,
    )
  })

  test('a kept script leaves as a browser reads it, and the page says from where its addresses count', () => {
    const page = cutOf(
      `<!doctype html><html><head><base href=/b/><script data-newsstand=keep>a\r\nb\rc</script></head><body>${CUT}`,
    )
    expect(page?.before).toContain('<script>a\nb\nc</script>')
    expect(page?.head).toMatchObject({ base: '/b/', keptScripts: [{ text: 'a\nb\nc' }] })
  })

  test('a page that is well formed shows what it showed', () => {
    const inner = fc.letrec<{ block: string }>((tie) => ({
      block: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(
          '<p>words</p>',
          'text &amp; text',
          '<img src="a">',
          '<b>bold</b>',
          '<table><tbody><tr><td>cell</td></tr></tbody></table>',
          '<svg><path d="M"></path></svg>',
        ),
        fc
          .tuple(
            fc.constantFrom('div', 'section', 'ul', 'blockquote', 'figure', 'x-card'),
            fc.array(tie('block'), { maxLength: 4 }),
          )
          .map(([name, blocks]) => `<${name}>${blocks.join('')}</${name}>`),
      ),
    })).block
    fc.assert(
      fc.property(fc.array(inner, { maxLength: 8 }), (blocks) => {
        const page = `${START}<main>${blocks.join('')}</main>`
        const before = cutOf(`${page}${CUT}</body></html>`, { select: selector('.none'), keep: 2 })?.before ?? ''
        expect(textOf(before)).toBe(textOf(page))
      }),
      { numRuns: 1_000 },
    )
  })
})

function textOf(html: string): string {
  const text = (node: DefaultTreeAdapterTypes.Node, path: string): string => {
    if (adapter.isTextNode(node)) return `${path}:${node.value}\n`
    const own = adapter.isElementNode(node) ? `${path}>${node.tagName}` : path
    return 'childNodes' in node ? node.childNodes.map((child) => text(child, own)).join('') : ''
  }
  return text(parse(html), '')
}

describe('what passes behind the cut', () => {
  const open = `<div class=site><article><h1>T</h1><p>one</p><p>two</p>${LONG}`
  const kept = '<div class="site"><article><h1>T</h1><p>one</p><p>two</p>[card]'
  test.each<[string, string, string]>([
    [
      'nothing of the article',
      '<h2>a</h2><ul><li>b</ul><iframe src=c></iframe>text<footer>d</footer>',
      '</article></div>',
    ],
    ['nothing beside it', '</article><p>a</p><aside>b</aside><!-- c --></div>d', '</article></div>'],
    [
      'footers and navigation, cleaned',
      '</article><footer class=a data-x=b onclick=c>d<script>e</script><p>f<p>g</footer></div><nav>h</nav>',
      '</article><footer class="a">d<p>f</p><p>g</p></footer></div><nav>h</nav>',
    ],
    [
      'what has their role, and what is marked as the frame',
      '</article><div role=navigation>a</div><div role=contentinfo>b</div><div data-newsstand=frame>c</div>',
      '</article><div role="navigation">a</div><div role="contentinfo">b</div><div>c</div></div>',
    ],
    [
      'stylesheets, outside the article',
      '<style>a{}</style></article><style>b{}</style><link rel=stylesheet href=/c><link rel=preload href=/d as=fetch>',
      '</article><style>b{}</style><link rel="stylesheet" href="/c"></div>',
    ],
    [
      'no marked part of a footer',
      '</article><footer>a<b data-newsstand=paid>b<p>c</b>d</p>e</footer>',
      '</article><footer>ae</footer></div>',
    ],
    [
      'no other article in a footer',
      '</article><footer>a<article>b</article>c</footer>',
      '</article><footer>ac</footer></div>',
    ],
    [
      'nothing that a table or a letter with the role of a frame would lose again',
      '</article><table role=navigation>a<tr><td>b</td></tr></table><b role=navigation>c<p>d</b>e</p>',
      '</article></div>',
    ],
    ['nothing that stands in an article that was left open', '<div></div><nav>a</nav>', '</article></div>'],
  ])('%s', (_, page, expected) => {
    expect(bodyOf(open + page)).toBe(closed(kept + expected))
  })

  test('behind a marked part that is never closed nothing does', () => {
    expect(
      bodyOf(
        '<p>one</p><div data-newsstand=paid>two<span></div></span><b data-newsstand=paid>three<footer>four</footer>',
      ),
    ).toBe(closed('<p>one</p>[card]'))
  })

  test('an error ends the page and opens nothing', () => {
    const cutter = newCutter(PLAIN, () => null)
    cutter.push(`${START}<div data-newsstand=paid>one</div>`)
    expect(cutter.rest('<footer>two')).toBe('<footer>')
    expect(cutter.rest(`</footer><select><xmp></select><footer>three</footer>`)).toBe('two</footer>')
    expect(cutter.rest('<footer>four</footer>')).toBe('')
    expect(cutter.end()).toBe('</body></html>')
  })

  test('a page that breaks off is closed', () => {
    const cutter = newCutter(PLAIN, () => null)
    cutter.push(`${START}<div><div data-newsstand=paid>one</div></div><nav><b>tw`)
    expect(cutter.rest('o')).toBe('</div><nav><b>')
    expect(cutter.end()).toBe('two</b></nav></body></html>')
  })
})

describe('time', () => {
  const many = (text: string, size: number) => text.repeat(Math.ceil(size / text.length)).slice(0, size)
  const PIECE = 4096
  /** Milliseconds of the processor, which a busy machine makes no longer. Which part of them is the system's, Linux guesses. */
  function cost(work: () => void): number {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
  function cutInPieces(html: string) {
    const cutter = newCutter(PLAIN, () => null)
    let isCut = false
    for (let at = 0; at < html.length; at += PIECE) {
      const piece = html.slice(at, at + PIECE)
      if (isCut) cutter.rest(piece)
      else isCut = cutter.push(piece) !== null
    }
    cutter.finish()
    cutter.end()
  }
  /** The least of several rounds, alternating, so that neither has the better moment. */
  function leastOf(rounds: number, one: () => void, other: () => void): [one: number, other: number] {
    const costs = Array.from({ length: rounds }, () => [cost(one), cost(other)])
    return [Math.min(...costs.map(([first = 0]) => first)), Math.min(...costs.map(([, second = 0]) => second))]
  }

  test.each<[string, (size: number) => string]>([
    ['less-than signs', (size) => many('<', size)],
    ['attributes', (size) => `<div ${many('a ', size)}`],
    [
      'attributes of different names',
      (size) => `<div ${Array.from({ length: size / 8 }, (_, n) => `a${n}`).join(' ')}>`,
    ],
    ['nested tags', (size) => many('<div>', size)],
    ['paragraphs', (size) => `<main>${many('<p>x', size)}`],
    [
      'open formatting',
      (size) => `${Array.from({ length: 60 }, (_, n) => `<b id=${n}>`).join('')}${many('<p>x</p>', size)}`,
    ],
    ['misnested formatting', (size) => many('<b><p>x</b></p>', size)],
    ['a comment that never ends', (size) => `<!--${many('-', size)}`],
    ['end tags deep down', (size) => many('<span>', 1200) + many('</b>', size)],
    ['cells', (size) => `<table>${many('<td>x', size)}`],
    ['a footer', (size) => `<p data-newsstand=paid><footer>${many('<b><p>x</b>', size)}`],
  ])('of 512 KB of %s grows as the page does', (_, pageOf) => {
    const page = (size: number) => `<!doctype html>${pageOf(size)}`
    const [small, large] = [page(65_536), page(524_288)]
    const [least, most] = leastOf(
      5,
      () => cutInPieces(small),
      () => cutInPieces(large),
    )
    // Eight times the page; a square would be sixty-four times. What is too short to be measured counts as little.
    expect(most).toBeLessThan(24 * Math.max(least, 2))
  })

  const words = 'Words and words that go on and on, as they do in a paragraph of an article, until it ends. '
  const paragraph = `<p class="a b" id="p">${words}<a href="/x?a=1&amp;b=2" rel="noopener">a link</a> ${words}<em>so</em> ${words}</p>\n`
  const card =
    '<li class="card post"><a href="/p" class="card__link" aria-label="Read"><img src="/i.jpg" srcset="/i-3.jpg 300w, /i-6.jpg 600w" width="300" height="200" alt="" loading="lazy"></a><h3 class="title"><a href="/p">A title</a></h3></li>\n'
  const start = `<!doctype html><html><head><title>T</title><style>${'.a{color:red}\n'.repeat(600)}</style><script>${'var a=1;\n'.repeat(900)}</script></head><body><header><nav>${'<a href="/a">A</a> '.repeat(50)}</nav></header>`

  test.each<[string, string]>([
    ['a long article', `${start}<article>${paragraph.repeat(220)}</article><footer>f</footer>`],
    [
      'an article with many cards behind it',
      `${start}<article>${paragraph.repeat(60)}</article><ul>${card.repeat(150)}</ul><footer>f</footer>`,
    ],
  ])('the cut of %s costs less than a tree of parse5', (_, html) => {
    const [own, theirs] = leastOf(
      30,
      () => cutInPieces(html),
      () => parse(html),
    )
    expect(own).toBeLessThan(theirs)
  })
})

describe('what a reading by others found', () => {
  const PAID = 'marmalade marmalade marmalade marmalade marmalade'
  const whole = (page: string) => cutOf(`<!doctype html><main>${page}</main>`)?.all ?? ''

  test('a doctype in the middle is a text, and passes nowhere', () => {
    const shown = whole(`<h1>T</h1><p>one</p><!doctype ${PAID}><p>two</p><p>one<p>two${LONG}`)
    expect(shown).not.toContain('marmalade')
  })

  test('JSON-LD in a drawing is no JSON-LD', () => {
    const shown = whole(
      `<svg><script type="application/ld+json">{"articleBody":"${PAID}"}</script></svg><p>one<p>two${LONG}`,
    )
    expect(shown).not.toContain('marmalade')
  })

  test('an article in several pieces is one: the cut is behind the third paragraph of all', () => {
    const pieces = Array.from(
      { length: 9 },
      (_, i) => `<p itemprop="articleBody">${i < 3 ? `free ${i}` : `${PAID} ${i}`}</p>`,
    )
    const cut = cutOf(`<!doctype html><body>${pieces.join('')}</body>`, { select: null, keep: 3 })
    expect(cut?.all).toContain('free 2')
    expect(cut?.all).not.toContain('marmalade')
  })
})
