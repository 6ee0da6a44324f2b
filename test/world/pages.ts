// Pages as publishers' systems write them, with an article whose first part is free. Each says which words a person would expect in
// front of the wall, and every word of the paid part is nowhere else.

const FREE = [
  'Early on Tuesday the harbour office opened its oldest book and began to read aloud.',
  'Nobody had asked for it, and nobody left before the end of the second chapter.',
  'The clerk who read is called Amsel, and she has kept the book for thirty years.',
]
const PAID = [
  'The ledger shows that nine captains paid twice for the same berth and never noticed it at all.',
  'Their names stand in the margin, in green ink, beside a drawing of a very small anchor.',
  'What the council will do about the money is to be decided behind closed doors next Thursday.',
  'Until then the book lies in a glass case, and the case is locked with two different keys.',
]
const TITLE = 'Nine captains and one berth'
const DESCRIPTION = 'A book is read aloud at the harbour.'

/** Words that stand in the free part alone, and in the paid part alone. */
export const SHOWN = ['oldest book', 'second chapter', 'called Amsel']
export const HIDDEN = ['nine captains paid twice', 'green ink', 'council will do', 'glass case']

const all = [...FREE, ...PAID]
const p = (texts: readonly string[], open = '<p>', close = '</p>') =>
  texts.map((text) => `${open}${text}${close}`).join('\n')
const json = (value: unknown) => JSON.stringify(value)
const body = all.join(' ')
const head = (more = '') =>
  `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${TITLE} – The Daily Stand</title><meta name="description" content="${DESCRIPTION}"><meta property="og:title" content="${TITLE}"><link rel="stylesheet" href="/style.css">${more}`
const ld = json({
  '@context': 'https://schema.org',
  '@graph': [
    { '@type': 'NewsArticle', headline: TITLE, articleBody: body, author: { '@type': 'Person', name: 'A. Writer' } },
  ],
})
const NAV = '<nav><ul><li><a href="/">Home</a></li><li><a href="/sport">Sport</a></li></ul></nav>'
const FOOTER = '<footer><p>The Daily Stand, harbour edition</p></footer>'

export type PublishedPage = {
  name: string
  html: string | Buffer
  contentType?: string
  headers?: Record<string, string>
  /** What has to be seen in front of the wall, where that is not all of `SHOWN`. */
  shown?: readonly string[]
}

/** A page whose article is in Shift_JIS, and that says so itself alone. */
const JAPANESE = {
  // "潮" and "海" in bytes of that encoding, written out: Node encodes to UTF-8 only.
  free: Buffer.from([0x92, 0xaa, 0x82, 0xcc, 0x8a, 0x43]),
  ascii: (text: string) => Buffer.from(text, 'latin1'),
}

export const PAGES: readonly PublishedPage[] = [
  {
    name: 'WordPress, a classic theme',
    html: `<!DOCTYPE html><html lang="en-US"><head>${head(`<link rel="alternate" type="application/rss+xml" href="/feed/"><link rel="alternate" type="application/json+oembed" href="/wp-json/oembed/1.0/embed?url=x"><script type="application/ld+json">${ld}</script><script>var wp={"content":${json(body)}}</script>`)}</head>
<body class="single postid-1"><div id="page"><header id="masthead">${NAV}</header><div id="content"><article id="post-1" class="post"><header class="entry-header"><h1 class="entry-title">${TITLE}</h1></header><div class="entry-content">${p(all)}<div class="sharedaddy"><ul><li>Share this</li></ul></div></div></article>
<div id="comments"><ol><li><p>I was there, and the green ink is blue.</p></li></ol></div></div>${FOOTER}</div></body></html>`,
  },
  {
    name: 'WordPress, a block theme',
    html: `<!DOCTYPE html><html><head>${head()}</head><body class="wp-site-blocks"><header class="wp-block-template-part">${NAV}</header><main><h1 class="wp-block-post-title">${TITLE}</h1><div class="entry-content wp-block-post-content"><p>${FREE[0]}</p><figure class="wp-block-image"><img src="/a.jpg" alt="The book"><figcaption>The book, opened</figcaption></figure><p>${FREE[1]}</p><p>${FREE[2]}</p><h2 class="wp-block-heading">The green ink</h2>${p(PAID)}<blockquote><p>${PAID[0]}</p></blockquote></div></main>${FOOTER}</body></html>`,
  },
  {
    name: 'Ghost',
    html: `<!DOCTYPE html><html lang="en"><head>${head(`<script type="application/ld+json">${ld}</script>`)}</head><body class="post-template"><div class="gh-site"><header>${NAV}</header><main class="gh-main"><article class="gh-article post"><h1>${TITLE}</h1><section class="gh-content gh-canvas">${p(FREE)}<!--members-only-->${p(PAID)}<div class="kg-card kg-callout-card"><div>${PAID[2]}</div></div></section></article></main>${FOOTER}</div><script src="/ghost.js" data-key="k"></script></body></html>`,
  },
  {
    name: 'Next.js, with its state',
    html: `<!DOCTYPE html><html lang="en"><head>${head()}</head><body><div id="__next"><header>${NAV}</header><main><article><h1>${TITLE}</h1>${p(all, '<p class="css-1">')}</article></main>${FOOTER}</div><script id="__NEXT_DATA__" type="application/json">${json({ props: { body } })}</script><script>self.__next_f.push([1,${json(json({ body }))}])</script></body></html>`,
  },
  {
    name: 'Nuxt, with its state in the head',
    html: `<!DOCTYPE html><html><head>${head(`<script>window.__NUXT__={data:${json(body)}}</script><script type="application/json" id="__NUXT_DATA__">${json([body])}</script>`)}</head><body><div id="__nuxt"><div data-page="${encodeURIComponent(body)}">${NAV}<article data-v-1 data-state='${json({ body })}'><h1>${TITLE}</h1>${p(all)}</article>${FOOTER}</div></div></body></html>`,
  },
  {
    name: 'Gatsby',
    html: `<!DOCTYPE html><html><head>${head(`<link as="fetch" rel="preload" href="/page-data/x/page-data.json">`)}</head><body><div id="___gatsby"><div tabindex="-1" id="gatsby-focus-wrapper">${NAV}<main><article itemscope itemtype="http://schema.org/Article"><h1 itemprop="headline">${TITLE}</h1><section itemprop="articleBody">${p(all)}</section></article></main>${FOOTER}</div></div><script id="gatsby-script-loader">window.pageData=${json({ body })}</script></body></html>`,
  },
  {
    name: 'Drupal',
    html: `<!DOCTYPE html><html lang="en" dir="ltr"><head>${head()}</head><body class="path-node"><div class="dialog-off-canvas-main-canvas">${NAV}<main role="main"><article class="node node--type-article"><h1><span class="field field--name-title">${TITLE}</span></h1><div class="node__content"><div class="clearfix text-formatted field field--name-body">${p(all)}</div><section class="field field--name-comment"><p>A comment of somebody.</p></section></div></article></main>${FOOTER}</div><script type="application/json" data-drupal-selector="drupal-settings-json">${json({ body })}</script></body></html>`,
  },
  {
    name: 'with omitted end tags',
    html: `<!doctype html><title>${TITLE}</title><h1>${TITLE}</h1><article><p>${all.join('\n<p>')}<ul><li>${PAID[0]}<li>${PAID[1]}</ul></article><footer>The Daily Stand`,
  },
  {
    name: 'marked by the publisher',
    html: `<!doctype html><html><head>${head()}</head><body><main><h1>${TITLE}</h1><p>${FREE[0]}<p>${FREE[1]}<p>${FREE[2]}<div data-newsstand="paid">${p(PAID)}</div></main><aside data-newsstand="paid"><p>${PAID[3]}</p></aside>${FOOTER}</body></html>`,
  },
  {
    name: 'without a paragraph',
    html: `<!doctype html><html><head>${head()}</head><body>${NAV}<article><h1>${TITLE}</h1><img src="/a.jpg" alt="A book"><div>${FREE.join('<br><br>')}</div><div>${PAID.join('<br><br>')}</div></article>${FOOTER}</body></html>`,
    shown: [TITLE],
  },
  {
    name: 'of one huge paragraph',
    html: `<!doctype html><html><head>${head()}</head><body>${NAV}<article><h1>${TITLE}</h1><p>${body} ${body} ${body}</p></article>${FOOTER}</body></html>`,
    shown: [TITLE],
  },
  {
    name: 'with cards of other articles before, and comments after',
    html: `<!doctype html><html><head>${head()}</head><body>${NAV}<section><article><h3>Another</h3><p>A card about something else.</p></article><article><h3>More</h3><p>A second card.</p></article></section><main><article class="entry-content"><h1>${TITLE}</h1>${p(all)}</article><section class="comments"><article><p>A comment: ${PAID[0]}</p></article></section></main>${FOOTER}</body></html>`,
  },
  {
    name: 'with a policy in a meta element',
    html: `<!doctype html><html><head><meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src 'nonce-abc'; style-src 'self'">${head()}</head><body>${NAV}<article><h1>${TITLE}</h1>${p(all)}</article>${FOOTER}</body></html>`,
    headers: { 'Content-Security-Policy': "img-src 'self'; script-src 'self'" },
  },
  {
    name: 'with the article in attributes, comments, templates and hidden fields',
    html: `<!doctype html><html><head>${head(`<meta name="article-body" content="${body}"><noscript><p>${PAID[0]}</p></noscript>`)}</head><body data-article="${body}">${NAV}<!-- ${body} --><template><p>${PAID[1]}</p></template><form><input type="hidden" name="b" value="${body}"></form><article title="${PAID[2]}"><h1>${TITLE}</h1>${p(FREE, '<p onclick="show()">')}<iframe srcdoc="<p>${PAID[3]}</p>"></iframe>${p(PAID)}</article><object data="data:text/html,${encodeURIComponent(body)}">${PAID[0]}</object>${FOOTER}</body></html>`,
  },
  {
    name: 'in Shift_JIS, as it says itself',
    html: Buffer.concat([
      JAPANESE.ascii(
        `<!doctype html><html><head><meta charset="Shift_JIS"><title>x</title></head><body><article><h1>${TITLE}</h1>`,
      ),
      JAPANESE.ascii(`<p>${FREE[0]} `),
      JAPANESE.free,
      JAPANESE.ascii(`</p>${p([...FREE.slice(1), ...PAID])}</article>${FOOTER}</body></html>`),
    ]),
    contentType: 'text/html',
    shown: [...SHOWN, '潮の海'],
  },
]
