// The report of what observed routes would have asked for: requests times price, as an upper bound.
import { describe, expect, test } from 'vitest'
import { observedIn, reportOf } from '../../cli/observed.ts'

const LINE = { event: 'request', decision: 'observed', route: '/articles/*', class: 'people', priceMicros: 50_000 }
const line = (over: Record<string, unknown> = {}) => JSON.stringify({ ...LINE, ...over })
/** As `wrangler tail --format json` prints one request: spread over lines, with what the visitor sent beside our lines. */
const tail = (...messages: unknown[]) =>
  JSON.stringify(
    {
      wallTime: 1,
      outcome: 'ok',
      logs: messages.map((message) => ({ message: [message], level: 'error', timestamp: 1 })),
      event: { request: { url: 'https://news.example/', headers: { 'user-agent': line({ priceMicros: 9_000_000 }) } } },
    },
    null,
    2,
  ).split('\n')

describe('log lines are read', () => {
  test.each<[string, string[]]>([
    ['one a line', [line(), line()]],
    ['as wrangler tail prints them', [...tail(line()), ...tail(line())]],
    ['as wrangler tail prints them on one line', [tail(line(), line()).join('')]],
    ['as Logpush writes them', [JSON.stringify({ Logs: [{ Message: [line()] }, { Message: [line()] }] })]],
    ['already parsed', tail(LINE, LINE)],
    ['with Windows line ends', [`${line()}\r`, `${line()}\r`]],
    ['with other words around', ['Connected to newsstand', line(), '', '{ not JSON', line(), '[]', 'null']],
    ['with other lines of ours', [line(), line({ decision: 'sold' }), line({ event: 'fault' }), line()]],
    [
      'with lines that cannot be read',
      [line(), line({ priceMicros: -1 }), line({ weight: 0 }), line({ route: 7 }), line()],
    ],
    ['with one that was cut off', [line(), ...tail(line()).slice(0, 5), ...tail(line())]],
  ])('%s', async (_, lines) => {
    expect(await observedIn(lines)).toEqual({
      rows: [{ route: '/articles/*', class: 'people', price: { currency: 'USD', micros: 50_000n }, requests: 2 }],
      unpriced: 0,
      isEstimate: false,
    })
  })

  test('what a visitor wrote into a request is no line', async () => {
    const { rows } = await observedIn(tail('a line of somebody else'))
    expect(rows).toEqual([])
  })
})

test('requests are told apart by route, class and price, the dearest first', async () => {
  const { rows } = await observedIn([
    line({ class: 'other' }),
    line(),
    line(),
    line({ priceMicros: 1_000_000 }),
    line({ route: '/files/*' }),
    line({ route: '/files/*', priceMicros: 10_000 }),
  ])
  expect(
    rows.map(({ route, class: visitor, price, requests }) => [route, visitor, Number(price.micros), requests]),
  ).toEqual([
    ['/articles/*', 'people', 1_000_000, 1],
    ['/articles/*', 'people', 50_000, 2],
    ['/articles/*', 'other', 50_000, 1],
    ['/files/*', 'people', 50_000, 1],
    ['/files/*', 'people', 10_000, 1],
  ])
})

test('the report says that it is an upper bound, and nothing of income', async () => {
  const report = reportOf(await observedIn([line(), line(), line({ class: 'other', priceMicros: 20_000 })]))
  expect(report).toEqual([
    'Upper bound: every request at its full price. It is no forecast: most who are asked to pay leave, who has bought reads on',
    'without paying, and a class is what a visitor looks like.',
    '',
    'route        class   requests  price  at most',
    '/articles/*  people         2  $0.05    $0.10',
    '/articles/*  other          1  $0.02    $0.02',
    'in all                                  $0.12',
  ])
  expect(report.join('\n')).not.toMatch(/earn|income|revenue|lost/i)
})

test('a line that stands for several requests counts as many, and the report says that it is an estimate', async () => {
  const observed = await observedIn([line({ weight: 10 }), line({ weight: 10 }), line({ weight: 1 / 0.3 })])
  expect(observed.rows[0]?.requests).toBeCloseTo(23.33)
  const report = reportOf(observed).join('\n')
  expect(report).toContain('23')
  expect(report).toContain('$1.15')
  expect(report).toContain('LOG_SAMPLE')
})

test('what could not have been sold is counted apart', async () => {
  const { priceMicros: _, ...unpriced } = LINE
  const observed = await observedIn([JSON.stringify(unpriced), line()])
  expect(observed).toMatchObject({ unpriced: 1, rows: [{ requests: 1 }] })
  expect(reportOf(observed).at(-1)).toBe(
    'Left out, because nothing would have been asked for (HEAD, OPTIONS, redirects, errors): 1.',
  )
})

test('nothing observed is said in words', async () => {
  expect(reportOf(await observedIn(['', 'x']))).toEqual([
    'These lines tell of no request that an observed route would have charged for.',
  ])
})

test('nothing in a file steers the terminal', async () => {
  const report = reportOf(await observedIn([line({ route: '/\u001b[31m\u0007\u009b' })]))
  expect(report.join('\n')).toContain('/?[31m??')
})
