// Cut pages that several readers want: those who ask in the same moment share one reading of the origin, and what the origin
// calls public is kept for a minute. In an isolate's memory; the paid part never is.

/** What is kept of a page: of its own kind, all in hand. */
export type Cuts<Page> = {
  /** What is kept of an address, or is being read for an equal request; null where neither is. */
  find(address: string, exact: string): Page | Promise<Page | null> | null
  /** Equal requests wait for this one from here on, until it says what came of it: null where nothing can be shared. */
  lead(address: string, exact: string): (page: Page | null, keepMs: number) => void
}

/** Of all pages together, in characters. */
const MOST_KEPT = 2 * 1024 * 1024
const MOST_READ = 1_000
/** So long a page is kept, at most. */
export const LONGEST_KEPT_MS = 60_000

/** @param sizeOf in characters */
export function newCuts<Page>(sizeOf: (page: Page) => number): Cuts<Page> {
  const kept = new Map<string, { page: Page; untilMs: number }>()
  const reading = new Map<string, Promise<Page | null>>()
  let size = 0

  function drop(address: string) {
    const known = kept.get(address)
    if (!known) return
    kept.delete(address)
    size -= sizeOf(known.page)
  }

  function keep(address: string, page: Page, keepMs: number) {
    drop(address)
    const own = sizeOf(page)
    if (keepMs <= 0 || own > MOST_KEPT / 4) return
    kept.set(address, { page, untilMs: Date.now() + Math.min(keepMs, LONGEST_KEPT_MS) })
    size += own
    for (const oldest of kept.keys()) if (size > MOST_KEPT) drop(oldest)
  }

  return {
    find(address, exact) {
      const known = kept.get(address)
      if (known && known.untilMs > Date.now()) return known.page
      drop(address)
      return reading.get(exact) ?? null
    },
    lead(address, exact) {
      const { promise, resolve } = Promise.withResolvers<Page | null>()
      if (reading.size < MOST_READ) reading.set(exact, promise)
      return (page, keepMs) => {
        if (reading.get(exact) === promise) reading.delete(exact)
        if (page !== null) keep(address, page, keepMs)
        resolve(page)
      }
    },
  }
}

/**
 * How long what an origin says may be shown to others (RFC 9111 §5.2.2), in milliseconds: only what it calls public, sets no
 * cookie, and varies on nothing but its encoding.
 */
export function keepMsOf(headers: Headers): number {
  const said = (headers.get('Cache-Control') ?? '').toLowerCase().split(',')
  const directives = new Map(said.map((part) => part.trim().split('=')).map(([name = '', value = '']) => [name, value]))
  const varies = (headers.get('Vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const isShared =
    directives.has('public') &&
    !['no-store', 'no-cache', 'private'].some((name) => directives.has(name)) &&
    varies.every((name) => name === '' || name === 'accept-encoding') &&
    !headers.has('Set-Cookie')
  if (!isShared) return 0
  const age = directives.get('s-maxage') ?? directives.get('max-age') ?? '60'
  return /^"?\d{1,9}"?$/.test(age) ? Math.min(Number(age.replaceAll('"', '')) * 1000, LONGEST_KEPT_MS) : 0
}
