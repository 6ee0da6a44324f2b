// Facilitators that cannot be reached, and the next of the list.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { send } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'

const PAGE = '/articles/hello'
let closed: string
let broken: OriginServer
/** Its facilitators: a closed port, one that a test tells what to answer, and the real one. */
let shop: Shop
/** Its only facilitator is the closed port. */
let lonely: Site

beforeAll(async () => {
  closed = `http://${LOOPBACK}:${await freePort()}`
  broken = await startOrigin()
  shop = await openShop({}, { facilitators: (own) => [closed, broken.url, own] })
  lonely = await startSite({ FACILITATORS: [closed], RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl } })
  for (const site of [shop.site, lonely]) await site.kv.put(PAGE, 'the whole article')
})

afterAll(async () => {
  await lonely.stop()
  await shop.close()
  await broken.stop()
})

describe.each(VERSIONS)('in %s', (version) => {
  test.each([401, 403, 404, 429])(
    'one that answers %i before it looks at the payment is passed over',
    async (status) => {
      broken.tell({ status, body: '{"error":"go away"}' })
      const reader = await shop.reader()
      const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
      expect(answer.status).toBe(200)
      expect(answer.text).toBe('the whole article')
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test('with none in reach nothing is charged, and no challenge invites another signature', async () => {
    const reader = await shop.reader()
    const challenge = (await send(`${lonely.url}${PAGE}`)).challenge
    const headers = await pay(version, challenge, reader)
    const { cost } = await shop.costOf(async () => {
      for (let time = 0; time < 2; time++) {
        const answer = await send(`${lonely.url}${PAGE}`, { headers })
        expect(answer.status).toBe(503)
        expect(answer.error).toBe('facilitator_unavailable')
        expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
        expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
        expect(answer.receipt?.success).not.toBe(true)
        expect(answer.text).not.toContain('the whole article')
        expect(answer.header('Access-Control-Expose-Headers')).toContain('Retry-After')
      }
    })
    expect(cost).toEqual(NOTHING)
    expect(await shop.stack.chain.balance(reader.address)).toBe(1_000_000n)
  })

  test('with none in reach a contract wallet’s payment cannot be proven, and is not charged', async () => {
    const owner = await shop.reader(0n)
    const from = await deployContractWallet(shop.stack.chain, owner.address)
    const challenge = (await send(`${lonely.url}${PAGE}`)).challenge
    const headers = await pay(version, challenge, owner, { signed: { from } })
    const answer = await send(`${lonely.url}${PAGE}`, { headers })
    expect(answer.status).toBe(503)
    expect(answer.error).toBe('facilitator_unavailable')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  })

  test('a contract wallet is proven by the next one', async () => {
    broken.tell({ status: 404, body: 'no such path' })
    const owner = await shop.reader(0n)
    const from = await deployContractWallet(shop.stack.chain, owner.address)
    await shop.stack.chain.fund(from, 50_000n)
    const answer = await shop.buy(version, PAGE, owner, { signed: { from } })
    expect(answer.status).toBe(200)
  })
})

test('a browser that cannot pay now is told so on a page', async () => {
  const headers = await pay('v2', (await send(`${lonely.url}${PAGE}`)).challenge, await shop.reader())
  const answer = await send(`${lonely.url}${PAGE}`, { headers: { ...headers, Accept: 'text/html' } })
  expect(answer.status).toBe(503)
  expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
})
