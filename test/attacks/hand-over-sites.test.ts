// Hand-over between two sites of one worker: what was bought at the one opens nothing at the other.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { pay } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'

const CHEAP = 'cheap.example'
const DEAR = 'dear.example'
const PAGE = '/articles/tides'
const CONTENT = 'the whole article'

let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    SITE_URL: [`https://${CHEAP}`, `https://${DEAR}`],
    ROUTES: [
      { path: '/articles/*', host: CHEAP, content: 'kv', price: '$0.01', access: '24h' },
      { path: '/articles/*', host: DEAR, content: 'kv', price: '$5', access: '24h' },
    ],
  })
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('base64url')
const given = z.object({ code: z.object({ text: z.string(), words: z.string() }) })
const from = (host: string, headers: Record<string, string> = {}) => ({
  Host: host,
  Origin: `https://${host}`,
  'Sec-Fetch-Site': 'same-origin',
  Accept: 'application/json',
  ...headers,
})
async function codeAt(host: string, hash: string, page = PAGE) {
  const query = new URLSearchParams({ page, hash })
  const answer = await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: from(host) })
  return given.parse(answer.json).code
}
const sayYes = (host: string, code: string, cookie: string) =>
  shop.ask(`/_newsstand/checkout/${code}`, { method: 'POST', headers: from(host, { Cookie: cookie }) })
const take = (host: string, code: string, secret: string, cookie = '') => {
  const headers = from(host, { 'Newsstand-Secret': secret, Cookie: cookie })
  return shop.ask(`/_newsstand/checkout/${code}/screen`, { method: 'POST', headers })
}
const endOf = (code: string): number =>
  z
    .tuple([z.string(), z.number(), z.string()])
    .parse(JSON.parse(Buffer.from(code.split('.')[0] ?? '', 'base64url').toString()))[1]

/** Codes of both sites for one secret, made within one second. */
async function twins(secret: string): Promise<{ cheap: string; dear: string }> {
  for (let tries = 0; tries < 20; tries++) {
    const [cheap, dear] = await Promise.all([codeAt(CHEAP, hashOf(secret)), codeAt(DEAR, hashOf(secret))])
    if (endOf(cheap.text) === endOf(dear.text)) return { cheap: cheap.text, dear: dear.text }
  }
  return expect.fail('no two codes within one second')
}

test('what was bought at one site of a worker is not fetched at another one', async () => {
  const challenge = await shop.challenge(PAGE, { headers: { Host: CHEAP } })
  const headers = { Host: CHEAP, ...(await pay('v2', challenge, await shop.reader())) }
  const { pass } = await shop.ask(PAGE, { headers })
  const secret = randomBytes(32).toString('base64url')
  const { cheap, dear } = await twins(secret)
  expect((await sayYes(CHEAP, cheap, pass)).status).toBe(303)
  const taken = await take(DEAR, dear, secret)
  const read = await shop.ask(PAGE, { headers: { Host: DEAR, Cookie: taken.pass } })
  expect([read.status, read.text]).not.toEqual([200, CONTENT])
  expect(taken.json).toEqual({ isOpen: false })
})
