// Signing in (`sign-in-with-x`): a payer who lost the pass gets a new one for what their address paid for.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { pack } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, SITE } from '../world/shop.ts'
import { type SignInChange, signIn, signInOf } from '../world/sign-in.ts'
import { type Buyer, CELLS, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { type SolanaSignInChange, signInOnSolana, solanaSignInOf } from '../world/solana-sign-in.ts'

const HELLO = '/articles/hello'
const OTHER = '/articles/other'
const ONCE = '/once/hello'
const MAINNET = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
let shop: SolanaShop

beforeAll(async () => {
  const offers = [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/daily/*' }]
  shop = await openSolanaShop({
    ORIGIN_URL: 'http://127.0.0.1:9',
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
      { path: '/daily/*', content: 'kv', price: '$0.05', access: '24h', offers },
      { path: '/forms/*', content: 'origin', price: '$0.05', access: '24h' },
    ],
  })
  for (const path of [HELLO, OTHER, ONCE, '/daily/one', '/daily/two']) {
    await shop.site.kv.put(path, `the whole of ${path}`)
  }
})

afterAll(() => shop.close())

type Reader = Awaited<ReturnType<SolanaShop['reader']>>

/** Signs what the challenge of an address asks for, and sends it there or elsewhere. */
const back = async (reader: Buyer, path = HELLO, to = path) =>
  shop.ask(to, { headers: await reader.signIn(await shop.ask(path)) })

/** The same with a wallet of EVM, and one thing otherwise. */
const comeBack = async (reader: Reader, change: SignInChange = {}) =>
  shop.ask(HELLO, { headers: await signIn(signInOf(await shop.challenge(HELLO)), reader, change) })

const pairOf = (answer: Answer) => (answer.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''

async function expectOpen(path: string, Cookie: string) {
  const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers: { Cookie } }))
  expect(answer.text).toBe(`the whole of ${path}`)
  expect(cost).toEqual(NOTHING)
}

/** Refused with a challenge that can be signed in turn. */
function expectClosed(answer: Answer, code: string) {
  expect(answer.status).toBe(402)
  expect(answer.error).toBe(code)
  expect(answer.text).not.toContain('the whole of')
  expect(answer.headers.getSetCookie()).toEqual([])
  expect(answer.receipt).toBeNull()
  expect(signInOf(answer.challenge).info.domain).toBe('news.example')
}

describe('the challenge', () => {
  test('declares what to sign, where access lasts', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { info, supportedChains } = solanaSignInOf(await shop.ask(HELLO))
    expect(info).toMatchObject({ domain: 'news.example', uri: SITE + HELLO, version: '1' })
    expect(Date.parse(info.issuedAt) / 1000).toBeGreaterThanOrEqual(before)
    expect(Date.parse(info.issuedAt) / 1000).toBeLessThanOrEqual(Date.now() / 1000)
    expect(supportedChains).toEqual([
      { chainId: NETWORK, type: 'eip191' },
      { chainId: SOLANA_NETWORK, type: 'ed25519' },
    ])
  })

  test('declares it after the standard extension before it, and before our own', async () => {
    const { extensions } = (await shop.challenge(HELLO)).v2
    const names = Object.keys(extensions)
    expect(names.indexOf('payment-identifier')).toBeLessThan(names.indexOf('sign-in-with-x'))
    expect(names.indexOf('sign-in-with-x')).toBeLessThan(names.indexOf('newsstand-quote'))
  })

  test('has a nonce of its own each time', async () => {
    const [a, b] = [signInOf(await shop.challenge(HELLO)), signInOf(await shop.challenge(HELLO))]
    expect(a.info.nonce).not.toBe(b.info.nonce)
  })

  test('does not declare it where single answers are sold', async () => {
    expect((await shop.challenge(ONCE)).v2.extensions).not.toHaveProperty('sign-in-with-x')
  })

  describe('of one network', () => {
    beforeAll(() => shop.site.become({ NETWORKS: [NETWORK] }))
    afterAll(() => shop.site.become({ NETWORKS: [NETWORK, SOLANA_NETWORK] }))

    test.each([
      ['a short address', HELLO],
      ['a description of 500 characters', '/articles/verbose'],
      ['a long address', `/articles/${'x'.repeat(120)}`],
    ])('stays under 2 KiB with it, at %s', async (_, path) => {
      await shop.site.kv.put(path, `the whole of ${path}`, { metadata: { description: 'd'.repeat(500) } })
      const answer = await shop.ask(path)
      expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThanOrEqual(2048)
      expect(new URL(signInOf(answer.challenge).info.uri).origin).toBe(SITE)
      await shop.site.kv.put(HELLO, `the whole of ${HELLO}`)
    })

    test('is not offered at the longest addresses, where the header has no room for it', async () => {
      const path = `/articles/${'x'.repeat(502)}`
      await shop.site.kv.put(path, 'a long way')
      const answer = await shop.ask(path)
      expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThanOrEqual(2048)
      expect(answer.challengeV2.extensions).not.toHaveProperty('sign-in-with-x')
    })
  })
})

describe.each(CELLS)('bought in $version on $name', ({ version, kind }) => {
  test('the cookie is lost, the wallet signs in, and the new cookie opens it', async () => {
    const reader = await kind.reader(shop)
    await reader.buy(version, HELLO)
    const { result: answer, cost } = await shop.costOf(() => back(reader))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(`the whole of ${HELLO}`)
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(answer.header('Vary')).toContain('SIGN-IN-WITH-X')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.receipt).toBeNull()
    expect(cost).toEqual(NOTHING)
    const [cookie = ''] = answer.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-newsstand=.*; HttpOnly; SameSite=Lax; Secure$/)
    expect(Number(/Max-Age=(\d+)/.exec(cookie)?.[1])).toBeLessThanOrEqual(86_400)
    await expectOpen(HELLO, pairOf(answer))
    expect((await shop.ask(OTHER, { headers: { Cookie: pairOf(answer) } })).error).toBe('payment_required')
  })
})

test('the new pass holds all that the address owns, and what the old one held', async () => {
  const [reader, friend] = [await shop.reader(), await shop.reader()]
  await shop.buy('v2', HELLO, reader)
  await shop.buy('v1', '/daily/one', reader, { offer: 1 })
  const held = pairOf(await shop.buy('v2', OTHER, friend))
  const header = await signIn(signInOf(await shop.challenge('/daily/two')), reader)
  const renewed = await shop.ask('/daily/two', { headers: { ...header, Cookie: held } })
  expect(renewed.text).toBe('the whole of /daily/two')
  for (const path of [HELLO, OTHER, '/daily/one', '/daily/two']) await expectOpen(path, pairOf(renewed))
})

describe.each(KINDS)('on $name', ({ kind }) => {
  test('a challenge of one page signs in at another that is owned', async () => {
    const reader = await kind.reader(shop)
    await reader.buy('v2', HELLO)
    expect((await back(reader, OTHER, HELLO)).text).toBe(`the whole of ${HELLO}`)
  })

  test('with a pass that opens the page, signing in is not looked at, and uses nothing up', async () => {
    const reader = await kind.reader(shop)
    const Cookie = pairOf(await reader.buy('v2', HELLO))
    const header = await reader.signIn(await shop.ask(HELLO))
    const answer = await shop.ask(HELLO, { headers: { ...header, Cookie } })
    expect(answer.status).toBe(200)
    expect(answer.headers.getSetCookie()).toEqual([])
    expect((await shop.ask(HELLO, { headers: header })).status).toBe(200)
  })

  test('HEAD signs nobody in, and uses nothing up', async () => {
    const reader = await kind.reader(shop)
    await reader.buy('v2', HELLO)
    const headers = await reader.signIn(await shop.ask(HELLO))
    expect((await shop.ask(HELLO, { method: 'HEAD', headers })).status).toBe(402)
    expect((await shop.ask(HELLO, { headers })).status).toBe(200)
  })

  test('an address that bought nothing is told so, and told the price', async () => {
    const reader = await kind.reader(shop)
    const { result: answer, cost } = await shop.costOf(() => back(reader))
    expectClosed(answer, 'sign_in_nothing_bought')
    expect(cost).toEqual(NOTHING)
  })

  test('a single answer is no access to come back to', async () => {
    const reader = await kind.reader(shop)
    expect((await reader.buy('v2', ONCE)).status).toBe(200)
    const answer = await back(reader, HELLO, ONCE)
    expect([answer.status, answer.error]).toEqual([402, 'sign_in_nothing_bought'])
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  test('a sign-in is good once', async () => {
    const reader = await kind.reader(shop)
    await reader.buy('v2', HELLO)
    const headers = await reader.signIn(await shop.ask(HELLO))
    expect((await shop.ask(HELLO, { headers })).status).toBe(200)
    expectClosed(await shop.ask(HELLO, { headers }), 'invalid_siwx_nonce')
  })

  describe('a payment beside it', () => {
    test('is used up, not settled, where the address owns the page', async () => {
      const reader = await kind.reader(shop)
      await reader.buy('v2', HELLO)
      const payment = await reader.pay('v2', HELLO)
      const header = await reader.signIn(await shop.ask(HELLO))
      const { result: answer, cost } = await shop.costOf(() => shop.ask(HELLO, { headers: { ...payment, ...header } }))
      expect(answer.status).toBe(200)
      expect(answer.receipt).toBeNull()
      expect(cost).toEqual(NOTHING)
      for (const path of [HELLO, OTHER]) {
        expect((await shop.ask(path, { headers: payment })).error).toBe('payment_already_used')
      }
    })

    test('pays, where the address owns nothing yet', async () => {
      const reader = await kind.reader(shop)
      const headers = { ...(await reader.pay('v2', HELLO)), ...(await reader.signIn(await shop.ask(HELLO))) }
      const { result: answer, cost } = await shop.costOf(() => shop.ask(HELLO, { headers }))
      expect(answer.status).toBe(200)
      expect(cost).toEqual(ONE_SALE)
    })

    test('pays, where the sign-in cannot be read', async () => {
      const payment = await (await kind.reader(shop)).pay('v2', HELLO)
      const headers = { ...payment, 'SIGN-IN-WITH-X': 'junk' }
      const { result: answer, cost } = await shop.costOf(() => shop.ask(HELLO, { headers }))
      expect(answer.status).toBe(200)
      expect(cost).toEqual(ONE_SALE)
    })
  })

  test('no signature reaches the log', async () => {
    const headers = await (await kind.reader(shop)).signIn(await shop.ask(HELLO))
    await shop.ask(HELLO, { headers })
    expect(shop.site.logs.join('\n')).not.toContain(headers['SIGN-IN-WITH-X'])
  })
})

test('an address in lower case signs in as well', async () => {
  const reader = await shop.reader()
  await shop.buy('v2', HELLO, reader)
  const lower = { signed: { address: reader.address.toLowerCase() } }
  expect((await comeBack(reader, lower)).status).toBe(200)
})

test('a page in the browser is a page here too', async () => {
  const headers = await signIn(signInOf(await shop.challenge(HELLO)), await shop.reader())
  const answer = await shop.ask(HELLO, { headers: { ...headers, Accept: 'text/html' } })
  expect(answer.status).toBe(402)
  expect(answer.header('Content-Type')).toContain('text/html')
  expect(answer.text).toContain('This address has bought nothing')
})

test.each<[string, string]>([
  ['junk', 'junk'],
  ['null', pack(null)],
  ['an empty object', pack({})],
  ['more than 8 KiB', pack({ statement: 'x'.repeat(8192) })],
])('%s for a sign-in is refused with 400', async (_, header) => {
  const answer = await shop.ask(HELLO, { headers: { 'SIGN-IN-WITH-X': header } })
  expect(answer.status).toBe(400)
  expect(answer.error).toBe('invalid_payload')
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
})

test.each<[string, SignInChange, string]>([
  ['another domain', { signed: { domain: 'other.example' } }, 'invalid_siwx_domain_mismatch'],
  ['another origin', { signed: { uri: 'https://other.example/articles/hello' } }, 'invalid_siwx_uri_mismatch'],
  ['another network', { signed: { chainId: 'eip155:8453' } }, 'invalid_siwx_unsupported_chain'],
  ['an old time', { signed: { issuedAt: '2026-01-01T00:00:00Z' } }, 'invalid_siwx_expired'],
  ['a time to come', { signed: { issuedAt: '2099-01-01T00:00:00Z' } }, 'invalid_siwx_not_yet_valid'],
  ['an end that has passed', { signed: { expirationTime: '2026-01-01T00:00:00Z' } }, 'invalid_siwx_expired'],
  ['a nonce of its own', { signed: { nonce: '0'.repeat(32) } }, 'invalid_siwx_nonce'],
  ['a field changed after signing', { sent: { statement: 'Sign in.' } }, 'invalid_siwx_signature'],
])('with %s it opens nothing', async (_, change, code) => {
  const reader = await shop.reader()
  await shop.buy('v2', HELLO, reader)
  expectClosed(await comeBack(reader, change), code)
})

test.each<[string, SolanaSignInChange, string]>([
  ['another domain', { signed: { domain: 'other.example' } }, 'invalid_siwx_domain_mismatch'],
  ['another cluster', { signed: { chainId: MAINNET } }, 'invalid_siwx_unsupported_chain'],
  ['another kind of signature', { signed: { type: 'eip191' } }, 'invalid_siwx_unsupported_chain'],
  ['an old time', { signed: { issuedAt: '2026-01-01T00:00:00Z' } }, 'invalid_siwx_expired'],
  ['a nonce of its own', { signed: { nonce: '0'.repeat(32) } }, 'invalid_siwx_nonce'],
  ['a field changed after signing', { sent: { statement: 'Sign in.' } }, 'invalid_siwx_signature'],
  ['the address of who has paid, signed by another', { signer: solanaWallets.alice }, 'invalid_siwx_signature'],
  ['the words for Ethereum', { text: (honest) => honest.replace('Solana', 'Ethereum') }, 'invalid_siwx_signature'],
])('with %s it opens nothing on Solana', async (_, change, code) => {
  const reader = await shop.readerOnSolana()
  await shop.buyOnSolana('v2', HELLO, reader)
  const headers = signInOnSolana(solanaSignInOf(await shop.ask(HELLO)), reader, change)
  expectClosed(await shop.ask(HELLO, { headers }), code)
})

describe('a contract wallet', () => {
  test('comes back by its owner’s signature, and by nobody else’s', async () => {
    const owner = await shop.reader(0n)
    const from = await deployContractWallet(shop.stack.chain, owner.address)
    await shop.stack.chain.fund(from, 1_000_000n)
    expect((await shop.buy('v2', HELLO, owner, { signed: { from } })).status).toBe(200)
    const asWallet = { signed: { address: from } }
    expectClosed(await comeBack(await shop.reader(), asWallet), 'invalid_siwx_signature')
    const { result: answer, cost } = await shop.costOf(() => comeBack(owner, asWallet))
    expect(answer.text).toBe(`the whole of ${HELLO}`)
    expect(cost).toEqual(NOTHING)
    await expectOpen(HELLO, pairOf(answer))
    expectClosed(await comeBack(owner), 'sign_in_nothing_bought')
  })

  test('that bought nothing is not told apart from a bad signature', async () => {
    const owner = await shop.reader(0n)
    const from = await deployContractWallet(shop.stack.chain, owner.address)
    expectClosed(await comeBack(owner, { signed: { address: from } }), 'invalid_siwx_signature')
  })
})
