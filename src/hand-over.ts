// Hand-over: what was bought on a phone opens its page on another screen as well. The screen keeps a secret and shows a code;
// whoever has bought what the code names says yes; the screen fetches that, once. docs/decisions/026 has the whole of it.
import { keptBy, passHeaders } from './access.ts'
import {
  CODE_SECONDS,
  type Code,
  isHash,
  isSecretOf,
  issueCode,
  LONGEST_NAMED,
  nameOfCode,
  readCode,
  wordsOf,
} from './code.ts'
import { fail, ok, type Refusal, type Result } from './errors.ts'
import { addressOf } from './limits.ts'
import { handOverPage } from './pages/hand-over.tsx'
import { type Grant, grantFor, isOwn, NOBODY } from './pass.ts'
import { PROTOCOL } from './payer/protocol.ts'
import { decide } from './policy/policy.ts'
import { identifyingQuery } from './policy/query.ts'
import { pathAndQueryOf, pathOf, type Resource, scopeOf } from './policy/scope.ts'
import { handOverObject, isBlocked, orUnavailable } from './purchase.ts'
import { siteOf, targetOf } from './request.ts'
import { type Answer, inPrivate, PRIVATE, refuse, stringsOf, toPage } from './respond.ts'
import { keyOf, nowSeconds, readKeysOf, type World } from './site.ts'

/** Where a page asks for a code: `?page=<path and query>&hash=<SHA-256 of its secret>`. */
export const CODES = '/_newsstand/checkout/code'
/** Where a code leads. */
export const CODE_PATH = '/_newsstand/checkout/:code'

/** How long what was handed over waits for its screen. */
const WAITS_SECONDS = 300

/** The screen's secret: never in an address. */
const SECRET = 'Newsstand-Secret'

const no = (request: Request, { config }: World, code: Refusal['code']) =>
  refuse(request, config.brand, { code }, { 'Cache-Control': PRIVATE })

/**
 * `GET /_newsstand/checkout/code`: what a page says and shows where its reader's wallet is elsewhere. With a hash also a code for
 * the page. Stores nothing.
 */
export async function answerCode(request: Request, world: World): Promise<Answer> {
  const site = siteOf(request, world.config)
  if (site === null) return no(request, world, 'misdirected_request')
  if (!isFromHere(request)) return no(request, world, 'not_found')
  if (!(await mayAsk(request, world))) return no(request, world, 'too_many_requests')
  const { elsewhere } = await stringsOf(request, world.config.brand)
  const { searchParams } = new URL(request.url)
  const hash = searchParams.get('hash') ?? ''
  const resource = resourceAt(searchParams.get('page') ?? '', site, world)
  // Without one the page still leads the reader on; it does not open by itself.
  if (!isHash(hash) || resource === null) return toPage({ texts: elsewhere, code: null })
  const code = { hash, expiresAtSeconds: nowSeconds() + CODE_SECONDS, id: resource.id }
  const text = await issueCode(code, site, await keyOf(world, 'hand-over'))
  return toPage({ texts: elsewhere, code: { text, words: await wordsOf(text) } })
}

/**
 * `GET /_newsstand/checkout/<code>`: to the page it names, with the code, for whoever has not bought that yet; who has is asked
 * whether it is to open on the other screen too. Uses nothing up, however often and by whomever it is opened.
 */
export async function answerOpened(request: Request, world: World, text: string): Promise<Answer> {
  const found = await heldCode(request, world, text)
  if (!found.ok) return no(request, world, found.error.code)
  const { code, isLive, owned } = found.value
  const page = pathAndQueryOf(code.id)
  if (!isLive) return sendOn(request, page)
  if (!owned) return sendOn(request, `${page}#newsstand=${text}`)
  const words = await wordsOf(text)
  const { brand } = world.config
  return inPrivate(
    request,
    { page, words },
    { brand, page: (strings) => handOverPage({ brand, strings, words, page }) },
  )
}

/** `POST /_newsstand/checkout/<code>`: the buyer says yes. Only now something is stored. */
export async function answerYes(request: Request, world: World, text: string): Promise<Answer> {
  const found = await heldCode(request, world, text)
  if (!found.ok) return no(request, world, found.error.code)
  const { site, code, isLive, owned, resource } = found.value
  if (!isPostedFromHere(request, site)) return no(request, world, 'not_found')
  const page = pathAndQueryOf(code.id)
  if (!isLive || !owned) return sendOn(request, page)
  if (!(await mayAsk(request, world))) return no(request, world, 'too_many_requests')
  const handed = {
    protocol: PROTOCOL,
    // This page alone, whatever else was bought with it.
    scope: scopeOf({ scope: null }, resource),
    method: resource.method,
    endsAtSeconds: owned.endsAtSeconds,
    waitsUntilSeconds: Math.min(nowSeconds() + WAITS_SECONDS, owned.endsAtSeconds),
  }
  const kept = await orUnavailable(async () => ok(await handOverObject(world, nameOfCode(code, site)).handOver(handed)))
  return kept.ok ? sendOn(request, page) : no(request, world, kept.error.code)
}

/** `POST /_newsstand/checkout/<code>/screen`: the screen asks, with its secret, and gets what waits for it, once. */
export async function answerTaking(request: Request, world: World, text: string): Promise<Answer> {
  const found = await heldCode(request, world, text)
  if (!found.ok) return no(request, world, found.error.code)
  const { site, code, isLive, kept, resource } = found.value
  const isScreen = isPostedFromHere(request, site) && (await isSecretOf(code, request.headers.get(SECRET) ?? ''))
  if (!isScreen || !isLive) return no(request, world, 'not_found')
  if (grantFor(kept, resource)) return toPage({ isOpen: true })
  if (!(await mayAsk(request, world))) return no(request, world, 'too_many_requests')
  const handed = await orUnavailable(async () =>
    ok(await handOverObject(world, nameOfCode(code, site)).takeOver({ protocol: PROTOCOL })),
  )
  if (!handed.ok) return no(request, world, handed.error.code)
  if (handed.value === null) return toPage({ isOpen: false })
  const { scope, method, endsAtSeconds } = handed.value
  const pass = await passHeaders(world, [{ scope, method, endsAtSeconds, payer: NOBODY }, ...kept], site)
  return toPage({ isOpen: true }, pass)
}

type Held = {
  site: string
  code: Code
  isLive: boolean
  resource: Resource
  /** What the browser's cookie opens. */
  kept: Grant[]
  /** What of it opens the page, and was bought: what was handed over is not handed on. */
  owned: Grant | null
}

/** A code of this site, and what who sends it holds. `not_found` for what this site did not sign. */
async function heldCode(request: Request, world: World, text: string): Promise<Result<Held>> {
  const site = siteOf(request, world.config)
  if (site === null) return fail({ code: 'misdirected_request' })
  const code = await readCode(text, site, await readKeysOf(world, 'hand-over'))
  if (code === null) return fail({ code: 'not_found' })
  const resource = { site, method: 'GET', path: pathOf(code.id), id: code.id }
  const kept = await keptBy(request, world, site)
  const owned = grantFor(kept.filter(isOwn), resource) ?? null
  return ok({ site, code, isLive: code.expiresAtSeconds > nowSeconds(), resource, kept, owned })
}

/** What is sold at an address of the site, as its page names it; null where nothing is, or a header makes the price. */
function resourceAt(page: string, site: string, { config }: World): Resource | null {
  if (!page.startsWith('/') || page.length > LONGEST_NAMED || !URL.canParse(site + page)) return null
  const target = targetOf(new Request(site + page), config)
  if (!target.ok || !target.value.facts.isCanonical) return null
  const { facts } = target.value
  const decided = decide(facts, config.rules)
  if (!decided.ok || decided.value.kind !== 'gated' || decided.value.variant !== '') return null
  const query = decided.value.rule.content === 'origin' ? identifyingQuery(facts.query) : ok('')
  if (!query.ok) return null
  const id = facts.path + query.value
  return id.length > LONGEST_NAMED ? null : { site, method: 'GET', path: facts.path, id }
}

/** Sends a reader on to a page of the origin they asked, and no other. What was posted is not posted again. */
const sendOn = ({ url }: Request, pathAndMore: string): Answer =>
  toPage({ page: pathAndMore }, { Location: new URL(url).origin + pathAndMore, Vary: 'Cookie' }, 303)

/** Codes are for the site's own pages. Browsers that do not say where a request is from are old. */
const isFromHere = ({ headers }: Request): boolean => (headers.get('Sec-Fetch-Site') ?? 'same-origin') === 'same-origin'

/** Whether a page of this site posts it: no browser leaves `Origin` out there, and none lets a page write it. */
function isPostedFromHere(request: Request, site: string): boolean {
  const origin = request.headers.get('Origin')
  return isFromHere(request) && (origin === site || origin === new URL(request.url).origin)
}

/** Whether an address may ask once more: it is counted with what it asks of the chain. */
const mayAsk = async (request: Request, world: World): Promise<boolean> =>
  !isBlocked(world, request) && (await world.isolate.limits.mayLook(world.env.FAILED_PAYMENTS, addressOf(request)))
