import { mnemonicToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import type { ConfigProblem } from '../../src/settings.ts'

const PAYEE = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'

/** A configuration without a mistake, for real money; each test makes one. */
const GOOD: Record<string, unknown> = {
  SITE_URL: 'https://news.example',
  PAY_TO: { eip155: PAYEE },
  NETWORKS: ['eip155:8453'],
  FACILITATORS: ['https://facilitator.example'],
  ROUTES: [{ path: '/articles/*', price: '$0.05', content: 'kv' }],
  PASS_SECRET: 'a secret for tests, long enough',
  PAYERS: {},
  LEDGER_DB: {},
  CONTENT_KV: {},
  CONTENT_R2: {},
}

const route = (over: Record<string, unknown>) => ({ ROUTES: [{ path: '/x', price: '$0.05', ...over }] })

function problems(over: Record<string, unknown>): string[] {
  const parsed = parseConfig({ ...GOOD, ...over })
  return parsed.ok ? [] : said(parsed.error)
}
const said = (list: ConfigProblem[]) => list.map(({ path, message }) => `${path}: ${message}`)

const URL_ADVICE = 'write an https:// URL (http:// is for localhost only)'
const PRICE_ADVICE = 'write a price such as "$0.05" or "€0.05", a list with one for each currency, or "free"'
const ACCESS_ADVICE = 'write "once", or a duration such as "10m", "24h" or "30d"'
const PATH_ADVICE = 'write a canonical path such as "/about", "/a/:slug" or "/articles/*", without a trailing slash'
const ROUTE_KEYS =
  'path, host, methods, price, access, content, origin, description, mimeType, wall, mode, offers, prices'

test('a good configuration has no problems', () => {
  expect(problems({})).toEqual([])
})

describe('each mistake is answered by what to write instead', () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ['no SITE_URL', { SITE_URL: undefined }, [`SITE_URL: write your site's origin, such as "https://news.example"`]],
    ['a site without https', { SITE_URL: 'http://news.example' }, [`SITE_URL: ${URL_ADVICE}`]],
    [
      'a site with a path',
      { SITE_URL: 'https://news.example/blog' },
      ['SITE_URL: write an origin only, such as "https://news.example", without a path'],
    ],
    ['one bad site of two', { SITE_URL: ['https://a.example', 'b.example'] }, [`SITE_URL[1]: ${URL_ADVICE}`]],
    [
      'no payee',
      { PAY_TO: undefined },
      ['PAY_TO.eip155: write the EVM address that is paid, as PAY_TO = { eip155 = "0x…" }'],
    ],
    ['a short payee', { PAY_TO: '0x1234' }, ['PAY_TO.eip155: write an EVM address: 0x and 40 hexadecimal digits']],
    [
      'the zero address',
      { PAY_TO: `0x${'0'.repeat(40)}` },
      ['PAY_TO.eip155: this is the zero address, and what is paid to it is lost; write your own'],
    ],
    [
      'a mistyped payee',
      { PAY_TO: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5D359' },
      ['PAY_TO.eip155: its checksum (EIP-55) is wrong, so a character is mistyped; copy it again from your wallet'],
    ],
    [
      'a payee on a network not spoken',
      { PAY_TO: { eip155: PAYEE, bitcoin: 'x' } },
      ['PAY_TO: bitcoin is not a known key; write one of eip155, solana'],
    ],
    ['no networks', { NETWORKS: [] }, ['NETWORKS: write a list of CAIP-2 networks such as ["eip155:8453"]']],
    [
      'an unknown network',
      { NETWORKS: ['base'] },
      [
        'NETWORKS[0]: this network is not supported; write one of eip155:8453, eip155:84532, eip155:137, eip155:42161, eip155:43114, eip155:1, solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
      ],
    ],
    [
      'no facilitator',
      { FACILITATORS: undefined },
      ['FACILITATORS: write a list of base URLs, such as ["https://x402.org/facilitator"]'],
    ],
    [
      'a facilitator without https',
      { FACILITATORS: ['http://facilitator.example'] },
      [`FACILITATORS[0]: ${URL_ADVICE}`],
    ],
    [
      'a facilitator with a password',
      { FACILITATORS: ['https://a:b@facilitator.example'] },
      [`FACILITATORS[0]: ${URL_ADVICE}`],
    ],
    ['an RPC that is no URL', { RPC_URLS: { 'eip155:8453': 'base' } }, [`RPC_URLS.eip155:8453: ${URL_ADVICE}`]],
    ['an origin that is no URL', { ORIGIN_URL: 'origin.example' }, [`ORIGIN_URL: ${URL_ADVICE}`]],
    ['no routes', { ROUTES: [] }, ['ROUTES: write at least one route, such as [[vars.ROUTES]] with path and price']],
    [
      'JSON that is none',
      { ROUTES: '[{"path": "/x"' },
      ['ROUTES: write at least one route, such as [[vars.ROUTES]] with path and price'],
    ],
    ['a route without a price', { ROUTES: [{ path: '/x' }] }, [`ROUTES[0].price: ${PRICE_ADVICE}`]],
    ['a price as a number', route({ price: 0.05 }), [`ROUTES[0].price: ${PRICE_ADVICE}`]],
    ['a price without its sign', route({ price: '0.05' }), [`ROUTES[0].price: ${PRICE_ADVICE}`]],
    ['a price of zero', route({ price: '$0.00' }), ['ROUTES[0].price: a price of zero is written "free"']],
    [
      'too many decimals',
      route({ price: '$0.0000001' }),
      ['ROUTES[0].price: a price has at most 6 decimals, this one has 7; write fewer, e.g. "$0.000001"'],
    ],
    ['a relative path', route({ path: 'articles' }), [`ROUTES[0].path: ${PATH_ADVICE}`]],
    ['a path with a trailing slash', route({ path: '/articles/' }), [`ROUTES[0].path: ${PATH_ADVICE}`]],
    ['a star in the middle', route({ path: '/a/*/b' }), [`ROUTES[0].path: ${PATH_ADVICE}`]],
    [
      'half a parameter',
      route({ path: '/a/x-:id' }),
      ['ROUTES[0].path: a parameter is one whole segment, such as "/a/:slug"'],
    ],
    ['an access nobody knows', route({ access: 'forever' }), [`ROUTES[0].access: ${ACCESS_ADVICE}`]],
    ['a content nobody knows', route({ content: 's3' }), ['ROUTES[0].content: write "kv", "r2" or "origin"']],
    [
      'a host of no site',
      route({ host: 'other.example' }),
      ['ROUTES[0].host: no SITE_URL has this host; write one of news.example'],
    ],
    [
      'small letters in a method',
      route({ methods: ['get'] }),
      ['ROUTES[0].methods[0]: write methods in capitals, such as "GET"'],
    ],
    [
      'no methods',
      route({ methods: [] }),
      ['ROUTES[0].methods: write a list of methods such as ["GET"], or leave it out to gate them all'],
    ],
    ['a misspelt key', route({ prise: '$1' }), [`ROUTES[0]: prise is not a known key; write one of ${ROUTE_KEYS}`]],
    [
      'audience',
      route({ audience: { ai: '$0.01' } }),
      ['ROUTES[0]: audience is not supported yet; remove it (every visitor pays the same)'],
    ],
    [
      'meter',
      route({ meter: { free: 3, per: '30d' } }),
      ['ROUTES[0]: meter is not supported yet; remove it (the wall stands from the first article on)'],
    ],
    ...[0, 1.1, -0.5, '0', '2', 'often', '.5', true].map((LOG_SAMPLE): [string, Record<string, unknown>, string[]] => [
      `LOG_SAMPLE of ${JSON.stringify(LOG_SAMPLE)}`,
      { LOG_SAMPLE },
      ['LOG_SAMPLE: write a number above 0 and up to 1, such as 0.1 for every tenth line'],
    ]),
    ['mode', route({ mode: 'watch' }), ['ROUTES[0].mode: write "enforce" or "observe"']],
    [
      'a free offer',
      route({ offers: [{ name: 'Day', price: 'free', access: '24h', scope: '/*' }] }),
      ['ROUTES[0].offers[0].price: an offer has a price; write one such as "$0.50"'],
    ],
    [
      'an offer with a long name',
      route({ offers: [{ name: 'n'.repeat(65), price: '$0.50', access: '24h', scope: '/*' }] }),
      ['ROUTES[0].offers[0].name: it is too long; write 64 characters at most'],
    ],
    [
      'more offers than a header has room for',
      {
        NETWORKS: ['eip155:8453', 'eip155:137', 'eip155:42161'],
        ...route({
          offers: [
            { name: 'Day', price: '$0.50', access: '24h', scope: '/*' },
            { name: 'Month', price: '$5', access: '30d', scope: '/*' },
          ],
        }),
      },
      [
        'ROUTES[0]: prices times networks are more than 8, too many for a header; name fewer offers, currencies or NETWORKS',
      ],
    ],
    [
      'two offers of one price',
      route({ offers: [{ name: 'Day', price: '$0.05', access: '24h', scope: '/*' }] }),
      ['ROUTES[0].offers: two offers have the same price, and a payment could not say which it buys; make them differ'],
    ],
    [
      'a country in words',
      route({ prices: [{ when: { country: ['Germany'] }, price: '$0.01' }] }),
      ['ROUTES[0].prices[0].when.country[0]: write a country as two capitals (ISO 3166-1), such as "DE"'],
    ],
    ['an accent in words', { BRAND: { accent: 'green' } }, ['BRAND.accent: write a colour such as "#0b6e4f"']],
    [
      'no secret',
      { PASS_SECRET: undefined },
      ['PASS_SECRET: set it: npx wrangler secret put PASS_SECRET, with 32 or more random characters'],
    ],
    [
      'a short secret',
      { PASS_SECRET: 'secret' },
      ['PASS_SECRET: it is too short to be a secret; use 32 or more random characters'],
    ],
    [
      'no Durable Object',
      { PAYERS: undefined },
      ['PAYERS: this binding is missing; add it to wrangler.toml as docs/deploy.md shows'],
    ],
    [
      'no KV for a KV route',
      { CONTENT_KV: undefined },
      ['CONTENT_KV: this binding is missing; add it to wrangler.toml as docs/deploy.md shows'],
    ],
  ])('%s', (_, over, expected) => {
    expect(problems(over)).toEqual(expected)
  })

  test('all at once, in order', () => {
    expect(
      problems({ SITE_URL: 'news', NETWORKS: ['base'], ...route({ price: '5', access: '1y' }), LEDGER_DB: undefined }),
    ).toEqual([
      `SITE_URL: ${URL_ADVICE}`,
      'NETWORKS[0]: this network is not supported; write one of eip155:8453, eip155:84532, eip155:137, eip155:42161, eip155:43114, eip155:1, solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
      `ROUTES[0].price: ${PRICE_ADVICE}`,
      `ROUTES[0].access: ${ACCESS_ADVICE}`,
      'LEDGER_DB: this binding is missing; add it to wrangler.toml as docs/deploy.md shows',
    ])
  })
})

const SOLANA = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const USDC_THERE = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'
/** EURC on Avalanche: https://developers.circle.com/stablecoins/eurc-contract-addresses */
const EURC_THERE = {
  address: '0xC891EB4cbdEFf6e073e859e987815Ed1505c2ACD',
  name: 'EURC',
  version: '2',
  decimals: 6,
  symbol: 'EURC',
  currency: 'EUR',
}

const DEVELOPMENT_KEYS = [
  ['test test test test test test test test test test test junk', 20],
  ['myth like bonus scare over problem client lizard pioneer submit female collect', 10],
] as const
const TEST_NETWORK = 'eip155:84532'
const TEST_FACILITATOR = 'https://x402.org/facilitator'

describe('beside a real network is refused', () => {
  const NO_ADDRESS =
    'PAY_TO.eip155: everybody has the key of this development address; write your own address, or only test networks in NETWORKS'
  const NO_SITE =
    'nobody pays real money at localhost; write your site\'s origin, such as "https://news.example", or only test networks in NETWORKS'
  const NO_FACILITATOR =
    'x402.org serves test networks only; write a facilitator that serves Base, or only test networks in NETWORKS'
  const NO_NETWORK = 'Base Sepolia is a test network, whose money is worth nothing; remove it, or the real ones'
  const DEVELOPMENT = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

  const MISTAKES: [string, Record<string, unknown>, string[]][] = [
    ['a development key', { PAY_TO: { eip155: DEVELOPMENT } }, [NO_ADDRESS]],
    ['one in small letters', { PAY_TO: DEVELOPMENT.toLowerCase() }, [NO_ADDRESS]],
    ['localhost', { SITE_URL: 'http://localhost:8787' }, [`SITE_URL: ${NO_SITE}`]],
    ['localhost by https', { SITE_URL: 'https://news.localhost' }, [`SITE_URL: ${NO_SITE}`]],
    ['its number', { SITE_URL: 'http://127.0.0.1' }, [`SITE_URL: ${NO_SITE}`]],
    ['localhost in a list', { SITE_URL: ['https://a.example', 'http://[::1]:1'] }, [`SITE_URL[1]: ${NO_SITE}`]],
    ['no facilitator but x402.org', { FACILITATORS: [TEST_FACILITATOR] }, [`FACILITATORS: ${NO_FACILITATOR}`]],
    [
      'x402.org twice',
      { FACILITATORS: [TEST_FACILITATOR, 'https://www.x402.org/facilitator/'] },
      [`FACILITATORS: ${NO_FACILITATOR}`],
    ],
    [
      'x402.org with the dot of a full name',
      { FACILITATORS: ['https://x402.org./facilitator'] },
      [`FACILITATORS: ${NO_FACILITATOR}`],
    ],
    [
      'x402.org by its other name',
      { FACILITATORS: undefined, FACILITATOR_URL: TEST_FACILITATOR },
      [`FACILITATOR_URL: ${NO_FACILITATOR}`],
    ],
    ['a test network', { NETWORKS: ['eip155:8453', TEST_NETWORK] }, [`NETWORKS[1]: ${NO_NETWORK}`]],
    ['a test network before it', { NETWORKS: [TEST_NETWORK, 'eip155:1'] }, [`NETWORKS[0]: ${NO_NETWORK}`]],
    [
      'everything at once',
      { SITE_URL: 'http://localhost', PAY_TO: DEVELOPMENT, NETWORKS: ['eip155:8453', TEST_NETWORK] },
      [`SITE_URL: ${NO_SITE}`, NO_ADDRESS, `NETWORKS[1]: ${NO_NETWORK}`],
    ],
  ]

  test.each(MISTAKES)('%s', (_, over, expected) => {
    expect(problems(over)).toEqual(expected)
  })

  test.each(MISTAKES)('and alone it is fine: %s', (_, over) => {
    expect(problems({ ...over, NETWORKS: [TEST_NETWORK] })).toEqual([])
  })

  test.each(DEVELOPMENT_KEYS)('each address of “%s”, of %i', (mnemonic, count) => {
    for (let addressIndex = 0; addressIndex < count; addressIndex++) {
      expect(problems({ PAY_TO: mnemonicToAccount(mnemonic, { addressIndex }).address })).toEqual([NO_ADDRESS])
    }
  })

  test('but x402.org beside another facilitator is not', () => {
    expect(problems({ FACILITATORS: [TEST_FACILITATOR, 'https://facilitator.example'] })).toEqual([])
  })
})

describe('what only selling needs', () => {
  const NO_KEY = 'RECEIPT_KEY: write an Ed25519 private key as JSON: {"kty":"OKP","crv":"Ed25519","x":"…","d":"…"}'
  const RECEIPT_KEY = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'

  test('leaves the rest of a configuration as it is', () => {
    const parsed = parseConfig({ ...GOOD, RECEIPT_KEY })
    if (!parsed.ok || parsed.value.selling.ok) throw new Error('the key was taken')
    expect(said(parsed.value.selling.error)).toEqual([NO_KEY])
  })

  test('is named with everything else', () => {
    expect(problems({ SITE_URL: 'news', RECEIPT_KEY })).toEqual([`SITE_URL: ${URL_ADVICE}`, NO_KEY])
  })
})

describe('values arrive as tables or as JSON strings', () => {
  test('every table as a string', () => {
    const asText = Object.fromEntries(
      Object.entries(GOOD).map(([name, value]) => [
        name,
        typeof value === 'object' && name === name.toUpperCase() && /^(PAY_TO|NETWORKS|FACILITATORS|ROUTES)$/.test(name)
          ? JSON.stringify(value)
          : value,
      ]),
    )
    expect(parseConfig(asText)).toEqual(parseConfig(GOOD))
  })

  test('one facilitator, one address, one site, as plain strings', () => {
    const parsed = parseConfig({
      ...GOOD,
      FACILITATORS: undefined,
      FACILITATOR_URL: 'http://127.0.0.1:4021/',
      PAY_TO: PAYEE,
      SITE_URL: 'http://localhost:8787/',
      NETWORKS: ['eip155:84532'],
    })
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        facilitators: [{ url: 'http://127.0.0.1:4021', auth: { kind: 'none' }, isListed: false }],
        payTo: { eip155: PAYEE },
        sites: ['http://localhost:8787'],
        hostPicksSite: false,
        rpcUrls: { 'eip155:84532': 'https://sepolia.base.org' },
      },
    })
  })

  test('a brand links to pages of the site, elsewhere, or to a mailbox', () => {
    const BRAND = {
      name: 'x',
      logo: '/logo.svg',
      terms: 'https://a.example/terms',
      support: 'mailto:desk@a.example',
      why: '/why',
      colour: 1,
    }
    expect(problems({ BRAND })).toEqual([])
    expect(problems({ BRAND: { logo: '//a.example/x', terms: 'javascript:alert(1)' } })).toHaveLength(2)
  })

  test('a token of one’s own stands behind those that are known', () => {
    const config = parseConfig({ ...GOOD, ASSETS: { 'eip155:43114': EURC_THERE } })
    expect(config.ok && config.value.tokens.at(-1)).toMatchObject({
      kind: 'eip3009',
      network: 'eip155:43114',
      asset: EURC_THERE.address,
      currency: 'EUR',
      eip712: { name: 'EURC', version: '2' },
    })
    expect(problems({ ASSETS: JSON.stringify({ 'eip155:43114': [EURC_THERE] }) })).toEqual([])
    const euros = { NETWORKS: ['eip155:43114'], ROUTES: [{ path: '/x', price: '€1' }] }
    expect(problems(euros)).toEqual([
      expect.stringContaining('ROUTES[0].price: no network in NETWORKS has a token for €1.00'),
    ])
    expect(problems({ ...euros, ASSETS: { 'eip155:43114': EURC_THERE } })).toEqual([])
  })

  test('a price that a token cannot pay exactly is refused, with what to write instead', () => {
    const sold = (decimals: number, over: object) => ({
      NETWORKS: ['eip155:43114'],
      ASSETS: { 'eip155:43114': { ...EURC_THERE, decimals } },
      ROUTES: [{ path: '/x', price: '€1', ...over }],
    })
    const no = (at: string, price: string, decimals: number, least: string) =>
      `ROUTES[0].${at}: ${price} cannot be paid exactly in EURC on Avalanche, which has ${decimals} decimals; write a multiple of ${least}`
    expect(problems(sold(2, { price: '€0.05' }))).toEqual([])
    expect(problems(sold(18, { price: '€0.000001' }))).toEqual([])
    expect(problems(sold(0, {}))).toEqual([])
    expect(problems(sold(2, { price: '€0.005' }))).toEqual([no('price', '€0.005', 2, '€0.01')])
    expect(problems(sold(0, { price: '€0.50' }))).toEqual([no('price', '€0.50', 0, '€1.00')])
    expect(problems(sold(2, { price: ['$0.005', '€0.015'] }))).toEqual([no('price', '€0.015', 2, '€0.01')])
    expect(problems(sold(2, { offers: [{ name: 'Day', price: '€2.001', access: '24h', scope: '/x' }] }))).toEqual([
      no('offers[0].price', '€2.001', 2, '€0.01'),
    ])
    expect(problems(sold(2, { prices: [{ when: { query: { a: '1' } }, price: '€2.001' }] }))).toEqual([
      no('prices[0].price', '€2.001', 2, '€0.01'),
    ])
    // Also where another network's token could pay it.
    expect(problems({ ...sold(2, { price: '€0.005' }), NETWORKS: ['eip155:8453', 'eip155:43114'] })).toEqual([
      no('price', '€0.005', 2, '€0.01'),
    ])
  })

  test('a token without EIP-3009 is paid by Permit2, and needs no domain', () => {
    const { name, version, ...plain } = EURC_THERE
    const ASSETS = { 'eip155:43114': { ...plain, transfer: 'permit2' } }
    const config = parseConfig({ ...GOOD, ASSETS })
    const token = { kind: 'permit2', network: 'eip155:43114', asset: plain.address, currency: 'EUR' }
    expect(config.ok && config.value.tokens.at(-1)).toMatchObject(token)
    expect(problems({ ASSETS: { 'eip155:43114': { ...EURC_THERE, transfer: 'eip3009' } } })).toEqual([])
    expect(problems({ ASSETS: { 'eip155:43114': { ...plain, transfer: 'permit2', name, version } } })).toEqual([
      'ASSETS.eip155:43114.name: Permit2 signs no name of the token; remove it',
      'ASSETS.eip155:43114.version: Permit2 signs no version of the token; remove it',
    ])
    expect(problems({ ASSETS: { 'eip155:43114': [plain] } })).toEqual([
      'ASSETS.eip155:43114[0].name: write the name in the EIP-712 domain of the token',
      expect.stringContaining('ASSETS.eip155:43114[0].version: write the version'),
    ])
  })

  test.each<[string, unknown, string]>([
    ['another way', { 'eip155:43114': { ...EURC_THERE, transfer: 'upto' } }, 'ASSETS.eip155:43114.transfer: write'],
    ['a network nobody knows', { 'eip155:99': EURC_THERE }, 'ASSETS.eip155:99: this network is not supported'],
    ['Solana', { [SOLANA]: EURC_THERE }, `ASSETS.${SOLANA}: this network is not supported`],
    ...[19, -1, 6.5, '6', null].map((decimals): [string, unknown, string] => [
      `${decimals} decimals`,
      { 'eip155:43114': { ...EURC_THERE, decimals } },
      'ASSETS.eip155:43114.decimals: write the decimals() of the token, a whole number from 0 to 18',
    ]),
    [
      'another currency',
      { 'eip155:43114': { ...EURC_THERE, currency: 'GBP' } },
      'ASSETS.eip155:43114.currency: write "USD"',
    ],
    [
      'a wrong checksum',
      { 'eip155:43114': { ...EURC_THERE, address: EURC_THERE.address.replace('C8', 'c8') } },
      'checksum',
    ],
    [
      'a token twice, in two ways',
      {
        'eip155:43114': [
          EURC_THERE,
          { address: EURC_THERE.address, transfer: 'permit2', decimals: 6, symbol: 'EURC', currency: 'USD' },
        ],
      },
      'is there twice; remove one',
    ],
    ['a token that is known', { 'eip155:8453': { ...EURC_THERE, address: USDC_THERE } }, 'is known already; remove it'],
    ['a list', [EURC_THERE], 'ASSETS: write a table by network'],
  ])('%s is no token: what to write instead', (_, ASSETS, said) => {
    expect(problems({ ASSETS })).toEqual([expect.stringContaining(said)])
  })

  test('a Solana payee may stand ready', () => {
    const payTo = {
      eip155: PAYEE,
      solana: 'So11111111111111111111111111111111111111112',
    }
    expect(problems({ PAY_TO: payTo })).toEqual([])
  })

  test('what is left empty counts as not given', () => {
    expect(problems({ ORIGIN_URL: '', FACILITATOR_URL: '' })).toEqual([])
  })
})

test.each([
  [undefined, 1],
  [0.1, 0.1],
  ['0.25', 0.25],
  ['1', 1],
])('LOG_SAMPLE of %o is %d', (LOG_SAMPLE, share) => {
  const parsed = parseConfig({ ...GOOD, ...(LOG_SAMPLE === undefined ? {} : { LOG_SAMPLE }) })
  expect(parsed.ok && parsed.value.logSample).toBe(share)
})

test.each([
  [{}, false],
  [{ mode: 'enforce' }, false],
  [{ mode: 'observe' }, true],
])('a route with %o is observed: %o', (mode, isObserved) => {
  const parsed = parseConfig({ ...GOOD, ...route(mode) })
  expect(parsed.ok && parsed.value.rules[0]?.isObserved).toBe(isObserved)
})
