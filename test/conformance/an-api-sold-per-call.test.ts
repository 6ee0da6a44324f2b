// docs/guides/an-api-sold-per-call.md, carried out: its routes as they are written, its purchases as they are typed. The upstream
// and the site are on this machine, so their addresses are exchanged; what talks to Cloudflare is read only.
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { inCheckout } from '../../dev/stack/paths.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { commandsOf, varsOf } from '../world/guide.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

const GUIDE = 'an-api-sold-per-call'
const UPSTREAM = 'https://api.upstream.example'
const SITE = 'https://news.example'
const KEY = 'Bearer the-key-of-the-seller'
let upstream: OriginServer
let own: OriginServer
let shop: Shop

beforeAll(async () => {
  upstream = await startOrigin()
  own = await startOrigin()
  const written = JSON.stringify(await varsOf(GUIDE))
  shop = await openShop({
    ...JSON.parse(written.replaceAll(UPSTREAM, upstream.url)),
    ORIGIN_URL: own.url,
    [secretIn(written)]: KEY,
  })
  await shop.stack.chain.fund(wallets.payer.address, 1_000_000n)
})

afterAll(async () => {
  await shop.close()
  await upstream.stop()
  await own.stop()
})

beforeEach(() => {
  own.tell({ body: 'the page' })
  upstream.tell(({ method, url }) => ({
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ method, url }),
  }))
})

const secretIn = (text: string) => /secret:(\w+)/.exec(text)?.[1] ?? ''
const purchases = commandsOf(GUIDE).filter((command) => command.startsWith('npm run buy -- '))

/** A command of the guide, at the site on this machine. */
function run(command = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const line = command.replaceAll(SITE, shop.site.url)
    execFile('sh', ['-c', line], { cwd: inCheckout('.') }, (failure, stdout, stderr) => {
      resolve({ status: failure ? Number(failure.code) : 0, text: stdout + stderr })
    })
  })
}

test('the secret that is put is the one that both routes name', async () => {
  const written = JSON.stringify(await varsOf(GUIDE))
  expect(new Set([...written.matchAll(/secret:\w+/g)].map(([named]) => named))).toEqual(
    new Set(['secret:UPSTREAM_KEY']),
  )
  expect(commandsOf(GUIDE)).toContain(`npx wrangler secret put ${secretIn(written)}`)
  expect(purchases).toHaveLength(3)
})

test('the first command tells the price, and buys nothing', async () => {
  const { result, cost } = await shop.costOf(() => run(purchases[0]))
  expect(result.status).toBe(1)
  expect(result.text).toContain('it costs $0.01 USDC, more than the $0 allowed')
  expect(cost).toEqual(NOTHING)
  expect(upstream.seen).toEqual([])
})

test('the second buys one call', async () => {
  const { result, cost } = await shop.costOf(() => run(purchases[1]))
  expect(result).toMatchObject({ status: 0, text: expect.stringContaining('this is sold by the request') })
  expect(result.text).toContain('"/v1/weather/berlin"')
  expect(result.text).not.toContain(KEY)
  expect(cost).toMatchObject({ earned: 10_000n, settles: 1 })
  expect(upstream.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([['/v1/weather/berlin', KEY]])
})

test('the third buys one answer to a question', async () => {
  const { result, cost } = await shop.costOf(() => run(purchases[2]))
  expect(result).toMatchObject({ status: 0, text: expect.stringContaining('"/v1/answers"') })
  expect(cost).toMatchObject({ earned: 50_000n, settles: 1 })
  expect(upstream.seen).toMatchObject([
    { method: 'POST', body: '{"question":"When is high tide?"}', headers: { authorization: KEY } },
  ])
})

test.each([
  ['DELETE', '/weather/berlin'],
  ['GET', '/answers'],
  ['GET', '/me'],
])('%s %s is not on sale, and goes to the site’s own origin', async (method, path) => {
  expect((await shop.ask(path, { method })).text).toBe('the page')
  expect(upstream.seen).toEqual([])
  expect(JSON.stringify(own.seen)).not.toContain(KEY)
})

test('what it may cost: an empty wallet costs a call by GET, and none by POST', async () => {
  const empty = await shop.reader(0n)
  const ask = { method: 'POST', body: '{}' }
  const get = await pay('v2', await shop.challenge('/weather/rome'), empty)
  const post = await pay('v2', await shop.challenge('/answers', ask), empty)
  const { cost } = await shop.costOf(async () => {
    expect((await shop.ask('/weather/rome', { headers: get })).error).toBe('insufficient_funds')
    expect((await shop.ask('/answers', { ...ask, headers: post })).error).toBe('insufficient_funds')
  })
  expect(cost.earned).toBe(0n)
  expect(upstream.seen.map(({ method }) => method)).toEqual(['GET'])
})

test('what it may cost: a payment that is named is answered again by GET, and three times by POST', async () => {
  const reader = await shop.reader()
  const ask = { method: 'POST', body: '{}' }
  const get = await pay('v2', await shop.challenge('/weather/rome'), reader, { identifier: 'a-name-of-a-payment' })
  const post = await pay('v2', await shop.challenge('/answers', ask), reader, { identifier: 'another-name-of-one' })
  const statuses = { get: [] as number[], post: [] as number[] }
  for (let time = 0; time < 5; time++) {
    statuses.get.push((await shop.ask('/weather/rome', { headers: get })).status)
    statuses.post.push((await shop.ask('/answers', { ...ask, headers: post })).status)
  }
  expect(statuses).toEqual({ get: [200, 200, 200, 200, 200], post: [200, 200, 200, 402, 402] })
})
