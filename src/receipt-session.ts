// The session in which a wallet sees all of its receipts: a signed cookie of its own, for fifteen minutes. It is no pass: it
// names no scope, is signed with another key, and nothing but the receipts reads it.
import * as z from 'zod/mini'
import { sessionCookieName } from './pass.ts'
import { openToken, sealToken } from './token.ts'

export type Session = {
  /** Address of the payer, in its one spelling. */
  payer: string
  /** CAIP-2 for a wallet with code, which is itself on its own network only; null for a key. */
  network: string | null
  endsAtSeconds: number
}

/** Long enough to print a year's receipts; short for a browser that somebody walks away from. */
export const SESSION_SECONDS = 900

const payload = z.lazy(() => z.tuple([z.string().check(z.minLength(1)), z.nullable(z.string()), z.number()]))

export const issueSession = ({ payer, network, endsAtSeconds }: Session, site: string, key: CryptoKey) =>
  sealToken(key, [payer, network, endsAtSeconds], site)

/** The session of a request's cookie while it runs; null for none, and for whatever this site did not make. */
export async function readSession(
  headers: Headers,
  site: string,
  keys: readonly CryptoKey[],
  nowSeconds: number,
): Promise<Session | null> {
  const name = sessionCookieName(site)
  const found = (headers.get('Cookie') ?? '').split(';').find((part) => part.split('=')[0]?.trim() === name)
  if (found === undefined) return null
  const token = found.slice(found.indexOf('=') + 1).trim()
  const parsed = z.safeParse(payload, await openToken(keys, token, site))
  if (!parsed.success) return null
  const [payer, network, endsAtSeconds] = parsed.data
  return endsAtSeconds > nowSeconds ? { payer, network, endsAtSeconds } : null
}

/** `Set-Cookie` of a session. It is sent with what this site itself asks, and with no link from elsewhere. */
export function sessionCookie(token: string, site: string, seconds: number): string {
  const secure = site.startsWith('https:') ? '; Secure' : ''
  return `${sessionCookieName(site)}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`
}
