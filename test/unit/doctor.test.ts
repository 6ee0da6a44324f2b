// Doctor's parts that ask nobody: what makes a finding an error, and what routes mean to each other.
import { describe, expect, test } from 'vitest'
import { articleFindings } from '../../cli/doctor/articles.ts'
import { payeeFindings } from '../../cli/doctor/chains.ts'
import { leadsTo } from '../../cli/doctor/configuration.ts'
import {
  asJson,
  asText,
  error,
  hasErrors,
  notChecked,
  type Report,
  strictly,
  warning,
} from '../../cli/doctor/findings.ts'
import { isInOrder } from '../../cli/doctor/order.ts'
import { routeFindings } from '../../cli/doctor/routes.ts'
import { compared } from '../../cli/doctor/sitemap.ts'
import { evmTokensSold, mintsSold } from '../../cli/doctor/tokens.ts'
import { cheapestOf } from '../../cli/doctor/trial.ts'
import { type Config, parseConfig } from '../../src/config.ts'
import { AUTHORIZATION_USED, type Log, TRANSFER } from '../../src/payer/proof.ts'
import { NETWORKS } from '../../src/x402/assets.ts'
import { usdcOn } from '../world/usdc.ts'

function configOf(...routes: object[]): Config {
  const parsed = parseConfig({
    SITE_URL: ['https://news.example', 'https://daily.example'],
    PAY_TO: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    NETWORKS: ['eip155:84532'],
    FACILITATORS: ['https://facilitator.example'],
    ROUTES: routes,
    PASS_SECRET: 'a secret for tests, long enough',
    PAYERS: {},
    LEDGER_DB: {},
    CONTENT_KV: {},
    CONTENT_R2: {},
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value
}

const pathsOf = (...routes: object[]) => routeFindings(configOf(...routes)).map(({ path }) => path)

describe('a report', () => {
  const report: Report = {
    findings: [warning('B', 'second'), error('A', 'first'), notChecked('C', 'third'), error('D', 'fourth')],
    notes: ['A note.'],
  }

  test('is grouped by what matters most', () => {
    expect(asText(report)).toBe(
      [
        '2 errors\n  A: first\n  D: fourth',
        '1 warning\n  B: second',
        '1 not checked\n  C: third',
        'A note.',
        'Mend the errors before you deploy.',
      ].join('\n\n'),
    )
  })

  test('without findings says so', () => {
    expect(asText({ findings: [], notes: [] })).toBe('No errors.')
  })

  test('for machines is one object', () => {
    expect(JSON.parse(asJson(report))).toEqual({ ok: false, ...report })
  })

  test('has an error only by an error', () => {
    expect(hasErrors(report)).toBe(true)
    expect(hasErrors({ findings: [warning('A', 'b'), notChecked('C', 'd')], notes: [] })).toBe(false)
  })

  test('before the first real money is strict about who settles and who proves, and about nothing else', () => {
    const vital = [
      'FACILITATORS[0]',
      'FACILITATOR_URL',
      'RPC_URLS.eip155:8453',
      'NETWORKS[0]',
      'PAY_TO.eip155',
      'secrets',
    ]
    const rest = ['SITE_URL', 'sitemap', 'plan', 'LEDGER_DB']
    expect(strictly(vital.map((path) => notChecked(path, 'silence'))).map(({ level }) => level)).toEqual(
      vital.map(() => 'error'),
    )
    const others = [...rest.map((path) => notChecked(path, 'silence')), warning('FACILITATORS', 'only one')]
    expect(strictly(others)).toEqual(others)
  })
})

describe('a route never matches', () => {
  const free = { content: 'origin', price: 'free' }
  test.each<[string, object[], string[]]>([
    ['behind a tree', [{ path: '/*' }, { path: '/a' }], ['ROUTES[1].path']],
    ['behind itself', [{ path: '/a' }, { path: '/a' }], ['ROUTES[1].path']],
    ['behind a parameter', [{ path: '/a/:x' }, { path: '/a/b' }], ['ROUTES[1].path']],
    ['behind all methods of its path', [{ path: '/a' }, { path: '/a', methods: ['POST'] }], ['ROUTES[1].path']],
    ['behind all hosts', [{ path: '/a' }, { path: '/a', host: 'daily.example' }], ['ROUTES[1].path']],
    ['at our own addresses', [{ path: '/.well-known/did.json' }], ['ROUTES[0].path']],
  ])('%s', (_, routes, paths) => {
    expect(pathsOf(...routes.map((route) => ({ ...free, ...route })))).toEqual(paths)
  })

  test.each<[string, object[]]>([
    ['before a wider one', [{ path: '/a' }, { path: '/*' }]],
    ['behind a parameter that is one segment', [{ path: '/a/:x' }, { path: '/a/b/c' }]],
    [
      'behind other methods',
      [
        { path: '/a', methods: ['GET'] },
        { path: '/a', methods: ['GET', 'POST'] },
      ],
    ],
    [
      'behind another host',
      [
        { path: '/a', host: 'news.example' },
        { path: '/a', host: 'daily.example' },
      ],
    ],
    ['behind one host, when it is for all', [{ path: '/a', host: 'news.example' }, { path: '/a' }]],
    ['beside addresses that only look like ours', [{ path: '/_newsstandard' }, { path: '/.well-known/x402-notes' }]],
  ])('not %s', (_, routes) => {
    expect(pathsOf(...routes.map((route) => ({ ...free, ...route })))).toEqual([])
  })
})

describe('an offer', () => {
  const offer = (scope: string) => [{ name: 'Pass', price: '$1.00', access: '24h', scope }]
  test.each([
    ['/articles/*', []],
    ['/*', []],
    ['/articles/tides/*', []],
    ['/:section/hello', []],
    ['/films/*', ['ROUTES[0].offers[0].scope']],
    ['/', ['ROUTES[0].offers[0].scope']],
  ])('with the scope %s at /articles/*', (scope, paths) => {
    expect(pathsOf({ path: '/articles/*', price: '$0.05', offers: offer(scope) })).toEqual(paths)
  })

  test('at a free route is never sold', () => {
    expect(pathsOf({ path: '/a', price: 'free', offers: offer('/a') })).toEqual(['ROUTES[0].offers[0]'])
  })
})

test.each([
  ['news.example/*', 'news.example', true],
  ['https://news.example/*', 'news.example', true],
  ['news.example', 'news.example', true],
  ['*.news.example/*', 'www.news.example', true],
  ['*news.example/*', 'news.example', true],
  ['*.news.example/*', 'news.example', false],
  ['news.example/*', 'daily.example', false],
  ['news.example/*', 'www.news.example', false],
])('the pattern %s and %s: %s', (pattern, hostname, leads) => {
  expect(leadsTo(pattern, hostname)).toBe(leads)
})

test('the cheapest thing is found in prices, rules and offers', () => {
  const offers = [{ name: 'Pass', price: '$0.50', access: '24h', scope: '/b' }]
  const prices = [{ when: { country: ['DE'] }, price: '$0.01' }]
  expect(
    cheapestOf(configOf({ path: '/a', price: '$0.05' }, { path: '/b', price: '$0.20', offers, prices }), 'USD'),
  ).toEqual({
    at: 'ROUTES[1].prices[0].price',
    micros: 10_000n,
  })
  expect(cheapestOf(configOf({ path: '/a', price: 'free' }), 'USD')).toBeNull()
})

describe('a payee on two networks', () => {
  const [one, two] = [usdcOn('eip155:8453'), usdcOn('eip155:84532')]
  test.each([
    ['contract', 'used', 'error'],
    ['contract', 'fresh', 'error'],
    ['contract', 'contract', 'warning'],
    ['fresh', 'fresh', 'warning'],
    ['used', 'fresh', null],
    ['used', 'used', null],
  ] as const)('that is %s here and %s there: %s', (here, there, level) => {
    const found = payeeFindings([
      { asset: one, kind: here },
      { asset: two, kind: there },
    ])
    expect(found.map((finding) => finding.level)).toEqual(level === null ? [] : [level])
  })
})

describe('the logs of a token of one’s own', () => {
  const [token, stranger] = [`0x${'a'.repeat(40)}`, `0x${'b'.repeat(40)}`]
  const [signer, payee, nonce] = ['1', '2', '3'].map((digit) => `0x${digit.repeat(64)}`)
  const value = `0x${'4'.repeat(64)}`
  const at = (address: string, topics: (string | undefined)[], data = '0x'): Log => ({
    address,
    topics: topics.map(String),
    data,
  })
  const used = at(token, [AUTHORIZATION_USED, signer, nonce])
  const moved = at(token, [TRANSFER, signer, payee], value)
  const foreign = at(stranger, [TRANSFER, signer, payee], value)
  test.each<[string, readonly Log[], boolean | null]>([
    ['a use and its transfer', [used, moved], true],
    ['with logs of others between', [foreign, used, foreign, moved, foreign], true],
    ['two of them', [used, moved, used, moved], true],
    ['a transfer before its use', [moved, used], false],
    ['a log of its own between', [used, at(token, [value]), moved], false],
    ['two uses before two transfers', [used, used, moved, moved], false],
    ['one in order and one not', [used, moved, used], false],
    ['a transfer by somebody else', [used, at(token, [TRANSFER, payee, signer], value)], false],
    ['a transfer with its value among the topics', [used, at(token, [TRANSFER, signer, payee, value])], false],
    ['no use', [moved, foreign], null],
  ])('%s', (_, logs, isGood) => expect(isInOrder(logs, token.toUpperCase().replace('0X', '0x'))).toBe(isGood))
})

test('what is sold in euros alone is told of', () => {
  const found = routeFindings(configOf({ path: '/a', price: '€0.05' }, { path: '/b', price: ['$0.05', '€0.05'] }))
  expect(found).toMatchObject([{ level: 'warning', path: 'ROUTES[0].price' }])
})

test('an observed route is told of, with what it gives away; in a sitemap it counts as free', () => {
  const config = configOf({ path: '/articles/*', price: '$0.05', mode: 'observe' }, { path: '/dear', price: '$1' })
  const found = routeFindings(config)
  expect(found).toMatchObject([{ level: 'warning', path: 'ROUTES[0].mode' }])
  expect(found[0]?.message).toMatch(/"\/articles\/\*" is given to anybody.*purge caches/)
  const { notes } = compared(['https://news.example/articles/a', 'https://news.example/dear'], config)
  expect(notes).toEqual(['Sitemap: 1 gated, 1 free, 0 refused, 0 of other sites.'])
})

test('a sitemap is read by the policy itself, on every site of the list', () => {
  const config = configOf(
    { path: '/articles/*', host: 'news.example', price: '$0.05' },
    { path: '/api', price: '$0.05', methods: ['POST'] },
    { path: '/free', price: 'free' },
  )
  const report = compared(
    ['https://news.example/articles/a', 'https://daily.example/articles/a', 'https://news.example/free', 'no address'],
    config,
  )
  expect(report).toEqual({ findings: [], notes: ['Sitemap: 1 gated, 2 free, 0 refused, 1 of other sites.'] })
})

describe('articles in KV', () => {
  const config = configOf(
    {
      path: '/articles/*',
      content: 'kv',
      price: '$0.05',
      offers: [{ name: 'day', price: '$0.50', access: '24h', scope: '/articles/*' }],
    },
    { path: '/files/*', content: 'r2', price: '$1.00' },
  )
  const about = (...keys: { name: string; metadata?: unknown }[]) =>
    articleFindings(
      keys.map(({ name, metadata }) => ({ name, metadata })),
      config,
    ).map(({ level, message }) => `${level}: ${message}`)

  test.each([
    { name: '/articles/a' },
    { name: '/articles/a', metadata: { title: 'A', price: '$0.10' } },
    { name: '/articles/a', metadata: { price: 'free' } },
    { name: '/articles/r%C3%A9sum%C3%A9' },
    { name: '/articles/résumé' },
    { name: '/articles/50%25' },
    { name: 'newsstand:supported' },
  ])('%o is in order', (key) => expect(about(key)).toEqual([]))

  test.each([
    ['/files/film.mp4', 'of a route with other content'],
    ['/elsewhere', 'of no route'],
    ['/articles/a/', 'with a slash too many'],
    ['/articles//a', 'that is no address'],
    ['/articles/re\u0301sume\u0301', 'in another form of its letters'],
  ])('%s is shown to nobody: it is a key %s', (name) => {
    expect(about({ name })).toEqual([
      `warning: no route with content = "kv" shows the key ${JSON.stringify(name)}; add a route, correct the key, or remove it`,
    ])
  })

  test('several of them are counted', () => {
    expect(about({ name: '/a' }, { name: '/b' })).toEqual([
      'warning: no route with content = "kv" shows any of 2 keys such as "/a"; add a route, correct the key, or remove it',
    ])
  })

  test('a price that is that of an offer', () => {
    expect(about({ name: '/articles/a', metadata: { price: '$0.50' } })).toEqual([
      'error: "/articles/a" costs $0.50, and so does "day", which is then sold for it; make them differ',
    ])
  })

  test('a price in a currency that no network has a token for', () => {
    const onPolygon = { ...config, networks: NETWORKS.filter(({ network }) => network === 'eip155:137') }
    const keys = ['€0.10', '$0.10', 'free'].map((price) => ({ name: '/articles/a', metadata: { price } }))
    expect(articleFindings(keys, config)).toEqual([])
    expect(articleFindings(keys, onPolygon).map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'error: "/articles/a" cannot be bought: no network in NETWORKS has a token for €0.10; write a price in another currency, or add a network that has one',
    ])
  })

  test('metadata that is no table of texts', () => {
    expect(about({ name: '/articles/a', metadata: { title: 5 } })).toEqual([
      'error: "/articles/a" answers 500: its metadata is not a table of texts; put it again with metadata that can be read',
    ])
  })

  test('five are shown, and the others counted', () => {
    const keys = Array.from({ length: 8 }, (_, i) => ({ name: `/articles/${i}`, metadata: { price: 'dear' } }))
    const lines = about(...keys)
    expect(lines).toHaveLength(6)
    expect(lines.at(-1)).toBe('error: 3 more articles are like these; mend them, and run doctor again')
  })
})

test('of a payee on Solana those token accounts are asked for that prices are paid into', () => {
  const symbols = (price: string | string[]) => {
    const parsed = parseConfig({
      SITE_URL: 'https://news.example',
      PAY_TO: { solana: 'CJfRUQxyonG6B5mnztsNUqxknbFT89DJdrdrzV9F96mU' },
      NETWORKS: ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'],
      FACILITATORS: ['https://facilitator.example'],
      ROUTES: [{ path: '/a', price }],
      PASS_SECRET: 'a secret for tests, long enough',
      PAYERS: {},
      LEDGER_DB: {},
    })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
    return mintsSold(parsed.value).map(({ symbol }) => symbol)
  }
  expect(symbols('$0.05')).toEqual(['USDC'])
  expect(symbols('€0.05')).toEqual(['EURC'])
  expect(symbols(['$0.05', '€0.05'])).toEqual(['USDC', 'EURC'])
})

describe('on an EVM network those tokens are looked at that are sold in', () => {
  const OWN = { address: `0x${'e0'.repeat(20)}`, name: 'E', version: '1', decimals: 6, symbol: 'OWN', currency: 'EUR' }
  const symbols = (price: string | string[], network: string, ASSETS?: object) => {
    const parsed = parseConfig({
      SITE_URL: 'https://news.example',
      PAY_TO: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
      NETWORKS: [network],
      ...(ASSETS && { ASSETS: { [network]: ASSETS } }),
      FACILITATORS: ['https://facilitator.example'],
      ROUTES: [{ path: '/a', price }],
      PASS_SECRET: 'a secret for tests, long enough',
      PAYERS: {},
      LEDGER_DB: {},
    })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
    return evmTokensSold(parsed.value).map((tokens) => tokens.map(({ symbol }) => symbol))
  }
  test.each<[string, string[][]]>([
    ['$0.05', [['USDC']]],
    ['€0.05', [['EURC']]],
    ['free', [['USDC']]],
  ])('for %s', (price, tokens) => expect(symbols(price, 'eip155:8453')).toEqual(tokens))

  test('for both', () => expect(symbols(['$0.05', '€0.05'], 'eip155:8453')).toEqual([['USDC', 'EURC']]))

  test('and the site’s own where it is offered, whatever routes cost: an article may have its own price', () => {
    expect(symbols('$0.05', 'eip155:137', OWN)).toEqual([['USDC', 'OWN']])
    expect(symbols('€0.05', 'eip155:8453', OWN)).toEqual([['EURC']])
  })
})
