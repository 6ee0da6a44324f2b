// The cut in a publisher's page: text in, text out. Nothing leaves before the cut is found. It fails shut, and never throws.
import type { Head } from './head.ts'
import { newPassage, type Passage } from './pass.ts'
import { newSearch, type Place } from './place.ts'
import type { CutSettings } from './region.ts'
import { newTokenizer, type Reading, type Token } from './tokens.ts'

export type { Head } from './head.ts'
export type { CutSettings } from './region.ts'

/** `before`: all that may leave in front of the card. `headAt`: where in it the head begins, behind its tag; null without one. */
export type Cut = { before: string; headAt: number | null; head: Head }

export type Cutter = {
  /** More of the page. The cut once it is found; null while it is not. Call `push` no more after that. */
  push(text: string): Cut | null
  /** Whether there can be no cut any more: in doubt there is none. */
  isInDoubt(): boolean
  /** The page has ended before a cut was found: the cut if there can be one now, else null. */
  finish(): Cut | null
  /** After the cut: what of more text may leave. */
  rest(text: string): string
  /** After the cut, at the end, or where the page broke off: end tags of what is open. */
  end(): string
}

/** @param jsonLdOf rebuilds one JSON-LD text; null drops it */
export function newCutter(settings: CutSettings, jsonLdOf: (raw: string) => string | null): Cutter {
  const search = newSearch(settings)
  let passage: Passage | null = null
  let cut: Cut | null = null
  let isFaulty = false
  /** Tokens in front of the decision: the cut may lie among them. */
  let seen: Token[] = []
  let hasEnded = false

  function decide(place: Place) {
    const passing = newPassage(settings, place, jsonLdOf)
    for (const token of seen.slice(0, place.at)) passing.take(token)
    passing.cut(seen[place.at])
    cut = { before: passing.out(), headAt: passing.headAt(), head: passing.head }
    passage = passing
    for (const token of seen.slice(place.at)) passing.take(token)
    seen = []
  }

  function take(token: Token): Reading {
    if (isFaulty) return 'data'
    try {
      if (passage !== null) return passage.take(token)
      seen.push(token)
      const reading = search.look(token)
      const place = search.place()
      if (place !== null) decide(place)
      return reading
    } catch {
      // In doubt: no cut, or nothing more.
      isFaulty = true
      seen = []
      return 'data'
    }
  }

  const tokenizer = newTokenizer({
    take,
    isForeign: () => (passage ?? search).tree.isForeign(),
  })

  function endTokens() {
    if (!hasEnded) tokenizer.end()
    hasEnded = true
  }

  /** What may leave by now; after a fault nothing more. */
  const out = (): string => passage?.out() ?? ''

  return {
    push(text) {
      if (isFaulty) return null
      tokenizer.push(text)
      return isFaulty && passage === null ? null : cut
    },
    isInDoubt: () => isFaulty,
    finish() {
      if (isFaulty) return null
      try {
        endTokens()
        const place = passage === null && !isFaulty ? search.last() : null
        if (place !== null) decide(place)
      } catch {
        isFaulty = true
      }
      return isFaulty && passage === null ? null : cut
    },
    rest(text) {
      if (isFaulty || passage === null) return ''
      tokenizer.push(text)
      return out()
    },
    end() {
      if (!isFaulty && passage !== null) endTokens()
      passage?.close()
      return out()
    },
  }
}
