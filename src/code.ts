// The codes of hand-overs: what one screen shows, and a phone opens. A code names the page it is for and the hash of a secret
// that the screen keeps, signed by this site. Making one writes nothing anywhere.
import * as z from 'zod/mini'
import { openToken, sealToken } from './token.ts'
import { encodeBytes } from './x402/base64.ts'

export type Code = {
  /** SHA-256 of the screen's secret, base64url. */
  hash: string
  expiresAtSeconds: number
  /** Identity of the resource, see `policy/scope.ts`. */
  id: string
}

/** Time to find the phone, open a wallet and pay. */
export const CODE_SECONDS = 600

/** 32 bytes in base64url. */
const KEY = /^[A-Za-z0-9_-]{43}$/

const payload = z.lazy(() => z.tuple([z.string().check(z.regex(KEY)), z.number(), z.string().check(z.startsWith('/'))]))

export const isHash = (text: string): boolean => KEY.test(text)

/** The text of a code; it is worth something at this site alone. */
export const issueCode = ({ hash, expiresAtSeconds, id }: Code, site: string, key: CryptoKey): Promise<string> =>
  sealToken(key, [hash, expiresAtSeconds, id], site)

/** What a code of this site says, also after its time; null for any other text. */
export async function readCode(text: string, site: string, keys: readonly CryptoKey[]): Promise<Code | null> {
  if (text.length > LONGEST_CODE) return null
  const parsed = z.safeParse(payload, await openToken(keys, text, site))
  if (!parsed.success) return null
  const [hash, expiresAtSeconds, id] = parsed.data
  return { hash, expiresAtSeconds, id }
}

/** The longest address that a code names, in characters: with a longer one no camera reads it. */
export const LONGEST_NAMED = 400
/** Twice what the longest takes: base64 and the signature included. */
const LONGEST_CODE = 2_000

/** Names its object: each code of a site has one, however its text is spelt. */
export const nameOfCode = ({ hash, expiresAtSeconds, id }: Code, site: string): string =>
  `${site} ${hash} ${expiresAtSeconds} ${id}`

/** Whether a secret is the one whose hash a code carries. */
export async function isSecretOf({ hash }: Code, secret: string): Promise<boolean> {
  if (!KEY.test(secret)) return false
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return encodeBytes(new Uint8Array(digest)) === hash
}

/** Short, and hard to take for another, spoken or read. */
const FIRST =
  'amber azure black blue bold brave brown calm clear cold cool deep dry early fast fine gold grand green grey happy high kind large late light long loud low mild new old orange pale pink plain proud pure quick quiet red rich round rosy royal safe sharp short silver small smart soft sunny sweet tall teal thin tiny warm white wide wild wise yellow young'.split(
    ' ',
  )
const SECOND =
  'apple arrow badger beach bear bell bird boat book bridge cake candle castle cat cloud coin crow deer desk dog door duck eagle engine falcon field fish flower forest fox garden goat hammer harbor hat hill horse house island kettle key king lake lamp leaf lion map moon mouse otter owl panda piano pilot plum pony queen river rose ship spoon star table tiger tower train tree wagon whale wolf'.split(
    ' ',
  )

/**
 * The two words that both screens show, so that a reader sees which screen a code belongs to. They follow from the mac of its text:
 * nobody can choose a code by its words.
 */
export async function wordsOf(text: string): Promise<string> {
  const mac = text.split('.')[1] ?? ''
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`words ${mac}`))
  const [high = 0, low = 0] = new Uint16Array(digest)
  return `${FIRST[high % FIRST.length]} ${SECOND[low % SECOND.length]}`
}
