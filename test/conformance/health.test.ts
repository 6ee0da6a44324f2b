// `/_newsstand/health`: whether the site can sell, for anybody, at no cost; and why not, for the publisher.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NETWORK } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const HEALTH = '/_newsstand/health'
const PAGE = '/articles/hello'
const LIST = 'newsstand:supported'
const ADMIN_TOKEN = 'the-publisher-alone-knows-it'
const publisher = { Authorization: `Bearer ${ADMIN_TOKEN}` }
let shop: SolanaShop
let down: OriginServer

beforeAll(async () => {
  down = await startOrigin()
  down.tell({ status: 503, body: '' })
  shop = await openSolanaShop({ ADMIN_TOKEN })
  shop.onClose(down.stop)
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())

const good = (): Vars => ({
  FACILITATORS: [shop.stack.facilitator.url],
  PASS_SECRET: 'a secret for tests, long enough',
  PAUSED: false,
  RECEIPT_KEY: '',
})
afterEach(() => shop.site.become(good()))

function expectShort(answer: Answer, ok: boolean): void {
  expect(answer.status).toBe(ok ? 200 : 503)
  expect(answer.json).toEqual({ ok })
  expect(answer.header('Cache-Control')).toBe('no-store')
}

describe('strangers', () => {
  test.each([{}, { Authorization: 'Bearer another-token-of-theirs' }, { Cookie: ADMIN_TOKEN }])(
    'with %o hear one word, and cause no call',
    async (headers) => {
      const calls = { ...shop.stack.facilitator.counts }
      expectShort(await shop.ask(HEALTH, { headers }), true)
      expect(shop.stack.facilitator.counts).toEqual(calls)
    },
  )

  test('hear that it is shut where the configuration is wrong', async () => {
    await shop.site.restart({ PASS_SECRET: 'short' })
    expectShort(await shop.ask(HEALTH), false)
  })

  test('hear that it is shut where nothing can be sold', async () => {
    await shop.site.restart({ RECEIPT_KEY: 'no key' })
    expectShort(await shop.ask(HEALTH), false)
  })

  test('hear that it is open where the publisher pauses', async () => {
    await shop.site.restart({ PAUSED: true })
    expectShort(await shop.ask(HEALTH), true)
  })

  test('HEAD says the same without a word', async () => {
    const answer = await shop.ask(HEALTH, { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('the publisher', () => {
  const details = async () => (await shop.ask(HEALTH, { headers: publisher })).json

  test('hears what it depends on', async () => {
    expect(await details()).toEqual({
      ok: true,
      version: packageJson.version,
      bindings: {
        PAYERS: true,
        LEDGER_DB: true,
        CONTENT_KV: true,
        CONTENT_R2: true,
        FAILED_PAYMENTS: true,
        ORIGIN: false,
      },
      isPaused: false,
      canSell: true,
      facilitators: [
        { host: new URL(shop.stack.facilitator.url).host, isFailing: false, isResting: false, answeredAt: null },
      ],
      supportedAgeSeconds: null,
      rpcs: [
        { network: NETWORK, host: new URL(shop.stack.chain.rpcUrl).host, lagSeconds: expect.any(Number) },
        { network: SOLANA_NETWORK, host: new URL(shop.solana.rpcUrl).host, lagSeconds: expect.any(Number) },
      ],
      ledger: 'ok',
      unresolved: null,
    })
  })

  test('and where the configuration is wrong, that it is; no secret is told', async () => {
    await shop.site.restart({ PASS_SECRET: 'short' })
    const answer = await shop.ask(HEALTH, { headers: publisher })
    expect(answer.status).toBe(503)
    expect(answer.json).toMatchObject({ ok: false, problem: 'configuration_error' })
    for (const secret of [ADMIN_TOKEN, '"short"']) expect(answer.text).not.toContain(secret)
  })

  test('hears how old the list of what facilitators serve is', async () => {
    await shop.site.tick()
    const { supportedAgeSeconds } = z.object({ supportedAgeSeconds: z.number() }).parse(await details())
    expect(supportedAgeSeconds).toBeLessThan(60)
    await shop.site.kv.put(LIST, '{}', { metadata: { readAtSeconds: Math.floor(Date.now() / 1000) - 7_200 } })
    const { supportedAgeSeconds: older } = z.object({ supportedAgeSeconds: z.number() }).parse(await details())
    expect(Math.abs(older - 7_200)).toBeLessThan(60)
    // With the next answer it is as good as new.
    await shop.site.tick()
    const { supportedAgeSeconds: newer } = z.object({ supportedAgeSeconds: z.number() }).parse(await details())
    expect(newer).toBeLessThan(60)
    await shop.site.kv.delete(LIST)
  })

  test('hears that the ledger is down', async () => {
    await shop.site.db.prepare('ALTER TABLE unresolved RENAME TO hidden').run()
    expect(await details()).toMatchObject({ ledger: 'unavailable', unresolved: null })
    await shop.site.db.prepare('ALTER TABLE hidden RENAME TO unresolved').run()
  })

  test('hears since when something is not resolved', async () => {
    await shop.site.db.prepare("INSERT INTO unresolved VALUES ('a', 2, 1800000000), ('b', 1, 1700000000)").run()
    expect(await details()).toMatchObject({ unresolved: { payments: 3, sinceSeconds: 1_700_000_000 } })
    await shop.site.db.prepare('DELETE FROM unresolved').run()
  })
})

test('a facilitator that fails is seen, where it is asked', async () => {
  await shop.site.restart({ FACILITATORS: [down.url] })
  const owner = await shop.reader()
  expect((await shop.ask(HEALTH)).status).toBe(200)
  const headers = await pay('v2', await shop.challenge(PAGE), owner)
  // Objects and workers of this machine share an isolate, and with it what is known of facilitators.
  for (let i = 0; i < 3; i++) expect((await shop.ask(PAGE, { headers })).status).toBe(503)
  expectShort(await shop.ask(HEALTH), false)
  expect((await shop.ask(HEALTH, { headers: publisher })).json).toMatchObject({ facilitators: [{ isFailing: true }] })
})
