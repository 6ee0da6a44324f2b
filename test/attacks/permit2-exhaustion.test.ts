// What permits that can pay nothing cost: how often a facilitator is asked about them, and what is stored. And breaking off: hang-ups
// and a worker that dies, at each stage of a permit.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import { settlePermit } from '../world/permit2-on-chain.ts'
import { payByPermit, signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { ASSETS, openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'
import { askInVain } from '../world/story.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'

const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

test('a forged permit that comes again is asked about once, others once each, and nothing is stored', async () => {
  const [thief, victim] = [await shop.reader(), await shop.reader()]
  const challenge = await shop.challenge(PAGE)
  const forge = () => signPermit(challenge, thief, { signed: { from: victim.address } })
  const all = [await forge(), await forge(), await forge()]
  const objects = await shop.site.objects()
  const { cost } = await shop.costOf(async () => {
    for (const signed of [...all, ...all, ...all]) {
      const answer = await shop.ask(PAGE, { headers: wrapPermit(challenge, signed) })
      expect([answer.status, answer.error]).toEqual([402, 'invalid_permit2_signature'])
    }
  })
  expect(cost).toEqual({ earned: 0n, settles: 0, verifies: all.length })
  expect(await shop.site.objects()).toBe(objects)
})

test.each([
  ['without an approval', 'permit2_allowance_required', { isApproved: false }],
  ['of an empty wallet', 'insufficient_funds', { funds: 0n }],
])('permits %s are asked about ten a minute, from however many addresses', async (_, reason, options) => {
  const reader = await shop.reader(options)
  const challenge = await shop.challenge(PAGE)
  const errors: string[] = []
  for (let i = 0; i < 15; i++) {
    const headers = { ...(await payByPermit(challenge, reader)), 'CF-Connecting-IP': `203.0.113.${100 + i}` }
    errors.push((await shop.ask(PAGE, { headers })).error)
  }
  expect(errors).toEqual([...Array(10).fill(reason), ...Array(5).fill('too_many_requests')])
  expect(facilitator.calls(reader.address)).toHaveLength(10)
  // Others are not kept out.
  expect((await shop.buy(PAGE, await shop.reader())).text).toBe(CONTENT)
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

describe('a token that is not sold any more', () => {
  const without = { ASSETS: {}, ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' }] }
  const withIt = { ASSETS, ROUTES: [{ path: '/articles/*', content: 'kv', price: '€0.05', access: '24h' }] }
  afterEach(() => shop.site.become(withIt))

  test('when its reader comes back, who had hung up and whose settlement nobody has heard of', async () => {
    const reader = await shop.reader()
    const done = Promise.withResolvers<void>()
    facilitator.set(
      reader.address,
      atSettle(async (proceed) => {
        await proceed()
        done.resolve()
        // It never says so: a lost connection would be looked into at once, maybe before the site ends.
        return new Promise<never>(() => {})
      }),
    )
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const first = askInVain(shop.site.url + PAGE, headers)
    await done.promise
    first.hangUp()
    await shop.site.become(without)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(answer.text).toBe(CONTENT)
    expect(answer.receipt).toMatchObject({ success: true, network: POLYGON })
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })
})

test('the log of all this names no payer, and holds no signature', async () => {
  const reader = await shop.reader()
  facilitator.set(
    reader.address,
    // The facilitator's reason then holds the whole call.
    atSettle(async (proceed, signed) => settlePermit(shop.stack.chain, signed).then(proceed)),
  )
  const challenge = await shop.challenge(PAGE)
  const signed = await signPermit(challenge, reader)
  const answer = await shop.ask(PAGE, { headers: wrapPermit(challenge, signed) })
  expect(answer.text).toBe(CONTENT)
  const log = shop.site.logs.join('\n').toLowerCase()
  expect(log).toContain('"event"')
  for (const secret of [signed.signature.slice(2, 40), reader.address.slice(2), signed.permit.nonce.toString()]) {
    expect(log).not.toContain(secret.toLowerCase())
    if (secret !== reader.address.slice(2)) expect([...answer.headers].join().toLowerCase()).not.toContain(secret)
  }
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
