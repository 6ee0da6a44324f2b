// What a document is shown before anything is paid: the publisher's own page up to its cut, asked for once and as if by nobody;
// and for subscribers of the publisher, the page itself.
import { type Content, openStored, type StoredContent } from './content.ts'
import { keepMsOf, type Reading, type Writer } from './cuts.ts'
import type { Result } from './errors.ts'
import { ourCookies } from './pass.ts'
import type { Rule, WallRule } from './policy/rules.ts'
import { isForDocument, isUpgrade, withoutReader } from './request.ts'
import { wantsPage } from './respond.ts'
import type { World } from './site.ts'
import { within } from './waiting.ts'
import { answerElsewhere, type CutPage, cutPage, LONGEST_MS, type Teaser, type Walled } from './wall.ts'

export type Showing = {
  request: Request
  world: World
  rule: Rule
  /** Whether anything can be bought here now. */
  isForSale: boolean
  /** The site it is on, and the address under which the origin is asked for it. */
  site: string
  address: string
  /** What is stored for it; null where it is the origin's. */
  found: StoredContent | null
  /** Request headers that made the price: the page may be another by them. */
  pricing: readonly string[]
  /** Asks the origin for it; given up by the signal. */
  ask: (request: Request, signal: AbortSignal) => Promise<Result<Content>>
}

/** A subscriber's page is worth waiting for. */
const LONGEST_FOR_SUBSCRIBERS_MS = 10_000

/** Null: the plain page. */
export async function teaserOf(showing: Showing): Promise<Teaser | null> {
  const { request, world, rule, site, found, isForSale } = showing
  const wall = isForSale && isWalled(rule) && isForDocument(request) && wantsPage(request) ? rule.wall : null
  if (found) return wall && storedTeaser(found, request, wall, showing.address)
  if (isOfBrowser(request) && maySubscribe(request, world, rule, site)) return subscribersTeaser(showing, wall)
  return wall && sharedTeaser(showing, wall)
}

const isWalled = (rule: Rule): boolean =>
  rule.content !== 'r2' &&
  rule.upstream === null &&
  rule.accessSeconds > 0 &&
  /^(?:text\/html\b|$)/i.test(rule.mimeType)

/** A page, or what a page asks for. Programs cost the origin nothing. */
const isOfBrowser = (request: Request): boolean =>
  request.method === 'GET' && !isUpgrade(request) && (request.headers.has('Sec-Fetch-Dest') || wantsPage(request))

/** Whether the origin may know who asks as a subscriber: by cookies of the site that are not ours. */
export const maySubscribe = (
  { headers }: Request,
  { config }: World,
  { content, upstream }: Rule,
  site: string,
): boolean =>
  config.brand.login !== null &&
  content === 'origin' &&
  upstream === null &&
  (headers.get('Cookie') ?? '')
    .split(';')
    .map((part) => part.split('=')[0]?.trim() ?? '')
    .some((name) => name !== '' && !ourCookies(site).includes(name))

/** An origin's word to a subscriber's request that whoever asked may have it all. */
export const isOpen = ({ headers }: Response): boolean =>
  headers.get('Newsstand-Access')?.trim().toLowerCase() === 'open'

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
  return page === null || page === 'late' ? null : { kind: 'page', page }
}

/** What the origin says to a subscriber; nobody else is shown it. */
async function subscribersTeaser(showing: Showing, wall: WallRule | null): Promise<Teaser | null> {
  const asked = await answered(showing, showing.request, LONGEST_FOR_SUBSCRIBERS_MS)
  if (asked === null || asked.status >= 500) {
    await asked?.body?.cancel().catch(() => {})
    return { kind: 'silence', isForSubscriber: true }
  }
  if (isOpen(asked)) return { kind: 'open', response: asked }
  const cookies = asked.headers.getSetCookie()
  const teaser = wall && (await teaserIn(asked, wall, showing.address))
  if (teaser === null) await asked.body?.cancel().catch(() => {})
  // Its session goes on, whatever it is shown.
  if (teaser?.kind === 'answer') for (const cookie of cookies) teaser.response.headers.append('Set-Cookie', cookie)
  return teaser?.kind === 'page' ? { kind: 'page', page: { ...teaser.page, cookies } } : teaser
}

/** Equal requests share one reading; where it has nothing to share, each asks for itself. */
async function sharedTeaser(showing: Showing, wall: WallRule): Promise<Teaser | null> {
  const { request, world, pricing } = showing
  const { cuts } = world.isolate
  const asked = withoutReader(request, pricing)
  const exact = JSON.stringify([asked.url, ...asked.headers])
  const known = cuts.find(exact)
  if (known === null) {
    const reading = read(showing, wall, asked, exact)
    // A reader who leaves does not end it for the others.
    world.waitUntil(reading.catch(() => {}))
    return reading
  }
  const heard = await within(
    known.opening.then((opening) => ({ opening })),
    LONGEST_MS,
  )
  if (heard === null || heard.opening === 'silence') return SILENCE
  return heard.opening === null ? fetchedTeaser(showing, wall, asked) : sharedPage(heard.opening, known)
}

/** A reading for one more reader, who ends nothing by leaving. */
const sharedPage = (opening: CutPage, { rest }: Reading<CutPage>): Teaser => ({
  kind: 'page',
  page: { ...opening, after: rest, discard: async () => {} },
})

const SILENCE: Teaser = { kind: 'silence', isForSubscriber: false }

/** Reads the origin's page for this reader and for all who want it meanwhile. */
async function read(showing: Showing, wall: WallRule, asked: Request, exact: string): Promise<Teaser | null> {
  const writer = showing.world.isolate.cuts.lead(exact)
  try {
    let keepMs = 0
    const teaser = await fetchedTeaser(showing, wall, asked, (headers) => {
      keepMs = keepMsOf(headers)
    })
    if (teaser?.kind !== 'page') {
      writer.open(teaser?.kind === 'silence' ? 'silence' : null)
      writer.end(false, 0)
      return teaser
    }
    const { after, discard: _, ...opening } = teaser.page
    writer.open(opening)
    showing.world.waitUntil(passOn(after, writer, keepMs))
    return sharedPage(opening, writer.reading)
  } catch (fault) {
    writer.open(null)
    writer.end(false, 0)
    throw fault
  }
}

async function passOn(after: Walled['after'], { add, end }: Writer<CutPage>, keepMs: number): Promise<void> {
  const parts = after()
  for (;;) {
    const { done, value } = await parts.next()
    if (done) return end(value, keepMs)
    add(value)
  }
}

/** Asks the origin once. `heard` gets the headers of what may be cut. */
async function fetchedTeaser(
  showing: Showing,
  wall: WallRule,
  asked: Request,
  heard: (headers: Headers) => void = () => {},
): Promise<Teaser | null> {
  const untilMs = Date.now() + LONGEST_MS
  const response = await answered(showing, asked, LONGEST_MS)
  if (response === null) return SILENCE
  heard(response.headers)
  return teaserIn(response, wall, showing.address, untilMs)
}

/** What the origin answers in time; null where it does not. What comes too late is let go. */
async function answered({ world, ask }: Showing, asked: Request, ms: number): Promise<Response | null> {
  const late = new AbortController()
  const asking = ask(asked, late.signal)
  const content = await within(asking, ms)
  if (content !== null) return content.ok ? content.value.response : null
  late.abort()
  world.waitUntil(
    asking.then((answer) => (answer.ok ? answer.value.response.body?.cancel() : undefined)).catch(() => {}),
  )
  return null
}

async function teaserIn(
  response: Response,
  wall: WallRule,
  address: string,
  untilMs = Date.now() + LONGEST_MS,
): Promise<Teaser | null> {
  const elsewhere = answerElsewhere(response, address)
  if (elsewhere) return { kind: 'answer', response: elsewhere }
  if (response.status !== 200) {
    await response.body?.cancel().catch(() => {})
    return response.status >= 500 ? SILENCE : null
  }
  const page = await cutPage(response, wall, address, untilMs)
  if (page === 'late') return SILENCE
  return page && { kind: 'page', page }
}
