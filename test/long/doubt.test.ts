// Facilitators that go away with a payment in their hands. What the first may have got, the second cannot refuse; and what
// reached nobody is as good as new. Some of it takes a hold of 25 seconds, so the tests run at the same time.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Facilitator, startFacilitator } from '../../dev/stack/facilitator.ts'
import { inOrder } from '../../dev/stack/in-order.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { type Answer, send } from '../world/answer.ts'
import { type Behaviour, behaviours, refuses, type SentPayment, says } from '../world/behaviour.ts'
import { broadcast } from '../world/on-chain.ts'
import { pay, VERSIONS, type Version } from '../world/payer.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
/** The first facilitator of the shop never says that it is there. */
const first = behaviours()
const second = behaviours()
const queue = inOrder()
let shop: Shop
let away: Facilitator
/** Its only facilitator comes up when a test starts it. */
let lonely: Site
let port: number

beforeAll(async () => {
  const awayPort = await freePort()
  shop = await openShop({}, { hook: second.hook, facilitators: (own) => [`http://${LOOPBACK}:${awayPort}`, own] })
  const { rpcUrl } = shop.stack.chain
  away = await startFacilitator({
    rpcUrl,
    port: awayPort,
    hook: (call, proceed) => (call.path === '/supported' ? says({}, 503)() : first.hook(call, proceed)),
  })
  port = await freePort()
  lonely = await startSite({ FACILITATORS: [`http://${LOOPBACK}:${port}`], RPC_URLS: { [NETWORK]: rpcUrl } })
  for (const site of [shop.site, lonely]) await site.kv.put(PAGE, CONTENT)
})

afterAll(async () => {
  await lonely.stop()
  await away.stop()
  await shop.close()
})

const spent = async (reader: { address: `0x${string}` }) =>
  1_000_000n - (await shop.stack.chain.balance(reader.address))

function expectOpen(answer: Answer): void {
  expect(answer.status).toBe(503)
  expect(['settlement_pending', 'payment_in_progress', 'facilitator_unavailable']).toContain(answer.error)
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(answer.text).not.toContain('accepts')
  expect(answer.text).not.toContain(CONTENT)
}

/** A reader whose payment the first facilitator gets, and the second refuses. */
async function doubtful(version: Version, lost: Behaviour) {
  const reader = await shop.reader()
  const taken = Promise.withResolvers<SentPayment>()
  first.set(reader.address, async (proceed, payment, path) => {
    taken.resolve(payment)
    return lost(proceed, payment, path)
  })
  second.set(reader.address, refuses('insufficient_funds'))
  const challenge = await shop.challenge(PAGE)
  const sign = () => pay(version, challenge, reader)
  const show = (headers: Record<string, string>) => shop.ask(PAGE, { headers })
  return {
    reader,
    sign,
    show,
    /** The first time. One after the other, each after a facilitator that was there: no breaker passes it over. */
    begin: (headers: Record<string, string>) =>
      queue(async () => {
        const calm = await shop.reader()
        first.set(calm.address, says({ error: 'no such path' }, 404))
        expect((await shop.buy(version, PAGE, calm)).status).toBe(200)
        const answer = show(headers)
        await Promise.race([taken.promise, answer])
        return { answer }
      }),
    /** The first does what it took the payment for. */
    settle: async () => broadcast(shop.stack.chain, await taken.promise),
  }
}

const lost: Behaviour = async () => 'drop'

describe.concurrent.each(VERSIONS)(
  'in %s, the first loses the connection and is silent, the second refuses',
  (version) => {
    test('nothing lands: no challenge invites another signature', async ({ expect }) => {
      const { reader, sign, begin } = await doubtful(version, lost)
      const { answer } = await begin(await sign())
      expectOpen(await answer)
      expect(first.calls(reader.address)).toEqual(['/settle'])
      expect(second.calls(reader.address)).toEqual(['/settle'])
      expect(await spent(reader)).toBe(0n)
    })

    test('it lands while the request is held: served', async ({ expect }) => {
      const { reader, sign, begin, settle } = await doubtful(version, lost)
      const { answer } = await begin(await sign())
      await settle()
      expect((await answer).text).toBe(CONTENT)
      expect(await spent(reader)).toBe(PRICE)
      await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    })

    test.for(['the same payment', 'another signature'])(
      'it lands after the answer: %s brings the content, and one charge is all',
      async (next, { expect }) => {
        const { reader, sign, begin, show, settle } = await doubtful(version, lost)
        const headers = await sign()
        const { answer } = await begin(headers)
        expectOpen(await answer)
        await settle()
        second.set(reader.address, null)
        const again = await show(next === 'the same payment' ? headers : await sign())
        expect(again.text).toBe(CONTENT)
        expect(await spent(reader)).toBe(PRICE)
        await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
      },
    )

    test.for(['the same payment', 'another signature'])(
      'the second recovers: %s brings the content, and one charge is all',
      async (next, { expect }) => {
        const { reader, sign, begin, show } = await doubtful(version, lost)
        const headers = await sign()
        const { answer } = await begin(headers)
        expectOpen(await answer)
        second.set(reader.address, null)
        expect((await show(next === 'the same payment' ? headers : await sign())).text).toBe(CONTENT)
        expect(await spent(reader)).toBe(PRICE)
        await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
      },
    )

    test('a gateway’s error page in its place is no better', async ({ expect }) => {
      const { reader, sign, begin } = await doubtful(version, says('<html>Bad Gateway</html>', 502))
      const { answer } = await begin(await sign())
      expectOpen(await answer)
      expect(await spent(reader)).toBe(0n)
    })
  },
)

test.concurrent('all facilitators are away three times, and then there: the same payment buys', async ({ expect }) => {
  const ask = (headers: Record<string, string> = {}) => send(`${lonely.url}${PAGE}`, { headers })
  const { challenge } = await ask()
  const buyers = await Promise.all(
    VERSIONS.map(async (version) => {
      const reader = await shop.reader()
      return { reader, headers: await pay(version, challenge, reader) }
    }),
  )
  for (let time = 0; time < 3; time++) {
    for (const { headers } of buyers) {
      const answer = await ask(headers)
      expectOpen(answer)
      expect(answer.error).toBe('facilitator_unavailable')
    }
  }
  const { chain, facilitator } = shop.stack
  // One wallet sends, so it is one facilitator behind both.
  const back = await startFacilitator({
    rpcUrl: chain.rpcUrl,
    port,
    hook: async ({ path, body }, proceed) => {
      if (path === '/supported') return proceed()
      const reply = await fetch(facilitator.url + path, { method: 'POST', body: JSON.stringify(body) })
      return { status: reply.status, body: await reply.text() }
    },
  })
  for (const { reader, headers } of buyers) {
    const answer = await ask(headers)
    expect(answer.text).toBe(CONTENT)
    expect(answer.receipt?.success).toBe(true)
    expect(await spent(reader)).toBe(PRICE)
  }
  expect(back.counts.settle).toBe(buyers.length)
  await back.stop()
})
