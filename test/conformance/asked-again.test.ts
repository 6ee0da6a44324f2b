// A payment with a `payment-identifier` that is sent once more: the content, and the first `PAYMENT-RESPONSE` to the letter,
// whatever has happened to site, terms, facilitator or chain meanwhile. specs/extensions/payment_identifier.md,
// "Recovering a Lost Response".
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../dev/stack/ports.ts'
import { makeSecrets } from '../../dev/stack/secrets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { fault, refuses, says, stage } from '../world/behaviour.ts'
import { NETWORK, NOTHING, ONE_SALE } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { allBehaviours } from '../world/solana-behaviour.ts'
import { type Buyer, CELLS, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const SINGLE = '/once/hello'
const ROUTES = [
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
  { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
]
const facilitator = allBehaviours()
let shop: SolanaShop
let usual: Vars

beforeAll(async () => {
  const { RECEIPT_KEY } = await makeSecrets()
  shop = await openSolanaShop({ ROUTES, RECEIPT_KEY }, { hook: facilitator.hook })
  usual = {
    ROUTES,
    PAY_TO: Object.fromEntries(KINDS.map(({ name, kind }) => [name, kind.payTo])),
    PAUSED: false,
    FACILITATORS: [shop.stack.facilitator.url],
    RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA_NETWORK]: shop.solana.rpcUrl },
  }
  for (const path of [PAGE, SINGLE]) await shop.site.kv.put(path, contentOf(path))
})

afterAll(() => shop.close())

const contentOf = (path: string) => `the whole of ${path}`
const newIdentifier = () => `pay_${randomBytes(12).toString('hex')}`
const nowhere = async () => `http://127.0.0.1:${await freePort()}`

/** What a client that lost its answer has to find again: to the letter, and no other header of a settlement. */
function expectTheSame(again: Answer, first: Answer, path: string): void {
  expect(again.status).toBe(200)
  expect(again.text).toBe(contentOf(path))
  expect(again.header('PAYMENT-RESPONSE')).not.toBeNull()
  for (const name of ['PAYMENT-RESPONSE', 'X-PAYMENT-RESPONSE', 'Cache-Control']) {
    expect(again.header(name)).toBe(first.header(name))
  }
}

describe.each(CELLS)('in $version on $name', ({ version, kind }) => {
  async function bought(path: string, reader: Buyer, others: Record<string, string> = {}) {
    const payment = await reader.pay(version, path, { identifier: newIdentifier() })
    const headers = { ...payment, ...others }
    const first = await shop.ask(path, { headers })
    expect(first.text).toBe(contentOf(path))
    return { headers, first }
  }

  test.each<[string, string, Record<string, string>]>([
    ['access that lasts', PAGE, {}],
    ['access that lasts, with the pass in it', PAGE, { Origin: 'https://partner.example' }],
    ['a single answer', SINGLE, {}],
  ])('%s: transaction, signed receipt and pass are the first', async (_, path, others) => {
    const { headers, first } = await bought(path, await kind.reader(shop), others)
    expect(first.receipt).toHaveProperty('extensions.offer-receipt')
    if (others.Origin) expect(first.receipt).toHaveProperty('extensions.newsstand-pass')
    const { cost } = await shop.costOf(async () => {
      for (let time = 0; time < 4; time++) expectTheSame(await shop.ask(path, { headers }), first, path)
    })
    expect(cost).toEqual(NOTHING)
  })

  test('of two payments with identifiers of their own for one article, both: the one that paid is named twice', async () => {
    const reader = await kind.reader(shop)
    const { headers, first } = await bought(PAGE, reader)
    const { result: second, cost } = await shop.costOf(() => bought(PAGE, reader))
    expect(cost).toEqual(NOTHING)
    expect(second.first.header('PAYMENT-RESPONSE')).toBe(first.header('PAYMENT-RESPONSE'))
    expectTheSame(await shop.ask(PAGE, { headers: second.headers }), first, PAGE)
    expectTheSame(await shop.ask(PAGE, { headers }), first, PAGE)
  })

  describe('while the first is in flight', () => {
    async function inFlight() {
      const arrived = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<void>()
      const reader = await kind.reader(shop)
      facilitator.set(reader.address, async (proceed) => {
        arrived.resolve()
        await gate.promise
        return proceed()
      })
      const identifier = newIdentifier()
      const headers = await reader.pay(version, SINGLE, { identifier })
      const first = shop.ask(SINGLE, { headers })
      await arrived.promise
      const another = await reader.pay(version, SINGLE, { identifier })
      return { headers, first, another, land: () => gate.resolve() }
    }

    test('another payment under its identifier is a conflict at once, and is not sent', async () => {
      const { cost } = await shop.costOf(async () => {
        const { headers, first, another, land } = await inFlight()
        const refused = await shop.ask(SINGLE, { headers: another })
        expect(refused.status).toBe(409)
        expect(refused.error).toBe('payment_identifier_conflict')
        expect(refused.header('PAYMENT-RESPONSE')).toBeNull()
        land()
        expectTheSame(await shop.ask(SINGLE, { headers }), await first, SINGLE)
      })
      expect(cost).toEqual(ONE_SALE)
    })

    test('at another resource it is a conflict at once', async () => {
      const { cost } = await shop.costOf(async () => {
        const { headers, first, land } = await inFlight()
        await shop.site.kv.put('/once/other', contentOf('/once/other'))
        const refused = await shop.ask('/once/other', { headers })
        expect(refused.status).toBe(409)
        expect(refused.text).not.toContain('the whole')
        land()
        expect((await first).status).toBe(200)
      })
      expect(cost).toEqual(ONE_SALE)
    })
  })

  test('what landed though the facilitator broke off: it cannot land again, and it is answered all the same', async () => {
    const reader = await kind.reader(shop)
    facilitator.set(reader.address, stage(fault('drops the connection', 'settled, then answered')).behaviour)
    const headers = await reader.pay(version, SINGLE, { identifier: newIdentifier() })
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(SINGLE, { headers }),
      await shop.ask(SINGLE, { headers }),
      await shop.ask(SINGLE, { headers }),
    ])
    expect(cost).toEqual(ONE_SALE)
    expect(await kind.land(shop, headers)).toBe(false)
    const served = answers.filter(({ status }) => status === 200)
    const [first] = served
    expect(served.length).toBeGreaterThanOrEqual(2)
    for (const answer of served) if (first) expectTheSame(answer, first, SINGLE)
    // Until it was known it was no refusal.
    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([])
  })

  test('what was refused keeps its identifier, and pays later; another payment needs another', async () => {
    const reader = await kind.reader(shop)
    facilitator.set(reader.address, refuses(kind.insufficient))
    const identifier = newIdentifier()
    const headers = await reader.pay(version, SINGLE, { identifier })
    const refused = await shop.ask(SINGLE, { headers })
    expect(refused.status).toBe(402)
    expect(refused.error).toBe(kind.insufficient)
    facilitator.set(reader.address, null)
    const another = await reader.pay(version, SINGLE, { identifier })
    const { result: conflict, cost: free } = await shop.costOf(() => shop.ask(SINGLE, { headers: another }))
    expect(conflict.status).toBe(409)
    expect(free).toEqual(NOTHING)
    const { result: paid, cost } = await shop.costOf(() => shop.ask(SINGLE, { headers }))
    expect(paid.text).toBe(contentOf(SINGLE))
    expect(cost).toEqual(ONE_SALE)
    expectTheSame(await shop.ask(SINGLE, { headers }), paid, SINGLE)
  })

  test('under another wallet’s signature over the same fields it says nothing', async () => {
    const { headers } = await bought(PAGE, await kind.reader(shop))
    const answer = await shop.ask(PAGE, { headers: await kind.forged(headers) })
    expect(answer.status).toBe(402)
    expect(answer.error).toBe(kind.invalidSignature)
    expect(answer.receipt?.transaction).toBe('')
    expect(answer.text).not.toContain('the whole')
  })
})

describe('after everything else has changed', () => {
  const ROUTES_NOW = ROUTES.map((route) => ({ ...route, price: '$0.07' }))
  const PAY_TO = Object.fromEntries(KINDS.map(({ name, kind }) => [name, kind.otherPayee]))
  const gone = async () => ({
    FACILITATORS: [await nowhere()],
    RPC_URLS: Object.fromEntries(await Promise.all(KINDS.map(async ({ kind }) => [kind.network, await nowhere()]))),
  })
  const CHANGES: [string, () => Promise<Vars>][] = [
    ['the price', async () => ({ ROUTES: ROUTES_NOW })],
    ['the payee', async () => ({ PAY_TO })],
    ['nothing is sold', async () => ({ PAUSED: true })],
    ['facilitator and RPC are gone', gone],
    ['all of it', async () => ({ ROUTES: ROUTES_NOW, PAY_TO, PAUSED: true, ...(await gone()) })],
  ]

  async function bought({ version, kind }: (typeof CELLS)[number], path: string) {
    const reader = await kind.reader(shop)
    const headers = await reader.pay(version, path, { identifier: newIdentifier() })
    const first = await shop.ask(path, { headers })
    expect(first.status).toBe(200)
    facilitator.set(reader.address, says({ error: 'nobody is to ask' }, 500))
    return { path, headers, first, reader }
  }
  const paid: Awaited<ReturnType<typeof bought>>[] = []

  beforeAll(async () => {
    paid.push(...(await Promise.all(CELLS.flatMap((cell) => [PAGE, SINGLE].map((path) => bought(cell, path))))))
  })
  afterAll(() => shop.site.become(usual))

  test.each(CHANGES)('%s: a restarted worker answers as it did', async (_, change) => {
    const asked = paid.map(({ reader }) => facilitator.calls(reader.address).length)
    await shop.site.become({ ...usual, ...(await change()) })
    for (const { path, headers, first } of paid) expectTheSame(await shop.ask(path, { headers }), first, path)
    expect(paid.map(({ reader }) => facilitator.calls(reader.address).length)).toEqual(asked)
  })
})
