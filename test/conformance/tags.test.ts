// Languages, money and what is quoted, wherever a page names them: no tag breaks a page, and no page leaves one out.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { openShop, type Shop, SITE } from '../world/shop.ts'

const TIDES = '/articles/tides'
const FILM = '/media/tides'
const RECEIPTS = '/_newsstand/receipts'
const OPENED = { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }
const PAGE = '<!doctype html><title>Tides</title><p>All of it.'
const metadata = { title: 'De getijden', contentType: 'text/html; charset=utf-8' }
const ROUTES = [
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
  { path: '/media/*', content: 'r2', price: '$0.05', access: '24h' },
]

let shop: Shop
beforeAll(async () => {
  shop = await openShop({ BRAND: { name: 'Het Blad', lang: 'nl-BE', legal: 'Het Blad NV, Gent' }, ROUTES })
  await shop.site.kv.put(TIDES, PAGE, { metadata })
  await shop.site.r2.put('media/tides', 'frames', {
    customMetadata: { title: 'Twee getijden' },
    httpMetadata: { contentType: 'video/mp4' },
  })
})
afterAll(() => shop.close())

async function bought(path = TIDES) {
  const answer = await shop.buy('v2', path, await shop.reader())
  await expect
    .poll(async () => (await shop.ledger()).map((row) => row.transaction))
    .toContain(answer.receipt?.transaction)
  return { pass: { Cookie: answer.pass }, transaction: answer.receipt?.transaction ?? '' }
}

describe.each(['en-US-GB', 'en-419-US', 'de-DE-AT'])('a browser that asks for %s', (language) => {
  test('is shown the offer', async () => {
    const { status } = await shop.ask(TIDES, { headers: { ...OPENED, 'Accept-Language': language } })
    expect(status).toBe(402)
  })

  test('is given what it has bought', async () => {
    const { pass } = await bought()
    const { status, text } = await shop.ask(TIDES, { headers: { ...OPENED, ...pass, 'Accept-Language': language } })
    expect(status).toBe(200)
    expect(text).toContain('All of it.')
  })
})

describe('a publication that names its language by a tag of no shape that is known', () => {
  test.each(['pt-BRA', 'en-USA', 'de-DE-AT'])('%s: it is a mistake in the settings, or it sells', async (lang) => {
    const other = await openShop({ BRAND: { lang }, ROUTES })
    await other.site.kv.put(TIDES, PAGE, { metadata })
    const { status, json } = await other.ask(TIDES)
    const page = await other.ask(TIDES, { headers: OPENED })
    await other.close()
    if (status === 500) expect(json).toMatchObject({ error: 'configuration_error' })
    else expect(page.status).toBe(402)
  })
})

test('an address of refunds that is none: it is a mistake in the settings, or it sells', async () => {
  const other = await openShop({ BRAND: { refunds: 'https://[refunds' }, ROUTES })
  await other.site.kv.put(TIDES, PAGE, { metadata })
  const { status, json } = await other.ask(TIDES)
  const page = await other.ask(TIDES, { headers: OPENED })
  await other.close()
  if (status === 500) expect(json).toMatchObject({ error: 'configuration_error' })
  else expect(page.status).toBe(402)
})

describe('receipts', () => {
  test('write amounts as the page’s language does', async () => {
    const { pass, transaction } = await bought()
    for (const path of [RECEIPTS, `${RECEIPTS}/${transaction}`]) {
      const { text } = await shop.ask(path, { headers: { ...OPENED, ...pass, 'Accept-Language': 'de' } })
      expect(text).toContain('0,05\u00a0$')
    }
  })

  test('mark the publication’s words as such, and so does the player', async () => {
    const { pass, transaction } = await bought()
    const film = await bought(FILM)
    const pages = [
      [RECEIPTS, pass, 'De getijden'],
      [`${RECEIPTS}/${transaction}`, pass, 'Het Blad NV, Gent'],
      [FILM, film.pass, 'Twee getijden'],
    ] as const
    for (const [path, cookie, quoted] of pages) {
      const { text } = await shop.ask(path, { headers: { ...OPENED, ...cookie, 'Accept-Language': 'en' } })
      expect(text).toMatch(new RegExp(`lang="nl-BE"[^>]*>\\s*${quoted}<`))
    }
  })

  test('on a screen to which a page was handed over: it is not said that the browser holds no pass', async () => {
    const secret = randomBytes(32).toString('base64url')
    const hash = createHash('sha256').update(secret).digest('base64url')
    const fromHere = { 'Sec-Fetch-Site': 'same-origin', Origin: SITE, Accept: 'application/json' }
    const query = new URLSearchParams({ page: TIDES, hash })
    const asked = await shop.ask(`/_newsstand/checkout/code?${query}`, { headers: fromHere })
    const { code } = z.object({ code: z.object({ text: z.string() }) }).parse(asked.json)
    const at = `/_newsstand/checkout/${code.text}`
    const { pass } = await bought()
    await shop.ask(at, { method: 'POST', headers: { ...fromHere, ...pass } })
    const taken = await shop.ask(`${at}/screen`, {
      method: 'POST',
      headers: { ...fromHere, 'Newsstand-Secret': secret },
    })
    const page = await shop.ask(RECEIPTS, { headers: { Accept: 'text/html', Cookie: taken.pass } })
    expect(page.text).not.toContain('This browser holds no pass')
    expect(page.text).toContain(TIDES)
  })
})
