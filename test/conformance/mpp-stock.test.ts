// The stock client of MPP buys from a running site. Every signature it makes and every header it sends is counted.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Behaviours, behaviours, says } from '../world/behaviour.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { findMppx, HOW_TO_INSTALL } from '../world/stock-mpp.ts'

const mppx = await findMppx()

test('the stock client is here (always in CI)', () => {
  if (mppx === null) console.warn(HOW_TO_INSTALL)
  if (process.env.CI) expect(mppx, HOW_TO_INSTALL).not.toBeNull()
})

const CONTENT = 'the whole article'
let shop: Shop
let origin: OriginServer
let facilitator: Behaviours

beforeAll(async () => {
  origin = await startOrigin()
  facilitator = behaviours()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.05',
        access: '24h',
        offers: [{ name: 'Day pass', price: '$0.09', access: '24h', scope: '/articles/*' }],
      },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
      { path: '/api/*', methods: ['POST'], price: '$0.05', access: 'once' },
    ],
  })
  shop.stack.facilitator.setHook(facilitator.hook)
  for (const path of ['/articles/hello', '/articles/poor', '/once/a', '/once/b', '/once/c'])
    await shop.site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

type Sent = { headers: Headers; status: number }

describe.runIf(mppx !== null)('the stock client of MPP', () => {
  /** A reader with the client, which keeps count. `lose`: the answer to this request of theirs is lost, 1 for the first. */
  async function reader({ atomicUnits, lose }: { atomicUnits?: bigint; lose?: number } = {}) {
    const account = await shop.reader(atomicUnits)
    let signatures = 0
    const sent: Sent[] = []
    const counting: PrivateKeyAccount = {
      ...account,
      signTypedData: (typed) => {
        signatures += 1
        return account.signTypedData(typed)
      },
    }
    const fetch = mppx?.fetchOf(counting, async (input, init) => {
      const request = new Request(input, init)
      const headers = new Headers(request.headers)
      const response = await globalThis.fetch(request)
      sent.push({ headers, status: response.status })
      if (sent.length !== lose) return response
      await response.body?.cancel()
      throw new TypeError('the connection was lost')
    })
    if (!fetch) throw new Error('no client')
    const buy = (path: string, init?: RequestInit) => fetch(`${shop.site.url}${path}`, init)
    return { account, buy, sent, signatures: () => signatures }
  }

  test('buys lasting access by MPP, not by x402, with one signature, and reads its receipt', async () => {
    const { buy, sent, signatures } = await reader()
    const { result: response, cost } = await shop.costOf(() => buy('/articles/hello'))
    expect(await response.text()).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(signatures()).toBe(1)
    expect(sent.map(({ status }) => status)).toEqual([402, 200])
    expect(sent[1]?.headers.get('Authorization')).toMatch(/^Payment /)
    expect(sent[1]?.headers.has('PAYMENT-SIGNATURE')).toBe(false)
    expect(mppx?.receiptIn(response)).toMatchObject({ method: 'evm', status: 'success' })
  })

  test('buys the same again without being charged, and a single answer for each price', async () => {
    const { buy } = await reader()
    await (await buy('/articles/hello')).text()
    const again = await shop.costOf(async () => (await buy('/articles/hello')).text())
    expect(again).toEqual({ result: CONTENT, cost: NOTHING })
    for (const _ of [1, 2]) {
      const once = await shop.costOf(async () => (await buy('/once/a')).text())
      expect(once).toEqual({ result: CONTENT, cost: ONE_SALE })
    }
  })

  test('has a question answered by POST', async () => {
    origin.tell(({ body }) => ({ body: `you asked: ${body}` }))
    const { buy } = await reader()
    const { result, cost } = await shop.costOf(async () =>
      (await buy('/api/ask', { method: 'POST', body: 'when is high tide?' })).text(),
    )
    expect(result).toBe('you asked: when is high tide?')
    expect(cost).toEqual(ONE_SALE)
  })

  test('keeps another Authorization where it is', async () => {
    const { buy, sent } = await reader()
    const Authorization = 'Bearer of another service'
    const response = await buy('/articles/hello', { headers: { Authorization } })
    expect(await response.text()).toBe(CONTENT)
    expect(sent[1]?.headers.get('Authorization')).toBe(Authorization)
    expect(sent[1]?.headers.get('Payment-Authorization')).toMatch(/^Payment /)
  })

  test('sends its payment again: the second time buys nothing', async () => {
    const { buy, sent } = await reader()
    await (await buy('/once/b')).text()
    const Authorization = sent[1]?.headers.get('Authorization') ?? ''
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/once/b', { headers: { Authorization } }))
    expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
    expect(cost).toEqual(NOTHING)
  })

  test('with an empty wallet is told so, and is not charged', async () => {
    const { buy } = await reader({ atomicUnits: 0n })
    const { result: response, cost } = await shop.costOf(() => buy('/articles/poor'))
    expect(response.status).toBe(402)
    expect(cost.earned).toBe(0n)
  })

  test('does not pay for what is not there', async () => {
    const { buy, signatures } = await reader()
    expect((await buy('/articles/nothing')).status).toBe(404)
    expect(signatures()).toBe(0)
  })

  test('whose payment nobody can settle signs no second time, and sends the same one later', async () => {
    const { account, buy, sent, signatures } = await reader()
    facilitator.set(account.address, says({ error: 'too many requests' }, 429))
    const { result: response, cost } = await shop.costOf(() => buy('/once/c'))
    expect(response.status).toBe(503)
    expect(signatures()).toBe(1)
    expect(sent.map(({ status }) => status)).toEqual([402, 503])
    expect(cost.earned).toBe(0n)
    facilitator.set(account.address, null)
    const Authorization = sent[1]?.headers.get('Authorization') ?? ''
    const later = await shop.costOf(() => shop.ask('/once/c', { headers: { Authorization } }))
    expect(later.result.text).toBe(CONTENT)
    expect(later.cost.earned).toBe(PRICE)
  })

  test('pays by x402 where MPP is switched off', async () => {
    await shop.site.restart({ MACHINES: { mpp: false } })
    const { buy, sent } = await reader()
    const { result, cost } = await shop.costOf(async () => (await buy('/articles/hello')).text())
    expect(result).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(sent[1]?.headers.has('PAYMENT-SIGNATURE')).toBe(true)
    await shop.site.restart({ MACHINES: '' })
  })

  test('that loses the answer signs no second time by itself, and gets its content without a second charge', async () => {
    const { buy, sent, signatures } = await reader({ lose: 2 })
    const { cost } = await shop.costOf(async () => {
      await expect(buy('/articles/hello')).rejects.toThrow('the connection was lost')
      expect(signatures()).toBe(1)
      expect(sent).toHaveLength(2)
      expect(await (await buy('/articles/hello')).text()).toBe(CONTENT)
    })
    expect(cost).toEqual(ONE_SALE)
  })
})
