// Compact JWS (RFC 7515) with Ed25519 (RFC 8037), by WebCrypto alone. Keys are given; nothing here fetches.
import * as z from 'zod/mini'
import { fail, ok, type Result } from '../errors.ts'
import { decodeBytes, decodeText, encodeBytes, encodeText } from './base64.ts'

/** An Ed25519 key pair as a JWK; `x` is public, `d` is not. Both are 32 bytes in base64url. */
export type PrivateJwk = { x: string; d: string }
export type PublicJwk = { kty: 'OKP'; crv: 'Ed25519'; x: string }

/** A key ready to sign, with its public half. */
export type Signer = { key: CryptoKey; publicJwk: PublicJwk }

const ED25519 = { name: 'Ed25519' }
const bytes32 = z.lazy(() => z.string().check(z.regex(/^[A-Za-z0-9_-]{43}$/)))
const jwk = { kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: bytes32 }

const privateJwk = z.object({ ...jwk, d: bytes32 })
export const publicJwkSchema = z.object(jwk)

const publicJwkOf = (x: string): PublicJwk => ({ kty: 'OKP', crv: 'Ed25519', x })

/** A private key as it is written in a secret. The error says what to write instead, never what was written. */
export function parsePrivateJwk(text: string): Result<PrivateJwk, string> {
  const refused = fail('write an Ed25519 private key as JSON: {"kty":"OKP","crv":"Ed25519","x":"…","d":"…"}')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return refused
  }
  const parsed = z.safeParse(privateJwk, json)
  return parsed.success ? ok({ x: parsed.data.x, d: parsed.data.d }) : refused
}

/** Where `x` is not the public half of `d`, what to do: what such a key signs, nobody could verify. */
export async function importSigner({ x, d }: PrivateJwk): Promise<Result<Signer, string>> {
  const publicJwk = publicJwkOf(x)
  try {
    const key = await crypto.subtle.importKey('jwk', { ...publicJwk, d }, ED25519, false, ['sign'])
    const jws = await signJws({}, { key, publicJwk }, 'itself')
    if (await verifyJws(jws, publicJwk)) return ok({ key, publicJwk })
  } catch {
    // 32 bytes that are no key at all, which the platform refuses to import.
  }
  return fail('its x is not the public half of its d; make a new key, as docs/configuration.md shows')
}

const utf8 = (text: string) => new TextEncoder().encode(text)

/** Flat payloads of texts and integers only: for those, sorted keys are the canonical form (JCS, RFC 8785). */
export async function signJws(
  payload: Readonly<Record<string, string | number>>,
  { key }: Signer,
  kid: string,
): Promise<string> {
  const canonical = Object.fromEntries(Object.entries(payload).sort(([a], [b]) => (a < b ? -1 : 1)))
  const signed = [{ alg: 'EdDSA', kid }, canonical].map((part) => encodeText(JSON.stringify(part))).join('.')
  return `${signed}.${encodeBytes(new Uint8Array(await crypto.subtle.sign(ED25519, key, utf8(signed))))}`
}

/** `jwk`, where there is one, is the sender's word: it has to be the key that `kid` stands for. */
const header = z.lazy(() => z.object({ alg: z.literal('EdDSA'), kid: z.string(), jwk: z.optional(publicJwkSchema) }))

/** Header and payload of a JWS, nothing about them proven; null when it is none. */
export function readJws(jws: string): { header: z.infer<typeof header>; payload: unknown } | null {
  const match = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/.exec(jws)
  const [head, payload] = [decodeText(match?.[1] ?? ''), decodeText(match?.[2] ?? '')]
  if (!head.ok || !payload.ok) return null
  try {
    const parsed = z.safeParse(header, JSON.parse(head.value))
    return parsed.success ? { header: parsed.data, payload: JSON.parse(payload.value) } : null
  } catch {
    return null
  }
}

/** Whether this key signed this JWS, to the letter. The caller has to know whose key it is. */
export async function verifyJws(jws: string, { x }: PublicJwk): Promise<boolean> {
  const [head, payload, tail = '', ...rest] = jws.split('.')
  if (rest.length > 0 || !/^[A-Za-z0-9_-]{86}$/.test(tail)) return false
  const signature = decodeBytes(tail)
  if (signature === null) return false
  const given = readJws(jws)
  if (!given || (given.header.jwk && given.header.jwk.x !== x)) return false
  const key = await crypto.subtle.importKey('jwk', publicJwkOf(x), ED25519, false, ['verify'])
  return crypto.subtle.verify(ED25519, key, signature, utf8(`${head}.${payload}`))
}
