// MPP: no receipt for a challenge that nobody has paid, and headers that stay short beside a page's own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { answerTo, challengeIn, credentialOf, mppReceipt, signedIn } from '../world/mpp.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { HEADERS, pay } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

const ARTICLE = '/articles/hello'
const ONCE = '/once/hello'
const CONTENT = 'the whole article'
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  const passes = [10, 20, 30, 40].map((cents) => ({
    name: `Pass ${cents}`,
    price: `$0.${cents}`,
    access: '7d',
    scope: '/pages/*',
  }))
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
      { path: '/pages/*', price: '$0.05', access: '24h', offers: passes },
    ],
  })
  for (const path of [ARTICLE, ONCE]) await shop.site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

describe('Payment-Receipt names no challenge that was not settled', () => {
  test('of which the nonce is not the one that was signed', async () => {
    const identifier = 'paid-by-x402-0001'
    const headers = await pay('v2', await shop.challenge(ONCE), await shop.reader(), { identifier })
    expect((await shop.ask(ONCE, { headers })).text).toBe(CONTENT)
    const fresh = challengeIn(await shop.ask(ONCE))
    const Authorization = credentialOf(fresh, signedIn(headers[HEADERS.v2] ?? ''))
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(ONCE, { headers: { Authorization, 'Idempotency-Key': identifier } }),
    )
    expect(cost).toEqual(NOTHING)
    expect(mppReceipt(answer)).toBeNull()
  })

  test('of which nobody has issued the id', async () => {
    const challenge = challengeIn(await shop.ask(ONCE))
    const signed = await answerTo(challenge, await shop.reader())
    const ask = (id: string) =>
      shop.ask(ONCE, {
        headers: {
          Authorization: credentialOf({ ...challenge, id }, signed),
          'Idempotency-Key': 'paid-by-mpp-00001',
        },
      })
    expect(mppReceipt(await ask(challenge.id))?.challengeId).toBe(challenge.id)
    expect([null, challenge.id]).toContain(mppReceipt(await ask('an id of my own'))?.challengeId ?? null)
  })
})

const sizeOf = ({ headers }: Answer) =>
  [...headers].reduce((sum, [name, value]) => sum + name.length + value.length + ': \r\n'.length, 0)

test('all headers of a page with a long policy of its own stay under 8 KiB', async () => {
  const hosts = Array.from({ length: 100 }, (_, i) => `https://cdn${i}.some-host.example`).join(' ')
  const policy = `default-src 'self'; img-src ${hosts}; script-src 'self'; style-src 'self' 'unsafe-inline'`
  origin.tell({
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy },
    body: `<!doctype html><html><head><title>T</title></head><body><article>${'<p>Some words.</p>'.repeat(9)}</article></body></html>`,
  })
  const headers = { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }
  const answer = await shop.ask('/pages/sea', { headers })
  expect([answer.status, answer.text.includes('Some words.')]).toEqual([402, true])
  const challenges = answer.header('WWW-Authenticate')?.length ?? 0
  // Without the challenges of MPP there was room.
  expect(sizeOf(answer) - challenges).toBeLessThan(8192)
  expect(sizeOf(answer)).toBeLessThan(8192)
})
