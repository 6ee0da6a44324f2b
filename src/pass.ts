// Passes: what somebody has paid for, signed, in a cookie. A pass names each scope it opens, when that ends and who
// paid, and opens nothing else.
import * as z from 'zod/mini'
import { type Resource, scopeOpens } from './policy/scope.ts'
import { openToken, sealToken } from './token.ts'

export type Grant = {
  /** Scope text, see `policy/scope.ts`. */
  scope: string
  /** The method it was bought with; a pass for reading never posts. */
  method: string
  endsAtSeconds: number
  /** Address of the payer. */
  payer: string
}

/** Browsers keep cookies up to 4,096 bytes, name and attributes included. */
const LONGEST_TOKEN = 3600

const payload = z.array(z.tuple([z.string(), z.string(), z.number(), z.string()]))

/**
 * A token of these grants, newest first. Ended ones, duplicates and, where the cookie would grow too long, the oldest
 * are left out. A pass belongs to one site.
 */
export async function issuePass(
  grants: readonly Grant[],
  site: string,
  key: CryptoKey,
  nowSeconds: number,
): Promise<string> {
  const live = grants.filter(
    (grant, i) =>
      grant.endsAtSeconds > nowSeconds &&
      grants.findIndex((other) => other.scope === grant.scope && other.method === grant.method) === i,
  )
  for (;;) {
    const rows = live.map(({ scope, method, endsAtSeconds, payer }) => [scope, method, endsAtSeconds, payer])
    const token = await sealToken(key, rows, site)
    if (token.length <= LONGEST_TOKEN || live.length <= 1) return token
    live.pop()
  }
}

/** The live grants of a token this site made; empty for any other token. */
export async function readPass(token: string, site: string, key: CryptoKey, nowSeconds: number): Promise<Grant[]> {
  const parsed = z.safeParse(payload, await openToken(key, token, site))
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

/** `Set-Cookie` for a pass that ends at `endsAtSeconds`. */
export function passCookie(token: string, site: string, endsAtSeconds: number, nowSeconds: number): string {
  const secure = site.startsWith('https:') ? '; Secure' : ''
  return `${cookieName(site)}=${token}; Path=/; Max-Age=${endsAtSeconds - nowSeconds}; HttpOnly; SameSite=Lax${secure}`
}

/** The pass a request carries, as cookie or as `Authorization: Bearer`; the cookie wins. */
export function passOf(headers: Headers, site: string): string | null {
  const name = cookieName(site)
  for (const part of (headers.get('Cookie') ?? '').split(';')) {
    const [key = '', ...value] = part.split('=')
    if (key.trim() === name) return value.join('=').trim()
  }
  return /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(headers.get('Authorization') ?? '')?.[1] ?? null
}
