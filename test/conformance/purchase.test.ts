// "paid", and what the same payment is worth afterwards.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wallets } from '../../dev/stack/wallets.ts'
import { HEADERS, otherVersion, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'

let shop: Shop

beforeAll(async () => {
  shop = await openShop({
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

describe.each(VERSIONS)('a payment in %s', (version) => {
  test('buys the content, with one settlement and no question before it', async () => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, '/articles/hello', reader))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the whole of /articles/hello')
    expect(answer.header('Content-Type')).toBe('text/plain')
    expect(cost).toEqual(ONE_SALE)
    expect(await shop.stack.chain.balance(reader.address)).toBe(1_000_000n - PRICE)
  })

  test('is answered with a receipt in PAYMENT-RESPONSE, and in X-PAYMENT-RESPONSE for v1 alone', async () => {
    const reader = await shop.reader()
    const answer = await shop.buy(version, '/articles/hello', reader)
    const transaction = expect.stringMatching(/^0x[0-9a-f]{64}$/)
    const payer = reader.address.toLowerCase()
    expect(answer.receipt).toEqual({ success: true, transaction, network: NETWORK, payer, amount: '50000' })
    const receiptV1 = { success: true, transaction: answer.receipt?.transaction, network: 'base-sepolia', payer }
    expect(answer.receiptV1).toEqual(version === 'v1' ? receiptV1 : null)
  })

  test('is in the ledger once', async () => {
    const reader = await shop.reader()
    const answer = await shop.buy(version, '/articles/hello', reader)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    expect(await shop.ledger(reader.address)).toEqual([
      expect.objectContaining({
        site: SITE,
        resource: '/articles/hello',
        scheme: 'exact',
        network: NETWORK,
        asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
        amount: '50000',
        pay_to: wallets.publisher.address,
        transaction: answer.receipt?.transaction,
        offer: '',
        access_seconds: 86_400,
      }),
    ])
  })

  test.each(['/articles/hello', '/once/hello', '/films/tides'])('buys %s for nobody but its payer', async (path) => {
    const answer = await shop.buy(version, path, await shop.reader())
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
      'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, Retry-After',
    )
    expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  })

  test('is answered whole, whatever its Range and its conditions say', async () => {
    const challenge = await shop.challenge('/films/tides')
    const payment = await pay(version, challenge, await shop.reader())
    const answer = await shop.ask('/films/tides', {
      headers: { ...payment, Range: 'bytes=0-1', 'If-None-Match': '*', 'If-Range': '"x"' },
    })
    expect(answer.status).toBe(200)
    expect(answer.bytes).toHaveLength(300_000)
    expect(answer.header('Content-Type')).toBe('video/mp4')
    expect(answer.header('Content-Range')).toBeNull()
  })

  test('shows HTML as HTML, and a receipt to a browser too', async () => {
    const payment = await pay(version, await shop.challenge('/articles/page'), await shop.reader())
    const answer = await shop.ask('/articles/page', { headers: { ...payment, Accept: 'text/html' } })
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.text).toBe('<p>hello</p>')
    expect(answer.receipt?.success).toBe(true)
  })

  describe.each(['/articles', '/once'])('once used at %s', (section) => {
    async function used() {
      const challenge = await shop.challenge(`${section}/hello`)
      const signed = await sign(version, challenge, await shop.reader())
      const answer = await shop.ask(`${section}/hello`, { headers: wrap(version, challenge, signed) })
      expect(answer.status).toBe(200)
      return { challenge, signed, transaction: answer.receipt?.transaction }
    }

    test.each([
      ['there again', '/hello', version],
      ['at another article', '/other', version],
      ['in the other wrapping', '/hello', otherVersion(version)],
      ['at another article in the other wrapping', '/other', otherVersion(version)],
    ])('buys nothing %s', async (_, page, wrapping) => {
      const { challenge, signed, transaction } = await used()
      const { result: answer, cost } = await shop.costOf(() =>
        shop.ask(section + page, { headers: wrap(wrapping, challenge, signed, { echo: false }) }),
      )
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('payment_already_used')
      expect(answer.text).not.toContain('the whole of')
      expect(answer.challenge.v2.error).toBe('payment_already_used')
      expect(answer.receipt).toMatchObject({ success: false, errorReason: 'payment_already_used', transaction })
      expect(answer.receiptV1?.success).toBe(wrapping === 'v1' ? false : undefined)
      expect(cost).toEqual(NOTHING)
    })

    test.each([
      ['upper-case hexadecimal digits', (hex: string) => `0x${hex.slice(2).toUpperCase()}`],
      ['lower-case hexadecimal digits', (hex: string) => hex.toLowerCase()],
    ])('buys nothing when it is spelt in %s', async (_, spell) => {
      const { challenge, signed } = await used()
      const { from, to, nonce } = signed.authorization
      const respelt = wrap(version, challenge, signed, {
        sent: { from: spell(from), to: spell(to), nonce: spell(nonce) },
        signature: spell,
        encode: (json) => Buffer.from(json).toString('base64url'),
      })
      const { result: answer, cost } = await shop.costOf(() => shop.ask(`${section}/hello`, { headers: respelt }))
      expect(answer.error).toBe('payment_already_used')
      expect(cost).toEqual(NOTHING)
    })
  })

  test('for what its payer owns already is not settled, serves the content, and is used up', async () => {
    const reader = await shop.reader()
    const first = await shop.buy(version, '/articles/hello', reader)
    const challenge = await shop.challenge('/articles/hello')
    const second = await pay(version, challenge, reader)
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
    const reader = await shop.reader()
    const { cost } = await shop.costOf(async () => {
      expect((await shop.buy(version, '/once/hello', reader)).status).toBe(200)
      expect((await shop.buy(version, '/once/hello', reader)).status).toBe(200)
    })
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 0 })
  })

  test('counts the same in both headers at once', async () => {
    const challenge = await shop.challenge('/once/hello')
    const signed = await sign(version, challenge, await shop.reader())
    const headers = { ...wrap('v1', challenge, signed), ...wrap('v2', challenge, signed) }
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/hello', { headers }))
    expect(answer.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })

  test('is understood in the header of the other version, by what it says it is', async () => {
    const payment = await pay(version, await shop.challenge('/once/hello'), await shop.reader())
    const header = payment[HEADERS[version]] ?? ''
    const answer = await shop.ask('/once/hello', { headers: { [HEADERS[otherVersion(version)]]: header } })
    expect(answer.status).toBe(200)
    expect(answer.receiptV1 === null).toBe(version === 'v2')
  })
})
