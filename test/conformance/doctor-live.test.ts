// What doctor says of a deployed site as it looks from outside, of its sitemap, and of what Cloudflare and the ledger say.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Wrangler } from '../../cli/doctor/cloudflare.ts'
import { hasErrors } from '../../cli/doctor/findings.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Settings, said, type Visit, visit } from '../world/doctor.ts'
import { passTime } from '../world/on-chain.ts'
import { type OriginAnswer, type OriginServer, startOrigin } from '../world/origin.ts'
import { NETWORK, openShop, type Shop, SITE } from '../world/shop.ts'

const ROUTES = [
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
  { path: '/pages/*', content: 'origin', price: '$0.05', access: '24h' },
]
const WWW = 'https://www.news.example'
const PAGE = '/articles/hello'

let shop: Shop
let origin: OriginServer
/** Whatever stands before the worker, or beside it. */
let other: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  other = await startOrigin()
  shop = await openShop({ ROUTES, ORIGIN_URL: origin.url })
  await shop.site.kv.put(PAGE, 'the whole article')
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
  await other.stop()
})

const settings = (over: Settings = {}): Settings => ({
  ROUTES,
  FACILITATORS: [shop.stack.facilitator.url],
  RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl },
  ...over,
})

/** Doctor's look at the real worker. */
function look(over: Visit = {}): Promise<string[]> {
  const what = { vars: settings(), names: { [SITE]: shop.site.url }, options: { live: [PAGE] }, ...over }
  return visit(what).then((report) => said(report).filter((line) => !line.includes('is this machine')))
}

/** And at a site that answers what a test says. */
function lookAt(answer: OriginAnswer | Parameters<OriginServer['tell']>[0]): Promise<string[]> {
  other.tell(answer)
  return look({ names: { [SITE]: other.url } })
}

const SOLANA = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const SOLANA_PAYEE = 'CJfRUQxyonG6B5mnztsNUqxknbFT89DJdrdrzV9F96mU'
const OTHER_WALLET = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'
const OTHER_PAYEE = `${SITE}${PAGE} asks for payment to another address than these settings; deploy them, or see whose worker answers there`

/** At a site with such a challenge, by the settings of one that is paid on both networks. */
async function lookAtTerms(accepts: object[]): Promise<string[]> {
  const challenge = Buffer.from(JSON.stringify({ accepts })).toString('base64')
  other.tell({ status: 402, headers: { 'payment-required': challenge } })
  const vars = settings({
    PAY_TO: { eip155: wallets.publisher.address, solana: SOLANA_PAYEE },
    NETWORKS: [NETWORK, SOLANA],
    RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA]: other.url },
  })
  return look({ vars, names: { [SITE]: other.url } })
}

describe('the deployed site', () => {
  test('that is in order', async () => {
    expect(await look()).toEqual([])
  })

  test('is looked at in a handful of requests, and pays for nothing', async () => {
    const before = { ...shop.stack.facilitator.counts }
    other.tell({ status: 402, headers: { 'payment-required': 'e30=' } })
    await look({ names: { [SITE]: other.url } })
    expect(other.seen.length).toBeLessThanOrEqual(5)
    expect(other.seen.every(({ method, headers }) => method === 'GET' && !('payment-signature' in headers))).toBe(true)
    expect(shop.stack.facilitator.counts.settle).toBe(before.settle)
  })

  test.each<[what: string, answer: OriginAnswer, sentence: string]>([
    [
      'hands out what it sells',
      { body: 'the whole article' },
      `error: SITE_URL: ${SITE}${PAGE} is for sale and answers 200 to who has not paid; see that a route of wrangler.toml leads there, and deploy`,
    ],
    [
      'cannot read its settings',
      { status: 500, body: '{"error":"configuration_error"}' },
      `error: SITE_URL: ${SITE}${PAGE} answers configuration_error; npx wrangler tail names the setting`,
    ],
    [
      'has nothing there',
      { status: 404, body: '{"error":"not_found"}' },
      `not checked: SITE_URL: there is nothing at ${SITE}${PAGE}; name an address that is for sale: npm run doctor -- --live /…`,
    ],
    [
      'sends readers elsewhere',
      { status: 302, headers: { location: '/login' } },
      `warning: SITE_URL: ${SITE}${PAGE} answers 302 and no challenge; open it and see who answers there`,
    ],
    [
      'keeps a free copy in a cache',
      { body: 'the whole article', headers: { 'cf-cache-status': 'HIT' } },
      `warning: SITE_URL: a cache before the worker answers ${SITE}${PAGE} with its copy of what is for sale (200); switch its cache off for these addresses, and purge it`,
    ],
    [
      'keeps the challenge in a cache',
      { status: 402, headers: { age: '12', 'payment-required': 'e30=' } },
      `warning: SITE_URL: a cache before the worker answers ${SITE}${PAGE} with its copy of the challenge; switch its cache off for these addresses, and purge it`,
    ],
    [
      'lets nobody pass without a puzzle',
      { status: 403, headers: { 'cf-mitigated': 'challenge' }, body: '<title>Just a moment...</title>' },
      `warning: SITE_URL: bot protection answers everybody who is no browser with a screen at ${SITE}${PAGE} with 403, so agents cannot pay; let agents pass, as docs/deploy.md says under "AI crawlers"`,
    ],
    [
      'has a challenge nobody can read',
      { status: 402, headers: { 'payment-required': 'e30=' } },
      `warning: SITE_URL: the challenge at ${SITE}${PAGE} cannot be read; deploy these settings`,
    ],
  ])('that %s', async (_what, answer, sentence) => {
    expect(await lookAt(answer)).toContain(sentence)
  })

  test('that blocks programs of one kind only', async () => {
    const lines = await lookAt(({ headers }) =>
      /python/.test(headers['user-agent'] ?? '')
        ? { status: 403, body: 'error code: 1010' }
        : { status: 402, headers: { 'payment-required': 'e30=' } },
    )
    expect(lines).toContain(
      `warning: SITE_URL: bot protection answers programs at ${SITE}${PAGE} with 403, so agents cannot pay; let agents pass, as docs/deploy.md says under "AI crawlers"`,
    )
  })

  test('that asks for money for somebody else', async () => {
    const PAY_TO = wallets.alice.address
    const lines = await look({ vars: settings({ PAY_TO }) })
    expect(lines).toContain(`error: PAY_TO.eip155: ${OTHER_PAYEE}`)
    expect(lines.join()).not.toContain('NETWORKS')
  })

  test('that asks for money of Solana for somebody else: the payee of Solana is named, and no other', async () => {
    const eip155 = wallets.publisher.address
    const lines = await lookAtTerms([
      { network: NETWORK, payTo: eip155 },
      { network: SOLANA, payTo: OTHER_WALLET },
    ])
    expect(lines).toContain(`error: PAY_TO.solana: ${OTHER_PAYEE}`)
    expect(lines.filter((line) => line.includes('asks for payment'))).toHaveLength(1)
  })

  test('that asks in other letters: on Solana that is another payee, on EVM it is not', async () => {
    const lines = await lookAtTerms([
      { network: NETWORK, payTo: wallets.publisher.address.toLowerCase() },
      { network: SOLANA, payTo: SOLANA_PAYEE.toLowerCase() },
    ])
    expect(lines.filter((line) => line.includes('asks for payment'))).toEqual([`error: PAY_TO.solana: ${OTHER_PAYEE}`])
  })

  test('that asks for money on another network: no payee is blamed', async () => {
    const lines = await lookAtTerms([{ network: 'eip155:1', payTo: wallets.alice.address }])
    expect(lines.filter((line) => line.includes('asks for payment'))).toEqual([
      `error: NETWORKS: ${SITE}${PAGE} asks for payment on another network than these settings; deploy them, or see whose worker answers there`,
    ])
  })

  test('that is not there', async () => {
    const gone = await startOrigin()
    await gone.stop()
    expect(await look({ names: { [SITE]: gone.url } })).toContain(
      'not checked: SITE_URL: news.example did not answer; deploy first, and see that its name has a DNS record',
    )
  })

  test('of which no address is known', async () => {
    const vars = settings({ ROUTES: ROUTES.slice(0, 1) })
    expect(await look({ vars, options: { live: [] } })).toContain(
      'not checked: SITE_URL: no address of news.example is known that could be looked at; name one that is for sale: npm run doctor -- --live /articles/…',
    )
  })

  test.each<[answer: OriginAnswer, isSaid: boolean]>([
    [{ body: 'the whole article' }, true],
    [{ status: 301, headers: { location: SITE } }, false],
    [{ status: 402 }, false],
  ])('under its other name answers %j', async (answer, isSaid) => {
    other.tell(answer)
    const lines = await look({ names: { [SITE]: shop.site.url, [WWW]: other.url } })
    expect(lines).toEqual(
      isSaid
        ? [
            `warning: SITE_URL: www.news.example answers ${PAGE} with 200 and no challenge; redirect it to news.example, or add it to SITE_URL and the routes`,
          ]
        : [],
    )
  })

  test.each([
    [200, true],
    [403, false],
    [302, false],
  ])('whose origin answers everybody with %i', async (status, isSaid) => {
    origin.tell({ status, body: 'the page' })
    const lines = await look({ vars: settings({ ORIGIN_URL: origin.url }) })
    expect(lines).toEqual(
      isSaid
        ? [
            `warning: ORIGIN_URL: ${new URL(origin.url).host} answers /pages/example to everybody, so readers can go around the worker; let it answer the worker only, by a tunnel, a client certificate or a secret header`,
          ]
        : [],
    )
  })
})

describe('the sitemap', () => {
  const urls = (...paths: string[]) =>
    `<urlset>${paths.map((path) => `<url><loc>${path.startsWith('/') ? SITE + path : path}</loc></url>`).join('\n')}</urlset>`
  const inFile = (text: string) => {
    const file = join(mkdtempSync(join(tmpdir(), 'newsstand-sitemap-')), 'sitemap.xml')
    writeFileSync(file, text)
    return file
  }
  const compare = (sitemap: string, names = {}) =>
    visit({ vars: settings(), options: { sitemap }, names: { [SITE]: shop.site.url, ...names } })

  test('is counted, and a route that it never meets is named', async () => {
    const report = await compare(
      inFile(urls('/', '/about', PAGE, '/articles/a%20b?x=1&amp;y=2', 'https://elsewhere.example/articles/a')),
    )
    expect(report.notes).toEqual(['Sitemap: 2 gated, 2 free, 0 refused, 1 of other sites.'])
    expect(said(report)).toContain(
      'warning: ROUTES[1].path: no address of the sitemap matches "/pages/*"; correct it, or leave it if it is new',
    )
    expect(hasErrors(report)).toBe(false)
  })

  test('of which nothing is for sale', async () => {
    expect(said(await compare(inFile(urls('/about'))))).toContain(
      'warning: ROUTES: nothing in the sitemap is for sale; correct the paths, or give --sitemap another list',
    )
  })

  test('with addresses that are refused to everybody', async () => {
    const report = await compare(inFile(urls('/ARTICLES/hello', '/articles/a', '/pages/b')))
    expect(said(report)).toContain(
      "error: ROUTES: 1 of the sitemap's addresses are refused to everybody, /ARTICLES/hello for one; write routes that differ in more than case, and no odd addresses",
    )
  })

  test('in parts, from the site itself', async () => {
    other.tell(({ url }) => ({
      body:
        url === '/sitemap.xml'
          ? `<sitemapindex><sitemap><loc>${SITE}/one.xml</loc></sitemap><sitemap><loc>${SITE}/two.xml</loc></sitemap></sitemapindex>`
          : urls(url === '/one.xml' ? PAGE : '/pages/a'),
    }))
    const report = await compare(`${SITE}/sitemap.xml`, { [SITE]: other.url })
    expect(report.notes).toEqual(['Sitemap: 2 gated, 0 free, 0 refused, 0 of other sites.'])
  })

  test('that is not there', async () => {
    other.tell({ status: 404 })
    expect(said(await compare(`${SITE}/sitemap.xml`, { [SITE]: other.url }))).toContain(
      'not checked: sitemap: news.example answered 404 for the sitemap; give --sitemap another address, or a file',
    )
  })
})

describe('what Cloudflare says', () => {
  const calls: string[][] = []
  /** Wrangler with these secrets, these sales and these articles. */
  const wrangler =
    (
      secrets: readonly string[] | null,
      sold: readonly string[] | null,
      articles: readonly object[] | null = [],
      columns: readonly string[] = [],
    ): Wrangler =>
    async (args) => {
      calls.push([...args])
      const answers: Record<string, unknown> = {
        secret: secrets?.map((name) => ({ name, type: 'secret_text' })),
        d1: sold && [
          { results: sold.map((transaction) => ({ transaction })) },
          { results: columns.map((name) => ({ name })) },
        ],
        kv: articles,
      }
      const said = answers[args[0] ?? '']
      return said ? { isGood: true, text: JSON.stringify(said) } : { isGood: false, text: 'not logged in, token xyz' }
    }
  const remote = (machine: { wrangler: Wrangler }, over: Visit = {}) =>
    visit({ vars: settings(), options: { storage: 'remote' }, machine, ...over } as const).then(said)

  test('a secret that it has by name is there, although nobody here knows it', async () => {
    const lines = await remote({ wrangler: wrangler(['PASS_SECRET'], []) }, { secrets: {} })
    expect(lines.filter((line) => !line.includes('is this machine'))).toEqual([])
    expect(calls.map(([command]) => command)).toEqual(['secret', 'd1', 'kv'])
  })

  test('a secret that only this machine has is missing there', async () => {
    expect(await remote({ wrangler: wrangler(['RECEIPT_KEY'], []) })).toContain(
      'error: PASS_SECRET: set it: npx wrangler secret put PASS_SECRET, with 32 or more random characters',
    )
  })

  test('a key that it has by name cannot be tried from here', async () => {
    const FACILITATORS = [{ url: 'https://facilitator.example', auth: 'cdp' }]
    const names = ['PASS_SECRET', 'CDP_API_KEY_ID', 'CDP_API_KEY_SECRET']
    expect(await remote({ wrangler: wrangler(names, []) }, { vars: settings({ FACILITATORS }) })).toContain(
      'not checked: FACILITATORS[0].auth: only Cloudflare knows CDP_API_KEY_ID and CDP_API_KEY_SECRET; to ask facilitator.example, put it into the environment of doctor',
    )
  })

  test('without a login nothing is known, and a redeploy is not stopped', async () => {
    const report = await visit({
      vars: settings(),
      secrets: {},
      options: { storage: 'remote' },
      machine: { wrangler: wrangler(null, null, null) },
    })
    expect(hasErrors(report)).toBe(false)
    expect(said(report)).toContain(
      'not checked: secrets: wrangler does not list the secrets; log in with "npx wrangler login", and run doctor --remote again',
    )
    expect(said(report)).toContain(
      'not checked: LEDGER_DB: the ledger cannot be read; apply the migrations: npx wrangler d1 migrations apply LEDGER_DB --remote',
    )
    expect(said(report)).toContain(
      'not checked: CONTENT_KV: wrangler does not list what lies in KV; see what it says: npx wrangler kv key list --binding CONTENT_KV --remote',
    )
    expect(JSON.stringify(report)).not.toContain('xyz')
  })

  test('an article whose price cannot be read', async () => {
    const articles = [{ name: PAGE, metadata: { price: '$0.0000001' } }, { name: 'newsstand:supported' }]
    const lines = await remote({ wrangler: wrangler(['PASS_SECRET'], [], articles) })
    expect(lines.filter((line) => line.includes('CONTENT_KV'))).toEqual([
      `error: CONTENT_KV: "${PAGE}" answers 500: its price "$0.0000001" cannot be read: a price has at most 6 decimals, this one has 7; write fewer, e.g. "$0.000001"; put it again with metadata that can be read`,
    ])
  })

  test('a ledger of an older release is a warning, and its sales are read all the same', async () => {
    const older =
      'warning: LEDGER_DB: the ledger’s table is of an older release, and keeps no titles of what is sold; apply the migrations, as npm run deploy does: npx wrangler d1 migrations apply LEDGER_DB --remote'
    const ledgerWith = async (...columns: string[]) => {
      const lines = await remote({ wrangler: wrangler(['PASS_SECRET'], [], [], columns) })
      return lines.filter((line) => line.includes('LEDGER_DB'))
    }
    expect(await ledgerWith('id', 'remark')).toEqual([older])
    const { results } = await shop.site.db.prepare('PRAGMA table_info(payments)').all()
    expect(await ledgerWith(...results.map(({ name }) => String(name)))).toEqual([])
  })

  test('a sale that the ledger does not know is somebody else’s', async () => {
    const reader = await shop.reader()
    await shop.buy('v2', PAGE, reader)
    await shop.stack.chain.fund(wallets.publisher.address, 1n)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    const sold = (await shop.ledger()).map(({ transaction }) => String(transaction).toLowerCase())
    const unknown =
      'warning: PAY_TO.eip155: the ledger lacks payments of the last day on Base Sepolia: 1. Another deployment seems to share this address; give each its own'
    expect(await remote({ wrangler: wrangler(['PASS_SECRET'], []) })).not.toContain(unknown)
    await passTime(shop.stack.chain, 700)
    expect(await remote({ wrangler: wrangler(['PASS_SECRET'], []) })).toContain(unknown)
    expect(await remote({ wrangler: wrangler(['PASS_SECRET'], sold) })).not.toContain(unknown)
  })
})
