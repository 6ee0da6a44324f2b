// Hand-over, where it gives more than was bought, takes something away, or says less than it seems to.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { wordsOf } from '../../src/code.ts'
import { deriveKey, sealToken } from '../../src/token.ts'
import { pay } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'

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

test('a page that is handed over drops nothing that its screen has bought', async () => {
  const endsAt = Math.floor(Date.now() / 1000) + 86_400
  const payer = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'
  const key = await deriveKey(BASE_VARS.PASS_SECRET, 'pass for test money')
  const site = `https://${DEAR}`
  // As many purchases as one cookie holds.
  const bought: (string | number)[][] = []
  for (;;) {
    const row = [`=/articles/a-piece-with-a-longer-name-${bought.length}`, 'GET', endsAt, payer]
    if ((await sealToken(key, [...bought, row], site)).length > 3600) break
    bought.push(row)
  }
  const cookie = `__Host-newsstand=${await sealToken(key, bought, site)}`
  const owner = `__Host-newsstand=${await sealToken(key, [[`=${PAGE}`, 'GET', endsAt, payer]], site)}`
  const secret = randomBytes(32).toString('base64url')
  const { text } = await codeAt(DEAR, hashOf(secret))
  await sayYes(DEAR, text, owner)
  const taken = await take(DEAR, text, secret, cookie)
  const kept = z
    .array(z.tuple([z.string(), z.string(), z.number(), z.string()]))
    .parse(JSON.parse(Buffer.from(taken.pass.replace(/^[^=]*=/, '').split('.')[0] ?? '', 'base64url').toString()))
    .map(([scope]) => scope)
  expect(bought.map(([scope]) => scope).filter((scope) => !kept.includes(String(scope)))).toEqual([])
})

describe('the two words', () => {
  test('of a screen cannot be made for another one', async () => {
    const screen = await codeAt(DEAR, hashOf(randomBytes(32).toString('base64url')))
    // Offline: what the words follow from is the attacker's own hash, an end that is ten minutes away, and the page.
    const expiresAtSeconds = Math.floor(Date.now() / 1000) + 603
    let hash = ''
    for (let tries = 0; tries < 100_000; tries++) {
      hash = hashOf(randomBytes(32).toString('base64url'))
      if ((await wordsOf({ hash, expiresAtSeconds, id: PAGE })) === screen.words) break
    }
    await expect
      .poll(() => Math.floor(Date.now() / 1000), { interval: 20, timeout: 10_000 })
      .toBe(expiresAtSeconds - 600)
    const attackers = await codeAt(DEAR, hash)
    expect(attackers.words).not.toBe(screen.words)
  })
})

test('a stranger who has seen a code cannot give the screen a pass that is nearly over in place of its reader’s own', async () => {
  const now = Math.floor(Date.now() / 1000)
  const key = await deriveKey(BASE_VARS.PASS_SECRET, 'pass for test money')
  const passOf = async (payer: string, endsAt: number) =>
    `__Host-newsstand=${await sealToken(key, [[`=${PAGE}`, 'GET', endsAt, payer]], `https://${DEAR}`)}`
  const secret = randomBytes(32).toString('base64url')
  const { text } = await codeAt(DEAR, hashOf(secret))
  await sayYes(DEAR, text, await passOf('0x1111111111111111111111111111111111111111', now + 5))
  await sayYes(DEAR, text, await passOf('0x2222222222222222222222222222222222222222', now + 86_400))
  const taken = await take(DEAR, text, secret)
  const [[, , endsAt]] = z
    .tuple([z.tuple([z.string(), z.string(), z.number(), z.string()])])
    .parse(JSON.parse(Buffer.from(taken.pass.replace(/^[^=]*=/, '').split('.')[0] ?? '', 'base64url').toString()))
  expect(endsAt).toBe(now + 86_400)
})

test('a code is fetched once, also where the first pass it was given has ended meanwhile', async () => {
  const now = Math.floor(Date.now() / 1000)
  const key = await deriveKey(BASE_VARS.PASS_SECRET, 'pass for test money')
  const passOf = async (endsAt: number) =>
    `__Host-newsstand=${await sealToken(key, [[`=${PAGE}`, 'GET', endsAt, '0x1111111111111111111111111111111111111111']], `https://${DEAR}`)}`
  const secret = randomBytes(32).toString('base64url')
  const { text } = await codeAt(DEAR, hashOf(secret))
  await sayYes(DEAR, text, await passOf(now + 3))
  const objects = await shop.site.objects()
  expect((await take(DEAR, text, secret)).json).toEqual({ isOpen: true })
  await expect.poll(() => shop.site.objects(), { timeout: 10_000 }).toBeLessThan(objects)
  await sayYes(DEAR, text, await passOf(now + 86_400))
  expect((await take(DEAR, text, secret)).json).toEqual({ isOpen: false })
})

test('no code is made for an address of newsstand’s own, whatever the routes say', async () => {
  const all = await openShop(
    { SITE_URL: `https://${DEAR}`, ROUTES: [{ path: '/*', content: 'origin', price: '$0.05', access: '24h' }] },
    { stack: shop.stack },
  )
  const code = z.object({ code: z.nullable(z.object({ text: z.string() })) })
  for (const page of ['/_newsstand/receipts', '/_newsstand/checkout/x.y', '/.well-known/did.json']) {
    const query = new URLSearchParams({ page, hash: hashOf('secret') })
    const answer = await all.ask(`/_newsstand/checkout/code?${query}`, { headers: from(DEAR) })
    expect.soft(code.parse(answer.json).code, page).toBeNull()
  }
  await all.close()
})
