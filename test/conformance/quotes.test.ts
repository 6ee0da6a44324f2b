// A quoted price is honoured until it expires, whatever happens to the price meanwhile; and buys nothing else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING } from '../world/shop.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop
let count = 0

beforeAll(async () => {
  shop = await openSolanaShop()
})

afterAll(() => shop.close())

/** An article of its own for each test, since its price changes. */
async function article(price: string) {
  count += 1
  const path = `/articles/${count}`
  const reprice = (next: string) => shop.site.kv.put(path, `the whole of ${path}`, { metadata: { price: next } })
  await reprice(price)
  return { path, reprice }
}

async function expectRefused(path: string, payment: Record<string, string>, amount: string, reason: string) {
  const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers: payment }))
  expect(answer.status).toBe(402)
  expect(answer.error).toBe(reason)
  expect(answer.challenge.v2.accepts[0]?.amount).toBe(amount)
  expect(answer.receipt).toMatchObject({ success: false, errorReason: reason, transaction: '' })
  expect(cost).toEqual(NOTHING)
}

describe.each(CELLS)('in $version on $name', ({ version, kind }) => {
  const reason = version === 'v1' ? kind.amountMismatch : 'invalid_payment_requirements'

  test.each([
    ['rises', '$0.08', 50_000n],
    ['falls', '$0.02', 50_000n],
  ])('the quoted price is honoured when the price %s', async (_, next, quoted) => {
    const { path, reprice } = await article('$0.05')
    const payment = await (await kind.reader(shop)).pay(version, path)
    await reprice(next)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers: payment }))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(`the whole of ${path}`)
    expect(cost.earned).toBe(quoted)
  })

  test('a client that echoes nothing pays the current price', async () => {
    const { path } = await article('$0.05')
    const payment = await (await kind.reader(shop)).pay(version, path, { echo: false })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers: payment }))
    expect(answer.status).toBe(200)
    expect(cost.earned).toBe(50_000n)
  })

  test('a client that echoes nothing is not sold at an old price', async () => {
    const { path, reprice } = await article('$0.05')
    const payment = await (await kind.reader(shop)).pay(version, path, { echo: false })
    await reprice('$0.08')
    await expectRefused(path, payment, '80000', reason)
  })

  test('a quote for one article is worth nothing at another', async () => {
    const [cheap, dear] = [await article('$0.02'), await article('$0.08')]
    const payment = await (await kind.reader(shop)).pay(version, cheap.path)
    await expectRefused(dear.path, payment, '80000', reason)
  })
})

// What is in a quote is the same for every network.
describe.each(VERSIONS)('in %s', (version) => {
  test('the current price is good as well, with an old quote in hand', async () => {
    const { path, reprice } = await article('$0.05')
    const old = await shop.challenge(path)
    await reprice('$0.02')
    const { v1, v2 } = await shop.challenge(path)
    const mixed = { v1: { ...v1, paymentId: old.v1.paymentId }, v2: { ...v2, extensions: old.v2.extensions } }
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask(path, { headers: await pay(version, mixed, await shop.reader()) }),
    )
    expect(answer.status).toBe(200)
    expect(cost.earned).toBe(20_000n)
  })

  test.each([
    ['cut short', (proof: string) => proof.slice(0, -1)],
    ['without its signature', (proof: string) => proof.split('.')[0] ?? ''],
    [
      'rewritten to a lower price',
      (proof: string) => {
        const [body = '', mac = ''] = proof.split('.')
        const cheaper = Buffer.from(body, 'base64url').toString().replace('"80000"', '"20000"')
        return `${Buffer.from(cheaper).toString('base64url')}.${mac}`
      },
    ],
    ['that is no token', () => 'nothing'],
    ['that is empty', () => ''],
  ])('a proof %s proves nothing', async (_, forge) => {
    const { path } = await article('$0.08')
    const { v1, v2 } = await shop.challenge(path)
    const proof = forge(v1.paymentId)
    const own = Object.keys(v2.extensions).find((name) => name !== 'payment-identifier') ?? ''
    const cheap = {
      v1: { ...v1, paymentId: proof, accepts: v1.accepts.map((offer) => ({ ...offer, maxAmountRequired: '20000' })) },
      v2: {
        ...v2,
        accepts: v2.accepts.map((offer) => ({ ...offer, amount: '20000' })),
        extensions: { ...v2.extensions, [own]: { info: { ...v2.extensions[own]?.info, proof }, schema: {} } },
      },
    }
    const reason =
      version === 'v1' ? 'invalid_exact_evm_payload_authorization_value_mismatch' : 'invalid_payment_requirements'
    await expectRefused(path, await pay(version, cheap, await shop.reader()), '80000', reason)
  })
})
