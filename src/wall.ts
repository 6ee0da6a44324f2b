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
/** What comes behind the cut is waited for no longer: then the document ends. */
const LONGEST_REST_MS = 5_000

/** What is known of a page once it is cut. Nothing in it is of the paid part. */
type Opening = {
  /** All that may leave in front of the card. */
  before: string
  /** Where in it the head begins; null where it has none. */
  headAt: number | null
  head: Omit<Head, 'jsonLd'>
  /** What it says of its articles, as JSON-LD that may leave. */
  articles: readonly string[]
  facts: PageFacts
  /** Of its headers: policies, and the language it is in. */
  policies: readonly string[]
  language: string | null
  robots: string | null
  referrers: string | null
}

/** A page that is cut. */
export type Walled = Opening & {
  /**
   * What may leave behind the card, as it comes; its end closes what is open. It never throws. At its end, whether the page was
   * read to its own.
   */
  after: () => AsyncGenerator<string, boolean>
  /** Lets go of the page without it. */
  discard: () => Promise<void>
}

/** The same when all of it is in hand, for more than one reader. */
export type CutPage = Opening & { rest: string }

/** A page for one more reader. */
export const replayed = ({ rest, ...opening }: CutPage): Walled => ({
  ...opening,
  after: async function* () {
    yield rest
    return true
  },
  discard: async () => {},
})

/** The same page, telling what became of it: all of it, or null where its reader left. */
export function shared(
  { after, discard, ...opening }: Walled,
  tell: (page: CutPage | null, isWhole: boolean) => void,
): Walled {
  let rest = ''
  return {
    ...opening,
    after: async function* () {
      const parts = after()
      for (;;) {
        const { done, value } = await parts.next()
        if (done) {
          tell({ ...opening, rest }, value)
          return value
        }
        rest += value
        yield value
      }
    },
    discard: () => {
      tell(null, false)
      return discard()
    },
  }
}

/**
 * What a document is shown of it: the page up to the cut, or the origin's own answer where nothing is for sale. `silence`: the
 * origin fails, or does not answer in time.
 */
export type Teaser = { kind: 'page'; page: Walled } | { kind: 'answer'; response: Response } | { kind: 'silence' }

/** The origin's word that nothing is here, or that it is at another address of the site. Null: it says neither. */
export function answerElsewhere({ status, headers, body }: Response, address: string): Response | null {
  const type = headers.get('Content-Type')
  if (status === 404 || status === 410) {
    return new Response(body, { status, headers: type === null ? {} : { 'Content-Type': type } })
  }
  const location = headers.get('Location')
  if (![301, 302, 303, 307, 308].includes(status) || location === null || !URL.canParse(location, address)) return null
  const target = new URL(location, address)
  // To itself it leads nowhere: what it waits for is not sent along.
  if (target.origin !== new URL(address).origin || target.href === address) return null
  // Behind some redirects stands the page.
  void body?.cancel().catch(() => {})
  return new Response(null, { status, headers: { Location: location } })
}

/**
 * The page, cut by `untilMs` (Unix milliseconds); null where it is no page that can be, and then it is let go. `address`: where it
 * lies, for its own links.
 */
export async function cutPage(
  page: Response,
  settings: CutSettings,
  address: string,
  untilMs: number,
): Promise<Walled | null> {
  const type = page.headers.get('Content-Type') ?? ''
  if (!/^text\/html\s*(?:;|$)/i.test(type) || page.body === null) {
    await page.body?.cancel().catch(() => {})
    return null
  }
  const source = page.body.getReader()
  const discard = () => source.cancel().catch(() => {})
  const found = await untilCut(source, type, settings, untilMs).catch(() => null)
  if (found === null) {
    await discard()
    return null
  }
  const { before, headAt, rest } = found
  const { jsonLd, ...head } = found.head
  const facts = factsOf(found.head, address)
  const policy = page.headers.get('Content-Security-Policy')
  return {
    before,
    headAt,
    head,
    articles: amended(jsonLd, facts, `.${PLACE}`, address),
    facts,
    policies: policy === null ? [] : [policy],
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
type Source = ReadableStreamDefaultReader<Uint8Array>

async function untilCut(source: Source, type: string, settings: CutSettings, untilMs: number): Promise<Found | null> {
  const start = await startOf(source, untilMs)
  const charset = start && charsetOf(type, start)
  if (start === null || charset === null) return null
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
    const next = await nextOf(source, untilMs)
    if (next === 'late') return null
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
  const next = await within(source.read(), untilMs - Date.now())
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
