// Around a settlement: redirects, closed ports and readers that hang up.
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

let origin: OriginServer
/** Its first facilitator is a closed port, its second the real one. */
let shop: Shop
/** Its facilitator is a closed port. */
let lonely: Shop
/** Its origin is a closed port. */
let empty: Shop
/** Its origin is below a path. */
let below: Shop

beforeAll(async () => {
  origin = await startOrigin()
  const closed = `http://${LOOPBACK}:${await freePort()}`
  const vars = { ORIGIN_URL: origin.url, ROUTES: [{ path: '/pages/*', price: '$0.05', access: 'once' }] }
  shop = await openShop(vars, { facilitators: (own) => [closed, own] })
  const { stack } = shop
  lonely = await openShop(vars, { stack, facilitators: () => [closed] })
  empty = await openShop({ ...vars, ORIGIN_URL: closed }, { stack })
  below = await openShop({ ...vars, ORIGIN_URL: `${origin.url}/base/` }, { stack })
})

afterAll(async () => {
  await Promise.all([lonely.close(), empty.close(), below.close()])
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

/** Pays and hangs up when the facilitator has the payment, which waits until it is told to settle. */
async function hangUpWhileSettling(headers: Record<string, string>): Promise<() => void> {
  const arrived = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  shop.stack.facilitator.setHook(async (_, proceed) => {
    arrived.resolve()
    await gate.promise
    return proceed()
  })
  const [[name, value] = ['', '']] = Object.entries(headers)
  const socket = connect(shop.site.port, LOOPBACK, () =>
    socket.write(`GET /pages/a HTTP/1.1\r\nHost: news.example\r\n${name}: ${value}\r\n\r\n`),
  )
  await arrived.promise
  socket.resetAndDestroy()
  return gate.resolve
}

const PAGE = '/pages/a'

describe.each(VERSIONS)('in %s', (version) => {
  async function newPayment(at: Shop) {
    const reader = await shop.reader(PRICE)
    const headers = await pay(version, await at.challenge(PAGE), reader)
    return { headers, left: () => shop.stack.chain.balance(reader.address) }
  }

  test('a facilitator whose port is closed makes way for the next', async () => {
    const { headers, left } = await newPayment(shop)
    const answer = await shop.ask(PAGE, { headers })
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the page')
    expect(answer.receipt?.success).toBe(true)
    expect(await left()).toBe(0n)
  })

  test('with no facilitator to be reached nothing is charged', async () => {
    const { headers, left } = await newPayment(lonely)
    const answer = await lonely.ask(PAGE, { headers })
    expect(answer.status).toBe(503)
    expect(answer.error).toBe('facilitator_unavailable')
    expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain('the page')
    expect(await left()).toBe(PRICE)
  })

  test('an origin that cannot be reached is not charged for', async () => {
    const { headers, left } = await newPayment(empty)
    const answer = await empty.ask(PAGE, { headers })
    expect(answer.status).toBe(502)
    expect(answer.error).toBe('content_unavailable')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(await left()).toBe(PRICE)
  })

  test.each([
    [301, '/elsewhere'],
    [302, 'https://login.example/?next=/pages/a'],
    [303, ''],
    [307, '/pages/b'],
    [308, '/pages/b'],
  ])('a redirect (%i) is passed on and not charged for', async (status, location) => {
    const { headers, left } = await newPayment(shop)
    origin.tell({ status, headers: location === '' ? {} : { location }, body: 'moved' })
    const answer = await shop.ask(PAGE, { headers })
    expect(answer.status).toBe(status)
    expect(answer.header('Location')).toBe(location === '' ? null : location)
    expect(answer.text).toBe('moved')
    expect(answer.receipt).toBeNull()
    expect(origin.seen).toHaveLength(1)
    expect(await left()).toBe(PRICE)

    origin.tell({ body: 'the page' })
    expect((await shop.ask(PAGE, { headers })).text).toBe('the page')
  })

  test('a facilitator that settles and answers with a redirect is not followed: the chain tells', async () => {
    const elsewhere = await startOrigin()
    shop.stack.facilitator.setHook(async (_, proceed) => {
      await proceed()
      return { status: 307, body: {}, headers: { location: `${elsewhere.url}/settle` } }
    })
    const { headers, left } = await newPayment(shop)
    const answer = await shop.ask(PAGE, { headers })
    shop.stack.facilitator.setHook(undefined)
    await elsewhere.stop()
    expect(answer.text).toBe('the page')
    expect(elsewhere.seen).toEqual([])
    expect(await left()).toBe(0n)
  })

  test('a reader who hangs up while the payment settles gets the content for it later, once', async () => {
    const { headers, left } = await newPayment(shop)
    const settleNow = await hangUpWhileSettling(headers)
    settleNow()
    const again = await shop.ask(PAGE, { headers })
    shop.stack.facilitator.setHook(undefined)
    expect(again.text).toBe('the page')
    expect(again.receipt?.success).toBe(true)
    expect(await left()).toBe(0n)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
  })

  test('a named payment is asked for again after a hang-up: the next payment is for another answer, and is charged', async () => {
    const reader = await shop.reader(2n * PRICE)
    const identifier = `hung-up-and-back-${version}`
    const headers = await pay(version, await shop.challenge(PAGE), reader, { identifier })
    const settleNow = await hangUpWhileSettling(headers)
    const again = shop.ask(PAGE, { headers })
    // The origin has been asked for the second request, which joins the settlement then.
    await expect.poll(() => origin.seen.length).toBe(2)
    settleNow()
    expect((await again).text).toBe('the page')
    shop.stack.facilitator.setHook(undefined)
    const next = await pay(version, await shop.challenge(PAGE), reader)
    expect((await shop.ask(PAGE, { headers: next })).text).toBe('the page')
    expect(await shop.stack.chain.balance(reader.address)).toBe(0n)
  })
})

test.each([
  ['/base/login?next=%2F', 'https://news.example/login?next=%2F'],
  ['/base', 'https://news.example/'],
  ['ORIGIN/base/b#c', 'https://news.example/b#c'],
  ['https://news.example/base/b', 'https://news.example/b'],
  ['/base//evil.example/', 'https://news.example//evil.example/'],
  ['/elsewhere', '/elsewhere'],
  ['b', 'b'],
  ['ORIGIN/elsewhere', 'ORIGIN/elsewhere'],
  ['https://login.example/base/x', 'https://login.example/base/x'],
])('an origin below a path redirects to %s: the reader goes to %s', async (said, expected) => {
  const named = (text: string) => text.replace('ORIGIN', origin.url)
  origin.tell({ status: 302, headers: { location: named(said) } })
  const answer = await below.ask('/about')
  expect([answer.status, answer.header('Location')]).toEqual([302, named(expected)])
  expect(origin.seen[0]?.url).toBe('/base/about')
})
