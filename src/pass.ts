// Passes: what somebody has paid for, signed, in a cookie. A pass names each scope it opens, when that ends and who
// paid, and opens nothing else.
import * as z from 'zod/mini'
import { type Resource, scopeOpens } from './policy/scope.ts'
import { isSealed, openToken, sealToken } from './token.ts'

export type Grant = {
  /** Scope text, see `policy/scope.ts`. */
  scope: string
  /** The method it was bought with; a pass for reading never posts. */
  method: string
  endsAtSeconds: number
  /** Address of the payer; `NOBODY` where another screen's purchase was handed over. */
  payer: string
}

/** In place of the payer: what was handed over to this screen opens its page, and speaks for nobody. */
export const NOBODY = ''

/** Whether who holds it has paid for it, or is the payer: else it opens no receipts, and is not handed on. */
export const isOwn = ({ payer }: Grant): boolean => payer !== NOBODY

/** Browsers keep cookies up to 4,096 bytes, name and attributes included. */
const LONGEST_COOKIE = 4096
/** Room for them. */
const LONGEST_TOKEN = 3600

const payload = z.lazy(() => z.array(z.tuple([z.string(), z.string(), z.number(), z.string()])))

/**
 * A token of these grants, newest first. Ended ones, duplicates and, where it would be longer than `room`, the oldest are
 * left out; the newest stays. A pass belongs to one site.
 */
export async function issuePass(
  grants: readonly Grant[],
  site: string,
  key: CryptoKey,
  nowSeconds: number,
  room = LONGEST_TOKEN,
): Promise<string> {
  const live = grants.filter(
    (grant, i) =>
      grant.endsAtSeconds > nowSeconds &&
      grants.findIndex((other) => other.scope === grant.scope && other.method === grant.method) === i,
  )
  for (;;) {
    const rows = live.map(({ scope, method, endsAtSeconds, payer }) => [scope, method, endsAtSeconds, payer])
    const token = await sealToken(key, rows, site)
    if (token.length <= Math.min(room, LONGEST_TOKEN) || live.length <= 1) return token
    live.pop()
  }
}

/** The live grants of a token this site made; empty for any other token. */
export async function readPass(
  token: string,
  site: string,
  keys: readonly CryptoKey[],
  nowSeconds: number,
): Promise<Grant[]> {
  const parsed = z.safeParse(payload, await openToken(keys, token, site))
  if (!parsed.success) return []
  return parsed.data
    .map(([scope, method, endsAtSeconds, payer]) => ({ scope, method, endsAtSeconds, payer }))
    .filter((grant) => grant.endsAtSeconds > nowSeconds)
}

/** The grant that opens a resource. */
export const grantFor = (grants: readonly Grant[], resource: Resource): Grant | undefined =>
  grants.find((grant) => grant.method === resource.method && scopeOpens(grant.scope, resource))

/** `__Host-` needs Secure, and browsers keep no Secure cookie for http://localhost. */
export const cookieName = (site: string) => (site.startsWith('https:') ? '__Host-newsstand' : 'newsstand')

/** The cookie of a session that reads receipts. It is no pass, and as little the origin's business. */
export const sessionCookieName = (site: string) => `${cookieName(site)}-receipts`

/** All of newsstand's own cookies. */
export const ourCookies = (site: string): string[] => [cookieName(site), sessionCookieName(site)]

/** `Set-Cookie` for a pass that ends at `endsAtSeconds`. */
export function passCookie(token: string, site: string, endsAtSeconds: number, nowSeconds: number): string {
  const secure = site.startsWith('https:') ? '; Secure' : ''
  return `${cookieName(site)}=${token}; Path=/; Max-Age=${endsAtSeconds - nowSeconds}; HttpOnly; SameSite=Lax${secure}`
}

/** The token in a request's cookie. */
export function cookieToken(headers: Headers, site: string): string | null {
  const name = cookieName(site)
  for (const part of (headers.get('Cookie') ?? '').split(';')) {
    const [key = '', ...value] = part.split('=')
    if (key.trim() === name) return value.join('=').trim()
  }
  return null
}

/** The shape of a pass. */
const TOKEN = '[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{43}'
const BEARER = new RegExp(`^Bearer +(${TOKEN})$`, 'i')
const TOKENS = new RegExp(`${TOKEN}(?![A-Za-z0-9_-])`, 'g')
/** More of them in one header than this nobody sends. */
const MOST_TOKENS = 8

/** What a request carries as `Authorization: Bearer`, where it has the shape of a pass. */
export function bearerToken(headers: Headers): string | null {
  const header = headers.get('Authorization') ?? ''
  if (header.length > LONGEST_COOKIE) return null
  return BEARER.exec(header)?.[1] ?? null
}

/** Everything in `Authorization` that has the shape of a pass, however it is spelt. */
export function tokensIn(headers: Headers): string[] {
  const header = headers.get('Authorization') ?? ''
  if (header.length > LONGEST_COOKIE) return []
  return (header.match(TOKENS) ?? []).slice(0, MOST_TOKENS)
}

/** Whether one of these keys made a token as a pass for one of these sites: one that has ended is ours as well. */
export async function isPass(token: string, sites: readonly string[], keys: readonly CryptoKey[]): Promise<boolean> {
  const signed = await Promise.all(sites.map((site) => isSealed(keys, token, site)))
  return signed.includes(true)
}
