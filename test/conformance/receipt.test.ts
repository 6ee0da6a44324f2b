// The site's signature: under its offers, under what was paid, on the receipt page; and the key to check it with.
import { execFile } from 'node:child_process'
import { createPublicKey, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer, Challenge, Receipt } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, type Version } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, SITE } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'
import { CELLS, KIND, KINDS, type Kind } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const HELLO = '/articles/hello'
const JSON_ONLY = { Accept: 'application/json' }
const PAGE = { Accept: 'text/html' }
/** The key of RFC 8037, appendix A. */
const RECEIPT_KEY = JSON.stringify({
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
})
const ROUTES = [
  {
    path: '/articles/*',
    content: 'kv',
    price: '$0.05',
    access: '24h',
    description: 'An article',
    mimeType: 'text/html',
  },
  {
    path: '/once/*',
    content: 'kv',
    price: '$0.05',
    access: 'once',
    description: 'An answer',
    mimeType: 'text/html',
  },
  { path: '/api/ask', methods: ['POST'], price: '$0.05', access: 'once' },
]
/** Sold as a single answer: its challenge has no sign-in, and so room for the offer. */
const SINGLE = '/once/hello'

let origin: OriginServer
let shop: SolanaShop
let keyless: Site

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({ ROUTES, ORIGIN_URL: origin.url, RECEIPT_KEY, BRAND: { name: 'The Daily Stand' } })
  keyless = await startSite({
    ROUTES,
    ORIGIN_URL: origin.url,
    FACILITATORS: [shop.stack.facilitator.url],
    RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl },
  })
  for (const { kv } of [shop.site, keyless]) await kv.put(HELLO, 'the whole article')
  await shop.site.kv.put(SINGLE, 'the whole answer')
})

afterAll(async () => {
  await keyless.stop()
  await shop.close()
  await origin.stop()
})

const signed = z.strictObject({ format: z.literal('jws'), signature: z.string() })
const offersIn = z.object({ offers: z.array(signed.extend({ acceptIndex: z.number() })) })
const receiptIn = z.object({ 'offer-receipt': z.object({ info: z.strictObject({ receipt: signed }) }) })

const jwsOf = (receipt: Receipt | null) => receiptIn.parse(receipt?.extensions)['offer-receipt'].info.receipt.signature
const offersOf = ({ v1 }: Challenge) =>
  z.object({ 'offer-receipt': z.object({ info: offersIn }) }).parse(v1.extensions)['offer-receipt'].info
const passOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })
const receiptPath = (answer: Answer) => `/_newsstand/receipts/${answer.receipt?.transaction}`

const didDocument = z.object({
  id: z.string(),
  verificationMethod: z.array(z.object({ id: z.string(), publicKeyJwk: z.record(z.string(), z.string()) })),
  assertionMethod: z.array(z.string()),
})

/** What a JWS says, if the key in did.json that it names has signed it. */
async function checked(jws: string): Promise<unknown> {
  const document = didDocument.parse((await shop.ask('/.well-known/did.json')).json)
  const [head = '', payload = '', signature = ''] = jws.split('.')
  const { alg, kid } = z.strictObject({ alg: z.string(), kid: z.string() }).parse(decode(head))
  expect(alg).toBe('EdDSA')
  expect(document.assertionMethod).toContain(kid)
  const method = document.verificationMethod.find(({ id }) => id === kid)
  if (!method) throw new Error(`did.json has no key ${kid}`)
  const key = createPublicKey({ key: method.publicKeyJwk, format: 'jwk' })
  expect(verify(null, Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
  return decode(payload)
}

const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))

/** A purchase whose row is in the ledger. */
async function bought({ kind = KIND.eip155, version = 'v2' }: { kind?: Kind; version?: Version } = {}) {
  const reader = await kind.reader(shop)
  const answer = await reader.buy(version, HELLO)
  expect(answer.status).toBe(200)
  await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  return { reader, answer }
}

describe('did.json', () => {
  test('holds the public key alone, for anybody, for an hour', async () => {
    const answer = await shop.ask('/.well-known/did.json')
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ id: 'did:web:news.example' })
    expect(didDocument.parse(answer.json).verificationMethod).toMatchObject([
      { publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x: JSON.parse(RECEIPT_KEY).x } },
    ])
    expect(answer.text).not.toContain(JSON.parse(RECEIPT_KEY).d)
    expect(answer.header('Cache-Control')).toBe('public, max-age=3600')
    expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
  })
})

describe('the challenge of one network', () => {
  beforeAll(() => shop.site.become({ NETWORKS: [NETWORK] }))
  afterAll(() => shop.site.become({ NETWORKS: [NETWORK, SOLANA_NETWORK] }))

  test('carries the signed offer in a header of at most 2 KiB, after the standard extension before it', async () => {
    const answer = await shop.ask(SINGLE)
    expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThanOrEqual(2048)
    const { extensions } = answer.challengeV2
    expect(Object.keys(extensions)).toEqual(['payment-identifier', 'offer-receipt', 'newsstand-quote'])
    const { offers } = offersIn.parse(extensions['offer-receipt']?.info)
    expect(offers.map(({ acceptIndex }) => acceptIndex)).toEqual([0])
    expect(await checked(offers[0]?.signature ?? '')).toMatchObject({ network: NETWORK, amount: '50000' })
  })

  test.each([
    ['a long address', `/once/${'long-'.repeat(30)}`, []],
    ['signing in', HELLO, ['sign-in-with-x']],
  ])('that has no room for it beside %s leaves it to the body, and keeps its description', async (_, path, also) => {
    await shop.site.kv.put(path, 'the whole article')
    const { v1, v2 } = await shop.challenge(path)
    expect(Object.keys(v2.extensions)).toEqual(['payment-identifier', ...also, 'newsstand-quote'])
    expect(v2.resource.description).toMatch(/^An a(?:nswer|rticle)$/)
    expect(await checked(offersOf({ v1, v2 }).offers[0]?.signature ?? '')).toMatchObject({ resourceUrl: SITE + path })
  })

  test('to HEAD has the same extensions', async () => {
    const head = await shop.ask(SINGLE, { method: 'HEAD' })
    expect(Object.keys(head.challengeV2.extensions)).toContain('offer-receipt')
  })
})

test('the challenge of two networks has a signed offer for each', async () => {
  const challenge = await shop.challenge(SINGLE)
  const { offers } = offersOf(challenge)
  expect(offers.map(({ acceptIndex }) => acceptIndex)).toEqual(KINDS.map((_, i) => i))
  expect(await Promise.all(offers.map(({ signature }) => checked(signature)))).toEqual(
    KINDS.map(({ kind }) => ({
      version: 1,
      resourceUrl: SITE + SINGLE,
      scheme: 'exact',
      network: kind.network,
      asset: kind.asset,
      payTo: kind.payTo,
      amount: '50000',
      validUntil: challenge.v1.expiresAt,
    })),
  )
})

describe.each(CELLS)('a purchase in $version on $name', ({ version, kind }) => {
  test('is answered with a receipt that the key in did.json proves', async () => {
    const before = Math.floor(Date.now() / 1000)
    const reader = await kind.reader(shop)
    const answer = await reader.buy(version, HELLO)
    const said = z.looseObject({ issuedAt: z.number() }).parse(await checked(jwsOf(answer.receipt)))
    expect(said).toEqual({
      version: 1,
      network: kind.network,
      resourceUrl: SITE + HELLO,
      payer: reader.address,
      issuedAt: said.issuedAt,
      transaction: answer.receipt?.transaction,
    })
    expect(said.issuedAt).toBeGreaterThanOrEqual(before)
    expect(answer.receiptV1?.extensions).toBeUndefined()
  })

  test('asked for again by its identifier gets the same receipt', async () => {
    const payment = await (await kind.reader(shop)).pay(version, HELLO, { identifier: `again-and-again-${version}` })
    const first = await shop.ask(HELLO, { headers: payment })
    const again = await shop.ask(HELLO, { headers: payment })
    expect(again.status).toBe(200)
    expect(again.header('PAYMENT-RESPONSE')).toBe(first.header('PAYMENT-RESPONSE'))
  })

  test('that was paid but not delivered gets no signed receipt', async () => {
    origin.tell(() => ({ status: 500, body: 'no' }))
    const headers = await (await kind.reader(shop)).pay(version, '/api/ask', {}, { method: 'POST' })
    const answer = await shop.ask('/api/ask', { method: 'POST', headers })
    expect(answer.status).toBe(500)
    expect(answer.receipt?.success).toBe(true)
    expect(answer.receipt?.extensions).toBeUndefined()
  })

  test('that failed gets no signed receipt', async () => {
    const answer = await (await kind.reader(shop, 0n)).buy(version, HELLO)
    expect(answer.status).toBe(402)
    expect(answer.receipt).toMatchObject({ success: false })
    expect(answer.receipt?.extensions).toBeUndefined()
  })

  test('by the stock client works as before', async () => {
    const { fetch: buy } = await kind.stock(shop, version)
    const { result, cost } = await shop.costOf(() => buy(`${shop.site.url}${HELLO}`))
    expect(await result.text()).toBe('the whole article')
    expect(cost).toEqual(ONE_SALE)
  })
})

describe.each(KINDS)('the receipt page of a purchase on $name', ({ kind }) => {
  test('is for its payer, as JSON, with the receipt that came with the content', async () => {
    const { reader, answer } = await bought({ kind })
    const receipt = await shop.ask(receiptPath(answer), { headers: { ...JSON_ONLY, ...passOf(answer) } })
    expect(receipt.status).toBe(200)
    expect(receipt.json).toEqual({
      resource: SITE + HELLO,
      offer: '',
      paidAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      endsAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      number: expect.stringMatching(/^\d{8}-.{6}$/),
      amount: '50000',
      decimals: 6,
      network: kind.network,
      asset: kind.asset,
      payTo: kind.payTo,
      payer: reader.address,
      transaction: answer.receipt?.transaction,
      receipt: { format: 'jws', signature: jwsOf(answer.receipt) },
    })
    expect(receipt.header('Cache-Control')).toBe('private, no-store')
    expect(receipt.header('Vary')).toBe('Accept, Accept-Encoding, Accept-Language, Authorization, Cookie')
    expect(receipt.header('Access-Control-Allow-Origin')).toBe('*')
  })

  test('is a page for a browser, which says what, how much, to whom and where to look it up', async () => {
    const { reader, answer } = await bought({ kind, version: 'v1' })
    const receipt = await shop.ask(receiptPath(answer), { headers: { ...PAGE, ...passOf(answer) } })
    expect(receipt.status).toBe(200)
    expect(receipt.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(receipt.header('Content-Security-Policy')).toContain("default-src 'none'")
    expect(receipt.header('Cache-Control')).toBe('private, no-store, no-transform')
    for (const part of [
      'The Daily Stand',
      `href="${SITE}${HELLO}"`,
      '$0.05',
      kind.title,
      kind.payTo,
      reader.address,
      `href="${kind.explorer(answer.receipt?.transaction ?? '')}"`,
      `<code>${jwsOf(answer.receipt)}</code>`,
      '@media print',
    ]) {
      expect(receipt.text).toContain(part)
    }
    expect(receipt.text).not.toContain('the whole article')
    const head = await shop.ask(receiptPath(answer), { method: 'HEAD', headers: { ...PAGE, ...passOf(answer) } })
    expect(head.status).toBe(200)
    expect(head.bytes).toHaveLength(0)
  })

  test('is a 404 for who has bought the same on another network', async () => {
    const { answer } = await bought({ kind })
    for (const other of KINDS.filter((each) => each.kind !== kind)) {
      const headers = passOf((await bought(other)).answer)
      expect((await shop.ask(receiptPath(answer), { headers })).error).toBe('receipt_not_found')
    }
  })
})

describe('the receipt page', () => {
  test('opens with the pass as Bearer, and in any spelling of the transaction', async () => {
    const { answer } = await bought()
    const Authorization = `Bearer ${passOf(answer).Cookie.replace(/^[^=]*=/, '')}`
    const transaction = answer.receipt?.transaction.slice(2).toUpperCase()
    const receipt = await shop.ask(`/_newsstand/receipts/0x${transaction}`, { headers: { Authorization } })
    expect(receipt.status).toBe(200)
  })

  test('is a 404 for a transaction of Solana in other letters: in base58 it is another one', async () => {
    const { answer } = await bought({ kind: KIND.solana })
    const receipt = await shop.ask(receiptPath(answer).toLowerCase(), { headers: passOf(answer) })
    expect(receipt.status).toBe(404)
  })

  test('is a plain 404 for a stranger, whether there is one or not', async () => {
    const { answer } = await bought()
    const forged = `${passOf(answer).Cookie.slice(0, -2)}AA`
    for (const headers of [{}, { Cookie: forged }, { Authorization: 'Bearer nonsense' }]) {
      const there = await shop.ask(receiptPath(answer), { headers })
      const nowhere = await shop.ask(`/_newsstand/receipts/0x${'00'.repeat(32)}`, { headers })
      expect(there.status).toBe(404)
      expect(there.error).toBe('not_found')
      expect(there.text).toBe(nowhere.text)
      expect(there.header('Cache-Control')).toBe('no-store')
    }
  })

  test('is the same 404 for another payer’s pass as where there is none', async () => {
    const [{ answer: mine }, { answer: theirs }] = [await bought(), await bought()]
    const headers = passOf(theirs)
    const there = await shop.ask(receiptPath(mine), { headers })
    const nowhere = await shop.ask(`/_newsstand/receipts/0x${'00'.repeat(32)}`, { headers })
    expect(there.status).toBe(404)
    expect(there.error).toBe('receipt_not_found')
    expect(there.text).toBe(nowhere.text)
    expect(there.text).not.toContain(mine.receipt?.payer ?? '')
  })

  test('is one of those in the list of purchases, which has nobody else’s', async () => {
    const [{ answer: mine }, { answer: theirs }] = [await bought(), await bought()]
    const list = await shop.ask('/_newsstand/receipts', { headers: { ...JSON_ONLY, ...passOf(mine) } })
    expect(list.json).toEqual({
      purchases: [
        {
          resource: SITE + HELLO,
          offer: '',
          amount: '50000',
          decimals: 6,
          currency: 'USD',
          paidAt: expect.stringMatching(/Z$/),
          endsAt: expect.stringMatching(/Z$/),
          number: expect.stringMatching(/^\d{8}-.{6}$/),
          receipt: receiptPath(mine),
        },
      ],
      extensions: { 'sign-in-with-x': expect.anything() },
    })
    expect(list.header('Cache-Control')).toBe('private, no-store')
    const page = await shop.ask('/_newsstand/receipts', { headers: { ...PAGE, ...passOf(mine) } })
    expect(page.text).toContain(`href="${receiptPath(mine)}"`)
    expect(page.text).not.toContain(theirs.receipt?.transaction)
    const stranger = await shop.ask('/_newsstand/receipts')
    expect(stranger).toMatchObject({ status: 200, json: { purchases: [] } })
    expect(stranger.header('Cache-Control')).toBe('private, no-store')
  })

  test('costs nothing, and is no payment’s business', async () => {
    const { reader, answer } = await bought()
    const headers = { ...passOf(answer), ...(await reader.pay('v2', HELLO)) }
    const { result, cost } = await shop.costOf(() => shop.ask(receiptPath(answer), { headers }))
    expect(result.status).toBe(200)
    expect(result.receipt).toBeNull()
    expect(cost).toEqual(NOTHING)
  })

  test.each(['/', '/0x12', `/0x${'zz'.repeat(32)}`, '/%00', `/0x${'00'.repeat(32)}/more`, "/'%20OR%201=1"])(
    'there is none at receipts%s',
    async (path) => {
      const { answer } = await bought()
      const receipt = await shop.ask(`/_newsstand/receipts${path}`, { headers: passOf(answer) })
      expect(receipt.status).toBe(404)
      expect(receipt.error).toBe('not_found')
    },
  )
})

describe('npm run verify-receipt', () => {
  const run = promisify(execFile)
  const verifyReceipt = async (...args: string[]) => {
    try {
      const { stdout } = await run(process.execPath, ['cli/verify-receipt.ts', ...args])
      return { status: 0, said: stdout }
    } catch (problem) {
      const { code, stderr } = z.object({ code: z.number(), stderr: z.string() }).parse(problem)
      return { status: code, said: stderr }
    }
  }

  const did = () => `${shop.site.url}/.well-known/did.json`

  test.each(KINDS)('says in words what a good receipt of $name says', async ({ kind }) => {
    const { reader, answer } = await bought({ kind })
    const good = await verifyReceipt(jwsOf(answer.receipt), '--did', did())
    expect(good.status).toBe(0)
    const transaction = answer.receipt?.transaction ?? ''
    for (const part of ['Good', SITE + HELLO, reader.address, kind.title, kind.explorer(transaction)]) {
      expect(good.said).toContain(part)
    }
  })

  test('refuses a changed one', async () => {
    const jws = jwsOf((await bought()).answer.receipt)
    const [head, payload = '', signature] = jws.split('.')
    const rewritten = (change: Record<string, unknown>) => {
      const said = { ...z.looseObject({}).parse(decode(payload)), ...change }
      return `${head}.${Buffer.from(JSON.stringify(said)).toString('base64url')}.${signature}`
    }
    const changed = await verifyReceipt(rewritten({ payer: wallets.alice.address }), '--did', did())
    expect(changed).toMatchObject({ status: 1, said: expect.stringContaining('forged or changed') })
    const elsewhere = await verifyReceipt(rewritten({ resourceUrl: 'https://other.example/' }), '--did', did())
    expect(elsewhere).toMatchObject({ status: 1, said: expect.stringContaining('cannot speak for') })
    expect(await verifyReceipt('nothing')).toMatchObject({ status: 1, said: expect.stringContaining('neither') })
  })

  test('reads a signed offer as what it is', async () => {
    const { offers } = offersOf(await shop.challenge(SINGLE))
    const answer = await verifyReceipt(offers[0]?.signature ?? '', '--did', did())
    expect(answer).toMatchObject({ status: 0, said: expect.stringContaining('not a receipt') })
    expect(answer.said).toContain('$0.05 USDC')
  })
})

describe('without RECEIPT_KEY', () => {
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${keyless.url}${path}`, { headers: { ...JSON_ONLY, ...headers } })

  test('nothing is signed, and the receipt page still says what was paid', async () => {
    expect((await ask('/.well-known/did.json')).status).toBe(404)
    const reader = await shop.reader()
    const challenge = await shop.challenge(HELLO)
    const headers = await pay('v2', challenge, reader, { echo: false })
    const unpaid = await ask(HELLO)
    expect(unpaid.headers.get('PAYMENT-REQUIRED')?.length).toBeLessThan(1700)
    expect(await unpaid.text()).not.toContain('offer-receipt')
    const paid = await ask(HELLO, headers)
    expect(paid.status).toBe(200)
    const settled = z
      .looseObject({ transaction: z.string(), extensions: z.undefined().optional() })
      .parse(JSON.parse(atob(paid.headers.get('PAYMENT-RESPONSE') ?? '')))
    const Cookie = paid.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const receiptOf = async () => (await ask(`/_newsstand/receipts/${settled.transaction}`, { Cookie })).json()
    await expect.poll(receiptOf).toMatchObject({ amount: '50000', payer: reader.address.toLowerCase(), receipt: null })
  })
})
