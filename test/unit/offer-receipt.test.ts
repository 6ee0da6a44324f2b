// Signed offers and receipts: what is signed, to the letter, and that nothing else passes for it.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { networkOf, transactionUrl } from '../../src/x402/assets.ts'
import { encodeChallenge, encodeSettlement } from '../../src/x402/codec.ts'
import { didDocument, didOf, keyIdOf, keyIn } from '../../src/x402/did.ts'
import { NEWSSTAND_PASS } from '../../src/x402/extensions/newsstand-pass.ts'
import { type Signed, signOffer, signReceipt } from '../../src/x402/extensions/offer-receipt.ts'
import {
  importSigner,
  type PrivateJwk,
  parsePrivateJwk,
  readJws,
  type Signer,
  signJws,
  verifyJws,
} from '../../src/x402/jws.ts'
import type { Offer, Payment } from '../../src/x402/payment.ts'

// The key of RFC 8037, appendix A.
const KEY = {
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
}
const NODE_KEY = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', ...KEY }, format: 'jwk' })
const SITE = 'https://news.example'
const PAGE = `${SITE}/articles/hello`
const PAYER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const TRANSACTION = `0x${'ab'.repeat(32)}`
const NOW = 1_800_000_000

const offer: Offer = {
  network: 'eip155:84532',
  asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  amount: 50_000n,
  transfer: { kind: 'eip3009', name: 'USDC', version: '2' },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: 86_400,
  scope: null,
  flow: 'authorization',
}
const settlement = {
  network: offer.network,
  asset: offer.asset,
  payer: PAYER,
  transaction: TRANSACTION,
  amount: offer.amount,
}

async function signerOf(key: PrivateJwk): Promise<Signer> {
  const imported = await importSigner(key)
  if (!imported.ok) throw new Error(imported.error)
  return imported.value
}

let signer: Signer
let receipt: Signed
beforeAll(async () => {
  signer = await signerOf(KEY)
  receipt = await signReceipt(SITE, PAGE, settlement, NOW, signer)
})

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const read = (text = '') => Buffer.from(text, 'base64url').toString('utf8')
const byNode = (head: unknown, payload: unknown) => {
  const text = `${part(head)}.${part(payload)}`
  return `${text}.${sign(null, Buffer.from(text), NODE_KEY).toString('base64url')}`
}

describe('what is signed', () => {
  test('a receipt, with sorted keys, by the name of the site’s key', () => {
    const [head, payload] = receipt.signature.split('.')
    expect(receipt.format).toBe('jws')
    expect(read(head)).toBe('{"alg":"EdDSA","kid":"did:web:news.example#11qYAY"}')
    expect(read(payload)).toBe(
      `{"issuedAt":${NOW},"network":"eip155:84532","payer":"${PAYER}","resourceUrl":"${PAGE}","transaction":"${TRANSACTION}","version":1}`,
    )
  })

  test('an offer', async () => {
    const signed = await signOffer(SITE, PAGE, offer, NOW + 600, signer)
    expect(read(signed?.signature.split('.')[1])).toBe(
      `{"amount":"50000","asset":"${offer.asset}","network":"eip155:84532","payTo":"${offer.payTo}","resourceUrl":"${PAGE}","scheme":"exact","validUntil":${NOW + 600},"version":1}`,
    )
  })

  test('another implementation of Ed25519 signs and accepts the same', () => {
    const [head = '', payload = '', signature = ''] = receipt.signature.split('.')
    const key = createPublicKey(NODE_KEY)
    expect(verify(null, Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
    expect(byNode(JSON.parse(read(head)), JSON.parse(read(payload)))).toBe(receipt.signature)
  })

  test('the same receipt twice is one text', async () => {
    expect(await signReceipt(SITE, PAGE, settlement, NOW, signer)).toEqual(receipt)
  })
})

describe('only what was signed is accepted', () => {
  test('as it is', async () => {
    expect(await verifyJws(receipt.signature, signer.publicJwk)).toBe(true)
  })

  test.each([
    ['version', 2],
    ['network', 'eip155:8453'],
    ['resourceUrl', `${SITE}/articles/other`],
    ['payer', `0x${'1'.repeat(40)}`],
    ['issuedAt', NOW + 1],
    ['transaction', `0x${'cd'.repeat(32)}`],
    ['amount', '1'],
  ])('not with another %s', async (field, value) => {
    const [head, payload, signature] = receipt.signature.split('.')
    const changed = part({ ...JSON.parse(read(payload)), [field]: value })
    expect(await verifyJws(`${head}.${changed}.${signature}`, signer.publicJwk)).toBe(false)
  })

  test.each([
    [
      'another kid',
      (_h: string, p: string, s: string) => [part({ alg: 'EdDSA', kid: 'did:web:evil.example#1' }), p, s],
    ],
    ['no algorithm', (_h: string, p: string) => [part({ alg: 'none', kid: 'x' }), p, '']],
    ['another algorithm', (_h: string, p: string, s: string) => [part({ alg: 'HS256', kid: 'x' }), p, s]],
    ['no signature', (h: string, p: string) => [h, p, '']],
    ['no third part', (h: string, p: string) => [h, p]],
    ['a fourth part', (h: string, p: string, s: string) => [h, p, s, s]],
    ['a shorter signature', (h: string, p: string, s: string) => [h, p, s.slice(0, -1)]],
    ['spare bits set in the signature', (h: string, p: string, s: string) => [h, p, `${s.slice(0, -1)}${next(s)}`]],
    ['padding', (h: string, p: string, s: string) => [h, p, `${s}==`]],
    ['a header that is no JSON', (_h: string, p: string, s: string) => ['AAAA', p, s]],
    ['spaces', (h: string, p: string, s: string) => [h, ` ${p}`, s]],
  ])('not with %s', async (_, change) => {
    const [head = '', payload = '', signature = ''] = receipt.signature.split('.')
    const changed = change(head, payload, signature).join('.')
    expect(changed).not.toBe(receipt.signature)
    expect(await verifyJws(changed, signer.publicJwk)).toBe(false)
  })

  test('not by another key, nor by one that brings itself along', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])
    if (!('privateKey' in pair)) throw new Error('no key pair')
    const { x = '', d = '' } = await crypto.subtle.exportKey('jwk', pair.privateKey)
    const stranger = await signerOf({ x, d })
    expect(await verifyJws(receipt.signature, stranger.publicJwk)).toBe(false)
    const own = await signJws({ version: 1 }, stranger, keyIdOf(SITE, signer.publicJwk))
    expect(await verifyJws(own, signer.publicJwk)).toBe(false)
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: stranger.publicJwk.x }
    const brought = byNode({ alg: 'EdDSA', kid: 'x', jwk }, { version: 1 })
    expect(readJws(brought)?.header.jwk).toEqual(jwk)
    expect(await verifyJws(brought, signer.publicJwk)).toBe(false)
  })
})

/** The same digit with its lowest bit set: base64url of the same bytes, were it allowed. */
function next(signature: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return digits[digits.indexOf(signature.at(-1) ?? '') + 1] ?? ''
}

describe('the key', () => {
  test.each([
    ['no JSON', 'a secret'],
    ['a public key', JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: KEY.x })],
    ['no public half', JSON.stringify({ kty: 'OKP', crv: 'Ed25519', d: KEY.d })],
    ['another curve', JSON.stringify({ kty: 'OKP', crv: 'X25519', ...KEY })],
    ['a short key', JSON.stringify({ kty: 'OKP', crv: 'Ed25519', ...KEY, d: KEY.d.slice(1) })],
    ['null', 'null'],
  ])('%s is refused without repeating it', (_, text) => {
    const parsed = parsePrivateJwk(text)
    expect(parsed).toMatchObject({ ok: false, error: expect.stringContaining('"crv":"Ed25519"') })
    expect(JSON.stringify(parsed)).not.toContain(KEY.d.slice(1))
  })

  test.each([
    ['another key’s public half', { ...KEY, x: 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw' }],
    ['another key’s private half', { ...KEY, d: 'TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs' }],
    ['a public half with another beginning', { ...KEY, x: `A${KEY.x.slice(1)}` }],
    ['a public half that is no point of the curve', { ...KEY, x: `Ag${'A'.repeat(41)}` }],
  ])('%s is refused, without repeating it', async (_, key) => {
    const imported = await importSigner(key)
    expect(imported).toMatchObject({ ok: false, error: expect.stringContaining('not the public half') })
    expect(JSON.stringify(imported)).not.toContain(key.d.slice(1))
  })
})

describe('the DID document', () => {
  test('names the site as did:web does', () => {
    expect(didOf(SITE)).toBe('did:web:news.example')
    expect(didOf('http://localhost:8787')).toBe('did:web:localhost%3A8787')
  })

  test('holds the key for statements, and no other name finds it', () => {
    const document = didDocument(SITE, [signer.publicJwk])
    const kid = keyIdOf(SITE, signer.publicJwk)
    expect(JSON.stringify(document)).not.toContain(KEY.d)
    expect(keyIn(document, kid)).toEqual(signer.publicJwk)
    expect(keyIn(document, `${kid}x`)).toBeNull()
    expect(keyIn({ ...document, id: 'did:web:evil.example' }, kid)).toBeNull()
    expect(keyIn({ ...document, assertionMethod: [] }, kid)).toBeNull()
    expect(keyIn({ ...document, verificationMethod: [{ id: kid }] }, kid)).toBeNull()
    expect(keyIn(null, kid)).toBeNull()
  })
})

describe('in the headers', () => {
  const decode = (header: string) => JSON.parse(Buffer.from(header, 'base64').toString())
  const resource = { url: PAGE, description: 'An article', mimeType: 'text/html' }
  const quote = async (offers: Offer[]) => ({
    id: 'an-identifier',
    expiresAtSeconds: NOW + 600,
    proof: 'p'.repeat(165),
    signedOffers: await Promise.all(offers.map((offer) => signOffer(SITE, PAGE, offer, NOW + 600, signer))),
    memos: [],
  })

  test('signed offers go with the challenge where they fit', async () => {
    const { header, body } = encodeChallenge('payment_required', resource, [offer], await quote([offer]), null)
    expect(header.length).toBeLessThanOrEqual(2048)
    expect(decode(header).extensions['offer-receipt'].info.offers).toMatchObject([{ format: 'jws', acceptIndex: 0 }])
    expect(body).toMatchObject({ extensions: { 'offer-receipt': decode(header).extensions['offer-receipt'] } })
  })

  test('where they do not, the header is what it is without them, and the body has them', async () => {
    const offers = [offer, { ...offer, amount: 60_000n }]
    const signed = await quote(offers)
    const { header, body } = encodeChallenge('payment_required', resource, offers, signed, null)
    expect(header).toBe(
      encodeChallenge('payment_required', resource, offers, { ...signed, signedOffers: [] }, null).header,
    )
    expect(body.extensions?.['offer-receipt']?.info.offers.map(({ acceptIndex }) => acceptIndex)).toEqual([0, 1])
  })

  test('in v1 an offer on a network it has no name for is left out, and the index still points at its own', async () => {
    const arbitrum = { ...offer, network: 'eip155:42161' }
    const { body } = encodeChallenge(
      'payment_required',
      resource,
      [arbitrum, offer],
      await quote([arbitrum, offer]),
      null,
    )
    expect(body.accepts).toHaveLength(1)
    const [signed, ...more] = body.extensions?.['offer-receipt']?.info.offers ?? []
    expect(more).toEqual([])
    expect(signed?.acceptIndex).toBe(0)
    expect(readJws(signed?.signature ?? '')?.payload).toMatchObject({ network: 'eip155:84532' })
  })

  test('a v1 payer’s own header stays as it was', () => {
    const payment: Payment = {
      x402Version: 1,
      scheme: 'exact',
      network: offer.network,
      payer: '0x',
      transfer: {
        kind: 'eip3009',
        authorization: { from: '0x', to: '0x', value: 1n, validAfter: 0n, validBefore: 0n, nonce: '0x' },
        signature: '0x',
      },
      accepted: null,
      identifier: null,
      quote: null,
      answering: null,
    }
    const headers = encodeSettlement(settlement, payment, receipt)
    const without = encodeSettlement(settlement, payment, null)
    expect(headers['X-PAYMENT-RESPONSE']).toBe(without['X-PAYMENT-RESPONSE'])
    expect(decode(headers['PAYMENT-RESPONSE'] ?? '').extensions['offer-receipt'].info).toEqual({ receipt })
    expect(decode(without['PAYMENT-RESPONSE'] ?? '').extensions).toBeUndefined()
    const pass = { token: 'x.y', expiresAtSeconds: 1_800_000_000 }
    const beside = encodeSettlement(settlement, payment, receipt, pass)
    expect(beside['X-PAYMENT-RESPONSE']).toBe(without['X-PAYMENT-RESPONSE'])
    expect(decode(beside['PAYMENT-RESPONSE'] ?? '').extensions).toMatchObject({
      'offer-receipt': { info: { receipt } },
      [NEWSSTAND_PASS]: { info: { token: 'x.y', expiresAt: 1_800_000_000 }, schema: { type: 'object' } },
    })
  })
})

test('a transaction is looked up where its network is known', () => {
  expect(transactionUrl('eip155:8453', TRANSACTION)).toBe(`https://basescan.org/tx/${TRANSACTION}`)
  expect(transactionUrl('eip155:1337', TRANSACTION)).toBeNull()
  expect(networkOf('eip155:84532')?.explorer).toBe('https://sepolia.basescan.org/tx/{}')
})
