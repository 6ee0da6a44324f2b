// Amplification: payments that cost their sender nothing (the wallet is empty, the signature is junk) and make somebody
// else work: the facilitator, the chain, the publisher's origin.
import { createServer, type Server } from 'node:http'
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { listening } from '../../dev/stack/ports.ts'
import { broadcast } from '../world/attack-chain.ts'
import { headerOf, sign } from '../world/attack-payment.ts'
import {
  type Answer,
  ask,
  NETWORK,
  PRICE,
  passIn,
  paying,
  type Scene,
  served,
  startScene,
} from '../world/attack-scene.ts'
import { type Site, startSite } from '../world/site.ts'

/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
const REPORT = '/premium/report'
const CONTENT = 'the whole report'
let scene: Scene
/** The same shop in bare workerd, where objects can be counted. */
let edge: Site
let origin: Server
let asked = 0

beforeAll(async () => {
  origin = createServer((_, response) => {
    asked += 1
    response.end(CONTENT)
  })
  const { url } = await listening(origin)
  const vars = {
    ORIGIN_URL: url,
    ROUTES: [
      { path: '/premium/*', price: '$0.05' },
      { path: '/answers/*', price: '$0.05', access: 'once' },
    ],
  }
  scene = await startScene(vars)
  const { facilitator, chain } = scene
  edge = await startSite({ ...vars, FACILITATORS: [facilitator.url], RPC_URLS: { [NETWORK]: chain.rpcUrl } })
})

afterAll(async () => {
  await edge.stop()
  await scene.stop()
  origin.closeAllConnections()
  await new Promise((done) => origin.close(done))
})

/** Signatures that prove nothing: a contract wallet's, for all we can tell. */
async function junk(): Promise<string> {
  const signed = await sign(await scene.buyer(0n), { value: PRICE })
  return headerOf({ ...signed, signature: `0x${'11'.repeat(96)}` })
}

/** The signature of a wallet that has nothing. */
const empty = async () => headerOf(await sign(await scene.buyer(0n), { value: PRICE }))

/** `TRIES` requests, ten at a time. */
async function inTens(askOne: (i: number) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < TRIES; i += 10) {
    answers.push(...(await Promise.all(Array.from({ length: 10 }, (_, j) => askOne(i + j)))))
  }
  return answers
}

const flood = (url: string, address: string, make: () => Promise<string>): Promise<Answer[]> =>
  inTens(async () => ask(url, { ...paying(await make()), 'CF-Connecting-IP': address }))

const from = (address: string) => ({ 'CF-Connecting-IP': address })

describe('against a naive shop', () => {
  test('every piece of junk is a call to the facilitator', async () => {
    const shop = await scene.naive(async ({ payment, verify }) => (payment && (await verify(payment)) ? CONTENT : null))
    const { verified } = await scene.during(() => flood(shop, '203.0.113.1', junk))
    expect(verified).toBe(TRIES)
  })
})

describe('here', () => {
  /** The facilitator looks at nothing, which saves time where only its answer matters. */
  const refuseAll = () =>
    scene.facilitator.setHook(async ({ path }) => ({
      status: 200,
      body:
        path === '/verify'
          ? { isValid: false, invalidReason: 'invalid_exact_evm_payload_signature' }
          : { success: false, errorReason: 'insufficient_funds', transaction: '', network: NETWORK },
    }))
  afterEach(() => scene.facilitator.setHook(undefined))

  const statuses = (answers: Answer[], status: number) => answers.filter((answer) => answer.status === status).length

  test('a copy of refused junk is refused for nothing', async () => {
    const payment = await junk()
    const { verified, settled } = await scene.during(async () => {
      for (let i = 0; i < 5; i++) expect((await scene.ask(REPORT, paying(payment))).status).toBe(402)
    })
    expect({ verified, settled }).toEqual({ verified: 1, settled: 0 })
  })

  test('an address that sends junk is soon told to wait, and the facilitator is left alone', async () => {
    const { value: answers, ...cost } = await scene.during(() => flood(scene.site.url + REPORT, '203.0.113.2', junk))
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(statuses(answers, 429) + statuses(answers, 402)).toBe(TRIES)
    expect(cost.verified).toBeLessThan(TRIES)
    expect(cost).toMatchObject({ earned: 0n, settled: 0 })
  })

  test('an address whose wallets are all empty is soon told to wait, and the origin is left alone', async () => {
    const before = asked
    const { value: answers, ...cost } = await scene.during(() => flood(scene.site.url + REPORT, '203.0.113.3', empty))
    expect(statuses(answers, 200)).toBe(0)
    expect(cost.earned).toBe(0n)
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(cost.settled).toBe(TRIES - statuses(answers, 429))
    expect(asked - before).toBe(TRIES - statuses(answers, 429))
  })

  test('others are served meanwhile', async () => {
    const payment = headerOf(await sign(await scene.buyer(), { value: PRICE }))
    const answer = await scene.ask(REPORT, { ...paying(payment), 'CF-Connecting-IP': '203.0.113.4' })
    expect(answer.text).toBe(CONTENT)
  })

  test('a spent payment shown at other pages costs the origin next to nothing, and its address has to wait', async () => {
    const spent = headerOf(await sign(await scene.buyer(), { value: PRICE }))
    expect((await scene.ask(REPORT, paying(spent))).text).toBe(CONTENT)
    const before = asked
    const { value: answers, ...cost } = await scene.during(() =>
      inTens((i) => scene.ask(`/premium/other-${i}`, { ...paying(spent), ...from('203.0.113.5') })),
    )
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toMatchObject({ earned: 0n, settled: 0, verified: 0 })
    // Those that came before the first was refused.
    expect(asked - before).toBeLessThanOrEqual(10)
    expect(statuses(answers, 402) + statuses(answers, 429)).toBe(TRIES)
    expect(statuses(answers, 429)).toBeGreaterThan(0)
  })

  test('copies of a spent payment at its own place are not counted: its payer may pay again', async () => {
    const reader = await scene.buyer(2n * PRICE)
    const spent = headerOf(await sign(reader, { value: PRICE }))
    expect((await scene.ask('/answers/a', paying(spent))).text).toBe(CONTENT)
    const { value: answers, ...cost } = await scene.during(() =>
      inTens(() => scene.ask('/answers/a', { ...paying(spent), ...from('203.0.113.6') })),
    )
    expect(statuses(answers, 402)).toBe(TRIES)
    expect(cost).toMatchObject({ earned: 0n, settled: 0 })
    const next = headerOf(await sign(reader, { value: PRICE }))
    expect((await scene.ask('/answers/a', { ...paying(next), ...from('203.0.113.6') })).text).toBe(CONTENT)
  })

  test('empty wallets from all over one IPv6 network are counted together', async () => {
    refuseAll()
    const { value: answers, ...cost } = await scene.during(() =>
      inTens(async (i) => scene.ask(REPORT, { ...paying(await empty()), ...from(`2001:db8:1:2:${i}::${i}`) })),
    )
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(statuses(answers, 429) + statuses(answers, 402)).toBe(TRIES)
    expect(cost.settled).toBe(TRIES - statuses(answers, 429))
    expect((await scene.ask(REPORT, { ...paying(await empty()), ...from('2001:0DB8:1:2::9') })).status).toBe(429)
    // The network next door.
    expect((await scene.ask(REPORT, { ...paying(await empty()), ...from('2001:db8:1:3::9') })).status).toBe(402)
  })

  test('junk, each from a network of its own, is not counted together', async () => {
    refuseAll()
    const answers = await inTens(async (i) =>
      scene.ask(REPORT, { ...paying(await junk()), ...from(`2001:db8:2:${i.toString(16)}::1`) }),
    )
    expect(statuses(answers, 402)).toBe(TRIES)
  })

  /** Signs for a contract wallet of its own, which has the money. */
  async function contractWallet(): Promise<PrivateKeyAccount> {
    const owner = await scene.buyer(0n)
    const address = await deployContractWallet(scene.chain, owner.address)
    await scene.chain.fund(address, PRICE)
    return { ...owner, address }
  }

  test.each<[string, string, () => Promise<PrivateKeyAccount>]>([
    ['by its key', '203.0.113.7', () => scene.buyer()],
    ['by a contract wallet', '203.0.113.9', contractWallet],
  ])('an address that has to wait still gets what it has paid for %s', async (_, address, payer) => {
    const signed = await sign(await payer(), { value: PRICE })
    scene.facilitator.setHook(async ({ path }, proceed) => (path === '/verify' ? proceed() : 'drop'))
    expect((await scene.ask(REPORT, paying(headerOf(signed)))).status).toBe(503)
    await broadcast(scene.chain, signed)
    refuseAll()
    expect(statuses(await flood(scene.site.url + REPORT, address, junk), 429)).toBeGreaterThan(0)
    const { value: answer, ...cost } = await scene.during(() =>
      scene.ask(REPORT, { ...paying(headerOf(signed)), ...from(address) }),
    )
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(CONTENT)
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  describe('payments beside a pass', () => {
    test('from wallets that are not its own are left alone: each can still buy', async () => {
      const bought = await scene.ask(REPORT, paying(headerOf(await sign(await scene.buyer(), { value: PRICE }))))
      const pass = passIn(bought)
      const poor = await Promise.all(Array.from({ length: TRIES - 3 }, empty))
      const rich = await Promise.all(
        Array.from({ length: 3 }, async () => headerOf(await sign(await scene.buyer(), { value: PRICE }))),
      )
      const payments = [...poor, ...rich]
      const rows = await scene.ledgerRows()
      const { value: answers, ...cost } = await scene.during(() =>
        inTens((i) => scene.ask(REPORT, { ...paying(payments[i] ?? ''), Cookie: pass, ...from('203.0.113.8') })),
      )
      expect(served(answers, CONTENT)).toBe(TRIES)
      expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
      expect(await scene.ledgerRows()).toBe(rows)
      for (const payment of rich) {
        const answer = await scene.ask('/premium/another', { ...paying(payment), ...from('203.0.113.8') })
        expect(answer.text).toBe(CONTENT)
      }
      expect((await scene.ask(REPORT, { ...paying(poor[0] ?? ''), ...from('203.0.113.8') })).text).toContain(
        'insufficient_funds',
      )
    })

    test('make no objects', async () => {
      const url = `http://127.0.0.1:${edge.port}${REPORT}`
      const bought = await ask(url, paying(headerOf(await sign(await scene.buyer(), { value: PRICE }))))
      expect(bought.text).toBe(CONTENT)
      const before = await edge.objects()
      expect(before).toBeGreaterThan(0)
      for (let i = 0; i < 30; i++) {
        expect((await ask(url, { ...paying(await empty()), Cookie: passIn(bought) })).text).toBe(CONTENT)
      }
      expect(await edge.objects()).toBe(before)
      // One that buys makes one.
      const next = headerOf(await sign(await scene.buyer(), { value: PRICE }))
      expect((await ask(url, paying(next))).text).toBe(CONTENT)
      expect(await edge.objects()).toBe(before + 1)
    })

    test('from its own payer are used up', async () => {
      const reader = await scene.buyer(2n * PRICE)
      const pass = passIn(await scene.ask(REPORT, paying(headerOf(await sign(reader, { value: PRICE })))))
      const second = headerOf(await sign(reader, { value: PRICE }))
      const { value: answers, earned } = await scene.during(async () => [
        await scene.ask(REPORT, { ...paying(second), Cookie: pass }),
        await scene.ask('/premium/another', paying(second)),
        await scene.ask(REPORT, paying(second)),
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 402, 402])
      for (const { text } of answers.slice(1)) expect(text).toContain('payment_already_used')
      expect(earned).toBe(0n)
    })
  })
})
