// What permits that can pay nothing cost: how often a facilitator is asked about them, and what is stored. And breaking off: hang-ups
// and a worker that dies, at each stage of a permit.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { permitBehaviours } from '../world/permit2-behaviour.ts'
import { payByPermit, type SignedPermit, signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'
import { askInVain } from '../world/story.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
/** Failed payments of one address in a minute, after which it is turned away; and some that are under way just then. */
const MOST = 100 + 30
const TRIES = 160
const AT_ONCE = 8

const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

/** All of it from one address. */
async function tryAll(address: string, next: () => Promise<Record<string, string>>): Promise<Answer[]> {
  const answers: Answer[] = []
  while (answers.length < TRIES) {
    const some = Array.from({ length: AT_ONCE }, async () =>
      shop.ask(PAGE, { headers: { ...(await next()), 'CF-Connecting-IP': address } }),
    )
    answers.push(...(await Promise.all(some)))
  }
  return answers
}

describe('of one address', () => {
  const lines: [string, string, number, (own: PrivateKeyAccount) => Promise<() => Promise<SignedPermit>>][] = [
    [
      'a forged permit, again and again, is asked about once',
      '203.0.113.1',
      AT_ONCE,
      async (own) => {
        const victim = await shop.reader()
        const signed = await signPermit(await shop.challenge(PAGE), own, { signed: { from: victim.address } })
        return async () => signed
      },
    ],
    [
      'forged permits are asked about until the address is turned away',
      '203.0.113.2',
      MOST,
      async (own) => {
        const victim = await shop.reader()
        const challenge = await shop.challenge(PAGE)
        return () => signPermit(challenge, own, { signed: { from: victim.address } })
      },
    ],
    [
      'a permit without an approval is asked about until the address is turned away',
      '203.0.113.3',
      MOST,
      async (own) => {
        const signed = await signPermit(await shop.challenge(PAGE), own)
        return async () => signed
      },
    ],
    [
      'permits without an approval are asked about until the address is turned away',
      '203.0.113.4',
      MOST,
      async (own) => {
        const challenge = await shop.challenge(PAGE)
        return () => signPermit(challenge, own)
      },
    ],
  ]
  test.each(lines)('%s', async (_, address, most, open) => {
    const challenge = await shop.challenge(PAGE)
    const sign = await open(await shop.reader({ isApproved: false }))
    const objects = await shop.site.objects()
    const { result: answers, cost } = await shop.costOf(() =>
      tryAll(address, async () => wrapPermit(challenge, await sign())),
    )
    for (const { status } of answers) expect([402, 412, 429]).toContain(status)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(cost.verifies).toBeLessThanOrEqual(most)
    expect(await shop.site.objects()).toBe(objects)
  })
})

describe.each(['/verify', '/settle'] as const)('while %s is asked', (stage) => {
  /** What a facilitator does there is done, and its answer waits. */
  async function holding() {
    const reader = await shop.reader()
    const done = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    facilitator.set(reader.address, async (proceed, _, path) => {
      const said = await proceed()
      if (path !== stage) return said
      done.resolve()
      await go.promise
      return said
    })
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const first = askInVain(shop.site.url + PAGE, headers)
    await done.promise
    return { reader, headers, first, go: () => go.resolve() }
  }

  async function isPaidOnce(reader: PrivateKeyAccount, headers: Record<string, string>): Promise<void> {
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(facilitator.calls(reader.address).filter((path) => path === '/settle')).toHaveLength(1)
    expect(await shop.balance(reader.address)).toBe(1_000_000n - PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  }

  test('the reader hangs up: the same permit brings the content, and pays once', async () => {
    const { reader, headers, first, go } = await holding()
    first.hangUp()
    await shop.site.turn()
    go()
    await shop.site.turn()
    await isPaidOnce(reader, headers)
  })

  test('the worker dies: the same permit brings the content, and pays once', async () => {
    const { reader, headers, go } = await holding()
    await shop.site.kill()
    go()
    await isPaidOnce(reader, headers)
  })
})

test('a reader who hangs up while the facilitator is asked has been charged nothing', async () => {
  const reader = await shop.reader()
  const asked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  facilitator.set(reader.address, async (proceed, _, path) => {
    if (path !== '/verify') return proceed()
    asked.resolve()
    await go.promise
    return proceed()
  })
  const first = askInVain(shop.site.url + PAGE, await payByPermit(await shop.challenge(PAGE), reader))
  await asked.promise
  first.hangUp()
  await shop.site.turn()
  const { cost } = await shop.costOf(async () => {
    go.resolve()
    await shop.site.turn()
  })
  expect(cost).toMatchObject({ earned: 0n, settles: 0 })
})
