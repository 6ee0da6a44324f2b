// The policy of a walled page in a browser: our script and style work, the page looks as under its own policy, and no other
// script runs.
import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { afterAll, expect, test } from 'vitest'
import * as z from 'zod'
import { listening } from '../../dev/stack/ports.ts'
import { wallPolicy } from '../../src/wall/csp.ts'
import { startBrowser } from '../world/chromium.ts'

const hash = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`
const says = (name: string) => `document.documentElement.dataset.${name} = 'ran'`

const SCRIPT = `${says('ours')}
  Promise.allSettled(['loaded', 'notLoaded'].map((name) => import('/' + name + '.js'))).then(() => fetch('/asked')).then(() => { document.documentElement.dataset.asked = 'answered' }, () => { document.documentElement.dataset.asked = 'refused' })`
const STYLE = 'p{color:rgb(1,2,3)}'
const KEPT_INLINE = says('keptInline')
const PAGE_STYLE = '#hashed{color:rgb(4,5,6)}'
const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')

type Given = { headers?: string[]; metas?: string[] }

/** Pages by address: each once as the publisher sends it, and once walled. */
const pages = new Map<string, { headers: string[]; html: string }>()

const [browser, here] = await Promise.all([
  startBrowser(),
  listening(createServer((request, response) => answer(request.url ?? '/', response))),
])
// One for all pages: a new one for each takes longer than the page.
const context = await browser.newContext()
const elsewhere = here.url.replace('127.0.0.1', 'localhost')

afterAll(async () => {
  await browser.close()
  await here.stop()
})

function answer(address: string, response: ServerResponse): void {
  const page = pages.get(address)
  if (page !== undefined) {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.setHeader('Content-Security-Policy', page.headers)
    response.end(page.html)
  } else if (address.includes('.gif')) response.setHeader('Content-Type', 'image/gif').end(PIXEL)
  else if (address.includes('.css')) response.setHeader('Content-Type', 'text/css').end('#sheet{color:rgb(7,8,9)}')
  else response.setHeader('Content-Type', 'text/javascript').end(says(/\w+/.exec(address)?.[0] ?? 'nothing'))
}

/** The publisher's page, with scripts that a cut would have taken out: the policy alone has to stop them. */
const html = (metas: readonly string[]) => `<!doctype html><html><head>
${metas.map((meta) => `<meta http-equiv="Content-Security-Policy" content="${meta}">`).join('')}
<link rel="icon" href="data:,"><link rel="stylesheet" href="/sheet.css">
<style>#styled{color:rgb(4,5,6)}</style><style nonce="abc">#keyed{color:rgb(4,5,6)}</style><style>${PAGE_STYLE}</style></head><body>
<p id="sheet">s</p><p id="styled">s</p><p id="keyed">k</p><p id="hashed">h</p><p id="attribute" style="color:rgb(4,5,6)">a</p>
<img src="/own.gif"><img src="${elsewhere}/foreign.gif"><img src="data:image/gif;base64,${PIXEL.toString('base64')}">
<div id="card"><template shadowrootmode="open"><style>${STYLE}</style><p>pay</p></template></div>
<script>${says('foreignInline')}</script><script nonce="abc">${says('foreignNonce')}</script>
<script src="/foreignScript.js"></script><script src="${elsewhere}/foreignHost.js"></script>
<p id="handler" onclick="${says('foreignHandler')}">c</p>
<script src="/keptScript.js;a,b?v=1,2;3"></script><script>${KEPT_INLINE}</script><script>${SCRIPT}</script></body></html>`

const seen = z.object({
  /** By name: what ran, and how our request ended. */
  told: z.record(z.string(), z.string()),
  card: z.string(),
  /** How the page looks: colours of its text, and whether its images are there. */
  looks: z.object({ colours: z.array(z.string()), images: z.array(z.boolean()) }),
})

/** What a reader has once the page has loaded and our request, if there was one, has ended. */
async function visit(headers: string[], metas: readonly string[]) {
  const address = `/page-${pages.size}`
  pages.set(address, { headers, html: html(metas) })
  const page = await context.newPage()
  await page.goto(`${here.url}${address}`)
  const found = await page.evaluate(`(async () => {
    document.querySelector('#handler').click()
    const root = document.documentElement
    if (root.dataset.ours && !root.dataset.asked)
      await new Promise((done) => new MutationObserver(() => root.dataset.asked && done()).observe(root, { attributes: true }))
    const colour = (element) => getComputedStyle(element).color
    return {
      told: { ...root.dataset },
      card: colour(document.querySelector('#card').shadowRoot.querySelector('p')),
      looks: {
        colours: [...document.querySelectorAll('body > p')].map(colour),
        images: [...document.images].map((image) => image.naturalWidth > 0),
      },
    }
  })()`)
  await page.close()
  return seen.parse(found)
}

test.each<[string, Given]>([
  ['no policy', {}],
  [
    'a nonce and strict-dynamic',
    { headers: ["script-src 'nonce-abc' 'strict-dynamic' 'unsafe-inline' https:; object-src 'none'"] },
  ],
  [
    'lists of hosts',
    {
      headers: [
        `script-src 'self' ${elsewhere} 'unsafe-inline'; img-src 'self' data:; style-src 'self' 'unsafe-inline'`,
      ],
    },
  ],
  ["default-src 'self'", { headers: ["default-src 'self'"] }],
  ["default-src with 'unsafe-inline'", { headers: ["default-src 'self' data: 'unsafe-inline' 'unsafe-eval'"] }],
  [
    'hashes of styles',
    { headers: [`style-src 'self' 'unsafe-inline' '${hash(PAGE_STYLE)}'; style-src-attr 'unsafe-inline'`] },
  ],
  [
    'nonces of styles',
    { headers: ["default-src 'self'; style-src 'nonce-abc' 'unsafe-inline'; script-src 'nonce-abc'"] },
  ],
  [
    "default-src 'none' with parts",
    { headers: [`default-src 'none'; img-src ${elsewhere}; style-src-elem 'self'; connect-src 'none'`] },
  ],
  [
    'a header and a meta element',
    { headers: ["img-src 'self' data:"], metas: ["style-src 'self' 'unsafe-inline'; script-src 'none'"] },
  ],
  ['a meta element with a comma', { metas: ["default-src 'self', img-src *; style-src 'unsafe-inline'"] }],
  [
    'several headers',
    { headers: ["style-src 'unsafe-inline', img-src *", "default-src 'self' data:; style-src 'self' 'unsafe-inline'"] },
  ],
  ['trusted types', { headers: ["require-trusted-types-for 'script'; trusted-types 'none'"] }],
  [
    'a sandbox with scripts, forms and its origin',
    { headers: ['sandbox allow-scripts allow-same-origin allow-forms'] },
  ],
  [
    'an odd spelling',
    { headers: ["IMG-SRC 'SELF'; img-src *; style-src ‘self’; font-src 'self'".replace(/[‘’]/g, '\u00e9')] },
  ],
])(
  '%s: the page looks the same, our script and style work, no other script runs',
  async (_, { headers = [], metas = [] }) => {
    const values = wallPolicy({
      headers,
      metas,
      script: hash(SCRIPT),
      styles: [hash(STYLE)],
      kept: [
        { src: `${here.url}/loaded.js`, hash: null, nonce: null },
        { src: `${here.url}/keptScript.js;a,b?v=1,2;3`, hash: null, nonce: null },
        { src: null, hash: hash(KEPT_INLINE), nonce: null },
      ],
      site: here.url,
      base: `${here.url}/`,
    })
    const [own, walled] = await Promise.all([visit(headers, metas), visit(values ?? [], [])])
    expect(walled.told).toEqual({ ours: 'ran', asked: 'answered', loaded: 'ran', keptScript: 'ran', keptInline: 'ran' })
    expect(walled.card).toBe('rgb(1, 2, 3)')
    // The third picture is written in the page itself: wallets bring theirs so.
    expect(walled.looks).toEqual({ ...own.looks, images: own.looks.images.with(2, true) })
  },
)

test('under a policy without a script list every script of this page runs, and one that forbids asking is heeded', async () => {
  const { told } = await visit(["connect-src 'none'"], [])
  expect(Object.keys(told).sort()).toEqual([
    'asked',
    'foreignHandler',
    'foreignHost',
    'foreignInline',
    'foreignNonce',
    'foreignScript',
    'keptInline',
    'keptScript',
    'loaded',
    'notLoaded',
    'ours',
  ])
  expect(told.asked).toBe('refused')
})
