// The answer with the publisher's own page: up to the cut, the card, and the frame behind it. Headers are ours, but for a few.
import { isWorthZipping } from './accept.ts'
import type { Refusal } from './errors.ts'
import { cardPart } from './pages/card.tsx'
import { hashOf } from './pages/page.tsx'
import type { PaywallView } from './pages/view.ts'
import type { WallRule } from './policy/rules.ts'
import { claimsNothing } from './request.ts'
import { type Answer, VARY } from './respond.ts'
import { within } from './waiting.ts'
import { type KeptScript, wallPolicy } from './wall/csp.ts'
import { previewTags } from './wall/facts.ts'
import type { Walled } from './wall.ts'

const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

/** Null where the page's own policy does not let the card in: the plain page is shown. */
export async function walledAnswer(
  request: Request,
  refusal: Refusal,
  page: Walled,
  wall: WallRule,
  view: PaywallView,
  extra: Record<string, string>,
): Promise<Answer | null> {
  const { before, headAt, language } = page
  const card = await cardPart(view)
  const site = new URL(view.resourceUrl).origin
  const base = URL.canParse(page.base, view.resourceUrl) ? new URL(page.base, view.resourceUrl).href : view.resourceUrl
  const policies = wallPolicy({
    headers: page.policies,
    metas: page.metaPolicies,
    script: card.script,
    styles: card.styles,
    kept: [
      ...card.loads.map((src) => ({ src, hash: null, nonce: null })),
      ...(await Promise.all(page.keptScripts.map((script) => keptOf(script, base)))),
    ],
    site,
    base,
  })
  if (policies === null) return null
  // Who has not tried to pay may be shown the page as one that is there.
  const status = claimsNothing(request) ? wall.status : 402
  const headers = new Headers({
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': status === 200 ? 'private, no-store, no-transform' : 'no-store, no-transform',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': page.referrers ?? 'strict-origin-when-cross-origin',
    Vary: `${VARY}, Accept-Encoding, Accept-Language, Sec-Fetch-Dest`,
    ...(language === null ? {} : { 'Content-Language': language }),
    ...(page.robots === null ? {} : { 'X-Robots-Tag': page.robots }),
    ...extra,
  })
  for (const policy of policies) headers.append('Content-Security-Policy', policy)
  for (const cookie of page.cookies) headers.append('Set-Cookie', cookie)
  // A challenge of MPP belongs to a 402. No browser answers one: beside a long policy of the page it is left out.
  if (status === 200 || lengthOf(headers) > MOST_HEADERS) headers.delete('WWW-Authenticate')
  const at = headAt ?? before.length
  const opening = before.slice(0, at) + tagsOf(page, view) + before.slice(at) + card.html
  const { body, isWhole } = await bodyOf(opening, page)
  return {
    kind: 'ours',
    response: new Response(body, { status, headers }),
    // What is compressed waits for its end.
    isZipped: isWhole && isWorthZipping(request, opening),
    refusal,
  }
}

/** Servers on the way give up at 8 KiB, and add some of their own. */
const MOST_HEADERS = 6144

const lengthOf = (headers: Headers): number =>
  [...headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)

async function keptOf({ src, text, nonce }: Walled['keptScripts'][number], base: string): Promise<KeptScript> {
  if (src === null) return { src: null, hash: await hashOf(text), nonce }
  return { src: URL.canParse(src, base) ? new URL(src, base).href : null, hash: null, nonce }
}

/** What search engines and chats read of it: that there is an article, and that it is paid for. */
function tagsOf({ metas: named, facts, articles }: Walled, { brand, resourceUrl }: PaywallView): string {
  const metas = previewTags(facts, resourceUrl, brand.name, named).map(({ name, content }) => {
    const key = name.startsWith('og:') ? 'property' : 'name'
    return `<meta ${key}="${escaped(name)}" content="${escaped(content)}">`
  })
  const told = articles.map((json) => `<script type="application/ld+json">${json}</script>`)
  return [...metas, ...told].join('')
}

/** The rest of a page comes with its opening, or is not waited for: the reader has something to read. */
const REST_MS = 20

async function bodyOf(
  opening: string,
  page: Walled,
): Promise<{ body: string | ReadableStream<Uint8Array>; isWhole: boolean }> {
  const after = page.after()
  const untilMs = Date.now() + REST_MS
  let text = opening
  let next = after.next()
  for (;;) {
    const part = await within(next, untilMs - Date.now())
    if (part === null) break
    if (part.done) return { body: text, isWhole: true }
    text += part.value
    next = after.next()
  }
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(text))
    },
    async pull(controller) {
      const { done, value } = await next
      next = after.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    // The next bytes may be waited for: they are not wanted any more.
    cancel: () => page.discard(),
  })
  return { body, isWhole: false }
}
