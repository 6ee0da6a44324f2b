// Cache leakage (arXiv 2605.11781, III): somebody pays, a cache on the way keeps the answer, and everybody reads it.
// Everything here passes through a caching proxy: two naive ones always, and nginx where it is found.
import { createServer } from 'node:http'
import { withPrivateCacheControl } from '@x402/core/http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listening } from '../../dev/stack/ports.ts'
import { send } from '../world/answer.ts'
import { startCachingProxy } from '../world/caching-proxy.ts'
import { openNaive } from '../world/naive.ts'
import { paying } from '../world/payer.ts'
import { findNginx, HOW_TO_INSTALL, startProxy } from '../world/shared-cache.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const nginx = findNginx()

test('nginx is among the proxies to test with (always in CI)', () => {
  if (nginx === null) console.warn(HOW_TO_INSTALL)
  if (process.env.CI) expect(nginx, HOW_TO_INSTALL).not.toBeNull()
})

const CONTENT = 'the whole thing'
/** An origin, or a file's settings, that would like to be cached for a long time. */
const CACHE_ME = 'public, max-age=600, s-maxage=600'
let shop: Shop

type Cache = [name: string, start: (upstream: string) => Promise<Listening>]
const CACHES: Cache[] = [
  ['a cache that knows no Vary', (upstream) => startCachingProxy(upstream, { heedsVary: false })],
  ['a cache that heeds Vary', (upstream) => startCachingProxy(upstream, { heedsVary: true })],
  ...(nginx === null ? [] : [['nginx', (upstream) => startProxy(nginx, upstream)] satisfies Cache]),
]

const ACCELERATED = ['X-Accel-Expires', '600']
const FORBIDDEN = ['Cache-Control', 'private, no-store']
/** By the end of the path: what an origin says that wants to be kept whatever is said in front of it, in both orders. */
const SAID: Record<string, string[]> = {
  first: [...ACCELERATED, ...FORBIDDEN],
  last: [...FORBIDDEN, ...ACCELERATED],
}

beforeAll(async () => {
  const server = createServer(({ url = '' }, response) => {
    const said = SAID[url.slice(url.lastIndexOf('/') + 1)] ?? ['Cache-Control', CACHE_ME]
    const eager = ['CDN-Cache-Control', CACHE_ME, 'Surrogate-Control', 'max-age=600', 'Edge-Control', 'max-age=600']
    response.writeHead(200, [...said, ...eager, 'ETag', '"1"']).end(CONTENT)
  })
  const origin = await listening(server)
  const partner = { when: { header: { 'X-Partner': 'library' } }, price: 'free' }
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/media/*', content: 'r2', price: '$0.05', access: '24h' },
      { path: '/premium/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
      { path: '/partners/*', price: '$0.05', access: '24h', prices: [partner] },
    ],
  })
  shop.onClose(origin.stop)
  await shop.site.kv.put('/articles/hello', CONTENT)
  await shop.site.r2.put('media/film', CONTENT, {
    httpMetadata: { contentType: 'text/plain', cacheControl: CACHE_ME },
  })
  await shop.site.r2.put('media/clip', CONTENT, { httpMetadata: { contentType: 'video/mp4', cacheControl: CACHE_ME } })
})

afterAll(() => shop.close())

/** Buys through a proxy, then asks through it as somebody who has not paid. */
async function buyAndAskAgain(url: string, headers: Record<string, string> = {}) {
  const payment = await stockPayment(await send(url), await shop.reader(PRICE))
  const bought = await send(url, paying(payment))
  expect(bought.text).toBe(CONTENT)
  return { bought, stranger: await send(url, { headers }) }
}

describe.each(CACHES)('through %s', (_name, start) => {
  const open = async (upstream: string) => {
    const proxy = await start(upstream)
    shop.onClose(proxy.stop)
    return proxy.url
  }

  describe('against a naive shop', () => {
    test.each([
      ['says nothing about caching', {}],
      ['lets its framework say "public"', { 'Cache-Control': 'public, max-age=60' }],
    ])('one that %s is read by everybody once one has paid', async (_, headers) => {
      const naive = await openNaive(shop, async ({ payment, verify, settle, response }) => {
        if (!payment || !(await verify(payment)) || !(await settle(payment))) {
          response.setHeader('Cache-Control', 'no-store')
          return null
        }
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
        return CONTENT
      })
      const { result, cost } = await shop.costOf(async () => buyAndAskAgain(`${await open(naive)}/a`))
      expect(result.stranger.text).toBe(CONTENT)
      expect(result.stranger.header('X-Cache')).toBe('HIT')
      expect(cost.earned).toBe(PRICE)
    })

    test('one that forbids it, but passes on what its origin says to nginx, is read by everybody', async () => {
      const naive = await openNaive(shop, async ({ payment, verify, settle, response }) => {
        if (!payment || !(await verify(payment)) || !(await settle(payment))) {
          response.setHeader('Cache-Control', 'no-store')
          return null
        }
        // In this order: some versions of nginx hear the first of the two alone.
        response.writeHead(200, [...ACCELERATED, ...FORBIDDEN]).end(CONTENT)
        return 'answered'
      })
      const { stranger } = await buyAndAskAgain(`${await open(naive)}/a`)
      expect([stranger.text, stranger.header('X-Cache')]).toEqual([CONTENT, 'HIT'])
    })

    test('a 402 that may be kept keeps out those who pay', async () => {
      const naive = await openNaive(shop, async ({ payment, verify, settle }) =>
        payment && (await verify(payment)) && (await settle(payment)) ? CONTENT : null,
      )
      const url = `${await open(naive)}/b`
      const payment = await stockPayment(await send(url), await shop.reader(PRICE))
      const answer = await send(url, paying(payment))
      expect(answer.status).toBe(402)
      expect(answer.header('X-Cache')).toBe('HIT')
    })

    test('what the reference package makes of "s-maxage" still allows shared caches, and contradicts itself', () => {
      expect(withPrivateCacheControl(CACHE_ME)).toMatch(/s-maxage=600.*private/)
    })
  })

  describe('here', () => {
    let front: string

    beforeAll(async () => {
      front = await open(shop.site.url)
    })

    test.each(['/articles/hello', '/media/film', '/premium/report', '/premium/first', '/premium/last', '/once/report'])(
      '%s is sold through the cache and never served from it',
      async (path) => {
        const { bought, stranger } = await buyAndAskAgain(front + path)
        expect(bought.header('X-Cache')).toBe('MISS')
        expect(stranger.status).toBe(402)
        expect(stranger.header('X-Cache')).toBe('MISS')
        expect(stranger.text).not.toContain(CONTENT)
        const another = await buyAndAskAgain(front + path)
        expect(another.stranger.status).toBe(402)
      },
    )

    test.each(['/articles/hello', '/media/film', '/premium/report', '/premium/first', '/premium/last'])(
      '%s is read by who holds a pass, and by nobody after them',
      async (path) => {
        const { bought } = await buyAndAskAgain(front + path)
        const pass = { Cookie: bought.pass }
        const bearer = { Authorization: `Bearer ${bought.pass.replace(/^[^=]*=/, '')}` }
        for (const headers of [pass, { ...pass, Range: 'bytes=0-3' }, { ...pass, 'If-None-Match': '"1"' }, bearer]) {
          const held = await send(front + path, { headers })
          expect(held.header('X-Cache')).toBe('MISS')
          expect(CONTENT).toContain(held.text)
        }
        const strangers = [{}, { Range: 'bytes=0-3' }, { 'If-None-Match': '"1"' }, { Cookie: 'newsstand=' }]
        for (const headers of strangers) {
          const stranger = await send(front + path, { headers })
          expect(stranger.status).toBe(402)
          expect(stranger.text).not.toContain(CONTENT)
        }
        expect((await send(front + path, { method: 'HEAD' })).status).toBe(402)
      },
    )

    test('the page around a film, and the film in it, are for who holds a pass, and for nobody after them', async () => {
      const { bought } = await buyAndAskAgain(`${front}/media/clip`)
      const opened = { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }
      const played = { Accept: '*/*', 'Sec-Fetch-Dest': 'video' }
      const asks: [string, Record<string, string>][] = [
        ['/media/clip', opened],
        ['/media/clip', played],
        ['/media/clip?raw', opened],
        ['/media/clip?raw', played],
      ]
      for (const [path, headers] of asks) {
        const held = await send(front + path, { headers: { ...headers, Cookie: bought.pass } })
        expect([held.status, held.header('X-Cache')]).toEqual([200, 'MISS'])
        expect(held.text.includes('<video')).toBe(path === '/media/clip' && headers === opened)
        for (const [another, other] of asks) {
          const stranger = await send(front + another, { headers: other })
          expect(stranger.status).toBe(402)
          expect(stranger.text).not.toMatch(/the whole thing|<video|Paid · yours until/)
        }
      }
    })

    test('refusals are not kept either: who pays after them is served', async () => {
      await shop.site.kv.delete('/articles/none')
      const url = `${front}/articles/hello`
      const asks = [{}, paying('junk'), { headers: { Accept: 'text/html' } }]
      for (const question of asks) expect((await send(url, question)).header('X-Cache')).toBe('MISS')
      expect((await send(`${front}/articles/none`)).status).toBe(404)
      await shop.site.kv.put('/articles/none', CONTENT)
      const { bought } = await buyAndAskAgain(`${front}/articles/none`)
      expect(bought.header('X-Cache')).toBe('MISS')
    })

    test.each(['report', 'first', 'last'])(
      'what is free for one visitor only is not kept for the others: %s',
      async (name) => {
        const free = await send(`${front}/partners/${name}`, { headers: { 'X-Partner': 'library' } })
        expect(free.text).toBe(CONTENT)
        const stranger = await send(`${front}/partners/${name}`)
        expect(stranger.status).toBe(402)
        expect(stranger.text).not.toContain(CONTENT)
      },
    )
  })
})
