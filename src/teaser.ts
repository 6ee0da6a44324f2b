// What a document is shown before anything is paid: the publisher's own page up to its cut, asked for once and as if by nobody;
// and for subscribers of the publisher, the page itself.
import { type Content, openStored, type StoredContent } from './content.ts'
import { keepMsOf } from './cuts.ts'
import type { Result } from './errors.ts'
import { cookieName } from './pass.ts'
import type { Rule, WallRule } from './policy/rules.ts'
import { type Resource, urlOf } from './policy/scope.ts'
import { isForDocument, withoutReader } from './request.ts'
import { wantsPage } from './respond.ts'
import type { World } from './site.ts'
import { within } from './waiting.ts'
import { answerElsewhere, cutPage, LONGEST_MS, replayed, shared, type Teaser } from './wall.ts'

export type Showing = {
  request: Request
  world: World
  rule: Rule
  resource: Resource
  /** What is stored for it; null where it is the origin's. */
  found: StoredContent | null
  /** Asks the origin for it; given up by the signal. */
  ask: (request: Request, signal: AbortSignal) => Promise<Result<Content>>
}

/** Null: the plain page. */
export async function teaserOf(showing: Showing): Promise<Teaser | null> {
  const { request, world, rule, resource, found } = showing
  const isPublishers = rule.content !== 'r2' && rule.upstream === null
  if (!isPublishers || !isForDocument(request) || !wantsPage(request)) return null
  const wall = rule.accessSeconds > 0 && /^(?:text\/html\b|$)/i.test(rule.mimeType) ? rule.wall : null
  if (found) return wall && storedTeaser(found, request, wall, urlOf(resource))
  const cookies = world.config.brand.login === null ? '' : cookiesOf(request, resource.site)
  if (cookies !== '') return subscribersTeaser(showing, wall, cookies)
  return wall && sharedTeaser(showing, wall)
}

/** An article of ours is cut as a page of theirs is, unless it has a teaser of its own. */
async function storedTeaser(
  found: StoredContent,
  request: Request,
  wall: WallRule,
  address: string,
): Promise<Teaser | null> {
  if (found.article.teaser !== null) return null
  const stored = await openStored(found, request, null)
  const page = stored.ok ? await cutPage(stored.value.response, wall, address, Date.now() + LONGEST_MS) : null
  return page && { kind: 'page', page }
}

/** Equal requests wait for the first one's page, and read the origin themselves where it has none for them. */
async function sharedTeaser(showing: Showing, wall: WallRule): Promise<Teaser | null> {
  const { request, world, resource } = showing
  const { cuts } = world.isolate
  const untilMs = Date.now() + LONGEST_MS
  const address = urlOf(resource)
  const asked = withoutReader(request)
  const exact = JSON.stringify([address, ...asked.headers])
  while (Date.now() < untilMs) {
    const known = cuts.find(address, exact)
    if (known === null) break
    const page = await within(Promise.resolve(known), untilMs - Date.now())
    if (page) return { kind: 'page', page: replayed(page) }
  }
  const tell = cuts.lead(address, exact)
  let keepMs = 0
  const teaser = await fetchedTeaser(showing, wall, asked, (headers) => {
    keepMs = keepMsOf(headers)
  }).catch((fault: unknown) => {
    tell(null, 0)
    throw fault
  })
  if (teaser?.kind === 'page') {
    return { kind: 'page', page: shared(teaser.page, (page, isWhole) => tell(page, isWhole ? keepMs : 0)) }
  }
  tell(null, 0)
  return teaser
}

/** Whether the origin lets a subscriber in; nobody else is shown what it says to one. */
async function subscribersTeaser(showing: Showing, wall: WallRule | null, cookies: string): Promise<Teaser | null> {
  const asked = withoutReader(showing.request)
  asked.headers.set('Cookie', cookies)
  return fetchedTeaser(showing, wall, asked, () => {})
}

/** Asks the origin once. `heard` gets the headers of a page that may be cut. */
async function fetchedTeaser(
  { request, world, resource, ask }: Showing,
  wall: WallRule | null,
  asked: Request,
  heard: (headers: Headers) => void,
): Promise<Teaser | null> {
  const untilMs = Date.now() + LONGEST_MS
  const late = new AbortController()
  const asking = ask(asked, AbortSignal.any([late.signal, request.signal]))
  const content = await within(asking, LONGEST_MS)
  if (content === null) {
    // What comes too late is let go.
    late.abort()
    world.waitUntil(
      asking.then((answer) => (answer.ok ? answer.value.response.body?.cancel() : undefined)).catch(() => {}),
    )
    return { kind: 'silence' }
  }
  if (!content.ok) return { kind: 'silence' }
  const { response } = content.value
  if (asked.headers.has('Cookie') && isOpen(response)) return { kind: 'answer', response }
  const address = urlOf(resource)
  const elsewhere = wall && answerElsewhere(response, address)
  if (elsewhere) return { kind: 'answer', response: elsewhere }
  if (response.status !== 200 || wall === null) {
    await response.body?.cancel()
    return response.status >= 500 && wall !== null ? { kind: 'silence' } : null
  }
  heard(response.headers)
  const page = await cutPage(response, wall, address, untilMs)
  return page && { kind: 'page', page }
}

/** An origin's word that whoever asked may have it all. */
const isOpen = ({ headers }: Response) => headers.get('Newsstand-Access')?.trim().toLowerCase() === 'open'

/** The site's own cookies: not ours. */
const cookiesOf = ({ headers }: Request, site: string): string =>
  (headers.get('Cookie') ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part.split('=')[0]?.trim() !== cookieName(site))
    .join('; ')
