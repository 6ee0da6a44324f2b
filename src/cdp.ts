// Bearer tokens for Coinbase's hosted facilitator: a JWT for one method and address, signed with the seller's API key, by
// WebCrypto alone. Keys are given; nothing here fetches or reads a clock.
import { encodeBytes } from './x402/base64.ts'

/** An API key ready to sign. */
export type CdpKey = { id: string; alg: 'EdDSA' | 'ES256'; key: CryptoKey }

/** A clock may be half a minute ahead of theirs. */
const BACKDATED_SECONDS = 30
/** The longest they take. */
const LIFE_SECONDS = 120

const ED25519 = { name: 'Ed25519' }
const P256 = { name: 'ECDSA', namedCurve: 'P-256' }

/** Object identifiers in DER: which kind of key a PKCS#8 holds. */
const ED25519_OID = '06032b6570'
const P256_OID = '06082a8648ce3d030107'
/** `AlgorithmIdentifier` of a P-256 key: ecPublicKey and the curve. */
const P256_ALGORITHM = `301306072a8648ce3d0201${P256_OID}`

/**
 * An API key from its two secrets; null where the second is none. It is base64 of 64 bytes (Ed25519: seed and public half),
 * or a PEM of a P-256 or Ed25519 key (PKCS#8 or SEC1), with line ends or with `\n` written out.
 */
export async function importCdpKey(id: string, secret: string): Promise<CdpKey | null> {
  try {
    const text = secret.replaceAll('\\n', '\n').trim()
    const pem = /^-----BEGIN (EC )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:EC )?PRIVATE KEY-----$/.exec(text)
    if (!pem) return await importSeed(id, bytesOf(text))
    const der = bytesOf(pem[2] ?? '')
    return await importDer(id, pem[1] ? wrapped(der) : der)
  } catch {
    // Its text may hold the key.
    return null
  }
}

async function importSeed(id: string, bytes: Uint8Array<ArrayBuffer>): Promise<CdpKey | null> {
  if (bytes.length !== 64) return null
  const jwk = { kty: 'OKP', crv: 'Ed25519', d: encodeBytes(bytes.subarray(0, 32)), x: encodeBytes(bytes.subarray(32)) }
  const key = await crypto.subtle.importKey('jwk', jwk, ED25519, false, ['sign'])
  const { kty, crv, x } = jwk
  const verifier = await crypto.subtle.importKey('jwk', { kty, crv, x }, ED25519, false, ['verify'])
  // What halves of two keys sign, nobody takes.
  const proof = await crypto.subtle.sign(ED25519, key, bytes)
  return (await crypto.subtle.verify(ED25519, verifier, proof, bytes)) ? { id, alg: 'EdDSA', key } : null
}

async function importDer(id: string, der: Uint8Array<ArrayBuffer>): Promise<CdpKey | null> {
  const hex = hexOf(der)
  if (hex.includes(P256_OID)) {
    return { id, alg: 'ES256', key: await crypto.subtle.importKey('pkcs8', der, P256, false, ['sign']) }
  }
  if (!hex.includes(ED25519_OID)) return null
  return { id, alg: 'EdDSA', key: await crypto.subtle.importKey('pkcs8', der, ED25519, false, ['sign']) }
}

/** A SEC1 key as PKCS#8, which is what WebCrypto reads everywhere. */
function wrapped(sec1: Uint8Array): Uint8Array<ArrayBuffer> {
  const inner = `020100${P256_ALGORITHM}${element('04', hexOf(sec1))}`
  return fromHex(element('30', inner))
}

/** One DER element: tag, length, content. The keys here have fewer than 256 bytes. */
function element(tag: string, content: string): string {
  const length = content.length / 2
  const digits = length.toString(16).padStart(2, '0')
  return `${tag}${length < 128 ? digits : `81${digits}`}${content}`
}

/**
 * A token for one call; method and address are signed, so that it is of no use elsewhere.
 *
 * @param nonce 32 hexadecimal digits, never used before
 */
export async function signCdpToken(
  { id, alg, key }: CdpKey,
  method: 'GET' | 'POST',
  url: string,
  nowSeconds: number,
  nonce: string,
): Promise<string> {
  const { host, pathname } = new URL(url)
  const issuedAt = nowSeconds - BACKDATED_SECONDS
  const header = { alg, kid: id, typ: 'JWT', nonce }
  const claims = {
    sub: id,
    iss: 'cdp',
    uris: [`${method} ${host}${pathname}`],
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + LIFE_SECONDS,
  }
  const signed = [header, claims].map((part) => encodeBytes(utf8(JSON.stringify(part)))).join('.')
  const algorithm = alg === 'EdDSA' ? ED25519 : { name: 'ECDSA', hash: 'SHA-256' }
  const signature = await crypto.subtle.sign(algorithm, key, utf8(signed))
  return `${signed}.${encodeBytes(new Uint8Array(signature))}`
}

const utf8 = (text: string) => new TextEncoder().encode(text)

/** Standard or URL base64, with spaces and line ends anywhere. Throws where it is none. */
const bytesOf = (base64: string) =>
  Uint8Array.from(atob(base64.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/')), (char) =>
    char.charCodeAt(0),
  )

const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
