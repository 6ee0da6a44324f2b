// The publisher's own page up to the cut: reads it as it comes, and hands on what may leave. It keeps nothing, and with any doubt
// there is no such page: the plain one is shown instead.

import { PLACE } from './pages/card.tsx'
import { within } from './waiting.ts'
import { charsetOf, PRESCAN_BYTES } from './wall/charset.ts'
import { type Cut, type CutSettings, type Head, newCutter } from './wall/cut.ts'
import { factsOf, type PageFacts } from './wall/facts.ts'
import { amended } from './wall/jsonld.ts'

/** No page is read further for its cut. */
const MOST_BYTES = 512 * 1024
/** Nor is it waited for longer. */
export const LONGEST_MS = 2_000
/** As much of a page as is read at once: a platform that is not told hands out 4 KB, and each piece has its price. */
const PIECE_BYTES = 64 * 1024
/** What comes behind the cut is waited for no longer: then the document ends. */
const LONGEST_REST_MS = 5_000

/** What is known of a page once it is cut. Nothing in it is of the paid part. */
export type CutPage = {
  /** All that may leave in front of the card. */
  before: string
  /** Where in it the head begins; null where it has none. */
  headAt: number | null
  /** What it says of its articles, as JSON-LD that may leave. */
  articles: readonly string[]
  facts: PageFacts
  /** Names of its metas. */
  metas: readonly string[]
  /** Where its links count from; '' for its own address. */
  base: string
  keptScripts: Head['keptScripts']
  /** Policies of its headers, and of its metas. */
  policies: readonly string[]
  metaPolicies: readonly string[]
  language: string | null
  robots: string | null
  referrers: string | null
  /** What a subscriber's session is told; nobody else's page says any. */
  cookies: readonly string[]
}

/** A page that is cut, for one reader. */
export type Walled = CutPage & {
  /**
   * What may leave behind the card, as it comes; its end closes what is open. It never throws. At its end, whether the page was
   * read to its own.
   */
  after: () => AsyncGenerator<string, boolean>
  /** Lets go of the page without it. */
  discard: () => Promise<void>
}

/** What a document is shown of the publisher's page. */
export type Teaser =
  /** The page up to the cut. */
  | { kind: 'page'; page: Walled }
  /** The origin's own words where nothing is for sale: it is not here, or elsewhere. */
  | { kind: 'answer'; response: Response }
  /** All of it, which the origin opens to a subscriber. */
  | { kind: 'open'; response: Response }
  /** The origin fails, or does not answer in time. */
  | { kind: 'silence'; isForSubscriber: boolean }

/** What of the headers of a 404 says how it may be shown. */
const SHOWN_BY = [
  'Content-Type',
  'Content-Language',
  'Content-Security-Policy',
  'X-Content-Type-Options',
  'X-Frame-Options',
  'X-Robots-Tag',
  'Referrer-Policy',
]

/**
 * The origin's word that nothing is here, or that it is at another address of the site. Null: it says neither. `address`: where it
 * was asked.
 */
export function answerElsewhere({ status, headers, body }: Response, address: string): Response | null {
  if (status === 404 || status === 410) {
    const said = SHOWN_BY.flatMap((name): [string, string][] => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    return new Response(body, { status, headers: new Headers(said) })
  }
  const location = headers.get('Location')
  if (![301, 302, 303, 307, 308].includes(status) || location === null || !URL.canParse(location, address)) return null
  const target = new URL(location, address)
  // To itself it leads nowhere: what it waits for is not sent along.
  if (target.origin !== new URL(address).origin || target.href === new URL(address).href) return null
  // Behind some redirects stands the page.
  void body?.cancel().catch(() => {})
  return new Response(null, { status, headers: { Location: location } })
}

/**
 * The page, cut; null where it is no page that can be, and `late` where there was no cut by `untilMs` (Unix milliseconds): then it
 * is let go. `address`: where it lies, for its own links.
 */
export async function cutPage(
  page: Response,
  settings: CutSettings,
  address: string,
  untilMs: number,
): Promise<Walled | 'late' | null> {
  const type = page.headers.get('Content-Type') ?? ''
  if (!/^text\/html\s*(?:;|$)/i.test(type) || page.body === null) {
    await page.body?.cancel().catch(() => {})
    return null
  }
  const source = page.body.getReader({ mode: 'byob' })
  const discard = () => source.cancel().catch(() => {})
  const found = await untilCut(source, type, settings, untilMs).catch(() => null)
  if (found === null || found === 'late') {
    await discard()
    return found
  }
  const { before, headAt, head, rest } = found
  const facts = factsOf(head, address)
  const policy = page.headers.get('Content-Security-Policy')
  return {
    before,
    headAt,
    articles: amended(head.jsonLd, facts, `.${PLACE}`, address),
    facts,
    metas: head.metas.map(({ name }) => name),
    base: head.base,
    keptScripts: head.keptScripts,
    policies: policy === null ? [] : [policy],
    metaPolicies: head.policies,
    cookies: [],
    language: languageOf(page),
    robots: page.headers.get('X-Robots-Tag')?.slice(0, 500) ?? null,
    referrers: page.headers.get('Referrer-Policy')?.slice(0, 100) ?? null,
    after: () => restOf(source, rest),
    discard,
  }
}

const languageOf = ({ headers }: Response): string | null => {
  const said = headers.get('Content-Language')
  return said !== null && /^[\w, -]{1,100}$/.test(said) ? said : null
}

type Rest = { push: (bytes: Uint8Array) => string; end: () => string; left: number }
type Found = Cut & { rest: Rest }
type Source = ReadableStreamBYOBReader

async function untilCut(
  source: Source,
  type: string,
  settings: CutSettings,
  untilMs: number,
): Promise<Found | 'late' | null> {
  const start = await startOf(source, untilMs)
  if (start === null) return 'late'
  const charset = charsetOf(type, start)
  if (charset === null) return null
  // What is no text in its own encoding throws, and is not cut.
  const decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: false })
  // Its articles are told anew, beside the card.
  const cutter = newCutter(settings, () => null)
  let left = MOST_BYTES - start.byteLength
  if (left < 0) return null
  const foundWith = ({ before, head, headAt }: Cut): Found => ({
    before,
    head,
    headAt,
    rest: { push: (bytes) => cutter.rest(decoder.decode(bytes, { stream: true })), end: () => cutter.end(), left },
  })
  let cut = cutter.push(decoder.decode(start, { stream: true }))
  while (cut === null) {
    if (cutter.isInDoubt()) return null
    const next = await nextOf(source, untilMs)
    if (next === 'late') return 'late'
    if (next === 'over') {
      const last = cutter.finish()
      return last && foundWith(last)
    }
    left -= next.byteLength
    if (left < 0) return null
    cut = cutter.push(decoder.decode(next, { stream: true }))
  }
  return foundWith(cut)
}

/** The first kilobyte, or all there is; null where it comes too late. */
async function startOf(source: Source, untilMs: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  while (size < PRESCAN_BYTES) {
    const next = await nextOf(source, untilMs)
    if (next === 'late') return null
    if (next === 'over') break
    chunks.push(next)
    size += next.byteLength
  }
  const start = new Uint8Array(size)
  chunks.reduce((at, chunk) => {
    start.set(chunk, at)
    return at + chunk.byteLength
  }, 0)
  return start
}

/** The next bytes, unless they come too late. */
async function nextOf(source: Source, untilMs: number): Promise<Uint8Array | 'over' | 'late'> {
  const next = await within(source.read(new Uint8Array(PIECE_BYTES)), untilMs - Date.now())
  if (next === null) return 'late'
  return next.done ? 'over' : next.value
}

async function* restOf(source: Source, rest: Rest): AsyncGenerator<string, boolean> {
  const untilMs = Date.now() + LONGEST_REST_MS
  let { left } = rest
  let isWhole = false
  try {
    while (left > 0) {
      const next = await nextOf(source, untilMs)
      isWhole = next === 'over'
      if (next === 'late' || next === 'over') break
      left -= next.byteLength
      yield rest.push(next)
    }
  } catch {
    // A page that breaks off, or is no text any more, ends here: what is open is closed, and nothing more leaves.
  } finally {
    await source.cancel().catch(() => {})
  }
  yield rest.end()
  return isWhole
}
