// How often one address makes facilitators work for permits that nobody has signed.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'

const PAGE = '/articles/hello'
/** Failed payments of one address in a minute, after which it is turned away; in two of them, and some that are under way then. */
const MOST = 2 * 100 + 30
const TRIES = 320
const AT_ONCE = 8

let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop()
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())

test('forged permits are asked about until their address is turned away, and nothing is stored', async () => {
  const [thief, victim] = [await shop.reader(), await shop.reader()]
  const challenge = await shop.challenge(PAGE)
  const objects = await shop.site.objects()
  const tryOne = async () => {
    const signed = await signPermit(challenge, thief, { signed: { from: victim.address } })
    const headers = { ...wrapPermit(challenge, signed), 'CF-Connecting-IP': '203.0.113.1' }
    return (await shop.ask(PAGE, { headers })).status
  }
  const statuses: number[] = []
  const { cost } = await shop.costOf(async () => {
    while (statuses.length < TRIES) statuses.push(...(await Promise.all(Array.from({ length: AT_ONCE }, tryOne))))
  })
  for (const status of statuses) expect([402, 429]).toContain(status)
  expect(statuses).toContain(429)
  expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  expect(cost.verifies).toBeLessThanOrEqual(MOST)
  expect(await shop.site.objects()).toBe(objects)
})
