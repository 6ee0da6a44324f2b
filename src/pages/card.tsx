// The card in a publisher's own page: in a shadow of its own, so that the page's rules do not reach it. Plain ASCII, sizes in
// px, nothing from elsewhere.
import { raw } from 'hono/html'
import { CHECKOUT } from '../browser/checkout.gen.ts'
import { Footer } from './footer.tsx'
import { shownAmounts } from './money.ts'
import { accentOf, hashOf, STATES } from './page.tsx'
import { Card, loadedScripts } from './paywall.tsx'
import { currenciesOf, type PaywallView } from './view.ts'

/** A class of the empty place where the rest would be: search engines are told it as `cssSelector`. */
export const PLACE = 'newsstand-paywall'

/** What stands in the place of the rest, the hashes a policy lets it in by, and the addresses of what its script may load. */
export type CardPart = { html: string; script: string; loads: readonly string[]; styles: readonly string[] }

const STYLE = `:host{all:initial!important;display:block!important;visibility:visible!important;color-scheme:inherit!important;--ink:#1c1917;--quiet:#5c554d;--card:#faf6ee;--line:#ddd5c6;--good:#1b6e3c;--bad:#a3261c}
@supports(color:light-dark(#000,#fff)){:host{--ink:light-dark(#1c1917,#ece8e0);--quiet:light-dark(#5c554d,#b0a89c);--card:light-dark(#faf6ee,#1f1d1b);--line:light-dark(#ddd5c6,#3c3833);--good:light-dark(#1b6e3c,#7bd49b);--bad:light-dark(#a3261c,#ff9a8f)}}
*{box-sizing:border-box}
.frame{font:17px/1.6 Georgia,'Times New Roman',serif;color:var(--ink);text-align:start;direction:inherit;margin:24px auto;max-width:608px}
.card{background:var(--card);border:1px solid var(--line);border-block-start:3px solid var(--accent);padding:20px;border-radius:4px}
h2{font-size:20px;line-height:1.3;margin:0 0 12px}p{margin:0 0 16px}
a{color:inherit;text-decoration-color:var(--accent)}
fieldset{border:0;padding:0;margin:0 0 16px;min-width:0}legend{padding:0;margin:0 0 8px;color:var(--quiet)}
.offer{display:flex;gap:12px;align-items:baseline;padding:12px 0;border-block-start:1px solid var(--line);min-height:48px;cursor:pointer}
.offer input{accent-color:var(--accent);inline-size:18px;block-size:18px;flex:none;margin:0}.offer input{transform:translateY(2px)}
.offer span{flex:1}.offer small{display:block}
.price{font-size:20px;font-variant-numeric:tabular-nums}
small,.quiet,footer{font-size:15px;color:var(--quiet)}
button,.button{font:inherit;font-weight:700;display:flex;align-items:center;justify-content:center;gap:10px;inline-size:100%;min-height:48px;margin-block:8px;padding:8px 16px;border:2px solid var(--accent);border-radius:4px;background:var(--accent);color:var(--on-accent);cursor:pointer;text-decoration:none;text-align:center}
button.plain,.button.plain{background:none;color:inherit}
button img{inline-size:24px;block-size:24px;border-radius:4px}
:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
${STATES}
.stuck{animation:stuck 0s 2s backwards}@keyframes stuck{from{visibility:hidden}}@media(scripting:none){.stuck{animation:none}}
footer{padding-block:12px 0;display:flex;flex-wrap:wrap;gap:4px 20px}footer a{display:inline-block;padding-block:4px}
@media print{.frame{display:none}}`

/** Where there are several currencies to choose from. */
const WAYS = `.ways{display:flex;flex-wrap:wrap;gap:8px}.ways input{accent-color:var(--accent);inline-size:18px;block-size:18px;flex:none;margin:0}
.ways label{flex:1 1 128px;display:flex;gap:10px;align-items:center;min-height:48px;padding:8px 12px;border:1px solid var(--line);border-radius:4px;cursor:pointer;font-variant-numeric:tabular-nums}
.ways label:has(:checked){border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent)}`

/** The same in ASCII: the page around it may be read in any encoding. */
const inAscii = (html: string) => html.replace(/[^\0-\x7f]/gu, (char) => `&#x${char.codePointAt(0)?.toString(16)};`)
/** JSON is no markup, and has escapes of its own. */
const jsonInAscii = (html: string) =>
  html.replace(/(<script[^>]*>)(.*?)(<\/script>)/gs, (_, open: string, json: string, end: string) =>
    [open, json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`), end].join(
      '',
    ),
  )

/** The card, its script behind it, and a sentence with a link for browsers that know no such shadow. */
export async function cardPart(view: PaywallView): Promise<CardPart> {
  const { brand, strings, offers, resourceUrl } = view
  const style = `:host{${accentOf(brand)}}${STYLE}${currenciesOf(view).length > 1 ? WAYS : ''}`
  const [first] = offers
  const shadow = (
    <div class="frame" lang={strings.lang}>
      <Card view={view} />
      <Footer brand={brand} strings={strings} base={resourceUrl} />
    </div>
  )
  const outside = (
    <p lang={strings.lang}>
      {strings.pay.rest(first ? shownAmounts(first.amounts, strings.lang) : '')}{' '}
      <a href={resourceUrl}>{strings.pay.reload}</a>
    </p>
  )
  const html = [
    `<div class="${PLACE}" data-newsstand="card"><template shadowrootmode="open"><style>${style}</style>`,
    inAscii(jsonInAscii(`${shadow}`)),
    '</template>',
    inAscii(`${outside}`),
    `</div><script type="module">${CHECKOUT.text}</script>`,
  ].join('')
  return { html: `${raw(html)}`, script: CHECKOUT.hash, loads: loadedScripts(view), styles: [await hashOf(style)] }
}
