// How often one address makes facilitators work for permits that can pay nothing.
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

test.each([
  ['forged permits', '203.0.113.1', true, true],
  ['one permit without an approval', '203.0.113.2', false, false],
  ['permits without an approval', '203.0.113.3', false, true],
])(
  '%s are asked about until their address is turned away, and nothing is stored',
  async (_, address, isForged, isNew) => {
    const reader = await shop.reader({ isApproved: false })
    const victim = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const sign = () => signPermit(challenge, reader, isForged ? { signed: { from: victim.address } } : {})
    const first = await sign()
    const next = async () => wrapPermit(challenge, isNew ? await sign() : first)
    const objects = await shop.site.objects()
    const { result: statuses, cost } = await shop.costOf(async () => {
      const all: number[] = []
      while (all.length < TRIES) {
        const some = Array.from({ length: AT_ONCE }, async () =>
          shop.ask(PAGE, { headers: { ...(await next()), 'CF-Connecting-IP': address } }),
        )
        all.push(...(await Promise.all(some)).map(({ status }) => status))
      }
      return all
    })
    for (const status of statuses) expect([402, 412, 429]).toContain(status)
    expect(statuses).toContain(429)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(cost.verifies).toBeLessThanOrEqual(MOST)
    expect(await shop.site.objects()).toBe(objects)
  },
)
