// What the test harness hides, in bare workerd: redirects, closed ports and readers that hang up. Its ledger is down.
import { connect } from 'node:net'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { send } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, PRICE } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'

let stack: Stack
let origin: OriginServer
/** Its first facilitator is a closed port, its second the real one. */
let site: Site
/** Its facilitator and its origin are closed ports. */
let lonely: Site
/** Its origin is a closed port. */
let empty: Site
/** Its origin is below a path. */
let below: Site

beforeAll(async () => {
  stack = await startStack()
  origin = await startOrigin()
  const closed = `http://${LOOPBACK}:${await freePort()}`
  const vars = {
    RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
    ROUTES: [{ path: '/pages/*', price: '$0.05', access: 'once' }],
  }
  site = await startSite({ ...vars, ORIGIN_URL: origin.url, FACILITATORS: [closed, stack.facilitator.url] })
  lonely = await startSite({ ...vars, ORIGIN_URL: origin.url, FACILITATORS: [closed] })
  empty = await startSite({ ...vars, ORIGIN_URL: closed, FACILITATORS: [stack.facilitator.url] })
  below = await startSite({ ...vars, ORIGIN_URL: `${origin.url}/base/`, FACILITATORS: [stack.facilitator.url] })
})

afterAll(async () => {
  await Promise.all([site.stop(), lonely.stop(), empty.stop(), below.stop()])
  await origin.stop()
  await stack.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

async function newReader(): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  await stack.chain.fund(account.address, PRICE)
  return account
}

/** Pays and hangs up when the facilitator has the payment, which waits until it is told to settle. */
async function hangUpWhileSettling(headers: Record<string, string>): Promise<() => void> {
  const arrived = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  stack.facilitator.setHook(async (_, proceed) => {
    arrived.resolve()
    await gate.promise
    return proceed()
  })
  const [[name, value] = ['', '']] = Object.entries(headers)
  const socket = connect(site.port, LOOPBACK, () =>
    socket.write(`GET /pages/a HTTP/1.1\r\nHost: news.example\r\n${name}: ${value}\r\n\r\n`),
  )
  await arrived.promise
  socket.resetAndDestroy()
  return gate.resolve
}

const pageOf = ({ port }: Site) => `http://${LOOPBACK}:${port}/pages/a`

describe.each(VERSIONS)('in %s', (version) => {
  async function newPayment(at: Site) {
    const reader = await newReader()
    const headers = await pay(version, (await send(pageOf(at))).challenge, reader)
    return { headers, left: () => stack.chain.balance(reader.address) }
  }

  test('a facilitator whose port is closed makes way for the next', async () => {
    const { headers, left } = await newPayment(site)
    const answer = await send(pageOf(site), { headers })
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the page')
    expect(answer.receipt?.success).toBe(true)
    expect(await left()).toBe(0n)
  })

  test('with no facilitator to be reached nothing is charged', async () => {
    const { headers, left } = await newPayment(lonely)
    const answer = await send(pageOf(lonely), { headers })
    expect(answer.status).toBe(503)
    expect(answer.error).toBe('facilitator_unavailable')
    expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain('the page')
    expect(await left()).toBe(PRICE)
  })

  test('an origin that cannot be reached is not charged for', async () => {
    const { headers, left } = await newPayment(empty)
    const answer = await send(pageOf(empty), { headers })
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
    const { headers, left } = await newPayment(site)
    origin.tell({ status, headers: location === '' ? {} : { location }, body: 'moved' })
    const answer = await send(pageOf(site), { headers })
    expect(answer.status).toBe(status)
    expect(answer.header('Location')).toBe(location === '' ? null : location)
    expect(answer.text).toBe('moved')
    expect(answer.receipt).toBeNull()
    expect(origin.seen).toHaveLength(1)
    expect(await left()).toBe(PRICE)

    origin.tell({ body: 'the page' })
    expect((await send(pageOf(site), { headers })).text).toBe('the page')
  })

  test('a facilitator that settles and answers with a redirect is not followed: the chain tells', async () => {
    const elsewhere = await startOrigin()
    stack.facilitator.setHook(async (_, proceed) => {
      await proceed()
      return { status: 307, body: {}, headers: { location: `${elsewhere.url}/settle` } }
    })
    const { headers, left } = await newPayment(site)
    const answer = await send(pageOf(site), { headers })
    stack.facilitator.setHook(undefined)
    await elsewhere.stop()
    expect(answer.text).toBe('the page')
    expect(elsewhere.seen).toEqual([])
    expect(await left()).toBe(0n)
  })

  test('a reader who hangs up while the payment settles gets the content for it later, once', async () => {
    const { headers, left } = await newPayment(site)
    const settleNow = await hangUpWhileSettling(headers)
    settleNow()
    const again = await send(pageOf(site), { headers })
    stack.facilitator.setHook(undefined)
    expect(again.text).toBe('the page')
    expect(again.receipt?.success).toBe(true)
    expect(await left()).toBe(0n)
    expect((await send(pageOf(site), { headers })).error).toBe('payment_already_used')
  })

  test('a named payment is asked for again after a hang-up: the next payment is for another answer, and is charged', async () => {
    const reader = await newReader()
    await stack.chain.fund(reader.address, PRICE)
    const identifier = `hung-up-and-back-${version}`
    const headers = await pay(version, (await send(pageOf(site))).challenge, reader, { identifier })
    const settleNow = await hangUpWhileSettling(headers)
    const again = send(pageOf(site), { headers })
    // The origin has been asked for the second request, which joins the settlement then.
    await expect.poll(() => origin.seen.length).toBe(2)
    settleNow()
    expect((await again).text).toBe('the page')
    stack.facilitator.setHook(undefined)
    const next = await pay(version, (await send(pageOf(site))).challenge, reader)
    expect((await send(pageOf(site), { headers: next })).text).toBe('the page')
    expect(await stack.chain.balance(reader.address)).toBe(0n)
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
  const answer = await send(`${below.url}/about`)
  expect([answer.status, answer.header('Location')]).toEqual([302, named(expected)])
  expect(origin.seen[0]?.url).toBe('/base/about')
})
