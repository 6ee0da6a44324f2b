// What facilitators serve: read by the cron alone, and only a clear answer takes an offer away.

import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { HookReply } from '../../dev/stack/facilitator.ts'
import { pay } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
const KEY = 'newsstand:supported'
/** What the facilitator says to /supported; null is the truth. */
let says: HookReply | 'drop' | null = null
let shop: Shop

const kinds = (...networks: string[]) => networks.map((network) => ({ x402Version: 2, scheme: 'exact', network }))
const answer = (body: unknown, status = 200): HookReply => ({ status, body })

beforeAll(async () => {
  shop = await openShop(
    {},
    { hook: async ({ path }, proceed) => (path === '/supported' && says !== null ? says : proceed()) },
  )
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())
beforeEach(async () => {
  says = null
  await shop.site.kv.delete(KEY)
  await shop.site.restart({})
})

/** As if the first of two answers had come five minutes ago. */
async function age(): Promise<void> {
  const known = (await shop.site.kv.get(KEY)) ?? '{}'
  const aged = known.replaceAll(/"(since|last)Seconds":(\d+)/g, (_, when, at) => `"${when}Seconds":${Number(at) - 300}`)
  await shop.site.kv.put(KEY, aged)
}

/** A new isolate, which has read what is stored. */
async function settled(): Promise<void> {
  await shop.site.restart({})
  await shop.ask(PAGE)
  await shop.site.turn()
}

const takeOff = async () => {
  says = answer({ kinds: kinds('eip155:137') })
  await shop.site.tick()
  await age()
  await shop.site.tick()
}

test('visitors ask nobody; the cron asks once, and stores what it hears', async () => {
  const before = shop.stack.facilitator.counts.supported
  for (let i = 0; i < 3; i++) expect((await shop.ask(PAGE)).status).toBe(402)
  expect(shop.stack.facilitator.counts.supported).toBe(before)
  await shop.site.tick()
  expect(shop.stack.facilitator.counts.supported).toBe(before + 1)
  expect(JSON.parse((await shop.site.kv.get(KEY)) ?? '')).toEqual({
    [shop.stack.facilitator.url]: { missing: {}, hasBazaar: false },
  })
})

test('one answer without the network changes nothing', async () => {
  says = answer({ kinds: kinds('eip155:137') })
  await shop.site.tick()
  await settled()
  expect((await shop.ask(PAGE)).status).toBe(402)
})

test('two take it off: 503, never free, and never an empty challenge', async () => {
  await takeOff()
  await settled()
  const { result, cost } = await shop.costOf(() => shop.ask(PAGE))
  expect(result.status).toBe(503)
  expect(result.error).toBe('facilitator_unavailable')
  expect(result.header('PAYMENT-REQUIRED')).toBeNull()
  expect(Number(result.header('Retry-After'))).toBeGreaterThan(0)
  expect(cost).toEqual(NOTHING)
  await expect.poll(() => shop.site.logs.join('\n')).toContain('network_off')
})

test('a live quote is sent all the same, and a pass opens', async () => {
  const headers = await pay('v2', await shop.challenge(PAGE), await shop.reader())
  await takeOff()
  await settled()
  const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
  expect(result.text).toBe('the whole article')
  expect(cost).toEqual(ONE_SALE)
  expect((await shop.ask(PAGE, { headers: { Cookie: result.pass } })).status).toBe(200)
})

test('it comes back with the next answer that names it', async () => {
  await takeOff()
  says = null
  await shop.site.tick()
  await settled()
  expect((await shop.ask(PAGE)).status).toBe(402)
})

test('of two networks the one that is served is offered', async () => {
  await shop.site.restart({
    PAY_TO: { eip155: privateKeyToAccount(generatePrivateKey()).address },
    NETWORKS: ['eip155:8453', 'eip155:137'],
    SITE_URL: 'https://news.example',
    RPC_URLS: {},
  })
  await takeOff()
  await settled()
  const { v2 } = await shop.challenge(PAGE)
  expect(v2.accepts.map(({ network }) => network)).toEqual(['eip155:137'])
  await shop.site.restart({
    PAY_TO: { eip155: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' },
    NETWORKS: [NETWORK],
    RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl },
  })
})

describe('leaves the configuration believed', () => {
  test.each<[string, HookReply | 'drop']>([
    ['silence', 'drop'],
    ['401', answer({ error: 'unauthorized' }, 401)],
    ['500', answer('', 500)],
    ['an empty list', answer({ kinds: [] })],
    ['a page', answer('<h1>Hello</h1>')],
    ['a redirect', { status: 302, body: '', headers: { Location: '/elsewhere' } }],
  ])('%s, as often as it comes', async (_what, reply) => {
    says = reply
    await shop.site.tick()
    await age()
    await shop.site.tick()
    await settled()
    expect((await shop.ask(PAGE)).status).toBe(402)
  })

  test('what is stored and cannot be read', async () => {
    await shop.site.kv.put(KEY, '{"x":')
    await settled()
    expect((await shop.ask(PAGE)).status).toBe(402)
  })
})

describe('a catalogue', () => {
  const sent: unknown[] = []
  const paid = z.object({ paymentPayload: z.looseObject({ resource: z.unknown(), extensions: z.unknown() }).partial() })

  test('is told the address of what was sold where the publisher wants it, and nobody else is', async () => {
    shop.stack.facilitator.setHook(async ({ path, body }, proceed) => {
      if (path === '/settle') sent.push(body)
      if (path !== '/supported') return proceed()
      return answer({ kinds: kinds(NETWORK), extensions: ['bazaar'] })
    })
    const { url } = shop.stack.facilitator
    for (const bazaar of [true, false]) {
      await shop.site.restart({ FACILITATORS: [{ url, bazaar }] })
      await shop.site.tick()
      await settled()
      expect((await shop.buy('v2', `${PAGE}?utm_source=x`, await shop.reader())).text).toBe('the whole article')
    }
    const [listed, silent] = sent.map((body) => paid.parse(body).paymentPayload)
    expect(listed?.resource).toEqual({ url: `https://news.example${PAGE}` })
    expect(listed?.extensions).toMatchObject({ bazaar: { info: { input: { type: 'http', method: 'GET' } } } })
    expect(Object.keys(silent ?? {}).sort()).toEqual(['accepted', 'payload', 'x402Version'])
  })
})
