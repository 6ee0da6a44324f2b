// Handing a page over to another screen, and what somebody could want of it: to read with a code they have only seen, to have
// another reader's purchase open on their own screen, to get more than a page, to do it twice, to fill our storage.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { deriveKey, sealToken } from '../../src/token.ts'
import { type Answer, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
import { NOTHING, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'

const TIDES = '/articles/tides'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const DAY_PASS = 500_000n
/** Of FAILED_PAYMENTS in wrangler.toml: twice as many, since a minute may end in between. */
const TRIES = 220
const PLAIN = { Accept: 'application/json' }
const FROM_HERE = { 'Sec-Fetch-Site': 'same-origin', Origin: SITE, ...PLAIN }

let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      { path: '/gratis/*', content: 'kv', price: 'free' },
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.05',
        access: '24h',
        offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' }],
      },
    ],
  })
  for (const path of [TIDES, OTHER]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('base64url')
const given = z.object({ code: z.nullable(z.object({ text: z.string(), words: z.string() })) })

/** A screen that waits: its secret, and its code. */
async function newScreen(page = TIDES) {
  const secret = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({ page, hash: hashOf(secret) })
  const answer = await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: FROM_HERE })
  const { code } = given.parse(answer.json)
  if (code === null) throw new Error(`no code for ${page}`)
  return { secret, ...code }
}

const at = (code: string) => `/_newsstand/checkout/${code}`
const open = (code: string, cookie = '') => shop.ask(at(code), { headers: { ...PLAIN, Cookie: cookie } })
const sayYes = (code: string, cookie: string, headers: Record<string, string> = FROM_HERE) =>
  shop.ask(at(code), { method: 'POST', headers: { ...headers, Cookie: cookie } })
const take = (code: string, secret: string, headers: Record<string, string> = FROM_HERE) =>
  shop.ask(`${at(code)}/screen`, { method: 'POST', headers: { 'Newsstand-Secret': secret, ...headers } })

/** A phone that has bought the page: its pass. */
async function bought(path = TIDES): Promise<{ pass: string; transaction: string }> {
  const answer = await shop.buy('v2', path, await shop.reader())
  expect(answer.status).toBe(200)
  return { pass: answer.pass, transaction: answer.receipt?.transaction ?? '' }
}
const reads = async (path: string, cookie: string) => {
  const { status, text } = await shop.ask(path, { headers: { ...PLAIN, Cookie: cookie } })
  return status === 200 && text === CONTENT
}
const expectNothing = (answer: Answer) => {
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.header('Set-Cookie')).toBeNull()
}

describe('against a shop whose code is the pass', () => {
  test('who has only seen the code on a screen reads, as often as they like, and so does every screen it is sent to', async () => {
    const opened = new Set<string>()
    const naive = await openNaive(shop, async ({ path, payment, settle }) => {
      const code = path.split('/').pop() ?? ''
      if (payment && (await settle(payment))) opened.add(code)
      return opened.has(code) ? CONTENT : null
    })
    const seen = 'the-code-on-the-screen'
    const signed = await authorize(await shop.reader(), { value: PRICE })
    expect((await send(`${naive}/${seen}`, paying(headerOf(signed)))).text).toBe(CONTENT)
    const thief = [await send(`${naive}/${seen}`), await send(`${naive}/${seen}`)]
    expect(served(thief, CONTENT)).toBe(2)
  })
})

describe('here', () => {
  test('what a phone has bought opens on the screen whose code it is, once, and is paid for once', async () => {
    const screen = await newScreen()
    expect((await take(screen.text, screen.secret)).json).toEqual({ isOpen: false })
    const { pass } = await bought()
    const { result, cost } = await shop.costOf(async () => {
      const asked = await open(screen.text, pass)
      expect(asked.json).toEqual({ page: TIDES, words: screen.words })
      expect((await sayYes(screen.text, pass)).status).toBe(303)
      return take(screen.text, screen.secret)
    })
    expect(result.json).toEqual({ isOpen: true })
    expect(result.header('Cache-Control')).toBe('private, no-store')
    expect(await reads(TIDES, result.pass)).toBe(true)
    expect(cost).toEqual(NOTHING)
  })

  test('theft of the code: without the secret nothing is fetched, whatever is sent in its place', async () => {
    const screen = await newScreen()
    const { pass } = await bought()
    await sayYes(screen.text, pass)
    const thief = await newScreen()
    for (const secret of ['', hashOf(screen.secret), thief.secret, screen.secret.slice(1), `${screen.secret}A`]) {
      const answer = await take(screen.text, secret)
      expect(answer.status).toBe(404)
      expectNothing(answer)
    }
    expectNothing(await open(screen.text))
    expectNothing(await take(thief.text, thief.secret))
    // Nor by a page of another site that has got hold of it.
    for (const headers of [{ Origin: 'https://evil.example' }, { Origin: SITE, 'Sec-Fetch-Site': 'same-site' }, {}]) {
      const answer = await take(screen.text, screen.secret, { ...PLAIN, ...headers })
      expect(answer.status).toBe(404)
      expectNothing(answer)
    }
    // And the screen itself has lost nothing.
    expect((await take(screen.text, screen.secret)).json).toEqual({ isOpen: true })
  })

  test('a code of the same hash for another page, made by who has seen it, gets nothing of this one', async () => {
    const screen = await newScreen()
    const query = new URLSearchParams({ page: OTHER, hash: hashOf(screen.secret) })
    const answer = await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: FROM_HERE })
    const other = given.parse(answer.json).code?.text ?? ''
    const { pass } = await bought()
    expect((await sayYes(other, pass)).header('Location')).toContain(OTHER)
    expect((await take(other, screen.secret)).json).toEqual({ isOpen: false })
    expect((await take(screen.text, screen.secret)).json).toEqual({ isOpen: false })
  })

  test('planting: opening a code hands nothing over, however often, by GET, HEAD or a link scanner', async () => {
    const attackers = await newScreen()
    const { pass } = await bought()
    const before = await shop.site.objects()
    for (const method of ['GET', 'HEAD', 'GET'])
      expectNothing(await shop.ask(at(attackers.text), { method, headers: { ...PLAIN, Cookie: pass } }))
    const robot = { 'User-Agent': 'Slackbot-LinkExpanding 1.0', Accept: '*/*' }
    expect((await shop.ask(at(attackers.text), { headers: robot })).status).toBe(303)
    expect((await take(attackers.text, attackers.secret)).json).toEqual({ isOpen: false })
    expect(await shop.site.objects()).toBe(before)
  })

  test('planting: a page of another site cannot say yes for a reader, nor can a form without an origin', async () => {
    const attackers = await newScreen()
    const { pass } = await bought()
    const evil = [
      { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
      { Origin: SITE, 'Sec-Fetch-Site': 'cross-site' },
      { Origin: 'https://evil.news.example', 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'null' },
      {},
    ]
    for (const headers of evil) {
      const answer = await sayYes(attackers.text, pass, { ...PLAIN, ...headers })
      expect(answer.status).toBe(404)
      expectNothing(answer)
    }
    expect((await take(attackers.text, attackers.secret)).json).toEqual({ isOpen: false })
    const page = await shop.ask(at(attackers.text), { headers: { Accept: 'text/html', Cookie: pass } })
    expect(page.header('Content-Security-Policy')).toContain("frame-ancestors 'none'")
  })

  test('who has bought nothing, or another page, hands nothing over', async () => {
    const screen = await newScreen()
    const { pass } = await bought(OTHER)
    const before = await shop.site.objects()
    for (const cookie of ['', pass, 'newsstand=x.y', '__Host-newsstand=x.y']) {
      const opened = await open(screen.text, cookie)
      expect(opened.header('Location')).toMatch(new RegExp(`${TIDES}#newsstand=`))
      expectNothing(await sayYes(screen.text, cookie))
    }
    expect((await take(screen.text, screen.secret)).json).toEqual({ isOpen: false })
    expect(await shop.site.objects()).toBe(before)
  })

  test('fixation: a screen is given no other pass than the page, and keeps its own', async () => {
    const own = await bought(OTHER)
    const screen = await newScreen()
    const { pass } = await bought()
    await sayYes(screen.text, pass)
    const taken = await take(screen.text, screen.secret, { ...FROM_HERE, Cookie: own.pass })
    expect(await reads(TIDES, taken.pass)).toBe(true)
    expect(await reads(OTHER, taken.pass)).toBe(true)
    const receipts = await shop.ask('/_newsstand/receipts', { headers: { ...PLAIN, Cookie: taken.pass } })
    expect(receipts.text).toContain(own.transaction)
    expect(receipts.text.match(/"receipt"/g)).toHaveLength(1)
  })

  test('a day pass on the phone opens the one page there: no other, no receipts, and it is not handed on', async () => {
    const reader = await shop.reader()
    const signed = await authorize(reader, { value: DAY_PASS })
    const day = await shop.ask(TIDES, paying(headerOf(signed)))
    expect(day.status).toBe(200)
    expect(await reads(OTHER, day.pass)).toBe(true)
    const screen = await newScreen()
    await sayYes(screen.text, day.pass)
    const taken = await take(screen.text, screen.secret)
    expect(await reads(TIDES, taken.pass)).toBe(true)
    expect(await reads(OTHER, taken.pass)).toBe(false)
    expect(Buffer.from(taken.pass.split('=')[1]?.split('.')[0] ?? '', 'base64url').toString()).not.toContain(
      reader.address.toLowerCase().slice(2),
    )
    for (const path of ['/_newsstand/receipts', `/_newsstand/receipts/${day.receipt?.transaction}`]) {
      const answer = await shop.ask(path, { headers: { ...PLAIN, Cookie: taken.pass } })
      expect(answer.text).not.toContain(day.receipt?.transaction ?? 'none')
      expect(answer.text.toLowerCase()).not.toContain(reader.address.toLowerCase())
    }
    const next = await newScreen()
    expectNothing(await sayYes(next.text, taken.pass))
    expect((await open(next.text, taken.pass)).header('Location')).toContain('#newsstand=')
    expect((await take(next.text, next.secret)).json).toEqual({ isOpen: false })
  })

  test('it ends when the original ends', async () => {
    const screen = await newScreen()
    const { pass } = await bought()
    await sayYes(screen.text, pass)
    const taken = await take(screen.text, screen.secret)
    const endOf = (cookie: string) =>
      z
        .array(z.tuple([z.string(), z.string(), z.number(), z.string()]))
        .parse(JSON.parse(Buffer.from(cookie.split('=')[1]?.split('.')[0] ?? '', 'base64url').toString()))
        .find(([scope]) => scope === `=${TIDES}`)?.[2]
    expect(endOf(taken.pass)).toBe(endOf(pass))
  })

  test('replay: fetched once, also by many at the same moment, and another yes changes nothing', async () => {
    const screen = await newScreen()
    const { pass } = await bought()
    await Promise.all([sayYes(screen.text, pass), sayYes(screen.text, pass)])
    const answers = await Promise.all(Array.from({ length: 20 }, () => take(screen.text, screen.secret)))
    expect(answers.filter((answer) => answer.header('Set-Cookie') !== null)).toHaveLength(1)
    await sayYes(screen.text, pass)
    expectNothing(await take(screen.text, screen.secret))
  })

  test('a code that this site did not sign, or signed for something else, is nothing', async () => {
    const screen = await newScreen()
    const { pass } = await bought()
    const [body = '', mac = ''] = screen.text.split('.')
    const payload = [hashOf(screen.secret), Math.floor(Date.now() / 1000) + 600, OTHER]
    const sealed = async (secret: string, purpose: 'hand-over' | 'pass' | 'quote', site = SITE) =>
      sealToken(await deriveKey(secret, purpose), payload, site)
    const before = await shop.site.objects()
    for (const forged of [
      `${body}.${mac.split('').reverse().join('')}`,
      `${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${mac}`,
      await sealed('another secret', 'hand-over'),
      await sealed(BASE_VARS.PASS_SECRET, 'pass'),
      await sealed(BASE_VARS.PASS_SECRET, 'quote'),
      await sealed(BASE_VARS.PASS_SECRET, 'hand-over', 'https://other.example'),
      pass.split('=')[1] ?? '',
      'x'.repeat(4_000),
    ]) {
      for (const answer of [await open(forged, pass), await sayYes(forged, pass), await take(forged, screen.secret)]) {
        expect(answer.status).toBe(404)
        expectNothing(answer)
      }
    }
    expect(await shop.site.objects()).toBe(before)
  })

  test('a code whose time is over leads to its page, and hands nothing over', async () => {
    const secret = randomBytes(32).toString('base64url')
    const payload = [hashOf(secret), Math.floor(Date.now() / 1000) - 1, TIDES]
    const old = await sealToken(await deriveKey(BASE_VARS.PASS_SECRET, 'hand-over'), payload, SITE)
    const { pass } = await bought()
    const before = await shop.site.objects()
    for (const answer of [await open(old, pass), await sayYes(old, pass)]) {
      expect(answer.header('Location')).toMatch(new RegExp(`${TIDES}$`))
      expectNothing(answer)
    }
    expect((await take(old, secret)).status).toBe(404)
    expect(await shop.site.objects()).toBe(before)
  })

  test('no code is made for what is not sold here, nor does one lead anywhere else', async () => {
    const pages = [
      '/free',
      '/gratis/x',
      '//evil.example/x',
      'https://evil.example/',
      '/articles/../x',
      `/articles/${'x'.repeat(500)}`,
    ]
    for (const page of [...pages, '', '/_newsstand/receipts']) {
      const query = new URLSearchParams({ page, hash: hashOf('secret') })
      const answer = await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: FROM_HERE })
      expect(given.parse(answer.json).code, page).toBeNull()
    }
    const evil = { headers: { 'Sec-Fetch-Site': 'cross-site' } }
    const query = new URLSearchParams({ page: TIDES, hash: hashOf('secret') })
    expect((await shop.ask(`/_newsstand/checkout/code?${query}`, evil)).status).toBe(404)
  })

  test('floods: codes that are made, opened and asked for by the hundred store nothing, and have an end', async () => {
    const before = await shop.site.objects()
    const flood = { ...FROM_HERE, 'CF-Connecting-IP': '198.51.100.77' }
    const screen = await newScreen()
    const asked: number[] = []
    for (let i = 0; i < TRIES; i++) asked.push((await take(screen.text, screen.secret, flood)).status)
    expect(asked).toContain(429)
    const query = new URLSearchParams({ page: TIDES, hash: hashOf('secret') })
    expect((await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: flood })).status).toBe(429)
    for (let i = 0; i < 50; i++) await open(screen.text)
    expect(await shop.site.objects()).toBe(before)
    // Somebody else is not kept waiting.
    expect((await take(screen.text, screen.secret)).json).toEqual({ isOpen: false })
  })
})
