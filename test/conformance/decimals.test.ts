// Tokens with other decimals than USDC: a price is the same money in each, to the last unit, from the challenge to the receipt.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type Answer, send } from '../world/answer.ts'
import { said, visit } from '../world/doctor.ts'
import { CONTENT, EURX, type OwnShop, openOwnShop, PAGE, POLYGON } from '../world/own-token.ts'
import { pay, VERSIONS } from '../world/payer.ts'

/** €0.04 in tokens of so many decimals. */
const CASES: [decimals: number, price: bigint][] = [
  [18, 40_000_000_000_000_000n],
  [2, 4n],
]
const PAGE_DATA = /<script id="checkout" type="application\/json">(.*?)<\/script>/s
const pageData = z.object({ tokens: z.record(z.string(), z.tuple([z.string(), z.string(), z.number()])) })

describe.each(CASES)('a token with %i decimals', (decimals, price) => {
  let shop: OwnShop
  beforeAll(async () => {
    shop = await openOwnShop({ ...EURX, decimals })
  })
  afterAll(() => shop.stop())

  const ask = (path = PAGE, headers: Record<string, string> = {}) => send(shop.site.url + path, { headers })
  const passOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })
  const rowsOf = async ({ address }: PrivateKeyAccount) =>
    (await shop.site.db.prepare('SELECT * FROM payments WHERE payer = ?').bind(address.toLowerCase()).all()).results

  test('is asked for in its own units, by both versions and by the page', async () => {
    const answer = await ask()
    expect(answer.challenge.v1.accepts).toMatchObject([{ asset: EURX.asset, maxAmountRequired: `${price}` }])
    expect(answer.challenge.v2.accepts).toMatchObject([{ asset: EURX.asset, amount: `${price}` }])
    const { text } = await ask(PAGE, { Accept: 'text/html' })
    expect(text).toContain('<strong class="price">€0.04</strong>')
    const { tokens } = pageData.parse(JSON.parse(PAGE_DATA.exec(text)?.[1] ?? ''))
    expect(tokens[`${POLYGON} ${EURX.asset}`]).toEqual(['EURX', 'EUR', decimals])
  })

  test.each(VERSIONS)(
    'is paid exactly in %s, opens the page again for nothing, and is in the ledger',
    async (version) => {
      const reader = await shop.reader()
      const [held, earned] = await Promise.all([reader.address, shop.payTo].map(shop.euros.balance))
      const answer = await shop.buy(version, reader)
      expect([answer.status, answer.text]).toEqual([200, CONTENT])
      expect((held ?? 0n) - (await shop.euros.balance(reader.address))).toBe(price)
      expect((await shop.euros.balance(shop.payTo)) - (earned ?? 0n)).toBe(price)
      expect((await ask(PAGE, passOf(answer))).text).toBe(CONTENT)
      await expect
        .poll(() => rowsOf(reader))
        .toMatchObject([{ asset: EURX.asset, amount: `${price}`, symbol: 'EURX', currency: 'EUR', decimals }])
      expect(await shop.euros.balance(reader.address)).toBe((held ?? 0n) - price)
    },
  )

  test('is on the receipt as the money it is', async () => {
    const reader = await shop.reader()
    const answer = await shop.buy('v2', reader)
    await expect.poll(() => rowsOf(reader)).toHaveLength(1)
    const receipt = `/_newsstand/receipts/${answer.receipt?.transaction}`
    const list = '/_newsstand/receipts'
    expect((await ask(receipt, passOf(answer))).json).toMatchObject({ amount: `${price}`, decimals })
    const counted = { amount: `${price}`, decimals, currency: 'EUR' }
    expect((await ask(list, passOf(answer))).json).toMatchObject({ purchases: [counted] })
    for (const path of [receipt, list]) {
      expect((await ask(path, { ...passOf(answer), Accept: 'text/html' })).text).toMatch(
        /<strong[^>]*>€0\.04<\/strong>/,
      )
    }
  })

  test.each([-1n, 1n])('is refused where %d unit is added, and nothing moves', async (more) => {
    const reader = await shop.reader()
    const held = await shop.euros.balance(reader.address)
    const headers = await pay('v2', (await ask()).challenge, reader, { signed: { value: price + more } })
    const answer = await ask(PAGE, headers)
    expect([answer.status, answer.receipt?.success]).toEqual([402, false])
    expect(answer.text).not.toContain(CONTENT)
    expect(await shop.euros.balance(reader.address)).toBe(held)
    expect(await rowsOf(reader)).toEqual([])
  })

  test('as many millionths as a token of six would take buy nothing', async () => {
    const reader = await shop.reader()
    const headers = await pay('v2', (await ask()).challenge, reader, { signed: { value: 40_000n } })
    expect((await ask(PAGE, headers)).status).toBe(402)
    expect(await rowsOf(reader)).toEqual([])
  })

  test('doctor compares them with the chain', async () => {
    const about = async (vars: object) =>
      said(await visit({ vars: { ...shop.vars, ...vars } })).filter((line) => line.includes('decimals'))
    expect(await about({})).toEqual([])
    const ASSETS = {
      [POLYGON]: [{ address: EURX.asset, ...EURX.eip712, symbol: 'EURX', currency: 'EUR', decimals: 6 }],
    }
    expect(await about({ ASSETS })).toEqual([
      `error: ASSETS.${POLYGON}: EURX on Polygon has ${decimals} decimals, and prices are counted with 6; correct ASSETS, or take it out`,
    ])
  })

  test('an article that costs less than a unit is not sold in it, and is not given away', async () => {
    const reader = await shop.reader()
    await shop.site.kv.put('/articles/fine', CONTENT, { metadata: { price: '€0.045' } })
    const answer = await ask('/articles/fine')
    expect(answer.status).toBe(decimals < 3 ? 503 : 402)
    expect(answer.text).not.toContain(CONTENT)
    if (decimals < 3) return
    const paid = await ask('/articles/fine', await pay('v2', answer.challenge, reader))
    expect([paid.status, paid.text]).toEqual([200, CONTENT])
  })
})
