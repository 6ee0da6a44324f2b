// What a pass shows of receipts that are not its own.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { openShop, type Shop, SITE } from '../world/shop.ts'

const PAGE = '/articles/mine'
const RECEIPTS = '/_newsstand/receipts'
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
})
afterAll(() => shop.close())

const listed = z.looseObject({ purchases: z.array(z.looseObject({ resource: z.string() })) })

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
