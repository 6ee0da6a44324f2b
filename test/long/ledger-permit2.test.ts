// `npm run ledger -- reconcile` where a site sells in a token that is paid by Permit2: its transfers do not say what they pay for,
// and the calls of their transactions do.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Books, booksOf } from '../world/compared.ts'
import { passTime } from '../world/on-chain.ts'
import { burnElsewhere, settlePermit } from '../world/permit2-on-chain.ts'
import { signPermit } from '../world/permit2-payer.ts'
import { ASSETS, openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'

const ELEVEN_MINUTES = 660
const PAGE = '/articles/hello'
const WRITTEN = `ASSETS = '${JSON.stringify(ASSETS)}'`
let shop: PermitShop
let books: Books

const query = async (sql: string) => (await shop.site.db.prepare(sql).all()).results
const rows = () => query('SELECT * FROM payments')
const compared = () => books.compared(WRITTEN)

beforeAll(async () => {
  // How far it came is said on the way.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  shop = await openPermitShop()
  await shop.site.kv.put(PAGE, 'the whole article')
  books = await booksOf(query, { network: POLYGON, rpcUrl: shop.stack.chain.rpcUrl, payTo: shop.payTo })
  for (let sales = 0; sales < 2; sales++) expect((await shop.buy(PAGE, await shop.reader())).status).toBe(200)
  await vi.waitFor(async () => expect(await rows()).toHaveLength(2), { timeout: 20_000 })
  await passTime(shop.stack.chain, ELEVEN_MINUTES)
}, 60_000)

afterAll(async () => {
  vi.restoreAllMocks()
  await shop.close()
  await books.close()
})

test('each row has its transfer', async () => {
  expect(await compared()).toEqual({ checked: ['0 in USDC', '2 in PLAIN'], errors: [], notYet: [], open: [] })
})

test('a permit that somebody settled, and that no row knows, is found; one that was burned elsewhere pays nobody', async () => {
  const challenge = await shop.challenge(PAGE)
  const [settled, burned] = [await shop.reader(), await shop.reader()]
  // The chain's clock is ahead.
  const signed = { deadline: BigInt(Math.floor(Date.now() / 1000) + 10 * ELEVEN_MINUTES) }
  await settlePermit(shop.stack.chain, await signPermit(challenge, settled, { signed }))
  // The same amount to the same payee, and not by x402.
  await burnElsewhere(shop.stack.chain, burned, await signPermit(challenge, burned, { signed }), shop.payTo)
  await passTime(shop.stack.chain, ELEVEN_MINUTES)
  const { errors } = await compared()
  expect(errors.map(({ kind }) => kind)).toEqual(['transfer_without_row'])
  expect(errors[0]?.what).toContain(settled.address.toLowerCase())
})

test('a row of another amount or payee is found', async () => {
  const [first] = await rows()
  for (const [column, value, kind] of [
    ['amount', '"1"', 'wrong_amount'],
    ['pay_to', `"0x${'1'.repeat(40)}"`, 'wrong_payee'],
  ] as const) {
    await shop.site.db
      .prepare(`UPDATE payments SET ${column} = ${value.replaceAll('"', "'")} WHERE id = ?`)
      .bind(first?.id)
      .run()
    expect((await compared()).errors.map((finding) => finding.kind)).toContain(kind)
    await shop.site.db.prepare(`UPDATE payments SET ${column} = ? WHERE id = ?`).bind(first?.[column], first?.id).run()
  }
})
