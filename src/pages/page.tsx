// The frame of every page a person sees. No data access, no script, nothing from elsewhere.

import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'

const STYLE = `:root{color-scheme:light dark;--ink:#1a1a1a;--quiet:#595959;--paper:#fffdf8;--line:#d8d4c8}
@media(prefers-color-scheme:dark){:root{--ink:#ece9e1;--quiet:#aaa69b;--paper:#17171a;--line:#3a3a40}}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.6 Georgia,'Times New Roman',serif}
main{max-width:36rem;margin:0 auto;padding:2.5rem 1.25rem}
.brand{font-weight:700;letter-spacing:.02em;margin:0 0 2rem}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 .75rem}h2{font-size:1.125rem;margin:2rem 0 .5rem}
.quiet{color:var(--quiet)}ul{padding:0;list-style:none}li{border-top:1px solid var(--line);padding:.75rem 0}
strong.price{font-size:1.25rem}code{font:.9375rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}`

export const Page = (props: { title: string; brand: string; children: Child }) => (
  <>
    {raw('<!doctype html>')}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{props.title}</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <main>
          {props.brand === '' ? null : <p class="brand">{props.brand}</p>}
          {props.children}
        </main>
      </body>
    </html>
  </>
)
