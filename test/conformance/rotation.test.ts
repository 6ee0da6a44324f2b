// Changing secrets: PASS_SECRET_PREVIOUS reads what the secret before has signed, and signs nothing; keys of receipts that
// are not used any more stay published, and the next one is published first.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keyIn } from '../../src/x402/did.ts'
import { verifyJws } from '../../src/x402/jws.ts'
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, PRICE } from '../world/shop.ts'
import { CELLS, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const OLD = 'the secret of last year, long enough'
const NEW = 'the secret of this year, long enough'
const ROUTES = (price: string) => [
  { path: '/articles/*', content: 'kv', price, access: '24h' },
  { path: '/free', price: 'free' },
]
let shop: SolanaShop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({ PASS_SECRET: OLD, ROUTES: ROUTES('$0.05'), ORIGIN_URL: origin.url })
  shop.onClose(origin.stop)
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())
beforeEach(() => shop.site.become({ PASS_SECRET: OLD, PASS_SECRET_PREVIOUS: '', ROUTES: ROUTES('$0.05') }))

const opens = async (Cookie: string) => (await shop.ask(PAGE, { headers: { Cookie } })).text === CONTENT

describe('with the secret before', () => {
  const rotate = () => shop.site.restart({ PASS_SECRET: NEW, PASS_SECRET_PREVIOUS: OLD })

  test('a pass opens what it opened; without it, nothing', async () => {
    const { pass } = await shop.buy('v2', PAGE, await shop.reader())
    await rotate()
    expect(await opens(pass)).toBe(true)
    await shop.site.restart({ PASS_SECRET_PREVIOUS: '' })
    expect(await opens(pass)).toBe(false)
  })

  test('a price that was quoted is honoured; without it, not', async () => {
    const paid = () => Promise.all(CELLS.map(async ({ version, kind }) => (await kind.reader(shop)).pay(version, PAGE)))
    const [payments, late] = [await paid(), await paid()]
    await shop.site.restart({ PASS_SECRET: NEW, PASS_SECRET_PREVIOUS: OLD, ROUTES: ROUTES('$0.50') })
    for (const headers of payments) {
      const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(result.text).toBe(CONTENT)
      expect(cost.earned).toBe(PRICE)
    }
    await shop.site.restart({ PASS_SECRET_PREVIOUS: '' })
    const { result: refused, cost } = await shop.costOf(() =>
      Promise.all(late.map((headers) => shop.ask(PAGE, { headers }))),
    )
    expect(refused.map(({ status }) => status)).toEqual(late.map(() => 402))
    expect(cost).toEqual(NOTHING)
  })

  test('a sign-in that was asked for before opens what was bought', async () => {
    const proofs = await Promise.all(
      KINDS.map(async ({ kind }) => {
        const reader = await kind.reader(shop)
        await reader.buy('v2', PAGE)
        return reader.signIn(await shop.ask(PAGE))
      }),
    )
    await rotate()
    const answers = await Promise.all(proofs.map((headers) => shop.ask(PAGE, { headers })))
    expect(answers.map(({ text }) => text)).toEqual(KINDS.map(() => CONTENT))
    await shop.site.restart({ PASS_SECRET_PREVIOUS: '' })
    for (const { pass } of answers) expect(await opens(pass)).toBe(true)
  })

  test('nothing new is signed with it', async () => {
    await rotate()
    const { pass } = await shop.buy('v2', PAGE, await shop.reader())
    await shop.site.restart({ PASS_SECRET: OLD, PASS_SECRET_PREVIOUS: '' })
    expect(await opens(pass)).toBe(false)
  })

  test('a pass of it does not reach the origin', async () => {
    const { pass } = await shop.buy('v2', PAGE, await shop.reader())
    const token = pass.slice(pass.indexOf('=') + 1)
    await rotate()
    origin.tell({ body: 'free' })
    await shop.ask('/free', { headers: { Authorization: `Bearer ${token}`, Cookie: pass } })
    expect(origin.seen).toHaveLength(1)
    expect(JSON.stringify(origin.seen)).not.toContain(token)
  })

  test.each([
    ['too short', 'short'],
    ['no text', 5],
  ])('that is %s stops the site', async (_what, PASS_SECRET_PREVIOUS) => {
    await shop.site.restart({ PASS_SECRET: NEW, PASS_SECRET_PREVIOUS })
    expect((await shop.ask('/free')).error).toBe('configuration_error')
    expect(shop.site.logs.join('\n')).not.toContain(NEW)
  })
})

describe('keys of receipts', () => {
  const newKey = () => {
    const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    const open = { kty: 'OKP', crv: 'Ed25519', x }
    return { open, secret: JSON.stringify({ ...open, d }) }
  }
  const [before, now] = [newKey(), newKey()]
  const did = async () => (await shop.ask('/.well-known/did.json')).json
  const receiptOf = (answer: Answer) => {
    const text = JSON.stringify(answer.receipt)
    return /"signature":"([\w-]+\.[\w-]+\.[\w-]+)"/.exec(text)?.[1] ?? ''
  }
  const kidOf = (jws: string) => JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()).kid

  test('what was signed before is good as long as its key is published', async () => {
    await shop.site.restart({ RECEIPT_KEY: before.secret })
    const jws = receiptOf(await shop.buy('v2', PAGE, await shop.reader()))
    await shop.site.restart({ RECEIPT_KEY: now.secret })
    expect(keyIn(await did(), kidOf(jws))).toBeNull()
    await shop.site.restart({ RECEIPT_KEYS_RETIRED: [before.open] })
    const key = keyIn(await did(), kidOf(jws))
    expect(key).toEqual(before.open)
    expect(key && (await verifyJws(jws, key))).toBe(true)
    const next = receiptOf(await shop.buy('v2', PAGE, await shop.reader()))
    expect(keyIn(await did(), kidOf(next))).toEqual(now.open)
  })

  test('the next key can be published before it signs', async () => {
    await shop.site.restart({ RECEIPT_KEY: before.secret, RECEIPT_KEYS_RETIRED: [now.open] })
    expect(JSON.stringify(await did())).toContain(now.open.x)
    const jws = receiptOf(await shop.buy('v2', PAGE, await shop.reader()))
    expect(keyIn(await did(), kidOf(jws))).toEqual(before.open)
  })

  test('a private key among them is not published: nothing is sold before it is gone', async () => {
    const { d } = JSON.parse(now.secret)
    await shop.site.restart({ RECEIPT_KEY: before.secret, RECEIPT_KEYS_RETIRED: [JSON.parse(now.secret)] })
    for (const path of ['/.well-known/did.json', PAGE]) {
      const answer = await shop.ask(path)
      expect(answer.error).toBe('configuration_error')
      expect(answer.text).not.toContain(d)
    }
    expect((await shop.ask('/free')).status).toBe(200)
    expect(shop.site.logs.join('\n')).not.toContain(d)
    await shop.site.restart({ RECEIPT_KEY: '', RECEIPT_KEYS_RETIRED: '' })
  })
})
