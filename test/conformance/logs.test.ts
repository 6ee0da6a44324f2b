// What the log says of each kind of request, and what no line of it ever says: who asked, from where, and for which page.
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Answer, Question } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import type { Version } from '../world/payer.ts'
import { BASE_VARS } from '../world/site.ts'
import { type Buyer, CELLS, KIND, KINDS, type Kind, type Wrapping } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/of-a-private-matter'
const CALL = '/api/about-a-private-matter'
const QUERY = '?account=4021-private'
const ADMIN_TOKEN = 'the-token-of-the-admin'
/** What every request here says about its reader. */
const TRACES = {
  'User-Agent': 'PrivateReader/7.0 (of somebody)',
  Referer: 'https://elsewhere.example/where-they-came-from',
  'CF-Connecting-IP': '203.0.113.77',
}

let shop: SolanaShop
let origin: OriginServer
/** What no line may say. */
const unsaid: string[] = [
  'private-matter',
  '4021-private',
  'PrivateReader',
  'elsewhere.example',
  'where-they-came-from',
  '203.0.113',
  ADMIN_TOKEN,
  BASE_VARS.PASS_SECRET,
  ...KINDS.map(({ kind }) => kind.payTo),
]

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({
    ORIGIN_URL: origin.url,
    ADMIN_TOKEN,
    ROUTES: [
      { path: '/free/*', price: 'free' },
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/api/*', price: '$0.05', access: 'once' },
    ],
  })
  shop.onClose(origin.stop)
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())
beforeEach(() => origin.tell({ body: 'the whole page' }))

const ask = (path: string, question: Question = {}) =>
  shop.ask(path, { ...question, headers: { ...TRACES, ...question.headers } })

async function newReader(kind: Kind = KIND.eip155, atomicUnits?: bigint): Promise<Buyer> {
  const reader = await kind.reader(shop, atomicUnits)
  unsaid.push(reader.address, reader.address.slice(2, 12))
  return reader
}

/** How one pays: nothing that was signed may be in a log. */
async function paymentOf(
  kind: Kind,
  reader: Buyer,
  path: string,
  version: Version = 'v2',
  change: Wrapping = {},
  question: Question = {},
): Promise<Record<string, string>> {
  const headers = await reader.pay(version, path, change, question)
  unsaid.push(...kind.secrets(headers))
  return headers
}
const newPayment = async (path: string, question?: Question) =>
  paymentOf(KIND.eip155, await newReader(), path, 'v2', {}, question)

const parsed = (lines: readonly string[]) => lines.map((line): Record<string, unknown> => JSON.parse(line))

/** The one line that says what a request came to. */
async function lineOf(act: () => Promise<Answer>): Promise<{ answer: Answer; line: Record<string, unknown> }> {
  await shop.site.turn()
  const before = shop.site.logs.length
  const answer = await act()
  if (answer.pass !== '') unsaid.push(answer.pass.slice(-40))
  if (answer.receipt?.transaction) unsaid.push(answer.receipt.transaction, answer.receipt.transaction.slice(2, 20))
  const lines = () => parsed(shop.site.logs.slice(before)).filter(({ event }) => event === 'request')
  await expect.poll(() => lines().length).toBe(1)
  const [line = {}] = lines()
  expect(line.status).toBe(answer.status)
  return { answer, line }
}

/** A digest as the operator makes it: of a payer and a month, or of a row of the ledger. */
function alias(text: string): string {
  const hmac = (key: string | Buffer, of: string) => createHmac('sha256', key).update(of).digest()
  return hmac(hmac(BASE_VARS.PASS_SECRET, 'newsstand log v1'), text).toString('hex').slice(0, 16)
}
const aliasOf = ({ address }: Buyer) => alias(`payer|${new Date().toISOString().slice(0, 7)}|${address}`)

const BROWSER = {
  Accept: 'text/html,*/*;q=0.8',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Site': 'none',
}

describe('each request that was decided has one line', () => {
  test.each<[string, string, Question, Record<string, unknown>]>([
    ['free', `/free/private-matter${QUERY}`, {}, { decision: 'free', route: '/free/*', status: 200, class: 'other' }],
    ['asked to pay', PAGE + QUERY, {}, { decision: 'challenged', refusal: 'payment_required', route: '/articles/*' }],
    ['a person asked to pay', PAGE, { headers: BROWSER }, { decision: 'challenged', status: 402, class: 'people' }],
    ['HEAD', PAGE, { method: 'HEAD' }, { decision: 'challenged', method: 'HEAD' }],
    ['a preflight', PAGE, { method: 'OPTIONS' }, { decision: 'preflight', status: 204 }],
    ['not there', `${PAGE}-2`, {}, { decision: 'refused', refusal: 'not_found', route: '/articles/*' }],
    ['an odd address', '/articles%2Fprivate-matter', {}, { decision: 'refused', refusal: 'invalid_path', route: '' }],
    ['a wrong method', PAGE, { method: 'PUT' }, { decision: 'refused', refusal: 'method_not_allowed' }],
    [
      'a payment that cannot be read',
      PAGE,
      { headers: { 'PAYMENT-SIGNATURE': 'private-matter' } },
      { decision: 'declined', refusal: 'invalid_payload', class: 'agent', status: 400 },
    ],
    [
      'a sign-in that cannot be read',
      PAGE,
      { headers: { 'SIGN-IN-WITH-X': 'private-matter' } },
      { decision: 'refused', refusal: 'invalid_payload', class: 'agent' },
    ],
  ])('%s', async (_, path, question, expected) => {
    const { line } = await lineOf(() => ask(path, question))
    expect(line).toMatchObject(expected)
    for (const name of ['payer', 'priceMicros', 'network', 'weight']) expect(line).not.toHaveProperty(name)
    for (const name of ['ms', 'contentMs', 'payerMs']) expect(line[name]).toBeGreaterThanOrEqual(0)
  })

  test('what no route matches has none: nothing was decided', async () => {
    const before = shop.site.logs.length
    expect((await ask('/about-a-private-matter')).status).toBe(200)
    await shop.site.turn()
    expect(shop.site.logs.slice(before)).toEqual([])
  })

  describe.each(CELLS)('paid in $version on $name', ({ version, kind }) => {
    test('sold, with price, network and the payer’s alias; then held', async () => {
      const reader = await newReader(kind)
      const headers = await paymentOf(kind, reader, PAGE, version)
      const { answer, line } = await lineOf(() => ask(PAGE + QUERY, { headers }))
      expect(answer.status).toBe(200)
      expect(line).toMatchObject({
        decision: 'sold',
        route: '/articles/*',
        method: 'GET',
        class: 'agent',
        priceMicros: 50_000,
        network: kind.network,
        payer: aliasOf(reader),
      })
      expect(line.ms).toBeGreaterThanOrEqual(Number(line.payerMs))
      const { line: later } = await lineOf(() => ask(PAGE, { headers: { Cookie: answer.pass } }))
      expect(later).toMatchObject({ decision: 'held', status: 200 })
      expect(later).not.toHaveProperty('payer')
    })

    test('collected: what was paid before is handed out once more, and counts no second time', async () => {
      const reader = await newReader(kind)
      const headers = await paymentOf(kind, reader, PAGE, version, { identifier: 'an-identifier-of-sixteen' })
      expect((await lineOf(() => ask(PAGE, { headers }))).line.decision).toBe('sold')
      const { line } = await lineOf(() => ask(PAGE, { headers }))
      expect(line).toMatchObject({ decision: 'collected', status: 200, payer: aliasOf(reader) })
    })

    test('declined: the code, and the payer where the signature is theirs', async () => {
      const poor = await newReader(kind, 0n)
      const headers = await paymentOf(kind, poor, PAGE, version)
      const short = await lineOf(() => ask(PAGE, { headers }))
      expect(short.line).toMatchObject({ decision: 'declined', refusal: kind.insufficient, payer: aliasOf(poor) })
      const forged = await kind.forged(headers)
      unsaid.push(...kind.secrets(forged))
      const { line } = await lineOf(() => ask(PAGE, { headers: forged }))
      expect(line).toMatchObject({ decision: 'declined', status: 402, refusal: kind.invalidSignature })
      expect(line).not.toHaveProperty('payer')
    })
  })

  test('unsold: the content itself failed, and nothing was charged', async () => {
    const headers = await newPayment(CALL)
    origin.tell({ status: 404, body: 'nothing here' })
    const { result, cost } = await shop.costOf(() => lineOf(() => ask(CALL, { headers })))
    expect(result.line).toMatchObject({ decision: 'unsold', status: 404, route: '/api/*' })
    expect(result.line).not.toHaveProperty('priceMicros')
    expect(cost.earned).toBe(0n)
  })

  test('sold and not delivered: a POST that is settled before the call shows the status of the failure', async () => {
    const question = { method: 'POST', headers: { 'Content-Length': '0' } }
    const headers = { ...question.headers, ...(await newPayment(CALL, question)) }
    origin.tell({ status: 500, body: 'no' })
    const { line } = await lineOf(() => ask(CALL, { method: 'POST', headers }))
    expect(line).toMatchObject({ decision: 'sold', status: 500, priceMicros: 50_000 })
  })

  test('an origin that is down', async () => {
    await shop.site.restart({ ORIGIN_URL: 'http://127.0.0.1:9' })
    const { line } = await lineOf(() => ask('/free/private-matter'))
    expect(line).toMatchObject({ decision: 'refused', refusal: 'content_unavailable', status: 502, route: '/free/*' })
    await shop.site.restart({ ORIGIN_URL: origin.url })
  })
})

describe('Server-Timing', () => {
  const asAdmin = { Authorization: `Bearer ${ADMIN_TOKEN}` }
  test.each(['/about', '/free/x', PAGE])(
    'tells who runs the site what %s took, and no cache keeps it',
    async (path) => {
      origin.tell({ headers: { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' }, body: 'it' })
      const answer = await ask(path, { headers: asAdmin })
      expect(answer.header('Server-Timing')).toMatch(/^total;dur=\d+, content;dur=\d+, payer;dur=\d+$/)
      expect(answer.header('Cache-Control')).toBe('private, no-store')
      expect(answer.header('CDN-Cache-Control')).toBeNull()
      expect(origin.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    },
  )

  test('nobody else is told, and another token reaches the origin as ever', async () => {
    const Authorization = `Bearer ${ADMIN_TOKEN}x`
    for (const path of ['/about', '/free/x', PAGE]) {
      expect((await ask(path)).header('Server-Timing')).toBeNull()
      expect((await ask(path, { headers: { Authorization } })).header('Server-Timing')).toBeNull()
    }
    expect(origin.seen.map(({ headers }) => headers.authorization)).toContain(Authorization)
  })

  test('the token of the admin opens nothing that is sold', async () => {
    expect((await ask(PAGE, { headers: asAdmin })).status).toBe(402)
  })
})

test('with a sample, lines without a payment are left out, and those with one never are', async () => {
  await shop.site.restart({ LOG_SAMPLE: 0.000_000_1 })
  const headers = await newPayment(PAGE)
  const before = shop.site.logs.length
  for (const path of [PAGE, '/free/x', `${PAGE}-2`]) await ask(path)
  const bad = { 'PAYMENT-SIGNATURE': 'private-matter' }
  for (const path of [PAGE, `${PAGE}-2`]) await ask(path, { headers: bad })
  expect((await ask(PAGE, { headers })).status).toBe(200)
  await shop.site.turn()
  const lines = () => parsed(shop.site.logs.slice(before)).filter(({ event }) => event === 'request')
  await expect.poll(() => lines().map(({ decision }) => decision)).toEqual(['declined', 'refused', 'sold'])
  for (const line of lines()) expect(line).not.toHaveProperty('weight')
  await shop.site.restart({ LOG_SAMPLE: 1 })
})

test('no line of all these says who asked, from where, for which page, or with what', () => {
  const log = shop.site.logs.join('\n').toLowerCase()
  expect(shop.site.logs.length).toBeGreaterThan(30)
  expect(unsaid.length).toBeGreaterThan(30)
  expect(unsaid.filter((text) => log.includes(text.toLowerCase()))).toEqual([])
  // Nor is there an address, a transaction or a signature of anybody else.
  const known = KINDS.reduce((text, { kind }) => text.replaceAll(kind.network.toLowerCase(), ''), log)
  expect(known.match(/0x[0-9a-f]{40}|[1-9a-z]{43,}/g)).toBeNull()
})
