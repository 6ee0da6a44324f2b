// "paid", and what the same payment is worth afterwards, on every kind of network.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HEADERS, otherVersion, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE, SITE } from '../world/shop.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', mimeType: 'text/plain' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once', mimeType: 'text/plain' },
      { path: '/films/*', content: 'r2', price: '$0.05', access: '1h' },
    ],
  })
  for (const path of ['/articles/hello', '/articles/other', '/once/hello', '/once/other']) {
    await shop.site.kv.put(path, `the whole of ${path}`)
  }
  await shop.site.kv.put('/articles/page', '<p>hello</p>', { metadata: { contentType: 'text/html; charset=utf-8' } })
  await shop.site.r2.put('films/tides', 'x'.repeat(300_000), {
    httpMetadata: { contentType: 'video/mp4', cacheControl: 'public, max-age=60' },
  })
})

afterAll(() => shop.close())

describe.each(CELLS)('a payment in $version on $name', ({ version, kind }) => {
  test('buys the content, with one settlement and no question before it', async () => {
    const reader = await kind.reader(shop)
    const { result: answer, cost } = await shop.costOf(() => reader.buy(version, '/articles/hello'))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the whole of /articles/hello')
    expect(answer.header('Content-Type')).toBe('text/plain')
    expect(cost).toEqual(ONE_SALE)
    expect(await reader.balance()).toBe(1_000_000n - PRICE)
  })

  test('is answered with a receipt in PAYMENT-RESPONSE, and in X-PAYMENT-RESPONSE for v1 alone', async () => {
    const reader = await kind.reader(shop)
    const answer = await reader.buy(version, '/articles/hello')
    const transaction = expect.stringMatching(kind.transaction)
    const payer = reader.address
    expect(answer.receipt).toEqual({ success: true, transaction, network: kind.network, payer, amount: '50000' })
    const receiptV1 = { success: true, transaction: answer.receipt?.transaction, network: kind.v1Name, payer }
    expect(answer.receiptV1).toEqual(version === 'v1' ? receiptV1 : null)
  })

  test('is in the ledger once', async () => {
    const reader = await kind.reader(shop)
    const answer = await reader.buy(version, '/articles/hello')
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    expect(await shop.ledger(reader.address)).toEqual([
      expect.objectContaining({
        site: SITE,
        resource: '/articles/hello',
        scheme: 'exact',
        network: kind.network,
        asset: kind.asset,
        symbol: 'USDC',
        currency: 'USD',
        decimals: 6,
        amount: '50000',
        pay_to: kind.payTo,
        transaction: answer.receipt?.transaction,
        offer: '',
        access_seconds: 86_400,
      }),
    ])
  })

  test.each(['/articles/hello', '/once/hello', '/films/tides'])('buys %s for nobody but its payer', async (path) => {
    const answer = await (await kind.reader(shop)).buy(version, path)
    expect(answer.status).toBe(200)
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    for (const name of ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control', 'Expires', 'Age']) {
      expect(answer.header(name)).toBeNull()
    }
    expect(answer.header('ETag')).toBeNull()
    expect(answer.header('Last-Modified')).toBeNull()
    const vary = answer.header('Vary')?.split(/, */)
    for (const name of ['Accept', 'PAYMENT-SIGNATURE', 'X-PAYMENT', 'SIGN-IN-WITH-X', 'Cookie', 'Origin']) {
      expect(vary).toContain(name)
    }
    expect(answer.header('Access-Control-Expose-Headers')).toBe(
      'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, Retry-After',
    )
    expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  })

  test('is answered whole, whatever its Range and its conditions say', async () => {
    const payment = await (await kind.reader(shop)).pay(version, '/films/tides')
    const answer = await shop.ask('/films/tides', {
      headers: { ...payment, Range: 'bytes=0-1', 'If-None-Match': '*', 'If-Range': '"x"' },
    })
    expect(answer.status).toBe(200)
    expect(answer.bytes).toHaveLength(300_000)
    expect(answer.header('Content-Type')).toBe('video/mp4')
    expect(answer.header('Content-Range')).toBeNull()
  })

  test('shows HTML as HTML, and a receipt to a browser too', async () => {
    const payment = await (await kind.reader(shop)).pay(version, '/articles/page')
    const answer = await shop.ask('/articles/page', { headers: { ...payment, Accept: 'text/html' } })
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.text).toBe('<p>hello</p>')
    expect(answer.receipt?.success).toBe(true)
  })

  describe.each(['/articles', '/once'])('once used at %s', (section) => {
    async function used() {
      const signed = await (await kind.reader(shop)).sign(version, await shop.ask(`${section}/hello`))
      const answer = await shop.ask(`${section}/hello`, { headers: signed(version) })
      expect(answer.status).toBe(200)
      return { signed, transaction: answer.receipt?.transaction }
    }

    test.each([
      ['there again', '/hello', version],
      ['at another article', '/other', version],
      ['in the other wrapping', '/hello', otherVersion(version)],
      ['at another article in the other wrapping', '/other', otherVersion(version)],
    ])('buys nothing %s', async (_, page, wrapping) => {
      const { signed, transaction } = await used()
      const { result: answer, cost } = await shop.costOf(() =>
        shop.ask(section + page, { headers: signed(wrapping, { echo: false }) }),
      )
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('payment_already_used')
      expect(answer.text).not.toContain('the whole of')
      expect(answer.challenge.v2.error).toBe('payment_already_used')
      expect(answer.receipt).toMatchObject({ success: false, errorReason: 'payment_already_used', transaction })
      expect(answer.receiptV1?.success).toBe(wrapping === 'v1' ? false : undefined)
      expect(cost).toEqual(NOTHING)
    })
  })

  test('for what its payer owns already is not settled, serves the content, and is used up', async () => {
    const reader = await kind.reader(shop)
    const first = await reader.buy(version, '/articles/hello')
    const second = await reader.pay(version, '/articles/hello')
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/articles/hello', { headers: second }))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the whole of /articles/hello')
    expect(answer.receipt).toEqual(first.receipt)
    expect(cost).toEqual(NOTHING)

    const { result: elsewhere, cost: later } = await shop.costOf(() => shop.ask('/articles/other', { headers: second }))
    expect(elsewhere.error).toBe('payment_already_used')
    expect(later).toEqual(NOTHING)
    expect(await shop.ledger(reader.address)).toHaveLength(1)
  })

  test('for a single answer is charged each time', async () => {
    const reader = await kind.reader(shop)
    const { cost } = await shop.costOf(async () => {
      expect((await reader.buy(version, '/once/hello')).status).toBe(200)
      expect((await reader.buy(version, '/once/hello')).status).toBe(200)
    })
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 0 })
  })

  test('counts the same in both headers at once', async () => {
    const signed = await (await kind.reader(shop)).sign(version, await shop.ask('/once/hello'))
    const headers = { ...signed('v1'), ...signed('v2') }
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/hello', { headers }))
    expect(answer.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })

  test('is understood in the header of the other version, by what it says it is', async () => {
    const payment = await (await kind.reader(shop)).pay(version, '/once/hello')
    const header = payment[HEADERS[version]] ?? ''
    const answer = await shop.ask('/once/hello', { headers: { [HEADERS[otherVersion(version)]]: header } })
    expect(answer.status).toBe(200)
    expect(answer.receiptV1 === null).toBe(version === 'v2')
  })
})

// How an address of EVM is spelt says nothing; on Solana one message has one spelling (`test/unit/svm.test.ts`).
describe.each(VERSIONS)('an authorization in %s', (version) => {
  test.each([
    ['upper-case', (hex: string) => `0x${hex.slice(2).toUpperCase()}`],
    ['lower-case', (hex: string) => hex.toLowerCase()],
  ])('that was used buys nothing when it is spelt in %s hexadecimal digits', async (_, spell) => {
    const challenge = await shop.challenge('/once/hello')
    const signed = await sign(version, challenge, await shop.reader())
    expect((await shop.ask('/once/hello', { headers: wrap(version, challenge, signed) })).status).toBe(200)
    const { from, to, nonce } = signed.authorization
    const respelt = wrap(version, challenge, signed, {
      sent: { from: spell(from), to: spell(to), nonce: spell(nonce) },
      signature: spell,
      encode: (json) => Buffer.from(json).toString('base64url'),
    })
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/hello', { headers: respelt }))
    expect(answer.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })
})
