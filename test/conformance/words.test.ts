// Whose words a page speaks: the publication's language first, its own words marked as such where the page speaks another one.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openShop, type Shop } from '../world/shop.ts'

const OFFERS = [{ name: 'Dagkaart', price: '$0.50', access: '24h', scope: '/articles/*', text: 'Alles tot morgen' }]
const ROUTES = [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', offers: OFFERS }]
const metadata = { title: 'De getijden', teaser: 'De maan trekt.', contentType: 'text/html; charset=utf-8' }

const page = async (shop: Shop, language: string, path = '/articles/tides') =>
  (await shop.ask(path, { headers: { Accept: 'text/html', 'Accept-Language': language } })).text

describe('a publication in Dutch, for which there are no words here', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop({ BRAND: { name: 'Het Blad', lang: 'nl-BE', legal: 'Het Blad NV, Gent' }, ROUTES })
    await shop.site.kv.put('/articles/tides', '<p>Alles', { metadata })
  })
  afterAll(() => shop.close())

  test('speaks the reader’s language, and marks what is quoted', async () => {
    const html = await page(shop, 'de')
    expect(html).toContain('<html lang="de">')
    expect(html).toContain('<h1 dir="auto" lang="nl-BE">De getijden</h1>')
    for (const quoted of ['De maan trekt.', 'Dagkaart', 'Alles tot morgen', 'Het Blad NV, Gent'])
      expect(html).toMatch(new RegExp(`lang="nl-BE"[^>]*>\\s*${quoted}<`))
    expect(html).toContain('0,05\u00a0$')
  })

  test('says so where a machine has translated', async () => {
    expect(await page(shop, 'fr')).toContain('<span>Traduit par une machine</span>')
    expect(await page(shop, 'de')).not.toContain('Maschine übersetzt')
  })

  test('an error asks to load again, in words for people', async () => {
    const html = await page(shop, 'it', '/articles/nowhere')
    expect(html).toContain('<html lang="it">')
    expect(html).toContain('Alla pagina iniziale')
  })
})

describe('a publication in Japanese', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop({ BRAND: { name: '朝の新聞', lang: 'ja' }, ROUTES })
    await shop.site.kv.put('/articles/tides', '<p>x', { metadata })
  })
  afterAll(() => shop.close())

  test('speaks it to everybody', async () => {
    const html = await page(shop, 'de, en')
    expect(html).toContain('<html lang="ja">')
    expect(html).toContain('続きを読む')
    expect(html).toContain('<h1 dir="auto">De getijden</h1>')
  })
})

describe('what is refused in the settings', () => {
  test.each(['english', 'd', 'de_DE', ''])('a language "%s"', async (lang) => {
    const shop = await openShop({ BRAND: { lang }, ROUTES })
    const { status } = await shop.ask('/articles/tides')
    await shop.close()
    expect(status).toBe(500)
  })
})
