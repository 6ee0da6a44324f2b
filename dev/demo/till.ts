// The publisher's till: what has come in since `npm start`, as it comes in, beside two ways to sell one more. A page of the demo's own
// site; the sales are told by the demo's worker (`sales.ts`), which `npm start` alone runs.
import { escapeHtml, page } from './page.ts'
import { SALES } from './sales.ts'

const STYLE = `
header, main, footer { max-width: 60rem }
.till { display: grid; gap: 2rem }
@media (min-width: 45rem) { .till { grid-template-columns: 3fr 2fr } }
.till section { min-width: 0 }
#sum { font-size: clamp(3rem, 14vw, 6rem); line-height: 1; margin: 0; font-variant-numeric: tabular-nums }
#sales { list-style: none; padding: 0; border-top: 1px solid var(--line) }
#sales li { display: flex; gap: 1rem; justify-content: space-between; padding: .6rem 0; border-bottom: 1px solid var(--line) }
#sales small { display: block; color: var(--faint); overflow-wrap: anywhere }
#sales strong { white-space: nowrap; font-variant-numeric: tabular-nums }
@media (prefers-reduced-motion: no-preference) { #sales li { animation: in .8s } @keyframes in { from { background: #e3b34188 } } }
ol.ways { padding-left: 1.25rem }
.ways pre { white-space: pre-wrap; overflow-wrap: anywhere }
`

/** Asks once a second while somebody looks. Everything it is told is written as text. */
const SCRIPT = `
const [sum, count, list] = ['sum', 'count', 'sales'].map((id) => document.getElementById(id))
const shown = new Set()
function row({ title, resource, price, network, payer, time }) {
  const [li, what, where, cost] = ['li', 'span', 'small', 'strong'].map((name) => document.createElement(name))
  what.textContent = title || resource
  where.textContent = [new Date(time * 1000).toLocaleTimeString(), network, 'from ' + payer].join(' · ')
  what.append(where)
  cost.textContent = '+ ' + price
  li.append(what, cost)
  return li
}
async function look() {
  if (document.hidden) return
  try {
    const { total, sold, sales } = await (await fetch('${SALES}')).json()
    sum.textContent = total
    count.textContent = sold === 0 ? 'Nothing sold yet.' : sold === 1 ? 'One sale since npm start.' : sold + ' sales since npm start.'
    for (const sale of sales.toReversed()) {
      if (shown.has(sale.id)) continue
      shown.add(sale.id)
      list.prepend(row(sale))
    }
  } catch {
    count.textContent = 'The till cannot be read just now.'
  }
}
setInterval(look, 1000)
look()
`

/** The page. `siteUrl`: where readers meet the site, for the command. */
export const tillPage = (siteUrl: string): string =>
  page(
    'The publisher’s till',
    `<div class="till">
<section aria-label="Takings">
<p id="sum">$0.00</p>
<p id="count" role="status">Nothing sold yet.</p>
<ul id="sales"></ul>
</section>
<section>
<h2>Sell one more</h2>
<ol class="ways">
<li><p><strong>To a reader.</strong> Open <a href="/articles/hello">Hello, reader</a> in a second window and pay with the demo wallet.</p></li>
<li><p><strong>To a program.</strong> The same page, from a terminal:</p>
<pre tabindex="0"><code>npm run buy -- ${escapeHtml(siteUrl)}/articles/hello</code></pre></li>
</ol>
<p>Both pay the same price to the publisher’s own address, and nobody is in between. Ask again for what is bought: it opens, and the sum
stays. The lines are those of the ledger; <code>npm run ledger -- show --local</code> and <code>npm run ledger -- reconcile --local</code>
have them too.</p>
</section>
</div>
<script type="module">${SCRIPT}</script>`,
    STYLE,
  )
