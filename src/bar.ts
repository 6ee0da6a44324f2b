// Puts the reader's bar at the end of a bought article, as it streams by. Only into whole pages that a browser opens:
// programs get the publisher's bytes.

import { OF_THE_BYTES } from './headers.ts'
import { BAR_STYLE, bar, type Until } from './pages/bar.tsx'
import { type Brand, hashOf } from './pages/page.tsx'
import type { Grant } from './pass.ts'
import { stringsOf } from './respond.ts'
import { nowSeconds } from './site.ts'
import { withStyleLetIn } from './wall/csp.ts'

/** A pass holder's page with the bar; anything else as it is. */
export async function withBar(request: Request, brand: Brand, content: Response, grant: Grant): Promise<Response> {
  if (request.method !== 'GET' || request.headers.get('Sec-Fetch-Dest') !== 'document') return content
  const { body, headers } = content
  const isPage =
    content.status === 200 &&
    isHtml(headers.get('Content-Type') ?? '') &&
    !/^\s*attachment/i.test(headers.get('Content-Disposition') ?? '')
  if (!body || !isPage) return content
  const html = bar(await stringsOf(request, brand), untilOf(request, grant))
  // Nothing reads the page: no fault of its own can cut it off.
  const ending = new TextEncoder().encode(inAscii(html))
  let isFirst = true
  let isWide = false
  const withEnding = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, out) {
      // The mark of UTF-16 in front of a page counts more than its header.
      if (isFirst) isWide = [0xfeff, 0xfffe].includes(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0))
      isFirst = false
      out.enqueue(bytes)
    },
    flush(out) {
      if (!isWide) out.enqueue(ending)
    },
  })
  const longer = new Headers(headers)
  for (const name of OF_THE_BYTES) longer.delete(name)
  const policy = headers.get('Content-Security-Policy')
  if (policy !== null) longer.set('Content-Security-Policy', withStyleLetIn(policy, await hashOf(BAR_STYLE)))
  return new Response(body.pipeThrough(withEnding), { status: content.status, headers: longer })
}

/** HTML in letters of which ASCII is a part. */
function isHtml(type: string): boolean {
  if (!/^text\/html\s*(?:;|$)/i.test(type)) return false
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type)?.[1]
  if (!charset) return true
  try {
    return !/^(?:utf-16|iso-2022|replacement)/.test(new TextDecoder(charset).encoding)
  } catch {
    return false
  }
}

/** The same HTML in letters that each charset has. */
const inAscii = (html: string): string => html.replace(/[^\0-\x7f]/gu, (letter) => `&#${letter.codePointAt(0)};`)

/** Until when a grant opens, for its reader. */
export const untilOf = (request: Request, { endsAtSeconds }: Grant): Until => ({
  endsAtSeconds,
  nowSeconds: nowSeconds(),
  timeZone: timeZoneOf(request),
})

/** Where Cloudflare thinks the reader is. The list of zones has each by one name only, often an old one. */
function timeZoneOf({ cf }: Request): string {
  const found = cf?.timezone
  try {
    return new Intl.DateTimeFormat('en', { timeZone: typeof found === 'string' ? found : 'UTC' }).resolvedOptions()
      .timeZone
  } catch {
    return 'UTC'
  }
}
