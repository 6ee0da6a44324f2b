// Pages that several readers want: those who ask in the same moment share one reading of the origin, and what the origin calls
// public is kept for a minute. In an isolate's memory; the paid part never is.
import { within } from './waiting.ts'

/** A page as one reader's request reads it, for all who want it. */
export type Reading<Opening> = {
  /** What is there at the cut. `silence`: the origin fails, or is too late. Null: nothing that others could be shown. */
  opening: Promise<Opening | 'silence' | null>
  /** What leaves behind the card, from its beginning, as it comes. At its end, whether the page was read to its own. */
  rest: () => AsyncGenerator<string, boolean>
}

/** The side of a reading that reads. */
export type Writer<Opening> = {
  reading: Reading<Opening>
  open: (opening: Opening | 'silence' | null) => void
  add: (text: string) => void
  /** Nothing more comes. For so long it may be shown to others; 0 for no longer. */
  end: (isWhole: boolean, keepMs: number) => void
}

export type Cuts<Opening> = {
  /** What is being read for an equal request, or is kept of one; null where neither is. */
  find(exact: string): Reading<Opening> | null
  /** Equal requests share this reading from here on. */
  lead(exact: string): Writer<Opening>
}

/** Of all kept pages together, in characters. */
const MOST_KEPT = 2 * 1024 * 1024
const MOST_READINGS = 1_000
/** Longer requests are not shared: what they are known by would take more room than their pages. */
const LONGEST_EXACT = 4_096
/** So long a page is kept, at most. */
export const LONGEST_KEPT_MS = 60_000
/** What is read for longer is not waited for: whoever read it is gone. */
export const LONGEST_READING_MS = 8_000

/** @param sizeOf in characters */
export function newCuts<Opening>(sizeOf: (opening: Opening) => number): Cuts<Opening> {
  const entries = new Map<string, { reading: Reading<Opening>; untilMs: number; size: number }>()
  let size = 0

  function drop(exact: string) {
    size -= entries.get(exact)?.size ?? 0
    entries.delete(exact)
  }

  function makeRoom() {
    if (entries.size >= MOST_READINGS)
      for (const [exact, { untilMs }] of entries) if (untilMs <= Date.now()) drop(exact)
    for (const [exact, entry] of entries) if (size > MOST_KEPT && entry.size > 0) drop(exact)
  }

  return {
    find(exact) {
      const known = entries.get(exact)
      if (known && known.untilMs > Date.now()) return known.reading
      drop(exact)
      return null
    },
    lead(exact) {
      const { promise: opening, resolve } = Promise.withResolvers<Opening | 'silence' | null>()
      const parts = newParts()
      const reading = { opening, rest: parts.read }
      const entry = { reading, untilMs: Date.now() + LONGEST_READING_MS, size: 0 }
      drop(exact)
      makeRoom()
      if (entries.size < MOST_READINGS && exact.length <= LONGEST_EXACT) entries.set(exact, entry)
      const isOurs = () => entries.get(exact) === entry
      let opened: Opening | null = null
      return {
        reading,
        open(found) {
          if (found !== null && found !== 'silence') opened = found
          else if (isOurs()) drop(exact)
          resolve(found)
        },
        add: parts.add,
        end(isWhole, keepMs) {
          parts.end(isWhole)
          if (!isOurs()) return
          const own = opened === null ? 0 : exact.length + sizeOf(opened) + parts.size()
          if (opened === null || !isWhole || keepMs <= 0 || own > MOST_KEPT / 4) return drop(exact)
          entry.untilMs = Date.now() + Math.min(keepMs, LONGEST_KEPT_MS)
          entry.size = own
          size += own
          makeRoom()
        },
      }
    },
  }
}

/** Texts that one adds and several read, each from the first on. */
function newParts() {
  const parts: string[] = []
  let end: { isWhole: boolean } | null = null
  let more = Promise.withResolvers<true>()
  function wake() {
    const { resolve } = more
    more = Promise.withResolvers<true>()
    resolve(true)
  }
  return {
    size: () => parts.reduce((sum, { length }) => sum + length, 0),
    add(text: string) {
      parts.push(text)
      wake()
    },
    end(isWhole: boolean) {
      end = { isWhole }
      wake()
    },
    async *read(): AsyncGenerator<string, boolean> {
      for (let at = 0; ; ) {
        const part = parts[at]
        if (part !== undefined) {
          at += 1
          yield part
        } else if (end) return end.isWhole
        // Whoever read it is gone: the document ends here.
        else if ((await within(more.promise, LONGEST_READING_MS)) === null) return false
      }
    },
  }
}

/** What a shared cache is told beside `Cache-Control`: kept is only what none of them forbids. */
const TARGETED = ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control']
const FORBID = /(?:^|[\s,])(?:no-store|no-cache|private|(?:s-maxage|max-age)\s*=\s*"?0+"?)(?:$|[\s,;=])/i

/**
 * How long what an origin says may be shown to others (RFC 9111 §5.2.2), in milliseconds: only what it calls public, sets no
 * cookie, and varies on nothing but its encoding.
 */
export function keepMsOf(headers: Headers): number {
  const said = headers.get('Cache-Control') ?? ''
  const directives = new Map(
    said
      .toLowerCase()
      .split(',')
      .map((part) => part.trim().split('='))
      .map(([name = '', value = '']) => [name, value]),
  )
  const varies = (headers.get('Vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const isShared =
    directives.has('public') &&
    ![said, ...TARGETED.map((name) => headers.get(name) ?? '')].some((text) => FORBID.test(text)) &&
    varies.every((name) => name === '' || name === 'accept-encoding') &&
    !headers.has('Set-Cookie')
  if (!isShared) return 0
  const stated = directives.get('s-maxage') ?? directives.get('max-age')
  if (stated === undefined && headers.has('Expires')) return 0
  const seconds = secondsIn(stated ?? '60') - secondsIn(headers.get('Age') ?? '0')
  return Math.max(0, Math.min(seconds * 1000, LONGEST_KEPT_MS))
}

const secondsIn = (text: string): number => {
  const [, digits] = /^\s*"?(\d{1,9})"?\s*$/.exec(text) ?? []
  return digits === undefined ? 0 : Number(digits)
}
