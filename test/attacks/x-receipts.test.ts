// What a pass shows of receipts that are not its own.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { openShop, type Shop, SITE } from '../world/shop.ts'
import { installWallets, safeOfKey } from '../world/smart-wallets.ts'

const PAGE = '/articles/mine'
const RECEIPTS = '/_newsstand/receipts'
const ELSEWHERE = 'eip155:8453'
let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.50',
        access: '24h',
        offers: [{ name: 'Day pass', price: '$0.05', access: '24h', scope: '/articles/*' }],
      },
    ],
  })
  await shop.site.kv.put(PAGE, 'the whole article')
  await installWallets(shop.stack.chain)
})
afterAll(() => shop.close())

const listed = z.looseObject({ purchases: z.array(z.looseObject({ resource: z.string() })) })

test('a wallet with code is shown nothing that another’s, at the same address of another network, has bought', async () => {
  const { chain } = shop.stack
  const safe = safeOfKey(chain, await shop.reader(0n))
  await safe.deploy()
  await chain.fund(safe.wallet.address, 1_000_000n)
  const answer = await shop.buy('v2', PAGE, safe.wallet, { offer: 1 })
  expect(answer.status).toBe(200)
  await expect.poll(() => shop.ledger(safe.wallet.address)).toHaveLength(1)
  // The purchase of whoever owns that address elsewhere, and ends in the same second.
  await shop.site.db
    .prepare(
      `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer, access_seconds, settled_at_seconds)
       SELECT 'theirs', site, '/articles/theirs', scheme, ?, asset, amount, payer, pay_to, ?, '', access_seconds, settled_at_seconds FROM payments`,
    )
    .bind(ELSEWHERE, `0x${'5'.repeat(64)}`)
    .run()
  const headers = { Accept: 'application/json', Cookie: answer.pass }
  const { purchases } = listed.parse((await shop.ask(RECEIPTS, { headers })).json)
  const receipt = await shop.ask(`${RECEIPTS}/0x${'5'.repeat(64)}`, { headers })
  expect(purchases.map(({ resource }) => resource)).toEqual([`${SITE}${PAGE}`])
  expect(receipt.status).toBe(404)
})

test('who shows no pass and no session asks nothing of the books', async () => {
  await shop.site.hideLedger(true)
  try {
    const answer = await shop.ask(RECEIPTS, { headers: { Accept: 'application/json' } })
    expect(answer.status).toBe(200)
  } finally {
    await shop.site.hideLedger(false)
  }
})

test('a day pass shows no other purchase that its wallet has made in the same second', async () => {
  const answer = await shop.buy('v2', PAGE, await shop.reader(), { offer: 1 })
  const { transaction = '' } = answer.receipt ?? {}
  await expect.poll(async () => (await shop.ledger()).filter((row) => row.transaction === transaction)).toHaveLength(1)
  // A program that buys for several people pays from one wallet.
  await shop.site.db
    .prepare(
      `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer, access_seconds, settled_at_seconds)
       SELECT 'somebody-elses', site, '/elsewhere/private', scheme, network, asset, amount, payer, pay_to, ?, '', access_seconds, settled_at_seconds
       FROM payments WHERE "transaction" = ?`,
    )
    .bind(`0x${'6'.repeat(64)}`, transaction)
    .run()
  const headers = { Accept: 'application/json', Cookie: answer.pass }
  const { purchases } = listed.parse((await shop.ask(RECEIPTS, { headers })).json)
  expect(purchases.map(({ resource }) => resource)).toEqual([`${SITE}${PAGE}`])
})
