// The front page of the demo newspaper: what is on it, with a picture and a price each. It is free. A small script asks for each
// piece by HEAD, as anybody may: what the reader's pass opens answers 200, and is marked as theirs.
import { demoContent } from './content.ts'
import { escapeHtml, page } from './page.ts'

type Piece = { path: string; title: string; text: string; picture: string; price: string }

// The prices repeat the routes of wrangler.toml; the paywall's answer is the one that counts.
const PRICES = { articles: '$0.05', media: '$0.02' }

function stored(path: string, picture: string): Piece {
  const found = demoContent.find((content) => content.path === path)
  if (found === undefined) throw new Error(`nothing is at ${path}`)
  const { title, description: text, price } = found.metadata
  return { path, title, text, picture, price: price ?? (path.startsWith('/media/') ? PRICES.media : PRICES.articles) }
}

const LEAD = stored('/articles/tides', 'tides')

const SECTIONS: readonly { name: string; pieces: readonly Piece[] }[] = [
  {
    name: 'The harbour',
    pieces: [
      stored('/articles/steps', 'steps'),
      {
        path: '/premium/report',
        title: 'The harbour in figures',
        text: 'A year at the wall, counted twice a day by two people who do not always agree.',
        picture: 'report',
        price: '$0.03',
      },
    ],
  },
  { name: 'Paper and money', pieces: [stored('/articles/hello', 'hello'), stored('/articles/printing', 'printing')] },
  {
    name: 'To watch and to look at',
    pieces: [stored('/media/tides.mp4', 'film'), stored('/media/harbour.svg', 'harbour')],
  },
]

/** What the front page shows beside its words. */
export const PICTURES = [LEAD, ...SECTIONS.flatMap(({ pieces }) => pieces)].map(({ picture }) => picture)

const STYLE = `
header, main, footer { max-width: 60rem }
.lead-story { display: grid; gap: 1rem 2rem; border-block: 3px double var(--line); padding-block: 1.25rem; margin-block: 1rem 0 }
.lead-story h2 { font-size: clamp(1.8rem, 5vw, 2.8rem); line-height: 1.1; margin: 0 0 .5rem }
@media (min-width: 45rem) { .lead-story { grid-template-columns: 3fr 2fr; align-items: center } .sections { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2rem } }
.sections h2 { font-size: 1rem; font-variant: small-caps; letter-spacing: .08em; border-bottom: 1px solid var(--line); margin: 1.5rem 0 1rem }
.piece { margin: 0 0 1.75rem }
.piece h3 { font-size: 1.2rem; line-height: 1.25; margin: .5rem 0 .25rem }
.piece p, .lead-story p { margin: 0 0 .35rem; line-height: 1.45 }
.piece a, .lead-story a { color: inherit; text-decoration: none }
.piece a:hover, .lead-story a:hover { text-decoration: underline }
.price { color: var(--faint) }
.price.yours { color: var(--accent); font-weight: 700 }
.commands { border-top: 3px double var(--line); margin-top: 1rem }
`

/** Marks what the reader may open already, also when they come back to the page. */
const SCRIPT = `
async function mark(price) {
  const { ok } = await fetch(price.dataset.of, { method: 'HEAD', cache: 'no-store' })
  price.classList.toggle('yours', ok)
  price.textContent = ok ? '✓ yours' : price.dataset.price
}
addEventListener('pageshow', () => document.querySelectorAll('[data-of]').forEach((price) => mark(price).catch(() => {})))
`

/** The front page. `siteUrl`: where readers meet the site, for the commands. */
export function frontPage(siteUrl: string): string {
  const site = escapeHtml(siteUrl)
  return page(
    'Read one thing',
    `<p>No account, no subscription: each piece has a price of its own, a few cents, paid by the piece.
<a href="/about">Who we are</a> · <a href="/till">The publisher’s till</a></p>
<article class="lead-story">
${picture(LEAD)}
<div><h2><a href="${LEAD.path}">${escapeHtml(LEAD.title)}</a></h2><p>${escapeHtml(LEAD.text)}</p>${price(LEAD)}</div>
</article>
<div class="sections">
${SECTIONS.map(({ name, pieces }) => `<section><h2>${escapeHtml(name)}</h2>${pieces.map(piece).join('\n')}</section>`).join('\n')}
</div>
<section class="commands">
<h2>From a terminal</h2>
<p>Ask for a page, and see the price in the answer, as a program does:</p>
<pre tabindex="0"><code>curl -i ${site}/articles/hello</code></pre>
<p>Buy it with the demo wallet:</p>
<pre tabindex="0"><code>npm run buy -- ${site}/articles/hello</code></pre>
<p>Ask the archive a question, one cent each. It takes <code>POST</code>, so this shows the price:</p>
<pre tabindex="0"><code>curl -i ${site}/api/ask --json '{"question":"Why is the tide late?"}'</code></pre>
</section>
<script>${SCRIPT}</script>`,
    STYLE,
  )
}

// Beside its title a picture says nothing more.
const picture = (of: Piece): string => `<img src="/pictures/${of.picture}.svg" alt="" width="640" height="360">`

const price = (of: Piece): string =>
  `<p class="price" data-of="${of.path}" data-price="${escapeHtml(of.price)}">${escapeHtml(of.price)}</p>`

const piece = (of: Piece): string =>
  `<article class="piece">${picture(of)}<h3><a href="${of.path}">${escapeHtml(of.title)}</a></h3><p>${escapeHtml(of.text)}</p>${price(of)}</article>`
