// Keys of facilitators: what they may be, what is made of them, and that a strict gate takes it. The gate is a JOSE library
// with no leeway for clocks.
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { importSPKI, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { importCdpKey } from '../../src/cdp.ts'
import type { Facilitator } from '../../src/facilitators.ts'
import { dropToken, headersFor, keyProblem, newKeyring } from '../../src/keyring.ts'

const BASE = 'https://api.cdp.example/platform/v2/x402'
const ID = 'organizations/1/apiKeys/2'
const NOW = 1_800_000_000

const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: KeyObject, type: 'pkcs8' | 'sec1') => key.export({ type, format: 'pem' }).toString()

/** Base64 of seed and public half, as Coinbase shows it. */
function sixtyFour(pair = ed25519, other = pair): string {
  const { d = '' } = pair.privateKey.export({ format: 'jwk' })
  const { x = '' } = other.publicKey.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]).toString('base64')
}

const facilitator = (keySecret: string): Facilitator => ({
  url: BASE,
  auth: { kind: 'cdp', keyId: ID, keySecret },
  isListed: false,
})

type Kind = 'EdDSA' | 'ES256'
const KEYS: [name: string, secret: string, kind: Kind][] = [
  ['64 bytes', sixtyFour(), 'EdDSA'],
  ['64 bytes in the other alphabet', sixtyFour().replaceAll('+', '-').replaceAll('/', '_'), 'EdDSA'],
  ['64 bytes and a line end', `${sixtyFour()}\n`, 'EdDSA'],
  ['Ed25519 as PKCS#8', pem(ed25519.privateKey, 'pkcs8'), 'EdDSA'],
  ['P-256 as PKCS#8', pem(p256.privateKey, 'pkcs8'), 'ES256'],
  ['P-256 as SEC1', pem(p256.privateKey, 'sec1'), 'ES256'],
  ['P-256 as PKCS#8 with \\n written out', pem(p256.privateKey, 'pkcs8').replaceAll('\n', '\\n'), 'ES256'],
  ['P-256 as SEC1 with \\n written out', pem(p256.privateKey, 'sec1').replaceAll('\n', '\\n'), 'ES256'],
  ['P-256 with the line ends of Windows', pem(p256.privateKey, 'sec1').replaceAll('\n', '\r\n'), 'ES256'],
]

/** What a gate without leeway says of a call's headers, at its own time. */
async function gate(headers: Record<string, string> | null, kind: Kind, at: number) {
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(headers?.Authorization ?? '')?.[1] ?? ''
  const { publicKey } = kind === 'EdDSA' ? ed25519 : p256
  const key = await importSPKI(publicKey.export({ type: 'spki', format: 'pem' }).toString(), kind)
  return jwtVerify(token, key, {
    algorithms: [kind],
    issuer: 'cdp',
    subject: ID,
    typ: 'JWT',
    clockTolerance: 0,
    maxTokenAge: 120,
    currentDate: new Date(at * 1000),
  })
}

describe.each(KEYS)('a key of %s', (_name, secret, kind) => {
  test('makes a token that says who, for which call, and until when', async () => {
    const headers = await headersFor(facilitator(secret), 'POST', `${BASE}/settle`, newKeyring(), NOW)
    const { protectedHeader, payload } = await gate(headers, kind, NOW)
    expect(protectedHeader).toEqual({
      alg: kind,
      kid: ID,
      typ: 'JWT',
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(payload).toEqual({
      sub: ID,
      iss: 'cdp',
      uris: ['POST api.cdp.example/platform/v2/x402/settle'],
      iat: NOW - 30,
      nbf: NOW - 30,
      exp: NOW + 90,
    })
    expect(Object.keys(headers ?? {})).toEqual(['Authorization'])
  })

  test.each([-25, 0, 25])('is let in where our clock is %s s off, from the first call to the last', async (off) => {
    const keyring = newKeyring()
    for (const later of [0, 20, 44]) {
      const headers = await headersFor(facilitator(secret), 'POST', `${BASE}/settle`, keyring, NOW + off + later)
      await gate(headers, kind, NOW + later)
    }
  })
})

describe('what is no key', () => {
  const other = generateKeyPairSync('ed25519')
  test.each([
    ['nothing', ''],
    ['a word', 'secret'],
    ['32 bytes', randomBytes(32).toString('base64')],
    ['65 bytes', randomBytes(65).toString('base64')],
    ['the halves of two keys', sixtyFour(ed25519, other)],
    ['a public key', p256.publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['a key of another curve', pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'pkcs8')],
    ['an RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'pkcs8')],
    ['a PEM without its last line', pem(p256.privateKey, 'pkcs8').replace(/-----END.*/, '')],
    ['half of a PEM', pem(p256.privateKey, 'pkcs8').replace(/\n[^\n]+\n-----END/, '\n-----END')],
  ])('%s', async (_name, secret) => {
    expect(await importCdpKey(ID, secret)).toBeNull()
    expect(await headersFor(facilitator(secret), 'POST', `${BASE}/settle`, newKeyring(), NOW)).toBeNull()
    const problem = await keyProblem(facilitator(secret), newKeyring())
    expect(problem).toMatchObject({
      path: 'CDP_API_KEY_SECRET',
      message: expect.stringMatching(/^it is no key; set it/),
    })
    if (secret.length > 8) expect(problem?.message).not.toContain(secret.slice(0, 8))
  })
})

describe('a token', () => {
  const own = facilitator(sixtyFour())
  const tokenAt = (keyring: ReturnType<typeof newKeyring>, at: number, url = `${BASE}/settle`, method?: 'GET') =>
    headersFor(own, method ?? 'POST', url, keyring, at)

  test('is used for 45 seconds', async () => {
    const keyring = newKeyring()
    const first = await tokenAt(keyring, NOW)
    expect(await tokenAt(keyring, NOW + 44)).toEqual(first)
    expect(await tokenAt(keyring, NOW + 45)).not.toEqual(first)
  })

  test('is made anew where the clock was set back', async () => {
    const keyring = newKeyring()
    const first = await tokenAt(keyring, NOW)
    expect(await tokenAt(keyring, NOW - 45)).not.toEqual(first)
  })

  test('is for one method, one host and one path', async () => {
    const keyring = newKeyring()
    const tokens = [
      await tokenAt(keyring, NOW),
      await tokenAt(keyring, NOW, `${BASE}/verify`),
      await tokenAt(keyring, NOW, `${BASE}/settle`, 'GET'),
      await tokenAt(keyring, NOW, 'https://other.example/platform/v2/x402/settle'),
    ]
    expect(new Set(tokens.map((headers) => headers?.Authorization)).size).toBe(4)
  })

  test('that was refused is not used again', async () => {
    const keyring = newKeyring()
    const first = await tokenAt(keyring, NOW)
    dropToken(own, 'POST', `${BASE}/settle`, keyring)
    expect(await tokenAt(keyring, NOW)).not.toEqual(first)
  })
})

test('a secret goes as it is, in its header; without a key nothing goes', async () => {
  const keyring = newKeyring()
  const header: Facilitator = { url: BASE, auth: { kind: 'header', name: 'x-api-key', value: 'abc' }, isListed: false }
  expect(await headersFor(header, 'POST', `${BASE}/settle`, keyring, NOW)).toEqual({ 'x-api-key': 'abc' })
  expect(await headersFor({ ...header, auth: { kind: 'none' } }, 'POST', `${BASE}/settle`, keyring, NOW)).toEqual({})
  const problem = { path: 'FACILITATORS[0].auth', message: 'set it: npx wrangler secret put NAME' }
  const missing: Facilitator = { ...header, auth: { kind: 'missing', problem } }
  expect(await headersFor(missing, 'POST', `${BASE}/settle`, keyring, NOW)).toBeNull()
  expect(await keyProblem(missing, keyring)).toEqual(problem)
})
