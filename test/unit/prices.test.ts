import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parsePattern } from '../../src/policy/paths.ts'
import { payableSales, type Sale, saleOffers, salesAt } from '../../src/policy/policy.ts'
import {
  type Amounts,
  formatAmounts,
  formatPrice,
  microsOf,
  parseAccess,
  parseAmounts,
  parsePrice,
  unitsOf,
} from '../../src/policy/rules.ts'
import { ASSETS, offeredOn } from '../../src/x402/assets.ts'
import { evmTermsOf, type Way } from '../../src/x402/payment.ts'

describe('a price is read without floating point', () => {
  test.each([
    ['$0.05', 50_000n],
    ['$1', 1_000_000n],
    ['$0.000001', 1n],
    ['$999999999.999999', 999_999_999_999_999n],
    ['$0.29', 290_000n],
  ])('%s is %s millionths', (text, micros) => {
    expect(parsePrice(text)).toEqual({ ok: true, value: [{ currency: 'USD', micros }] })
    expect(parsePrice(text.replace('$', '€'))).toEqual({ ok: true, value: [{ currency: 'EUR', micros }] })
  })

  test.each([
    '',
    '0.05',
    '$',
    '$.5',
    '$0',
    '$0.00',
    '$-1',
    '$1e3',
    '$01',
    '$1,000',
    '$0.0000001',
    ' $1',
    '$€1',
    '€',
    '1€',
    '£1',
    'FREE',
  ])('%s is an error', (text) => {
    expect(parsePrice(text).ok).toBe(false)
  })

  test('what is written is what is read', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 999_999_999_999_999n }), (micros) => {
        for (const currency of ['USD', 'EUR'] as const)
          expect(parsePrice(formatPrice({ currency, micros }))).toEqual({ ok: true, value: [{ currency, micros }] })
      }),
    )
  })

  test('a list has one price for each currency, and nothing is converted', () => {
    const both: Amounts = [
      { currency: 'USD', micros: 50_000n },
      { currency: 'EUR', micros: 40_000n },
    ]
    expect(parseAmounts(['$0.05', '€0.04'])).toEqual({ ok: true, value: both })
    expect(formatAmounts(both)).toBe('$0.05 · €0.04')
  })

  test.each([[[]], [['$0.05', '$0.06']], [['$0.05', 'free']], [['$0.05', '']], [['€1', '€1']]])(
    '%j is an error',
    (list) => {
      expect(parseAmounts(list).ok).toBe(false)
    },
  )
})

describe('a price in the units of a token', () => {
  test.each<[bigint, number, bigint | null]>([
    [50_000n, 6, 50_000n],
    [50_000n, 18, 50_000_000_000_000_000n],
    [1n, 18, 1_000_000_000_000n],
    [999_999_999_999_999n, 18, 999_999_999_999_999_000_000_000_000n],
    [50_000n, 2, 5n],
    [10_000n, 2, 1n],
    [1_000_000n, 0, 1n],
    [3_000_000n, 0, 3n],
    // Never rounded, up or down.
    [5_000n, 2, null],
    [9_999n, 2, null],
    [10_001n, 2, null],
    [1n, 5, null],
    [500_000n, 0, null],
  ])('%d millionths with %i decimals are %s', (micros, decimals, units) => {
    expect(unitsOf(micros, { decimals })).toBe(units)
  })

  test('is the same money again, and no two prices are the same units', () => {
    const price = fc.bigInt({ min: 1n, max: 999_999_999_999_999n })
    fc.assert(
      fc.property(price, price, fc.integer({ min: 0, max: 18 }), (one, other, decimals) => {
        const [a, b] = [one, other].map((micros) => unitsOf(micros, { decimals }))
        if (a != null) expect(microsOf(a, { decimals })).toBe(one)
        if (a != null && b != null) expect(a === b).toBe(one === other)
      }),
    )
  })
})

test.each([
  ['once', 0],
  ['10m', 600],
  ['24h', 86_400],
  ['30d', 2_592_000],
])('access %s is %s seconds', (text, seconds) => {
  expect(parseAccess(text)).toEqual({ ok: true, value: seconds })
})

test.each(['', '0m', '10', '1w', '10M', '-1d', '99999d', '1.5h'])('access %s is an error', (text) => {
  expect(parseAccess(text).ok).toBe(false)
})

describe('what is on sale can be paid', () => {
  const payTo = 'nobody'
  const waysOn = (...networks: string[]): Way[] =>
    ASSETS.filter(({ network }) => networks.includes(network)).map((asset) => ({
      asset,
      payTo,
      transfer: asset.kind === 'svm' ? { kind: 'svm', feePayer: payTo, facilitator: payTo } : evmTermsOf(asset),
    }))
  const [inDollars, inEuros] = [
    { currency: 'USD', micros: 50_000n },
    { currency: 'EUR', micros: 40_000n },
  ] as const
  const article: Sale = { name: null, amounts: [inDollars, inEuros], accessSeconds: 0, scope: null, text: null }
  const day: Sale = { ...article, name: 'Day pass', amounts: [{ currency: 'USD', micros: 500_000n }] }

  test('a price in a currency that no token is there for now is left out, and so is what has no other', () => {
    const onPolygon = waysOn('eip155:137')
    expect(payableSales([article, day], onPolygon, 8)).toEqual([{ ...article, amounts: [inDollars] }, day])
    expect(payableSales([{ ...article, amounts: [inEuros] }, day], onPolygon, 8)).toEqual([day])
    expect(payableSales([article, day], [], 8)).toEqual([])
    expect(payableSales([article, day], waysOn('eip155:8453'), 8)).toEqual([article, day])
  })

  test('a way whose token has too few decimals for an amount does not sell it, and others do', () => {
    const [way, ...others] = waysOn('eip155:137', 'eip155:8453')
    if (!way) throw new Error('the table has no USDC on Polygon')
    const coarse = { ...way, asset: { ...way.asset, decimals: 1 } }
    const fine = { ...way, asset: { ...way.asset, decimals: 18 } }
    const dollars: Sale = { ...article, amounts: [inDollars] }
    expect(payableSales([dollars, day], [coarse], 8)).toEqual([day])
    expect(saleOffers([dollars, day], [coarse], true).map(({ amount }) => amount)).toEqual([5n])
    expect(saleOffers([dollars], [fine], true).map(({ amount }) => amount)).toEqual([50_000_000_000_000_000n])
    expect(payableSales([dollars, day], [coarse, ...others], 8)).toEqual([dollars, day])
  })

  test('a further token of a currency that the network has is neither offered nor named', () => {
    const [usdc, ...others] = ASSETS
    const tokens = usdc ? [usdc, ...others, { ...usdc, symbol: 'XUSD' }] : []
    expect(offeredOn(usdc ? [usdc] : [], tokens).map(({ symbol }) => symbol)).toEqual(['USDC', 'EURC'])
  })

  test('an article’s own list of prices makes no header too long, and takes no other offer away', () => {
    const ways = waysOn('eip155:8453', 'eip155:137', 'eip155:42161', 'eip155:43114')
    expect(saleOffers([article, day], ways, true)).toHaveLength(9)
    const sales = payableSales([article, day], ways, 8)
    expect(sales).toEqual([{ ...article, amounts: [inDollars] }, day])
    expect(saleOffers(sales, ways, true)).toHaveLength(8)
  })
})

describe('amounts at one resource differ, so that an amount names its offer', () => {
  const scope = parsePattern('/articles/*')
  if (!scope.ok) throw new Error('the scope is a pattern')
  const rule = {
    path: scope.value,
    host: null,
    methods: null,
    price: [{ currency: 'USD', micros: 50_000n }],
    isObserved: false,
    prices: [],
    accessSeconds: 0,
    content: 'kv',
    upstream: null,
    description: '',
    mimeType: '',
    wall: null,
    offers: [
      {
        name: 'Day pass',
        price: [{ currency: 'USD', micros: 500_000n }],
        accessSeconds: 86_400,
        scope: scope.value,
        text: null,
      },
    ],
  } as const

  test('the article and the day pass are on sale', () => {
    expect(salesAt('/articles/hello', [{ currency: 'USD', micros: 50_000n }], rule).map((sale) => sale.name)).toEqual([
      null,
      'Day pass',
    ])
  })

  test('an article as dear as the day pass sells the day pass', () => {
    expect(salesAt('/articles/hello', [{ currency: 'USD', micros: 500_000n }], rule).map((sale) => sale.name)).toEqual([
      'Day pass',
    ])
  })

  test('an offer whose scope leaves the resource out is not on sale there', () => {
    expect(salesAt('/other', [{ currency: 'USD', micros: 50_000n }], rule).map((sale) => sale.name)).toEqual([null])
  })
})
