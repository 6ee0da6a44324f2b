// Payments that cannot be read: 400, and nobody is asked about them.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Change, HEADERS, otherVersion, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  await shop.site.kv.put('/articles/hello', 'the whole article')
})

afterAll(() => shop.close())

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

async function expectUnread(headers: Record<string, string>, error = 'invalid_payload') {
  const { result: answer, cost } = await shop.costOf(() => shop.ask('/articles/hello', { headers }))
  expect(answer.status).toBe(400)
  expect(answer.error).toBe(error)
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(answer.header('Cache-Control')).toBe('no-store')
  expect(answer.header('Access-Control-Expose-Headers')).toContain('PAYMENT-REQUIRED')
  expect(cost).toEqual(NOTHING)
}

/** A payment that would be taken, but for one thing. */
const spoiled = async (version: 'v1' | 'v2', change: Change) =>
  pay(version, await shop.challenge('/articles/hello'), await shop.reader(0n), change)

describe.each(VERSIONS)('in %s', (version) => {
  test.each([
    ['nothing', ''],
    ['a space', ' '],
    ['no base64', '!!!'],
    ['base64 of no JSON', base64('hello')],
    ['base64 of half a JSON', base64('{"x402Version":')],
    ['null', base64('null')],
    ['a number', base64('2')],
    ['a text', base64('"payment"')],
    ['a list', base64('[]')],
    ['an empty object', base64('{}')],
    ['a version and nothing else', base64(`{"x402Version":${version.slice(1)}}`)],
    ['bytes that are not UTF-8', base64(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))],
    ['deep JSON', base64(`${'['.repeat(3000)}${']'.repeat(3000)}`)],
    ['plain JSON', '{"x402Version":2}'],
  ])('a header that holds %s', (_, header) => expectUnread({ [HEADERS[version]]: header }))

  test.each<[string, (json: string) => string]>([
    ['the wrong padding', (json) => `${base64(json).replace(/=+$/, '')}===`],
    ['padding in the middle', (json) => `${base64(json.slice(0, 4))}${base64(json.slice(4))}`],
    ['both alphabets', (json) => `-_${base64(json)}+/`],
    ['a line break', (json) => `${base64(json).slice(0, 76)}\t${base64(json).slice(76)}`],
    ['something behind it', (json) => `${base64(json)}.${base64(json)}`],
    ['two payments', (json) => base64(json + json)],
    ['more than 8 KiB', (json) => base64(`${json}${' '.repeat(6145 - json.length)}`)],
    [
      'bits that no encoder leaves',
      (json) => `${base64(json + ' '.repeat((4 - (json.length % 3)) % 3)).slice(0, -2)}B=`,
    ],
  ])('base64 with %s', async (_, encode) => expectUnread(await spoiled(version, { encode })))

  test.each<[string, Change]>([
    ['an amount with a leading zero', { sent: { value: '050000' } }],
    ['an amount in hexadecimal', { sent: { value: '0xc350' } }],
    ['an amount with a sign', { sent: { value: '+50000' } }],
    ['an amount below zero', { sent: { value: '-50000' } }],
    ['an amount with a space', { sent: { value: ' 50000' } }],
    ['an amount with decimals', { sent: { value: '50000.0' } }],
    ['an amount with an exponent', { sent: { value: '5e4' } }],
    ['an amount that is a number', { sent: { value: 50_000 } }],
    ['an amount beyond uint256', { sent: { value: (1n << 256n).toString() } }],
    ['no amount', { sent: { value: undefined } }],
    ['an empty amount', { sent: { value: '' } }],
    ['a start that is a number', { sent: { validAfter: 0 } }],
    ['a start with leading zeros', { sent: { validAfter: '00' } }],
    ['an end in hexadecimal', { sent: { validBefore: '0xffffffff' } }],
    ['no end', { sent: { validBefore: undefined } }],
    ['a short nonce', { sent: { nonce: `0x${'11'.repeat(31)}` } }],
    ['a long nonce', { sent: { nonce: `0x${'11'.repeat(33)}` } }],
    ['a nonce without its 0x', { sent: { nonce: '11'.repeat(32) } }],
    ['a nonce that is no hexadecimal', { sent: { nonce: `0x${'xy'.repeat(32)}` } }],
    ['a payer without its 0x', { sent: { from: '11'.repeat(20) } }],
    ['a payer that is a name', { sent: { from: 'reader.eth' } }],
    ['no payer', { sent: { from: undefined } }],
    ['a short payee', { sent: { to: `0x${'11'.repeat(19)}` } }],
    ['a list of payees', { sent: { to: [`0x${'11'.repeat(20)}`] } }],
    ['an empty signature', { signature: () => '0x' }],
    ['a signature of half a byte', { signature: (honest) => honest.slice(0, -1) }],
    ['a signature without its 0x', { signature: (honest) => honest.slice(2) }],
    ['no payload', { payment: { payload: undefined } }],
    ['a payload of null', { payment: { payload: null } }],
    ['a payload of another scheme', { payment: { payload: { transaction: 'AQAB' } } }],
    ['an empty payload', { payment: { payload: {} } }],
    ['extensions that are a text', { payment: { extensions: 'none' } }],
  ])('%s', async (_, change) => expectUnread(await spoiled(version, change)))

  test('a second authorization beside the first', async () => {
    const challenge = await shop.challenge('/articles/hello')
    const { authorization, signature } = await sign(version, challenge, await shop.reader(0n))
    const sent = Object.fromEntries(Object.entries(authorization).map(([name, value]) => [name, String(value)]))
    const payload = { signature, authorization: sent, permit2Authorization: sent }
    const reader = await shop.reader(0n)
    await expectUnread(await pay(version, challenge, reader, { payment: { payload } }))
  })

  test.each([0, 3, -1, 2.5, 402])('x402Version %d is unknown', async (x402Version) => {
    await expectUnread(await spoiled(version, { payment: { x402Version } }), 'invalid_x402_version')
  })

  test.each(['1', '2', null, [2], true])('x402Version %j is none', async (x402Version) => {
    await expectUnread(await spoiled(version, { payment: { x402Version } }))
  })

  test('a payment of one version that says it is of the other', async () => {
    const x402Version = version === 'v1' ? 2 : 1
    await expectUnread(await spoiled(version, { payment: { x402Version } }))
  })

  test('the same header twice', async () => {
    const header = (await spoiled(version, {}))[HEADERS[version]] ?? ''
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask('/articles/hello', { headers: { [HEADERS[version]]: [header, header] } }),
    )
    expect(answer.status).toBe(400)
    expect(cost).toEqual(NOTHING)
  })

  test('a good payment and a header that cannot be read', async () => {
    const good = await pay(version, await shop.challenge('/articles/hello'), await shop.reader())
    await expectUnread({ ...good, [HEADERS[otherVersion(version)]]: 'e30=' })
  })

  test.each<[string, string | null]>([
    ['in the other alphabet', 'base64url'],
    ['without padding', null],
  ])('base64 %s is read', async (_, alphabet) => {
    const encode = (json: string) =>
      alphabet === 'base64url' ? Buffer.from(json).toString(alphabet) : base64(json).replace(/=+$/, '')
    const answer = await shop.buy(version, '/articles/hello', await shop.reader(), { encode })
    expect(answer.status).toBe(200)
  })

  test('a header of 8 KiB is read, with all that we do not know in it', async () => {
    const encode = (json: string) => base64(`${json.slice(0, -1)},"padding":"${'x'.repeat(6131 - json.length)}"}`)
    const payment = await pay(version, await shop.challenge('/articles/hello'), await shop.reader(), { encode })
    expect(payment[HEADERS[version]]).toHaveLength(8192)
    expect((await shop.ask('/articles/hello', { headers: payment })).status).toBe(200)
  })
})

describe('both payment headers', () => {
  test.each<[string, Change]>([
    ['with another nonce', { signed: { nonce: `0x${randomBytes(32).toString('hex')}` } }],
    ['with another amount', { signed: { value: 49_999n } }],
    ['with another end', { signed: { validBefore: BigInt(Math.floor(Date.now() / 1000)) + 120n } }],
    ['with another signature', { signature: (honest) => `${honest.slice(0, -2)}00` }],
  ])('that disagree, one %s', async (_, change) => {
    const challenge = await shop.challenge('/articles/hello')
    const reader = await shop.reader()
    const honest = await sign('v2', challenge, reader)
    const other =
      change.signed === undefined
        ? honest
        : await sign('v1', challenge, reader, { signed: { ...honest.authorization, ...change.signed } })
    await expectUnread({ ...wrap('v1', challenge, other, change), ...wrap('v2', challenge, honest) })
  })

  test('of two readers', async () => {
    const challenge = await shop.challenge('/articles/hello')
    const [a, b] = [await shop.reader(), await shop.reader()]
    await expectUnread({ ...(await pay('v1', challenge, a)), ...(await pay('v2', challenge, b)) })
  })
})
