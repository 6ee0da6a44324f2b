// Amplification: payments that cost their sender nothing (the wallet is empty, the signature is junk) and make somebody
// else work: the facilitator, the chain, the publisher's origin.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { type Answer, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { broadcast } from '../world/on-chain.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
import { NETWORK, NOTHING, openShop, PRICE, type Shop } from '../world/shop.ts'

/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
const REPORT = '/premium/report'
const CONTENT = 'the whole report'
let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  origin.tell({ body: CONTENT })
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/premium/*', price: '$0.05' },
      { path: '/answers/*', price: '$0.05', access: 'once' },
    ],
  })
  shop.onClose(origin.stop)
})

afterAll(() => shop.close())

/** Signatures that prove nothing: a contract wallet's, for all we can tell. */
async function junk(): Promise<string> {
  const signed = await authorize(await shop.reader(0n), { value: PRICE })
  return headerOf({ ...signed, signature: `0x${'11'.repeat(96)}` })
}

/** The signature of a wallet that has nothing. */
const empty = async () => headerOf(await authorize(await shop.reader(0n), { value: PRICE }))

/** `TRIES` requests, ten at a time. */
async function inTens(askOne: (i: number) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < TRIES; i += 10) {
    answers.push(...(await Promise.all(Array.from({ length: 10 }, (_, j) => askOne(i + j)))))
  }
  return answers
}

const flood = (url: string, address: string, make: () => Promise<string>): Promise<Answer[]> =>
  inTens(async () => send(url, paying(await make(), { 'CF-Connecting-IP': address })))

const from = (address: string) => ({ 'CF-Connecting-IP': address })

describe('against a naive shop', () => {
  test('every piece of junk is a call to the facilitator', async () => {
    const naive = await openNaive(shop, async ({ payment, verify }) =>
      payment && (await verify(payment)) ? CONTENT : null,
    )
    const { cost } = await shop.costOf(() => flood(naive, '203.0.113.1', junk))
    expect(cost.verifies).toBe(TRIES)
  })
})

describe('here', () => {
  /** The facilitator looks at nothing, which saves time where only its answer matters. */
  const refuseAll = () =>
    shop.stack.facilitator.setHook(async ({ path }) => ({
      status: 200,
      body:
        path === '/verify'
          ? { isValid: false, invalidReason: 'invalid_exact_evm_payload_signature' }
          : { success: false, errorReason: 'insufficient_funds', transaction: '', network: NETWORK },
    }))
  afterEach(() => shop.stack.facilitator.setHook(undefined))

  const statuses = (answers: Answer[], status: number) => answers.filter((answer) => answer.status === status).length

  test('a copy of refused junk is refused for nothing', async () => {
    const payment = await junk()
    const { cost } = await shop.costOf(async () => {
      for (let i = 0; i < 5; i++) expect((await shop.ask(REPORT, paying(payment))).status).toBe(402)
    })
    expect(cost).toMatchObject({ verifies: 1, settles: 0 })
  })

  test('an address that sends junk is soon told to wait, and the facilitator is left alone', async () => {
    const { result: answers, cost } = await shop.costOf(() => flood(shop.site.url + REPORT, '203.0.113.2', junk))
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(statuses(answers, 429) + statuses(answers, 402)).toBe(TRIES)
    expect(cost.verifies).toBeLessThan(TRIES)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('an address whose wallets are all empty is soon told to wait, and the origin is left alone', async () => {
    const before = origin.seen.length
    const { result: answers, cost } = await shop.costOf(() => flood(shop.site.url + REPORT, '203.0.113.3', empty))
    expect(statuses(answers, 200)).toBe(0)
    expect(cost.earned).toBe(0n)
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(cost.settles).toBe(TRIES - statuses(answers, 429))
    expect(origin.seen.length - before).toBe(TRIES - statuses(answers, 429))
  })

  test('others are served meanwhile', async () => {
    const payment = headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))
    const answer = await shop.ask(REPORT, paying(payment, { 'CF-Connecting-IP': '203.0.113.4' }))
    expect(answer.text).toBe(CONTENT)
  })

  test('a spent payment shown at other pages costs the origin next to nothing, and its address has to wait', async () => {
    const spent = headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))
    expect((await shop.ask(REPORT, paying(spent))).text).toBe(CONTENT)
    const before = origin.seen.length
    const { result: answers, cost } = await shop.costOf(() =>
      inTens((i) => shop.ask(`/premium/other-${i}`, paying(spent, from('203.0.113.5')))),
    )
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toMatchObject({ earned: 0n, settles: 0, verifies: 0 })
    // Those that came before the first was refused.
    expect(origin.seen.length - before).toBeLessThanOrEqual(10)
    expect(statuses(answers, 402) + statuses(answers, 429)).toBe(TRIES)
    expect(statuses(answers, 429)).toBeGreaterThan(0)
  })

  test('copies of a spent payment at its own place are not counted: its payer may pay again', async () => {
    const reader = await shop.reader(2n * PRICE)
    const spent = headerOf(await authorize(reader, { value: PRICE }))
    expect((await shop.ask('/answers/a', paying(spent))).text).toBe(CONTENT)
    const { result: answers, cost } = await shop.costOf(() =>
      inTens(() => shop.ask('/answers/a', paying(spent, from('203.0.113.6')))),
    )
    expect(statuses(answers, 402)).toBe(TRIES)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    const next = headerOf(await authorize(reader, { value: PRICE }))
    expect((await shop.ask('/answers/a', paying(next, from('203.0.113.6')))).text).toBe(CONTENT)
  })

  test('empty wallets from all over one IPv6 network are counted together', async () => {
    refuseAll()
    const { result: answers, cost } = await shop.costOf(() =>
      inTens(async (i) => shop.ask(REPORT, paying(await empty(), from(`2001:db8:1:2:${i}::${i}`)))),
    )
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(statuses(answers, 429) + statuses(answers, 402)).toBe(TRIES)
    expect(cost.settles).toBe(TRIES - statuses(answers, 429))
    expect((await shop.ask(REPORT, paying(await empty(), from('2001:0DB8:1:2::9')))).status).toBe(429)
    // The network next door.
    expect((await shop.ask(REPORT, paying(await empty(), from('2001:db8:1:3::9')))).status).toBe(402)
  })

  test('junk, each from a network of its own, is not counted together', async () => {
    refuseAll()
    const answers = await inTens(async (i) =>
      shop.ask(REPORT, paying(await junk(), { ...from(`2001:db8:2:${i.toString(16)}::1`) })),
    )
    expect(statuses(answers, 402)).toBe(TRIES)
  })

  /** Signs for a contract wallet of its own, which has the money. */
  async function contractWallet(): Promise<PrivateKeyAccount> {
    const owner = await shop.reader(0n)
    const address = await deployContractWallet(shop.stack.chain, owner.address)
    await shop.stack.chain.fund(address, PRICE)
    return { ...owner, address }
  }

  test.each<[string, string, () => Promise<PrivateKeyAccount>]>([
    ['by its key', '203.0.113.7', () => shop.reader(PRICE)],
    ['by a contract wallet', '203.0.113.9', contractWallet],
  ])('an address that has to wait still gets what it has paid for %s', async (_, address, payer) => {
    const signed = await authorize(await payer(), { value: PRICE })
    shop.stack.facilitator.setHook(async ({ path }, proceed) => (path === '/verify' ? proceed() : 'drop'))
    expect((await shop.ask(REPORT, paying(headerOf(signed)))).status).toBe(503)
    await broadcast(shop.stack.chain, signed)
    refuseAll()
    expect(statuses(await flood(shop.site.url + REPORT, address, junk), 429)).toBeGreaterThan(0)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(REPORT, paying(headerOf(signed), from(address))))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(CONTENT)
    expect(cost).toEqual(NOTHING)
  })

  describe('payments beside a pass', () => {
    test('from wallets that are not its own are left alone: each can still buy', async () => {
      const bought = await shop.ask(
        REPORT,
        paying(headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))),
      )
      const pass = bought.pass
      const poor = await Promise.all(Array.from({ length: TRIES - 3 }, empty))
      const rich = await Promise.all(
        Array.from({ length: 3 }, async () => headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))),
      )
      const payments = [...poor, ...rich]
      const rows = await shop.ledger()
      const { result: answers, cost } = await shop.costOf(() =>
        inTens((i) => shop.ask(REPORT, paying(payments[i] ?? '', { Cookie: pass, ...from('203.0.113.8') }))),
      )
      expect(served(answers, CONTENT)).toBe(TRIES)
      expect(cost).toEqual(NOTHING)
      expect(await shop.ledger()).toHaveLength(rows.length)
      for (const payment of rich) {
        const answer = await shop.ask('/premium/another', paying(payment, from('203.0.113.8')))
        expect(answer.text).toBe(CONTENT)
      }
      expect((await shop.ask(REPORT, paying(poor[0] ?? '', from('203.0.113.8')))).text).toContain('insufficient_funds')
    })

    test('make no objects', async () => {
      const bought = await shop.ask(
        REPORT,
        paying(headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))),
      )
      expect(bought.text).toBe(CONTENT)
      const before = await shop.site.objects()
      expect(before).toBeGreaterThan(0)
      for (let i = 0; i < 30; i++) {
        expect((await shop.ask(REPORT, paying(await empty(), { Cookie: bought.pass }))).text).toBe(CONTENT)
      }
      expect(await shop.site.objects()).toBe(before)
      // One that buys makes one.
      const next = headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))
      expect((await shop.ask(REPORT, paying(next))).text).toBe(CONTENT)
      expect(await shop.site.objects()).toBe(before + 1)
    })

    test('from its own payer are used up', async () => {
      const reader = await shop.reader(2n * PRICE)
      const { pass } = await shop.ask(REPORT, paying(headerOf(await authorize(reader, { value: PRICE }))))
      const second = headerOf(await authorize(reader, { value: PRICE }))
      const { result: answers, cost } = await shop.costOf(async () => [
        await shop.ask(REPORT, paying(second, { Cookie: pass })),
        await shop.ask('/premium/another', paying(second)),
        await shop.ask(REPORT, paying(second)),
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 402, 402])
      for (const { text } of answers.slice(1)) expect(text).toContain('payment_already_used')
      expect(cost.earned).toBe(0n)
    })
  })
})
