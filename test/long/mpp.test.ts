// A payment by MPP whose outcome nobody knows for a while: the answer is held for 25 seconds.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, says } from '../world/behaviour.ts'
import { mppReceipt, payMpp } from '../world/mpp.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const CONTENT = 'the whole article'
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop({ ROUTES: [{ path: '/once/*', content: 'kv', price: '$0.05', access: 'once' }] })
  shop.stack.facilitator.setHook(facilitator.hook)
  await shop.site.kv.put('/once/d', CONTENT)
})

afterAll(() => shop.close())

test('an outcome nobody knows is a 503 without any challenge, and the same credential gets the content later', async () => {
  const reader = await shop.reader()
  facilitator.set(reader.address, says({ error: 'database is locked' }, 500))
  const headers = await payMpp(await shop.ask('/once/d'), reader)
  const answer = await shop.ask('/once/d', { headers })
  expect(answer.status).toBe(503)
  expect(answer.header('Retry-After')).not.toBeNull()
  expect(answer.header('WWW-Authenticate')).toBeNull()
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(mppReceipt(answer)).toBeNull()
  facilitator.set(reader.address, null)
  const { result: later, cost } = await shop.costOf(() => shop.ask('/once/d', { headers }))
  expect(later.text).toBe(CONTENT)
  expect(cost.earned).toBe(PRICE)
  expect(mppReceipt(later)).not.toBeNull()
})
