// The frame of every page a person sees: style inline under its hash, nothing from elsewhere. No data access.
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'

/** How the publisher looks. Null and "" are left out. */
export type Brand = {
  name: string
  logo: string | null
  /** `#rrggbb`. */
  accent: string | null
  terms: string | null
  support: string | null
  why: string | null
  /** Where subscribers log in: then the origin decides who is one. */
  login: string | null
  /** The language of what is published (BCP 47). */
  lang: string | null
  /** Name and address of the seller. */
  legal: string | null
  /** What happens with money back: a sentence, or where one reads of it. */
  refunds: string | null
  /** Where readers get money for their wallets. */
  topup: string | null
}

export const NO_BRAND: Brand = {
  name: '',
  logo: null,
  accent: null,
  terms: null,
  support: null,
  why: null,
  login: null,
  lang: null,
  legal: null,
  refunds: null,
  topup: null,
}

/** A page ready to be sent, with the `Content-Security-Policy` under which it works. */
export type Page = { html: string; policy: string }

type Frame = {
  lang: string
  brand: Brand
  title: string
  head?: Child
  /** Rules of this page alone. */
  style?: string
  /** Whether it plays films and recordings of its own site. */
  plays?: boolean
  /** A single answer may be opened from it, and is shown under its policy: without scripts, as it would look at its address. */
  opens?: boolean
  footer?: Child
  /** The one script, for pages that have one, what a policy lets it in by, and the addresses of what it may load. */
  script?: { text: string; hash: string; loads: readonly string[] }
  /** It has a form, which is sent to this site. */
  hasForm?: boolean
  children: Child
}

const DEFAULT_ACCENT = '#8a2f1d'

/**
 * The states of a payment, each by a mark and a colour, in the page and in the card; in sizes that hold in both. On a narrow screen the
 * buttons stay in reach, while they are few.
 */
export const STATES = `[hidden]{display:none!important}#status,.problem{border-inline-start:3px solid var(--accent);padding-inline-start:12px}#status:empty{margin:0;padding:0;border:0}
[data-tone]::before{display:inline-block;inline-size:1.4em;font-weight:700;color:var(--accent)}
[data-tone=wait]::before{content:"";inline-size:.8em;block-size:.8em;margin-inline-end:.5em;border:2px solid;border-inline-end-color:transparent;border-radius:50%}
[data-tone=good]{--accent:var(--good)}[data-tone=good]::before{content:"\\2713"}[data-tone=bad]{--accent:var(--bad)}[data-tone=bad]::before{content:"!"}
.ticks{list-style:"\\2713  ";padding-inline-start:1.2em;margin:0 0 12px}.ticks ::marker{color:var(--good)}
#steps{display:flex;gap:20px;padding:0;margin:0 0 12px;list-style-position:inside}#steps [aria-current]{font-weight:700}
button.link{display:inline-flex;inline-size:auto;min-height:40px;padding:4px 0;border:0;background:none;color:inherit;font-weight:400;text-decoration:underline}
summary{cursor:pointer;padding-block:8px}
@media(max-width:640px) and (min-height:560px){#wallets:not(:has(>:nth-child(4))){position:sticky;inset-block-end:0;background:var(--card);padding-block-end:env(safe-area-inset-bottom)}}`

const STYLE = `:root{color-scheme:light dark;--ink:#1c1917;--quiet:#5c554d;--paper:#fffdf9;--card:#faf6ee;--line:#ddd5c6;--good:#1b6e3c;--bad:#a3261c}
@media(prefers-color-scheme:dark){:root{--ink:#ece8e0;--quiet:#b0a89c;--paper:#161514;--card:#1f1d1b;--line:#3c3833;--good:#7bd49b;--bad:#ff9a8f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.6 Georgia,'Times New Roman',serif}
body>*{max-width:38rem;margin-inline:auto;padding-inline:1.25rem}
header{padding-block:1.25rem;display:flex;align-items:center;gap:.75rem;font-weight:700;letter-spacing:.01em}
header::after{content:"";flex:1;border-block-start:3px solid var(--accent)}
header a{color:inherit;text-decoration:none}
header img{display:block;height:2rem;max-width:12rem;object-fit:contain}
main{padding-block:1rem 2rem;overflow-wrap:break-word}
h1{font-size:clamp(1.75rem,6vw,2.5rem);line-height:1.15;margin:.5rem 0 1rem;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 .75rem}
p{margin:0 0 1rem}
a{color:inherit;text-decoration-color:var(--accent);text-decoration-thickness:2px;text-underline-offset:.15em}
.teaser{font-size:1.1875rem}
.teaser.more{mask-image:linear-gradient(#000 40%,#0008)}
.card{background:var(--card);border:1px solid var(--line);border-block-start:3px solid var(--accent);padding:1.25rem;border-radius:.25rem;margin-block:1.5rem}
fieldset{border:0;padding:0;margin:0 0 1rem;min-width:0}
legend{padding:0;margin:0 0 .5rem;color:var(--quiet)}
.offer{display:flex;gap:.75rem;align-items:baseline;padding:.75rem 0;border-block-start:1px solid var(--line);min-height:3rem;cursor:pointer}
.offer input,.ways input{accent-color:var(--accent);inline-size:1.15rem;block-size:1.15rem;flex:none;margin:0}
.offer input{transform:translateY(.15rem)}
.offer span{flex:1}
.offer small{display:block}
.ways{display:flex;flex-wrap:wrap;gap:.5rem}
.ways label{flex:1 1 8rem;display:flex;gap:.6rem;align-items:center;min-height:3rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.25rem;cursor:pointer;font-variant-numeric:tabular-nums}
.ways label:has(:checked){border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent)}
.price{font-size:1.25rem;font-variant-numeric:tabular-nums}
small,.quiet,footer{font-size:.9375rem;color:var(--quiet)}
button,.button{font:inherit;font-weight:700;display:flex;align-items:center;justify-content:center;gap:.6rem;inline-size:100%;min-height:3rem;margin-block:.5rem;padding:.5rem 1rem;border:2px solid var(--accent);border-radius:.25rem;background:var(--accent);color:var(--on-accent);cursor:pointer;text-decoration:none;text-align:center}
button.plain,.button.plain{background:none;color:inherit}
button img{inline-size:1.5rem;block-size:1.5rem;border-radius:.25rem}
:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
${STATES}
.stuck{animation:stuck 0s 2s backwards}@keyframes stuck{from{visibility:hidden}}@media(scripting:none){.stuck{animation:none}}
dl{display:grid;grid-template-columns:auto 1fr;gap:.5rem 1.25rem;margin:0 0 1rem}
dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
code,pre{font:.875rem/1.5 ui-monospace,Menlo,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
footer{padding-block:1.5rem 2.5rem;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
footer a,.inline{display:inline-block;padding-block:.25rem}
@media(prefers-reduced-motion:no-preference){button{transition:filter .15s}button:hover{filter:brightness(1.1)}}
ul.rows{list-style:none;padding:0}ul.rows li{padding:.75rem 0;border-block-start:1px solid var(--line)}.rows small{display:block}
@media print{header::after,footer,button,.screen{display:none}a[rel]::after{content:' (' attr(href) ')'}body{background:#fff;color:#000}}`

/** Text on a ground of this colour: black or white, whichever stands out more (WCAG 2.2, relative luminance). */
function onColour(colour: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff'
}

/** The publisher's colour, and what is read on it, as declarations. */
export const accentOf = ({ accent }: Brand): string => {
  const colour = accent ?? DEFAULT_ACCENT
  return `--accent:${colour};--on-accent:${onColour(colour)}`
}

const styleOf = ({ brand, style = '' }: Frame) => `:root{${accentOf(brand)}}${STYLE}${style}`

/** What a policy lets a style in by, for each colour and each page's own rules: there are few of both. */
const styleHashes = new Map<string, string>()

async function styleHashOf(frame: Frame): Promise<string> {
  const name = `${frame.brand.accent} ${frame.style}`
  const known = styleHashes.get(name)
  if (known !== undefined) return known
  const hash = await hashOf(styleOf(frame))
  styleHashes.set(name, hash)
  return hash
}

const Document = ({ frame }: { frame: Frame }) => {
  const { lang, brand, title, head, script, footer, children } = frame
  return (
    <html lang={lang}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{brand.name === '' ? title : `${title} · ${brand.name}`}</title>
        <style>{raw(styleOf(frame))}</style>
        {head}
        {script === undefined ? null : <script type="module">{raw(script.text)}</script>}
      </head>
      <body>
        <header>
          {brand.name === '' && brand.logo === null ? null : (
            <a href="/">{brand.logo === null ? brand.name : <img src={brand.logo} alt={brand.name} />}</a>
          )}
        </header>
        <main>{children}</main>
        {footer}
      </body>
    </html>
  )
}

/** What an article brings along; no script is among it. */
const SHOWN = [
  "style-src 'self' https: 'unsafe-inline'",
  "img-src 'self' https: data:",
  "font-src 'self' https: data:",
  "media-src 'self' https: blob:",
]

/** Renders a page, and the policy that lets in its own style, its script and the publisher's logo, and nothing else. */
export async function render(frame: Frame): Promise<Page> {
  const style = await styleHashOf(frame)
  const logo = frame.brand.logo?.startsWith('https:') ? ` ${new URL(frame.brand.logo).origin}` : ''
  const policy = [
    "default-src 'none'",
    ...(frame.opens ? SHOWN : [`style-src '${style}'`, `img-src 'self' data:${logo}`]),
    ...(frame.plays ? ["media-src 'self'"] : []),
    ...(frame.script === undefined
      ? []
      : [['script-src', `'${frame.script.hash}'`, ...frame.script.loads].join(' '), "connect-src 'self'"]),
    `base-uri ${frame.opens ? "'self'" : "'none'"}`,
    `form-action ${frame.hasForm ? "'self'" : "'none'"}`,
    "frame-ancestors 'none'",
  ]
  return { html: `<!doctype html>${<Document frame={frame} />}`, policy: policy.join('; ') }
}

/** What a policy lets an element's text in by. */
export async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`
}

/** JSON in an element that scripts read and browsers do not run. */
export const data = (json: unknown) => raw(JSON.stringify(json).replaceAll('<', '\\u003c'))
