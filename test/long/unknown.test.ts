// Outcomes that nobody knows: held for 25 seconds, never answered with a challenge, and never lost. The tests run at
// the same time, since each has to wait.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { behaviours, says } from '../world/behaviour.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
// Five is the default; these tests wait far more than they work.
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop(
    {
      ROUTES: [
        { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
        { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
        { path: '/films/*', content: 'r2', price: '$0.05', access: 'once' },
      ],
    },
    { hook: facilitator.hook },
  )
  await shop.site.kv.put(PAGE, 'the whole article')
  await shop.site.kv.put('/once/hello', 'the whole article')
  await shop.site.r2.put('films/tides', Buffer.alloc(64_000_000, 1))
})

afterAll(() => shop.close())

async function timed(act: () => Promise<Answer>) {
  const start = performance.now()
  const answer = await act()
  return { answer, seconds: (performance.now() - start) / 1000 }
}

function expectPending(answer: Answer) {
  expect(answer.status).toBe(503)
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(answer.text).not.toContain('accepts')
  expect(answer.text).not.toContain('the whole article')
  expect(answer.header('Cache-Control')).toBe('no-store')
  expect(answer.header('Access-Control-Expose-Headers')).toContain('Retry-After')
}

const balance = async (reader: { address: `0x${string}` }) =>
  1_000_000n - (await shop.stack.chain.balance(reader.address))

describe.concurrent.each(VERSIONS)('in %s', (version) => {
  test.concurrent.for(['/articles/hello', '/once/hello'])(
    'held at %s, then pending; the same payment is settled and served later',
    async (path, { expect }) => {
      const reader = await shop.reader()
      facilitator.set(reader.address, says({ error: 'out of order' }, 500))
      const headers = await pay(version, await shop.challenge(path), reader)
      const held = await timed(() => shop.ask(path, { headers }))
      expect(held.seconds).toBeGreaterThan(20)
      expect(held.seconds).toBeLessThan(27)
      expectPending(held.answer)
      expect(held.answer.error).toBe('settlement_pending')
      expect(held.answer.receipt?.success).not.toBe(true)
      expect(await balance(reader)).toBe(0n)

      facilitator.set(reader.address, null)
      // What the answer said to do: send the same payment again.
      const seen: Answer[] = []
      const again = async () => seen.unshift(await shop.ask(path, { headers })) && seen[0]?.status
      await expect.poll(again, { timeout: 10_000 }).toBe(200)
      expect(seen[0]?.text).toBe('the whole article')
      expect(seen[0]?.receipt?.success).toBe(true)
      for (const answer of seen.slice(1)) expectPending(answer)
      expect(await balance(reader)).toBe(PRICE)
      expect((await shop.ask(path, { headers })).error).toBe('payment_already_used')
      await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    },
  )

  test.concurrent('pending, then landed after all: another payment is not settled', async ({ expect }) => {
    const reader = await shop.reader()
    const landed = Promise.withResolvers<() => Promise<unknown>>()
    facilitator.set(reader.address, async (proceed) => {
      landed.resolve(proceed)
      return { status: 500, body: { error: 'out of order' } }
    })
    const challenge = await shop.challenge(PAGE)
    const first = await shop.ask(PAGE, { headers: await pay(version, challenge, reader) })
    expectPending(first)
    await (await landed.promise)()
    expect(await balance(reader)).toBe(PRICE)
    const settles = facilitator.calls(reader.address).length

    const second = await shop.ask(PAGE, { headers: await pay(version, challenge, reader) })
    expect(second.status).toBe(200)
    expect(second.text).toBe('the whole article')
    expect(await balance(reader)).toBe(PRICE)
    expect(facilitator.calls(reader.address)).toHaveLength(settles)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test.concurrent('the same payment, asked for while the first is held, is not settled twice and not challenged', async () => {
    const reader = await shop.reader()
    const arrived = Promise.withResolvers<void>()
    facilitator.set(reader.address, async () => {
      arrived.resolve()
      return { status: 500, body: { error: 'out of order' } }
    })
    const headers = await pay(version, await shop.challenge('/once/hello'), reader)
    const first = shop.ask('/once/hello', { headers })
    await arrived.promise
    const answers = await Promise.all([first, shop.ask('/once/hello', { headers })])
    for (const answer of answers) {
      expectPending(answer)
      expect(['settlement_pending', 'payment_in_progress']).toContain(answer.error)
    }
    expect(facilitator.calls(reader.address)).toEqual(['/settle'])
  })
})

test.concurrent('content on its way to one reader is not handed to another with the same payment: 503', async () => {
  const reader = await shop.reader()
  const headers = await pay('v2', await shop.challenge('/films/tides'), reader)
  const stop = new AbortController()
  const first = await fetch(`${shop.site.url}/films/tides`, { headers, signal: stop.signal })
  expect(first.status).toBe(200)
  const { answer, seconds } = await timed(() => shop.ask('/films/tides', { headers }))
  expectPending(answer)
  expect(answer.error).toBe('payment_in_progress')
  expect(seconds).toBeLessThan(27)
  stop.abort()
})

test.concurrent('a ledger that is down loses nothing', async ({ expect }) => {
  const reader = await shop.reader()
  await shop.site.db.prepare('ALTER TABLE payments RENAME TO gone').run()
  const answer = await shop.buy('v2', PAGE, reader)
  expect(answer.status).toBe(200)
  expect(answer.receipt?.success).toBe(true)
  await shop.site.db.prepare('ALTER TABLE gone RENAME TO payments').run()
  await expect.poll(() => shop.ledger(reader.address), { timeout: 40_000 }).toHaveLength(1)
})
