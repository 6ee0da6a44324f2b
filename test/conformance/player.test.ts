// A film, a recording or a picture in R2: the words around it, and the page in which a browser shows it to who holds a pass.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const FILM = '/media/tides'
const BYTES = 'the film, frame by frame'
/** What a browser sends that opens an address. */
const OPENED = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'Sec-Fetch-Dest': 'document' }
let shop: Shop
let pass: Record<string, string>

beforeAll(async () => {
  shop = await openShop({
    BRAND: { name: 'The Daily Stand', support: '/help' },
    ROUTES: [
      {
        path: '/media/*',
        content: 'r2',
        price: '$0.02',
        access: '24h',
        description: 'From the harbour.',
        offers: [{ name: 'Day pass', price: '$0.05', access: '24h', scope: '/media/*' }],
      },
      {
        path: '/priced/*',
        content: 'r2',
        price: '$0.05',
        access: '24h',
        prices: [{ when: { query: { raw: '' } }, price: '$0.50' }],
      },
      { path: '/once/*', content: 'r2', price: '$0.05', access: 'once' },
      { path: '/free/*', content: 'r2', price: 'free' },
    ],
  })
  type More = { customMetadata?: Record<string, string>; httpMetadata?: Record<string, string> }
  const put = (key: string, contentType: string, { customMetadata = {}, httpMetadata = {} }: More = {}) =>
    shop.site.r2.put(key, BYTES, { customMetadata, httpMetadata: { contentType, ...httpMetadata } })
  await put('media/tides', 'video/mp4', { customMetadata: { title: 'Two tides', description: 'One day at the wall.' } })
  await put('media/gull', 'Audio/Wav')
  await put('media/harbour.svg', 'image/svg+xml')
  await put('media/nasty', 'video/mp4', {
    customMetadata: { title: '</title><script>alert(1)</script>', description: '"><img src=x onerror=alert(1)>' },
  })
  await put('media/table', 'text/csv')
  await put('media/saved', 'video/mp4', { httpMetadata: { contentDisposition: 'attachment; filename="a.mp4"' } })
  for (const shelf of ['priced', 'once', 'free']) await put(`${shelf}/tides`, 'video/mp4')
  pass = await passFor(FILM, '50000')
})

afterAll(() => shop.close())

async function passFor(path: string, amount?: string): Promise<Record<string, string>> {
  const challenge = await shop.challenge(path)
  const offers = challenge.v2.accepts.filter((offer) => amount === undefined || offer.amount === amount)
  const chosen = { ...challenge, v2: { ...challenge.v2, accepts: offers } }
  const bought = await shop.ask(path, { headers: await pay('v2', chosen, await shop.reader()) })
  expect(bought.text).toBe(BYTES)
  return { Cookie: bought.pass }
}

const opened = (path: string, headers: Record<string, string> = {}) =>
  shop.ask(path, { headers: { ...OPENED, ...pass, ...headers } })

describe('what is on sale is called by what people do with it', () => {
  test.each([
    ['/media/tides', 'en', 'Watch', 'This film'],
    ['/media/gull', 'en', 'Listen', 'This recording'],
    ['/media/harbour.svg', 'en', 'Look', 'This picture'],
    ['/media/table', 'en', 'Read on', 'This page'],
    ['/media/gull', 'de', 'Anhören', 'Diese Aufnahme'],
    ['/media/harbour.svg', 'es', 'Ver', 'Esta imagen'],
  ])('%s in %s: %s', async (path, language, heading, thing) => {
    const answer = await shop.ask(path, { headers: { ...OPENED, 'Accept-Language': language } })
    expect(answer.status).toBe(402)
    expect(answer.text).toContain(`<h2 id="offers">${heading}</h2>`)
    expect(answer.text).toContain(`<span dir="auto">${thing}</span>`)
  })
})

describe('opened with a pass', () => {
  test.each([
    ['/media/tides', /<video [^>]*controls[^>]* src="\?raw"/, 'Two tides'],
    ['/media/gull', /<audio [^>]*controls[^>]* src="\?raw"/, 'gull'],
    ['/media/harbour.svg', /<img src="\?raw" alt="From the harbour\."/, 'harbour.svg'],
  ])('%s is shown in a page that runs nothing and loads that file alone', async (path, element, title) => {
    const { result: answer, cost } = await shop.costOf(() => opened(path))
    expect([answer.status, answer.header('Content-Type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(answer.text).toMatch(element)
    expect(answer.text).toContain(`<h1 dir="auto">${title}</h1>`)
    expect(answer.text).toMatch(/Paid · yours until .*\d:\d\d.* · <a [^>]*href="\/_newsstand\/receipts">/)
    expect(answer.text).toContain('href="?raw" download=""')
    expect(answer.text).not.toMatch(/<script|PAYMENT|frame by frame/)
    const policy = answer.header('Content-Security-Policy') ?? ''
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining(["default-src 'none'", "img-src 'self' data:", "frame-ancestors 'none'"]),
    )
    expect(policy).not.toMatch(/script-src|unsafe|connect-src/)
    expect(policy.includes("media-src 'self'")).toBe(path !== '/media/harbour.svg')
    expect(answer.header('Cache-Control')).toBe('private, no-store, no-transform')
    for (const name of ['ETag', 'Last-Modified', 'Accept-Ranges', 'PAYMENT-RESPONSE'])
      expect(answer.header(name)).toBeNull()
    expect(cost).toEqual(NOTHING)
  })

  test('it keeps the query it was opened with', async () => {
    expect((await opened(`${FILM}?from=mail&x='a'`)).text).toContain('src="?from=mail&amp;x=&#39;a&#39;&amp;raw"')
    expect((await opened(`${FILM}?`)).text).toContain('src="?raw"')
  })

  test('it is a page whatever the browser says it has', async () => {
    const { headers } = await shop.ask(`${FILM}?raw`, { headers: pass })
    const conditions = {
      'If-None-Match': headers.get('ETag') ?? '',
      'If-Modified-Since': 'Sat, 01 Jan 2050 00:00:00 GMT',
    }
    expect((await opened(FILM, conditions)).status).toBe(200)
  })

  test('what its publisher wrote stays text', async () => {
    const { text } = await opened('/media/nasty')
    expect(text).not.toMatch(/<script|<img/)
    expect(text).toContain('&lt;script&gt;')
  })

  test('a browser that does not say what for gets the page as well', async () => {
    const answer = await shop.ask(FILM, { headers: { ...pass, Accept: OPENED.Accept } })
    expect(answer.text).toContain('<video')
  })
})

describe('the file itself', () => {
  test.each<[string, string, Record<string, string>]>([
    ['?raw', `${FILM}?raw`, OPENED],
    ['?raw=', `${FILM}?raw=`, OPENED],
    ['?x=1&raw=1', `${FILM}?x=1&raw=1`, OPENED],
    ['an element of a page', FILM, { ...OPENED, 'Sec-Fetch-Dest': 'video' }],
    ['a script', FILM, { ...OPENED, 'Sec-Fetch-Dest': 'empty' }],
    ['a frame', FILM, { ...OPENED, 'Sec-Fetch-Dest': 'iframe' }],
    ['a program', FILM, {}],
    ['a program that takes anything', FILM, { Accept: '*/*' }],
    ['a program without preference', FILM, { 'Sec-Fetch-Dest': 'document', Accept: '*/*' }],
    ['what is no film', '/media/table', OPENED],
    ['what is there to be saved', '/media/saved', OPENED],
  ])('is what %s gets', async (_, path, headers) => {
    const answer = await shop.ask(path, { headers: { ...pass, ...headers } })
    expect([answer.status, answer.text]).toEqual([200, BYTES])
    expect(answer.header('Cache-Control')).toBe('private, no-cache')
    expect(answer.header('ETag')).toMatch(/^"[0-9a-f]{32}"$/)
  })

  test('a browser that goes on with a download gets its part', async () => {
    const answer = await opened(FILM, { Range: 'bytes=4-7' })
    expect([answer.status, answer.text]).toEqual([206, BYTES.slice(4, 8)])
  })

  test('a bearer token is a program’s', async () => {
    const Authorization = `Bearer ${(pass.Cookie ?? '').replace(/^[^=]*=/, '')}`
    expect((await shop.ask(FILM, { headers: { ...OPENED, Authorization } })).text).toBe(BYTES)
  })

  test.each(['GET', 'HEAD'])('%s with ?raw asks for the same thing at the same price', async (method) => {
    for (const path of [FILM, `${FILM}?raw`]) {
      const { challengeV2 } = await shop.ask(path, { method })
      expect(challengeV2.resource.url).toBe(`https://news.example${FILM}`)
      expect(challengeV2.accepts.map(({ amount }) => amount)).toEqual(['20000', '50000'])
    }
  })

  test('what is bought with ?raw opens the page, and the other way round', async () => {
    for (const [bought, asked] of [
      [`${FILM}?raw`, FILM],
      [FILM, `${FILM}?raw`],
    ] as const) {
      const answer = await shop.ask(asked, { headers: { ...OPENED, ...(await passFor(bought)) } })
      expect(answer.status).toBe(200)
      expect(answer.text === BYTES).toBe(asked !== FILM)
    }
  })

  test.each([FILM, `${FILM}?raw`, '/once/tides', '/once/tides?raw'])(
    'who pays at %s gets it, even as a browser opens it',
    async (path) => {
      const challenge = await shop.challenge(path)
      const offers = challenge.v2.accepts.slice(-1)
      const paying = await pay('v2', { ...challenge, v2: { ...challenge.v2, accepts: offers } }, await shop.reader())
      const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers: { ...OPENED, ...paying } }))
      expect([answer.status, answer.text, answer.header('Cache-Control')]).toEqual([200, BYTES, 'private, no-store'])
      expect(answer.header('ETag')).toBeNull()
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test('a payment beside its payer’s pass gets it too, and is not settled', async () => {
    const reader = await shop.reader()
    const bought = await shop.buy('v2', '/media/gull', reader)
    const paying = await pay('v2', await shop.challenge('/media/gull'), reader)
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask('/media/gull', { headers: { ...OPENED, Cookie: bought.pass, ...paying } }),
    )
    expect(answer.text).toBe(BYTES)
    expect(cost).toEqual(NOTHING)
  })

  test('is what opens where `raw` has a price of its own', async () => {
    const held = await passFor('/priced/tides')
    expect((await shop.ask('/priced/tides', { headers: { ...OPENED, ...held } })).text).toBe(BYTES)
  })

  test('is what everybody gets where it is free', async () => {
    expect((await shop.ask('/free/tides', { headers: OPENED })).text).toBe(BYTES)
  })
})
