import { createHmac } from 'node:crypto'
import { type Hex, serializeErc6492Signature } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import { innerSignature, isSignedMessage } from '../../src/networks/evm.ts'
import { isSignedText } from '../../src/networks/solana.ts'
import { issueNonce, nonceEndsAtSeconds } from '../../src/nonce.ts'
import { deriveKey } from '../../src/token.ts'
import {
  checkSignIn,
  decodeSignIn,
  SIGN_IN_SECONDS,
  type SignIn,
  signInDeclaration,
  signInMessage,
} from '../../src/x402/extensions/sign-in-with-x.ts'

// The first of anvil's published development keys.
const account = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
const SITE = 'https://news.example'
const NETWORK = 'eip155:84532'
/** 2027-01-15T08:00:00Z. */
const NOW = 1_800_000_000

const plain: SignIn = {
  domain: 'news.example',
  address: account.address,
  uri: 'https://news.example/articles/hello',
  version: '1',
  chainId: NETWORK,
  type: 'eip191',
  nonce: '0123456789abcdef0123456789abcdef',
  issuedAt: '2027-01-15T08:00:00Z',
  // Made by createSIWxPayload of @x402/extensions 2.27.0.
  signature:
    '0xe7e3408c3414d4512628b7e3b2118de7f30f9f9e740a5d3d22f8090fea7f9e877d7c02e9e3face844f5897898e0103dd8214af46e5acfc7818ac31004eb8275c1c',
}
const full: SignIn = {
  ...plain,
  statement: 'Sign in to read on.',
  expirationTime: '2027-01-15T08:05:00Z',
  notBefore: '2027-01-15T08:00:00Z',
  requestId: 'r-1',
  resources: ['https://news.example/articles/hello', 'https://news.example/'],
  // By the same package.
  signature:
    '0x595e28494f335d0c8edb46dab3f7dc9ebdc8be5bcc59498444bc2b0c85ad12ad785c9dc56cb989b11325e1c1772814c703916710ba0011262de8b3b7b7781bc31b',
}

const base64 = (json: unknown) => Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64')

/** A sign-in with one field otherwise than it was signed. */
const changed = (change: Record<string, unknown>) => base64({ ...full, ...change })

function decoded(header: string): SignIn {
  const signIn = decodeSignIn(header)
  if (!signIn.ok) throw new Error('the sign-in is well-formed')
  return signIn.value
}

const PREFIX = `news.example wants you to sign in with your Ethereum account:\n${account.address}\n\n`
const FIELDS = `URI: https://news.example/articles/hello
Version: 1
Chain ID: 84532
Nonce: 0123456789abcdef0123456789abcdef
Issued At: 2027-01-15T08:00:00Z`
/** Those that may be left out. */
const OTHERS = `Expiration Time: 2027-01-15T08:05:00Z
Not Before: 2027-01-15T08:00:00Z
Request ID: r-1
Resources:
- https://news.example/articles/hello
- https://news.example/`

describe('the message is EIP-4361, byte for byte', () => {
  test.each<[string, SignIn, string]>([
    ['the fields that must be there', plain, `${PREFIX}\n${FIELDS}`],
    ['all fields', full, `${PREFIX}Sign in to read on.\n\n${FIELDS}\n${OTHERS}`],
    ['no resources in the list', { ...plain, resources: [] }, `${PREFIX}\n${FIELDS}\nResources:`],
    [
      'an address in lower case',
      { ...plain, address: '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266' },
      `${PREFIX.toLowerCase().replace('ethereum', 'Ethereum')}\n${FIELDS}`,
    ],
  ])('with %s', (_, signIn, message) => {
    expect(signInMessage(signIn)).toBe(message)
  })

  test.each([
    ['few', plain],
    ['all', full],
  ])('what the reference client signs with %s fields is good', async (_, signIn) => {
    const read = decoded(base64(signIn))
    expect(read).toEqual(signIn)
    expect(await isSignedMessage(signInMessage(read), read.address, read.signature)).toBe(true)
  })

  test.each<[string, Record<string, unknown>]>([
    ['domain', { domain: 'evil.example' }],
    ['address', { address: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' }],
    ['statement', { statement: 'Sign in.' }],
    ['missing statement', { statement: undefined }],
    ['uri', { uri: 'https://news.example/' }],
    ['chain', { chainId: 'eip155:8453' }],
    ['nonce', { nonce: '1'.repeat(32) }],
    ['time', { issuedAt: '2027-01-15T08:00:00.000Z' }],
    ['end', { expirationTime: '2027-01-15T09:05:00Z' }],
    ['missing end', { expirationTime: undefined }],
    ['beginning', { notBefore: '2027-01-15T07:00:00Z' }],
    ['request', { requestId: 'r-2' }],
    ['resource', { resources: ['https://news.example/articles/other'] }],
    ['order of resources', { resources: [...(full.resources ?? [])].reverse() }],
    ['signature', { signature: full.signature.replace('0x59', '0x58') }],
    ['signature, too short', { signature: full.signature.slice(0, -2) }],
    ['signature, of zeros', { signature: `0x${'0'.repeat(128)}1b` }],
  ])('with another %s it is not signed', async (_, change) => {
    const { address, signature, ...rest } = decoded(changed(change))
    expect(await isSignedMessage(signInMessage({ address, signature, ...rest }), address, signature)).toBe(false)
  })
})

/** The same wallet text as in dev/stack/solana/wallets.ts: alice. */
const onSolana: SignIn = {
  ...plain,
  address: '8ssw1ERfrDL2xTzzue3CPijLTt3txz71aotcaZ3EgwaW',
  chainId: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  type: 'ed25519',
  // By createSIWxPayload of @x402/extensions 2.27.0.
  signature: '2pHPCuKzsD5TndhSseTtQXn58WUHFg7LomSAswfVLNSZJMjCP2NvbYzXXUrZvUrihcLF2k5yM1CM7iLCEmBjbxxX',
}
const fullOnSolana: SignIn = {
  ...full,
  address: onSolana.address,
  chainId: onSolana.chainId,
  type: 'ed25519',
  // By the same function.
  signature: '49eqrHQCfFosCYoYCNifHP2vHPJ4n4hAeYTt6QimqB5c7yBh1cRUT5rzR2VEHBjPshNcFR7XfvroojQx6skqwkS2',
}

describe('the message for Solana is what the reference package writes, byte for byte', () => {
  const HEAD = `news.example wants you to sign in with your Solana account:\n${onSolana.address}\n\n`
  const SAID = FIELDS.replace('84532', 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1')

  test.each<[string, SignIn, string]>([
    ['the fields that must be there', onSolana, HEAD + SAID],
    ['all fields', fullOnSolana, `${HEAD}Sign in to read on.\n\n${SAID}\n${OTHERS}`],
    ['no resources in the list', { ...onSolana, resources: [] }, HEAD + SAID],
    ['an empty request', { ...onSolana, requestId: '' }, HEAD + SAID],
  ])('with %s', async (_, signIn, message) => {
    expect(signInMessage(signIn)).toBe(message)
    const read = decoded(base64(signIn))
    expect(read).toEqual(signIn)
    expect(await isSignedText(signInMessage(read), read.address, read.signature)).toBe(true)
  })

  test.each<[string, Partial<SignIn>]>([
    ['address', { address: '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU' }],
    ['address in other letters', { address: onSolana.address.replace('w', 'W') }],
    ['cluster', { chainId: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }],
    ['statement', { statement: 'Sign in.' }],
    ['resource', { resources: ['https://news.example/'] }],
  ])('with another %s it is not signed', async (_, change) => {
    const { address, signature, ...rest } = { ...onSolana, ...change }
    expect(await isSignedText(signInMessage({ address, signature, ...rest }), address, signature)).toBe(false)
  })

  test.each<[string, Partial<SignIn>]>([
    ['an address of EVM', { address: plain.address }],
    ['a signature of EVM', { signature: plain.signature }],
    ['a network of EVM', { chainId: NETWORK }],
  ])('%s does not belong to it', (_, change) => {
    expect(decodeSignIn(base64({ ...onSolana, ...change })).ok).toBe(false)
  })
})

describe('what is not a sign-in is refused', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['no base64', 'junk!'],
    ['no JSON', base64('junk')],
    ['null', base64(null)],
    ['a list', base64([full])],
    ['more than 8 KiB', changed({ statement: 'x'.repeat(8192) })],
    ['JSON 20 levels deep', base64(`${'['.repeat(20)}${']'.repeat(20)}`)],
    ['another version', changed({ version: '2' })],
    ['a version that is a number', changed({ version: 1 })],
    ['no address', changed({ address: undefined })],
    ['an address that is none', changed({ address: '0x12' })],
    ['no signature', changed({ signature: undefined })],
    ['a signature that is no hex', changed({ signature: 'signed' })],
    ['a signature of half a byte', changed({ signature: '0x1' })],
    ['a statement of two lines', changed({ statement: 'Sign in.\n\nURI: https://evil.example/' })],
    ['an empty statement', changed({ statement: '' })],
    ['an address of two lines', changed({ uri: 'https://news.example/\nVersion: 1' })],
    ['a resource of two lines', changed({ resources: ['https://news.example/\n- https://evil.example/'] })],
    ['resources that are a text', changed({ resources: 'https://news.example/' })],
    ['a nonce with a line break', changed({ nonce: `${'0'.repeat(31)}\n` })],
    ['a short nonce', changed({ nonce: '1234567' })],
    ['a time that is none', changed({ issuedAt: 'yesterday' })],
    ['a month that is none', changed({ issuedAt: '2027-13-15T08:00:00Z' })],
    ['a time without a zone', changed({ issuedAt: '2027-01-15T08:00:00' })],
    ['an end that is none', changed({ expirationTime: '1800000300' })],
  ])('%s', (_, header) => {
    expect(decodeSignIn(header)).toEqual({ ok: false, error: { code: 'invalid_payload' } })
  })
})

describe('a sign-in is for this site, its networks, and now', () => {
  const check = (change: Partial<SignIn>, atSeconds = NOW) =>
    checkSignIn({ ...plain, ...change }, SITE, [NETWORK, 'eip155:8453'], atSeconds)

  test.each<[string, Partial<SignIn>, number]>([
    ['as it was declared', {}, NOW],
    ['at the last second', {}, NOW + SIGN_IN_SECONDS - 1],
    ['for the site as a whole', { uri: SITE }, NOW],
    ['for another network of the site', { chainId: 'eip155:8453' }, NOW],
    ['with resources elsewhere, which mean nothing', { resources: ['https://evil.example/'] }, NOW],
    ['before its own end', { expirationTime: '2027-01-15T08:00:01Z' }, NOW],
    ['with fractions of a second', { issuedAt: '2027-01-15T08:00:00.999Z' }, NOW],
    ['in another zone', { issuedAt: '2027-01-15T10:00:00+02:00' }, NOW],
  ])('%s', (_, change, atSeconds) => {
    expect(check(change, atSeconds).ok).toBe(true)
  })

  test.each<[string, Partial<SignIn>, number, string]>([
    ['another domain', { domain: 'evil.example' }, NOW, 'domain_mismatch'],
    ['another port', { domain: 'news.example:8443' }, NOW, 'domain_mismatch'],
    ['another spelling', { domain: 'News.example' }, NOW, 'domain_mismatch'],
    ['another origin', { uri: 'https://evil.example/articles/hello' }, NOW, 'uri_mismatch'],
    ['another scheme', { uri: 'http://news.example/' }, NOW, 'uri_mismatch'],
    ['a port in its address', { uri: 'https://news.example:8443/' }, NOW, 'uri_mismatch'],
    ['the site as its user', { uri: 'https://news.example@evil.example/' }, NOW, 'uri_mismatch'],
    ['no address', { uri: '/articles/hello' }, NOW, 'uri_mismatch'],
    ['another network', { chainId: 'eip155:1' }, NOW, 'unsupported_chain'],
    ['a network of Solana', { chainId: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }, NOW, 'unsupported_chain'],
    ['another kind of signature', { type: 'ed25519' }, NOW, 'unsupported_chain'],
    ['five minutes', {}, NOW + SIGN_IN_SECONDS, 'expired'],
    ['an end in the past', { expirationTime: '2027-01-15T07:59:59Z' }, NOW, 'expired'],
    ['an end right now', { expirationTime: '2027-01-15T08:00:00Z' }, NOW, 'expired'],
    ['a time to come', {}, NOW - 1, 'not_yet_valid'],
    ['a beginning to come', { notBefore: '2027-01-15T08:00:01Z' }, NOW, 'not_yet_valid'],
  ])('with %s it is refused', (_, change, atSeconds, reason) => {
    expect(check(change, atSeconds)).toEqual({ ok: false, error: { code: `invalid_siwx_${reason}` } })
  })
})

describe('a nonce is made here and short-lived', () => {
  const random = Uint8Array.from([1, 2, 3, 4])
  let key: CryptoKey
  let nonce: string
  beforeAll(async () => {
    key = await deriveKey('a secret for tests', 'sign-in')
    nonce = await issueNonce(SITE, key, NOW, random)
  })

  test('as the specification wants it: 32 hex digits', () => {
    expect(nonce).toMatch(/^[0-9a-f]{32}$/)
  })

  test('it is recognised, and ends five minutes after it was made', async () => {
    expect(await nonceEndsAtSeconds(nonce, SITE, [key])).toBe(NOW + SIGN_IN_SECONDS)
  })

  test('two of one second differ', async () => {
    expect(await issueNonce(SITE, key, NOW, Uint8Array.from([1, 2, 3, 5]))).not.toBe(nonce)
  })

  test('at another site, or under another secret or purpose, it is none', async () => {
    expect(await nonceEndsAtSeconds(nonce, 'https://other.example', [key])).toBeNull()
    expect(await nonceEndsAtSeconds(nonce, SITE, [await deriveKey('another secret', 'sign-in')])).toBeNull()
    expect(await nonceEndsAtSeconds(nonce, SITE, [await deriveKey('a secret for tests', 'pass')])).toBeNull()
  })

  test('with any digit changed it is none', async () => {
    for (let i = 0; i < nonce.length; i += 1) {
      const digit = nonce[i] === '0' ? '1' : '0'
      expect(await nonceEndsAtSeconds(nonce.slice(0, i) + digit + nonce.slice(i + 1), SITE, [key])).toBeNull()
    }
  })

  test.each([
    '',
    '0'.repeat(32),
    '0'.repeat(31),
    createHmac('sha256', 'guess').update(SITE).digest('hex').slice(0, 32),
  ])('%s is none', async (text) => {
    expect(await nonceEndsAtSeconds(text, SITE, [key])).toBeNull()
  })

  test('in upper case it is none: one nonce has one spelling', async () => {
    expect(await nonceEndsAtSeconds(nonce.toUpperCase(), SITE, [key])).toBeNull()
  })
})

test('the declaration is short, and what a client echoes of it can be read', () => {
  const challenge = { site: SITE, nonce: plain.nonce, issuedAtSeconds: NOW, networks: [NETWORK] }
  const declared = signInDeclaration(challenge, plain.uri)
  expect(declared).toEqual({
    info: {
      domain: 'news.example',
      uri: plain.uri,
      version: '1',
      nonce: plain.nonce,
      issuedAt: '2027-01-15T08:00:00Z',
    },
    supportedChains: [{ chainId: NETWORK, type: 'eip191' }],
    schema: {},
  })
  const { address, signature } = plain
  expect(decoded(base64({ ...declared.info, ...declared.supportedChains[0], address, signature }))).toEqual(plain)
})

describe('a signature with the call that creates its wallet around it (ERC-6492)', () => {
  const wrapped = (signature: Hex, data: Hex = '0x1234') =>
    serializeErc6492Signature({ address: account.address, data, signature })
  const MAGIC = '6492'.repeat(16)
  const word = (size: bigint) => size.toString(16).padStart(64, '0')

  test.each<Hex>([`0x${'ab'.repeat(65)}`, `0x${'cd'.repeat(321)}`, '0x'])('is what is inside: %s', (signature) => {
    expect(innerSignature(wrapped(signature))).toBe(signature)
    expect(innerSignature(wrapped(signature, `0x${'99'.repeat(500)}`))).toBe(signature)
  })

  test.each<[string, Hex]>([
    ['none around it', `0x${'ab'.repeat(65)}`],
    ['the end alone', `0x${MAGIC}`],
    ['two words', `0x${word(0n)}${word(0n)}${MAGIC}`],
    ['a place beyond its end', `0x${word(0n)}${word(64n)}${word(10_000n)}${MAGIC}`],
    ['a place that is no number a machine holds', `0x${word(0n)}${word(64n)}${'f'.repeat(64)}${MAGIC}`],
    ['a length beyond its end', `0x${word(0n)}${word(64n)}${word(96n)}${word(2n ** 200n)}${MAGIC}`],
  ])('is left as it is with %s', (_, signature) => {
    expect(innerSignature(signature)).toBe(signature)
  })
})
