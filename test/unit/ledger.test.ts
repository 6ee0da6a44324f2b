// The parts of `npm run ledger` that neither ask nor wait: cells, amounts, dates, ranges, what a receipt shows, and the
// ledger against the chain.
import { describe, expect, test } from 'vitest'
import { compare, type Kind, toLookUp, unknownTokens, type View } from '../../cli/ledger/compare.ts'
import { asCsv, asJson, csvCell, spanOf } from '../../cli/ledger/export.ts'
import { amountOf, isoTime, printable, type Row } from '../../cli/ledger/rows.ts'
import { answered, FIRST_STEP, newestUpTo, refused, type Step } from '../../cli/ledger/scan.ts'
import { keyOf, type Transfer, transfersIn } from '../../cli/ledger/transfers.ts'
import { AUTHORIZATION_CANCELED, AUTHORIZATION_USED, type Log, TRANSFER } from '../../src/payer/proof.ts'
import { ASSETS } from '../../src/x402/assets.ts'
import { usdcOn } from '../world/usdc.ts'

const ASSET = usdcOn('eip155:84532')
const TOKEN = ASSET.asset.toLowerCase()
const hash = (digit: string) => `0x${digit.repeat(64)}`
const address = (digit: string) => `0x${digit.repeat(40)}`
const [PAYER, PAYEE, STRANGER] = [address('a'), address('b'), address('c')]
const NOW = 1_800_000_000

const TRANSFERRED = {
  transaction: hash('1'),
  position: 0,
  block: 50,
  time: NOW - 3_600,
  payer: PAYER,
  payTo: PAYEE,
  nonce: hash('9'),
  amount: 50_000n,
}
const ROW: Row = {
  id: keyOf(TRANSFERRED, ASSET),
  site: 'https://news.example',
  resource: '/articles/hello',
  scheme: 'exact',
  network: ASSET.network,
  asset: ASSET.asset,
  amount: 50_000n,
  payer: PAYER,
  payTo: PAYEE,
  transaction: hash('1'),
  position: null,
  offer: '',
  accessSeconds: 86_400,
  settledAtSeconds: NOW - 3_600,
  remark: null,
  title: null,
  token: null,
}
const VIEW: View = {
  asset: ASSET,
  payees: [PAYEE],
  from: 0,
  to: 100,
  fromSeconds: NOW - 86_400,
  nowSeconds: NOW,
  transfers: [TRANSFERRED],
  inReceipts: [],
}

/** The kinds of what was found. */
function found(rows: readonly Row[], change: Partial<View> = {}) {
  const { errors, notYet, open } = compare(rows, { ...VIEW, ...change })
  const kinds = (list: readonly { kind: Kind }[]) => list.map(({ kind }) => kind)
  return { errors: kinds(errors), notYet: kinds(notYet), open: kinds(open) }
}
const WELL = { errors: [], notYet: [], open: [] }

describe('the ledger against the chain', () => {
  test('a row and its transfer are well, however the row is spelt', () => {
    expect(found([ROW])).toEqual(WELL)
    const loud = (text: string) => `0x${text.slice(2).toUpperCase()}`
    expect(
      found([{ ...ROW, payer: loud(PAYER), payTo: loud(PAYEE), transaction: loud(ROW.transaction), position: 0 }]),
    ).toEqual(WELL)
    expect(toLookUp([ROW], VIEW)).toEqual([])
  })

  test.each<[string, Partial<Row>, Kind]>([
    ['a wrong amount', { amount: 50_001n }, 'wrong_amount'],
    ['a wrong payee', { payTo: STRANGER }, 'wrong_payee'],
    ['a wrong payer', { payer: STRANGER }, 'wrong_payer'],
    ['a wrong transaction', { transaction: hash('2') }, 'wrong_place'],
    ['a wrong position', { position: 3 }, 'wrong_place'],
  ])('%s is an error, and the only one', (_, change, kind) => {
    expect(found([{ ...ROW, ...change }])).toEqual({ ...WELL, errors: [kind] })
  })

  test('a row without a transfer is an error, and not yet one before it is ten minutes old', () => {
    expect(found([ROW], { transfers: [] })).toEqual({ ...WELL, errors: ['row_without_transfer'] })
    const at = (age: number) => found([{ ...ROW, settledAtSeconds: NOW - age }], { transfers: [] })
    expect(at(599)).toEqual({ ...WELL, notYet: ['row_without_transfer'] })
    expect(at(600)).toEqual({ ...WELL, errors: ['row_without_transfer'] })
  })

  test('a transfer without a row is an error, and not yet one before it is ten minutes old', () => {
    expect(found([])).toEqual({ ...WELL, errors: ['transfer_without_row'] })
    const at = (age: number) => found([], { transfers: [{ ...TRANSFERRED, time: NOW - age }] })
    expect(at(599)).toEqual({ ...WELL, notYet: ['transfer_without_row'] })
    expect(at(600)).toEqual({ ...WELL, errors: ['transfer_without_row'] })
  })

  test('a row of another authorization does not stand for a transfer, even in the same transaction', () => {
    const other = { ...ROW, id: keyOf({ ...TRANSFERRED, nonce: hash('8') }, ASSET) }
    expect(found([other])).toEqual({ ...WELL, errors: ['row_without_transfer', 'transfer_without_row'] })
  })

  test.each<[string, Partial<Row>]>([
    ['transaction', { id: keyOf({ ...TRANSFERRED, nonce: hash('8') }, ASSET) }],
    ['position', { id: keyOf({ ...TRANSFERRED, nonce: hash('8') }, ASSET), position: 0, payer: STRANGER }],
    ['payment id in another spelling', { id: ROW.id.toUpperCase() }],
  ])('two rows that claim one %s are one double, and nothing else', (_, change) => {
    expect(found([ROW, { ...ROW, ...change }])).toEqual({ ...WELL, errors: ['double'] })
  })

  test('two payments in one transaction are no double', () => {
    const second = { ...TRANSFERRED, position: 4, nonce: hash('8') }
    const rows = [ROW, { ...ROW, id: keyOf(second, ASSET) }]
    expect(found(rows, { transfers: [TRANSFERRED, second] })).toEqual(WELL)
  })

  test('what is to be given back, and what is unproven, is open and no error', () => {
    expect(found([{ ...ROW, remark: 'refund_due' }])).toEqual({ ...WELL, open: ['refund_due'] })
    expect(found([{ ...ROW, remark: 'unproven' }])).toEqual({ ...WELL, open: ['unproven'] })
    expect(found([{ ...ROW, remark: 'unproven' }], { transfers: [] })).toEqual({ ...WELL, open: ['unproven'] })
    const again = { ...ROW, id: keyOf({ ...TRANSFERRED, nonce: hash('8') }, ASSET), remark: 'unproven' }
    expect(found([ROW, again])).toEqual({ ...WELL, open: ['unproven'] })
  })

  test('a transfer that only its receipt shows is well where its block was not read', () => {
    const late = { ...TRANSFERRED, block: 101 }
    expect(toLookUp([ROW], { ...VIEW, transfers: [] })).toEqual([ROW.transaction])
    expect(found([ROW], { transfers: [], inReceipts: [late] })).toEqual(WELL)
  })

  test('a transfer that the logs of its block left out is an error: nothing they lack is proven', () => {
    expect(found([ROW], { transfers: [], inReceipts: [TRANSFERRED] })).toEqual({ ...WELL, errors: ['logs_left_out'] })
  })

  test('rows of other networks and tokens, and those before the first block, are left alone', () => {
    const elsewhere = { ...ROW, network: 'eip155:8453', asset: usdcOn('eip155:8453').asset }
    const before = { ...ROW, settledAtSeconds: VIEW.fromSeconds - 1 }
    expect(found([elsewhere, before], { transfers: [] })).toEqual(WELL)
    expect(unknownTokens([ROW, elsewhere], ASSETS)).toEqual([])
    const odd = [
      { ...ROW, network: 'eip155:31337' },
      { ...ROW, asset: STRANGER },
    ]
    expect(unknownTokens(odd, ASSETS).map(({ kind }) => kind)).toEqual(['unknown_token', 'unknown_token'])
    const own = { ...ASSET, asset: `0x${STRANGER.slice(2)}` } as const
    expect(unknownTokens(odd, [...ASSETS, own]).map(({ network }) => network)).toEqual(['eip155:31337'])
  })
})

describe('what a receipt shows', () => {
  const topic = (text: string) => `0x${text.slice(2).padStart(64, '0')}`
  const used: Log = { address: TOKEN, topics: [AUTHORIZATION_USED, topic(PAYER), hash('9')], data: '0x' }
  const moved: Log = { address: TOKEN, topics: [TRANSFER, topic(PAYER), topic(PAYEE)], data: topic('0xc350') }
  const foreign: Log = { ...moved, address: STRANGER }
  const shown = (logs: readonly Log[], isSuccess = true): Transfer[] =>
    transfersIn(hash('1'), { block: 50, isSuccess, logs }, ASSET.asset)
  const { time: _, ...expected } = TRANSFERRED

  test('a transfer right behind the use of its authorization, by its place', () => {
    expect(shown([used, moved])).toEqual([expected])
    expect(shown([foreign, used, foreign, moved])).toEqual([{ ...expected, position: 1 }])
  })

  test.each<[string, readonly Log[]]>([
    ['a transfer without an authorization', [moved]],
    ['a transfer before the use', [moved, used]],
    ['a transfer behind another log of the token', [used, { ...used, topics: [hash('7')] }, moved]],
    [
      'the second of two transfers behind one use',
      [used, { ...moved, topics: [TRANSFER, topic(STRANGER), topic(PAYEE)] }, moved],
    ],
    ['a cancellation', [{ ...used, topics: [AUTHORIZATION_CANCELED, topic(PAYER), hash('9')] }, moved]],
    ['a token of somebody else', [{ ...used, address: STRANGER }, foreign]],
  ])('%s is no payment', (_, logs) => {
    expect(shown(logs)).toEqual([])
  })

  test('a transaction that failed moved nothing', () => {
    expect(shown([used, moved], false)).toEqual([])
  })
})

describe('ranges', () => {
  test('a refused range is halved down to one block, and then given up', () => {
    const sizes: number[] = []
    for (let step: Step | null = FIRST_STEP; step; step = refused(step)) sizes.push(step.blocks)
    expect(sizes).toEqual([2_000, 1_000, 500, 250, 125, 62, 31, 15, 7, 3, 1])
  })

  test('a range grows after twenty answers, and not without end', () => {
    let step: Step = { blocks: 3, answered: 0 }
    for (let i = 0; i < 19; i++) step = answered(step)
    expect(step.blocks).toBe(3)
    expect(answered(step)).toEqual({ blocks: 6, answered: 0 })
    for (let i = 0; i < 1_000; i++) step = answered(step)
    expect(step.blocks).toBe(10_000)
  })

  test.each([
    [0, 0],
    [999, 0],
    [1_000, 0],
    [1_001, 0],
    [1_007, 3],
    [1_011, 3],
    [1_012, 4],
    [9_999, 9],
  ])('the newest block up to second %d is block %d, at whatever pace they came', async (seconds, height) => {
    const times = [1_000, 1_002, 1_004, 1_006, 1_012, 1_500, 1_501, 1_502, 1_503, 1_504]
    const blockAt = async (number: number) => ({ number, time: times[number] ?? Number.NaN })
    expect(await newestUpTo(blockAt, await blockAt(9), seconds)).toBe(height)
  })
})

describe('amounts, times and texts', () => {
  test.each([
    [0n, 6, '0.00'],
    [1n, 6, '0.000001'],
    [50_000n, 6, '0.05'],
    [500_000n, 6, '0.50'],
    [1_234_500n, 6, '1.2345'],
    [10n ** 30n + 1n, 6, '1000000000000000000000000.000001'],
    [50_000_000_000_000_000n, 18, '0.05'],
    [10n ** 36n + 1n, 18, '1000000000000000000.000000000000000001'],
    [5n, 2, '0.05'],
    [7n, 1, '0.70'],
    [7n, 0, '7.00'],
  ])('%d atomic units of a token with %i decimals are %s', (amount, decimals, text) => {
    const paid = { network: 'eip155:8453', asset: '0xe0', token: { symbol: 'X', currency: 'EUR', decimals } }
    expect(amountOf({ ...paid, amount })).toBe(`${text} X`)
    expect(amountOf({ ...paid, token: null, amount })).toBe(`${amount} units of 0xe0`)
  })

  test('a time is in UTC', () => {
    expect(isoTime(0)).toBe('1970-01-01T00:00:00Z')
  })

  test('a text of a stranger does not write over the screen', () => {
    expect(printable('/a\u001b[2Jb\u202ec\n')).toBe('/a\u{fffd}[2Jb\u{fffd}c\u{fffd}')
  })
})

describe('an export', () => {
  async function* rows(...given: Row[]) {
    yield* given
  }
  async function text(pieces: AsyncIterable<string>) {
    let whole = ''
    for await (const piece of pieces) whole += piece
    return whole
  }

  test.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['  =1', "'  =1"],
    ['\u00a0\u200b=1', "'\u00a0\u200b=1"],
    ['\t=1', `"'\t=1"`],
    ['\rx', `"'\rx"`],
    ['＝1', "'＝1"],
    ['=HYPERLINK("x","y")', `"'=HYPERLINK(""x"",""y"")"`],
  ])('the cell %j is no formula', (cell, written) => {
    expect(csvCell(cell)).toBe(written)
  })

  test.each([
    ['/a=b', '/a=b'],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['two\r\nlines', '"two\r\nlines"'],
    ['', ''],
    [null, ''],
    [-5, '-5'],
  ])('the cell %j is written as it is, by RFC 4180', (cell, written) => {
    expect(csvCell(cell)).toBe(written)
  })

  test('CSV has a heading, a line for each row, and amounts as exact text', async () => {
    const [heading, line, ...end] = (await text(asCsv(rows({ ...ROW, resource: '/a?x=1,2' })))).split('\r\n')
    expect(heading).toMatch(/^Time \(UTC\),Site,Resource,Network,Token,Amount,Amount \(atomic units\),Payer,Payee,/)
    expect(line).toContain(`,"/a?x=1,2",eip155:84532,USDC,0.05,50000,${PAYER},${PAYEE},${ROW.transaction},,86400,,`)
    expect(end).toEqual([''])
  })

  test('a title is the last column, and computes nothing', async () => {
    const lines = await text(asCsv(rows({ ...ROW, title: '=cmd()' }, { ...ROW, title: 'Tides, and "more"' })))
    const [heading, first, second] = lines.split('\r\n')
    expect(heading).toMatch(/,Link,Title$/)
    expect(first).toMatch(/,'=cmd\(\)$/)
    expect(second).toMatch(/,"Tides, and ""more"{3}$/)
    expect(JSON.parse(await text(asJson(rows({ ...ROW, title: '=1' }, ROW))))).toMatchObject([
      { title: '=1' },
      { title: null },
    ])
  })

  test('a token that is not known has atomic units alone', async () => {
    expect(await text(asCsv(rows({ ...ROW, asset: STRANGER })))).toContain(',eip155:84532,,,50000,')
  })

  test('JSON is one array, with amounts as strings', async () => {
    expect(JSON.parse(await text(asJson(rows())))).toEqual([])
    expect(JSON.parse(await text(asJson(rows(ROW, ROW))))).toEqual([
      expect.objectContaining({ amount: '0.05', amountAtomic: '50000', token: 'USDC', remark: null }),
      expect.anything(),
    ])
  })

  test('a span takes whole days in UTC, and moments as they are', () => {
    expect(spanOf('2026-11-01', '2026-11-30')).toEqual({ fromSeconds: 1_793_491_200, toSeconds: 1_796_083_199 })
    expect(spanOf(undefined, '2026-11-01T00:00:00Z').toSeconds).toBe(1_793_491_200)
    expect(spanOf(undefined, undefined).fromSeconds).toBe(0)
  })

  test.each([
    ['1.11.2026', undefined, /no date in UTC/],
    ['2026-02-31', undefined, /no date in UTC/],
    ['2026-11-30', '2026-11-01', /is later than/],
  ])('from %s to %s is refused', (from, to, problem) => {
    expect(() => spanOf(from, to)).toThrow(problem)
  })
})
