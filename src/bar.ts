// Puts the reader's bar at the end of a bought article, as it streams by. Only into whole pages that a browser opens:
// programs get the publisher's bytes.

import { bar } from './pages/bar.tsx'
import type { Grant } from './pass.ts'

/** A pass holder's page with the bar; anything else as it is. */
export function withBar(request: Request, content: Response, { endsAtSeconds }: Grant): Response {
  const isPage =
    request.method === 'GET' &&
    request.headers.get('Sec-Fetch-Dest') === 'document' &&
    content.status === 200 &&
    /^text\/html\b/i.test(content.headers.get('Content-Type') ?? '')
  if (!isPage) return content
  const html = bar({
    acceptLanguage: request.headers.get('Accept-Language'),
    endsAtSeconds,
    timeZone: timeZoneOf(request),
  })
  const headers = new Headers(content.headers)
  headers.delete('Content-Length')
  return new HTMLRewriter()
    .onDocument({ end: (end) => void end.append(html, { html: true }) })
    .transform(new Response(content.body, { status: content.status, headers }))
}

/** Where Cloudflare thinks the reader is. */
function timeZoneOf({ cf }: Request): string {
  const found = cf?.timezone
  return typeof found === 'string' && Intl.supportedValuesOf('timeZone').includes(found) ? found : 'UTC'
}
