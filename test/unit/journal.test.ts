// What one request came to, as it is written and counted; and how a log names who paid.
import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { withoutToken } from '../../src/admin.ts'
import { type Ended, type Entry, lineOf, newEntry, pointOf, sampled, serverTiming, write } from '../../src/journal.ts'
import type { RequestLine } from '../../src/log.ts'
import { monthOf, payerAlias, paymentAlias } from '../../src/networks/alias.ts'
import { parsePattern } from '../../src/policy/paths.ts'
import type { Rule } from '../../src/policy/rules.ts'
import { visitorClass } from '../../src/policy/visitors.ts'

const SECRET = 'a secret for tests, long enough'
const ADDRESS = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const NOW_MS = Date.UTC(2026, 10, 22, 12)

function ruleAt(text: string): Rule {
  const path = parsePattern(text)
  if (!path.ok) throw new Error(path.error)
  return {
    path: path.value,
    isObserved: false,
    host: null,
    methods: null,
    price: [{ currency: 'USD', micros: 50_000n }],
    prices: [],
    accessSeconds: 86_400,
    content: 'origin',
    upstream: null,
    description: '',
    mimeType: '',
    wall: null,
    offers: [],
  }
}

const PRICE = { currency: 'USD', micros: 50_000n } as const
const ENDED: Ended = { method: 'GET', class: 'other', kind: 'gated', status: 200, refusal: null }
const line = (noted: Partial<Entry>, ended: Partial<Ended> = {}) =>
  lineOf({ ...newEntry(NOW_MS - 30), rule: ruleAt('/articles/*'), ...noted }, { ...ENDED, ...ended }, SECRET, NOW_MS)

describe('the line of a request', () => {
  test('of a sale has the price, the network, and the payer by the alias of the month', () => {
    const sold: Partial<Entry> = { decision: 'sold', price: PRICE, network: 'eip155:8453', payer: ADDRESS }
    expect(line({ ...sold, contentMs: 10, payerMs: 15 }, { class: 'agent' })).toEqual({
      event: 'request',
      decision: 'sold',
      status: 200,
      route: '/articles/*',
      method: 'GET',
      class: 'agent',
      ms: 30,
      contentMs: 10,
      payerMs: 15,
      priceMicros: 50_000,
      currency: 'USD',
      network: 'eip155:8453',
      payer: payerAlias(SECRET, ADDRESS, '2026-11'),
    })
  })

  test.each<[string, Partial<Ended>, string | undefined]>([
    ['no route matched: nothing was decided', { kind: 'open' }, undefined],
    ['free content', { kind: 'free' }, 'free'],
    ['a challenge', { kind: 'ours', status: 402, refusal: { code: 'payment_required' } }, 'challenged'],
    ['any other refusal', { kind: 'ours', status: 404, refusal: { code: 'not_found' } }, 'refused'],
    ['a preflight', { kind: 'ours', status: 204 }, 'preflight'],
    ['a file of ours for a holder', { kind: 'held' }, 'held'],
  ])('%s', (_, ended, decision) => {
    expect(line({}, ended)?.decision).toBe(decision)
  })

  test('names the code of a refusal, and its exact reason', () => {
    const refusal = { code: 'invalid_payload', why: 'no JSON', transaction: '0xabc' } as const
    const said = line({ decision: 'declined' }, { kind: 'ours', status: 400, refusal })
    expect(said).toMatchObject({ decision: 'declined', refusal: 'invalid_payload', why: 'no JSON' })
    expect(JSON.stringify(said)).not.toContain('0xabc')
  })

  test('has the host of a route that is for one host', () => {
    expect(line({ rule: { ...ruleAt('/a/*'), host: 'news.example' } })?.route).toBe('news.example/a/*')
  })

  test('has no route where none was reached', () => {
    expect(line({ rule: null }, { kind: 'ours', status: 421, refusal: { code: 'misdirected_request' } })?.route).toBe(
      '',
    )
  })

  test.each<[string, Partial<Ended>, number | undefined]>([
    ['a page', {}, 50_000],
    ['a part of it', { status: 206 }, 50_000],
    ['a copy that is still good', { status: 304 }, 50_000],
    ['a redirect', { status: 302 }, undefined],
    ['a page that is not there', { status: 404 }, undefined],
    ['an origin that fails', { status: 502 }, undefined],
    ['HEAD', { method: 'HEAD' }, undefined],
    ['OPTIONS', { method: 'OPTIONS' }, undefined],
    ['a POST', { method: 'POST', status: 201 }, 50_000],
    ['a POST that fails', { method: 'POST', status: 500 }, undefined],
  ])('an observed route names the price that would have been asked for: %s', (_, ended, price) => {
    const said = line({ decision: 'observed', price: PRICE }, { kind: 'free', ...ended })
    expect([said?.decision, said?.priceMicros]).toEqual(['observed', price])
  })
})

describe('sampling', () => {
  const of = (decision: RequestLine['decision']): RequestLine => ({
    event: 'request',
    decision,
    status: 200,
    route: '/x',
    method: 'GET',
    class: 'other',
    ms: 1,
    contentMs: 0,
    payerMs: 0,
  })

  test.each(['free', 'observed', 'preflight', 'challenged', 'refused', 'held'] as const)(
    '%s without a payment is written as often as it is drawn, and says for how many it stands',
    (decision) => {
      expect(sampled(of(decision), false, 0.1, 0.5)).toBeNull()
      expect(sampled(of(decision), false, 0.1, 0.05)).toEqual({ ...of(decision), weight: 10 })
      expect(sampled(of(decision), false, 1, 0.999)).toEqual(of(decision))
    },
  )

  test.each(['sold', 'collected', 'declined', 'unsold'] as const)(
    '%s is always written, and stands for itself',
    (d) => {
      expect(sampled(of(d), false, 0.001, 0.999)).toEqual(of(d))
      expect(sampled(of(d), true, 0.001, 0.0001)).toEqual(of(d))
    },
  )

  test.each(['challenged', 'refused', 'held'] as const)('so is %s where a payment was sent', (decision) => {
    expect(sampled(of(decision), true, 0.001, 0.999)).toEqual(of(decision))
  })

  test.each(['free', 'observed'] as const)('a payment sent along changes nothing about %s', (decision) => {
    expect(sampled(of(decision), true, 0.5, 0.999)).toBeNull()
  })
})

test('a count has the columns that the operator is told', () => {
  const said = line({ decision: 'sold', price: PRICE, network: 'eip155:8453', payer: ADDRESS })
  expect(said && pointOf(said)).toEqual({
    indexes: ['/articles/*'],
    blobs: ['/articles/*', 'sold', '', 'other', 'eip155:8453', 'USD'],
    doubles: [50_000, 30, 200],
  })
})

test.each([
  ['counts every line, also those that are not written', () => {}, 1],
  ['a count that is not taken costs no answer', () => expect.fail('the limit of the platform'), 0],
])('Analytics Engine: %s', (_, take, counted) => {
  const points: unknown[] = []
  const writeDataPoint = (point?: unknown) => {
    take()
    points.push(point)
  }
  const told: string[] = []
  const real = console.error
  console.error = (text: string) => void told.push(text)
  const said = line({ decision: 'observed', price: PRICE }, { kind: 'free' })
  if (said) write({ ANALYTICS: { writeDataPoint } }, said, false, Number.MIN_VALUE)
  console.error = real
  expect(points).toEqual(counted === 1 && said ? [pointOf(said)] : [])
  expect(told.map((text) => JSON.parse(text).event)).toEqual(counted === 1 ? [] : ['analytics_unavailable'])
})

test('Server-Timing names what waited', () => {
  const entry = { ...newEntry(NOW_MS - 30), contentMs: 10, payerMs: 15 }
  expect(serverTiming(entry, NOW_MS)).toBe('total;dur=30, content;dur=10, payer;dur=15')
})

describe('the class of a visitor', () => {
  const BROWSER = { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
  const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  test.each<[string, Record<string, string>, boolean, string]>([
    ['a browser opens a page', { ...BROWSER, Accept: HTML }, false, 'people'],
    ['a browser loads a picture', { ...BROWSER, 'Sec-Fetch-Mode': 'no-cors', Accept: 'image/avif' }, false, 'people'],
    ['the script of a page pays', { ...BROWSER, 'Sec-Fetch-Mode': 'same-origin', Accept: '*/*' }, true, 'people'],
    ['a navigation that wants no page', { ...BROWSER, Accept: '*/*' }, false, 'other'],
    ['an HTTP client that sends one of the three', { 'Sec-Fetch-Mode': 'cors', Accept: '*/*' }, false, 'other'],
    ['a program that says it reads pages', { Accept: HTML }, false, 'other'],
    ['a program that says nothing', {}, false, 'other'],
    ['a program that pays', {}, true, 'agent'],
    ['an HTTP client that pays', { 'Sec-Fetch-Mode': 'cors' }, true, 'agent'],
  ])('%s', (_, sent, isBuying, expected) => {
    const headers = new Headers(sent)
    expect(visitorClass((name) => headers.get(name), isBuying)).toBe(expected)
  })
})

describe('an alias', () => {
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const expected = (secret: string, text: string) =>
    hmac(hmac(secret, 'newsstand log v1'), text).toString('hex').slice(0, 16)

  test.each([SECRET, 'x'.repeat(64), 'a secret of more than one block '.repeat(4), 'ein Geheimnis für Größeres'])(
    'is HMAC-SHA-256 under a key made of the secret: %s',
    (secret) => {
      expect(payerAlias(secret, ADDRESS, '2026-11')).toBe(expected(secret, `payer|2026-11|${ADDRESS.toLowerCase()}`))
      expect(paymentAlias(secret, '3009|8453|0x|0x|0x')).toBe(expected(secret, 'payment|3009|8453|0x|0x|0x'))
    },
  )

  test('is one for one address, however it is spelt', () => {
    expect(payerAlias(SECRET, ADDRESS.toLowerCase(), '2026-11')).toBe(payerAlias(SECRET, ADDRESS, '2026-11'))
  })

  test('is another one next month, at another site, and of another payer', () => {
    const own = payerAlias(SECRET, ADDRESS, '2026-11')
    expect(own).toMatch(/^[0-9a-f]{16}$/)
    const others = [
      payerAlias(SECRET, ADDRESS, '2026-12'),
      payerAlias('another secret, long enough', ADDRESS, '2026-11'),
      payerAlias(SECRET, `0x${'1'.repeat(40)}`, '2026-11'),
    ]
    expect(new Set([own, ...others]).size).toBe(4)
  })

  test('months are those of UTC', () => {
    expect(monthOf(Date.UTC(2026, 10, 30, 23, 59, 59) / 1000)).toBe('2026-11')
    expect(monthOf(Date.UTC(2026, 11, 1) / 1000)).toBe('2026-12')
  })
})

test('the token of the admin goes no further, and all else does', async () => {
  const sent = new Request('https://news.example/a?b=1', {
    method: 'POST',
    headers: { Authorization: 'Bearer the-token-of-the-admin', 'X-Other': 'kept' },
    body: 'kept too',
  })
  const passed = withoutToken(sent)
  expect([passed.url, passed.method, passed.headers.get('X-Other'), await passed.text()]).toEqual([
    'https://news.example/a?b=1',
    'POST',
    'kept',
    'kept too',
  ])
  expect(passed.headers.get('Authorization')).toBeNull()
})
