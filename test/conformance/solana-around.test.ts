// What comes with a purchase on Solana and after it: passes, signing in, signed offers and receipts, the ledger, health, and what
// the log never says.
import { createHmac, createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { makeSecrets } from '../../dev/stack/secrets.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, SITE } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { type SolanaSignInChange, signInOnSolana, solanaSignInOf } from '../world/solana-sign-in.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const ONCE = '/once/hello'
const ADMIN_TOKEN = 'the-publisher-alone-knows-it'
const { publisher } = solanaWallets
let shop: SolanaShop

beforeAll(async () => {
  const { RECEIPT_KEY } = await makeSecrets()
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
  ]
  shop = await openSolanaShop({ ROUTES, RECEIPT_KEY, ADMIN_TOKEN })
  for (const path of [PAGE, OTHER, ONCE]) await shop.site.kv.put(path, `the whole of ${path}`)
})
afterAll(() => shop.close())

const bearerOf = ({ pass }: Answer) => ({ Authorization: `Bearer ${pass.replace(/^[^=]*=/, '')}` })

async function expectOpen(path: string, headers: Record<string, string>): Promise<void> {
  const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
  expect(answer.text).toBe(`the whole of ${path}`)
  expect(cost).toEqual(NOTHING)
}

/** A purchase whose row is in the ledger. */
async function bought(version: 'v1' | 'v2' = 'v2', path = PAGE) {
  const reader = await shop.readerOnSolana()
  const answer = await shop.buyOnSolana(version, path, reader)
  expect(answer.status).toBe(200)
  await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  return { reader, answer }
}

describe('a pass', () => {
  test('opens as cookie and as bearer token, and nothing else', async () => {
    const { answer } = await bought()
    await expectOpen(PAGE, { Cookie: answer.pass })
    await expectOpen(PAGE, bearerOf(answer))
    expect((await shop.ask(OTHER, { headers: bearerOf(answer) })).error).toBe('payment_required')
  })

  test('of one network keeps what was bought on the other', async () => {
    const { answer } = await bought()
    const payment = await pay('v2', await shop.challenge(OTHER), await shop.reader())
    const second = await shop.ask(OTHER, { headers: { ...payment, Cookie: answer.pass } })
    for (const path of [PAGE, OTHER]) await expectOpen(path, { Cookie: second.pass })
  })

  test('covers its page whoever pays beside it, and a payment of a key on another network stays good', async () => {
    const { answer } = await bought()
    const reader = await shop.reader()
    const payment = await pay('v2', await shop.challenge(PAGE), reader)
    await expectOpen(PAGE, { ...payment, Cookie: answer.pass })
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: payment }))
    expect(result.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })
})

describe('signing in', () => {
  const comeBack = async (reader: SolanaWallet, change: SolanaSignInChange = {}, path = PAGE) =>
    shop.ask(path, { headers: signInOnSolana(solanaSignInOf(await shop.ask(path)), reader, change) })

  test('is offered for both kinds of accounts', async () => {
    expect(solanaSignInOf(await shop.ask(PAGE)).supportedChains).toEqual([
      { chainId: NETWORK, type: 'eip191' },
      { chainId: SOLANA_NETWORK, type: 'ed25519' },
    ])
  })

  test('gives a pass for what was paid, once', async () => {
    const { reader } = await bought()
    const headers = signInOnSolana(solanaSignInOf(await shop.ask(PAGE)), reader)
    const { result: back, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(back.text).toBe(`the whole of ${PAGE}`)
    expect(back.receipt).toBeNull()
    expect(cost).toEqual(NOTHING)
    await expectOpen(PAGE, { Cookie: back.pass })
    expect((await shop.ask(OTHER, { headers: { Cookie: back.pass } })).error).toBe('payment_required')
    expect((await shop.ask(PAGE, { headers })).error).toBe('invalid_siwx_nonce')
  })

  test('gives nothing for a single answer, nor to who bought nothing', async () => {
    const { reader } = await bought('v1', ONCE)
    for (const who of [reader, await shop.readerOnSolana()]) {
      const answer = await comeBack(who)
      expect([answer.status, answer.error]).toEqual([402, 'sign_in_nothing_bought'])
      expect(answer.headers.getSetCookie()).toEqual([])
    }
  })

  test.each<[string, SolanaSignInChange, string]>([
    ['another domain', { signed: { domain: 'other.example' } }, 'invalid_siwx_domain_mismatch'],
    [
      'another cluster',
      { signed: { chainId: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' } },
      'invalid_siwx_unsupported_chain',
    ],
    ['another kind of signature', { signed: { type: 'eip191' } }, 'invalid_siwx_unsupported_chain'],
    ['an old time', { signed: { issuedAt: '2026-01-01T00:00:00Z' } }, 'invalid_siwx_expired'],
    ['a nonce of its own', { signed: { nonce: '0'.repeat(32) } }, 'invalid_siwx_nonce'],
    ['a field changed after signing', { sent: { statement: 'Sign in.' } }, 'invalid_siwx_signature'],
    ['the address of who has paid, signed by another', { signer: solanaWallets.alice }, 'invalid_siwx_signature'],
    ['the words for Ethereum', { text: (honest) => honest.replace('Solana', 'Ethereum') }, 'invalid_siwx_signature'],
  ])('with %s opens nothing', async (_, change, code) => {
    const { reader } = await bought()
    const answer = await comeBack(reader, change)
    expect([answer.status, answer.error]).toEqual([402, code])
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  test('a payment beside it is used up where the address owns the page', async () => {
    const { reader } = await bought()
    const unpaid = await shop.ask(PAGE)
    const payment = await paySolana('v2', shop.solana, await shop.challengeOnSolana(PAGE), reader)
    const headers = { ...payment, ...signInOnSolana(solanaSignInOf(unpaid), reader) }
    await expectOpen(PAGE, headers)
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: payment }))
    expect(result.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })
})

const jws = z.object({ signature: z.string() })
const decode = (part = ''): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))

/** What a JWS says, if the key in did.json has signed it. */
async function checked(signed: string): Promise<unknown> {
  const keys = z.object({ verificationMethod: z.array(z.object({ publicKeyJwk: z.record(z.string(), z.string()) })) })
  const [method] = keys.parse((await shop.ask('/.well-known/did.json')).json).verificationMethod
  const [head, payload, signature = ''] = signed.split('.')
  const key = createPublicKey({ key: method?.publicKeyJwk ?? {}, format: 'jwk' })
  expect(verify(null, Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
  return decode(payload)
}

describe('what is signed', () => {
  test('there is an offer for each network', async () => {
    const info = z.object({ offers: z.array(jws.extend({ acceptIndex: z.number() })) })
    const shape = z.object({ extensions: z.object({ 'offer-receipt': z.object({ info }) }) })
    const { offers } = shape.parse((await shop.ask(ONCE)).json).extensions['offer-receipt'].info
    const said = await Promise.all(offers.map(({ signature }) => checked(signature)))
    expect(said).toMatchObject([
      { network: NETWORK, amount: '50000' },
      { network: SOLANA_NETWORK, asset: SOLANA_USDC, payTo: publisher.address, amount: '50000' },
    ])
  })

  test.each(VERSIONS)('a purchase in %s has its receipt, and a page that links to the transaction', async (version) => {
    const { reader, answer } = await bought(version)
    const transaction = answer.receipt?.transaction
    const info = z.object({ 'offer-receipt': z.object({ info: z.object({ receipt: jws }) }) })
    const { signature } = info.parse(answer.receipt?.extensions)['offer-receipt'].info.receipt
    const facts = { network: SOLANA_NETWORK, resourceUrl: SITE + PAGE, payer: reader.address, transaction }
    expect(await checked(signature)).toMatchObject(facts)
    const path = `/_newsstand/receipts/${transaction}`
    const headers = { Cookie: answer.pass }
    expect((await shop.ask(path, { headers: { ...headers, Accept: 'application/json' } })).json).toMatchObject({
      resource: SITE + PAGE,
      amount: '50000',
      network: SOLANA_NETWORK,
      asset: SOLANA_USDC,
      payTo: publisher.address,
      payer: reader.address,
      transaction,
    })
    const page = await shop.ask(path, { headers: { ...headers, Accept: 'text/html' } })
    for (const part of [
      '$0.05',
      'Solana Devnet',
      publisher.address,
      reader.address,
      `href="https://explorer.solana.com/tx/${transaction}?cluster=devnet"`,
    ]) {
      expect(page.text).toContain(part)
    }
    // In base58 another case is another transaction.
    expect((await shop.ask(path.toLowerCase(), { headers })).status).toBe(404)
    expect((await shop.ask(path, { headers: { Cookie: (await bought()).answer.pass } })).status).toBe(404)
  })
})

test('the ledger has the sale with payer, token and transaction as the chain writes them', async () => {
  const { reader, answer } = await bought()
  expect(await shop.ledger(reader.address)).toEqual([
    expect.objectContaining({
      network: SOLANA_NETWORK,
      asset: SOLANA_USDC,
      resource: PAGE,
      amount: '50000',
      payer: reader.address,
      pay_to: publisher.address,
      transaction: answer.receipt?.transaction,
    }),
  ])
})

test('health tells the publisher how far the node of each network is behind', async () => {
  const health = await shop.ask('/_newsstand/health', { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
  expect(health.json).toMatchObject({
    ok: true,
    canSell: true,
    rpcs: [
      { network: NETWORK, lagSeconds: expect.any(Number) },
      { network: SOLANA_NETWORK, host: new URL(shop.solana.rpcUrl).host, lagSeconds: expect.any(Number) },
    ],
  })
  expect((await shop.ask('/_newsstand/health')).json).toEqual({ ok: true })
})

test('the log has price, network and the payer’s alias, and no line says who paid whom with what', async () => {
  const before = shop.site.logs.length
  const reader = await shop.readerOnSolana()
  const headers = await paySolana('v2', shop.solana, await shop.challengeOnSolana(PAGE), reader)
  const answer = await shop.ask(PAGE, { headers })
  const poor = await shop.readerOnSolana(0n)
  expect((await shop.buyOnSolana('v1', PAGE, poor)).status).toBe(402)
  await shop.site.turn()
  const lines = () =>
    shop.site.logs
      .slice(before)
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ decision }) => decision === 'sold' || decision === 'declined')
  await expect.poll(() => lines().length).toBe(2)
  const month = new Date().toISOString().slice(0, 7)
  const key = createHmac('sha256', BASE_VARS.PASS_SECRET).update('newsstand log v1').digest()
  const aliasOf = ({ address }: SolanaWallet) =>
    createHmac('sha256', key).update(`payer|${month}|${address}`).digest('hex').slice(0, 16)
  expect(lines()).toMatchObject([
    { decision: 'sold', priceMicros: 50_000, network: SOLANA_NETWORK, payer: aliasOf(reader) },
    { decision: 'declined', refusal: 'invalid_exact_svm_transaction_simulation_failed', payer: aliasOf(poor) },
  ])
  // All lines of this file: no address, transaction, memo or signature, in base58 or otherwise.
  const log = shop.site.logs.join('\n')
  const { v2 } = await shop.challengeOnSolana(PAGE)
  const unsaid = [reader, poor, publisher, ...solanaWallets.feePayers].flatMap(({ address }) => [
    address,
    address.slice(0, 12),
  ])
  const secrets = [
    answer.receipt?.transaction ?? '?',
    v2.accepts[0]?.extra.memo ?? '?',
    headers['PAYMENT-SIGNATURE'] ?? '?',
  ]
  expect([...unsaid, ...secrets].filter((text) => log.includes(text))).toEqual([])
  const known = SOLANA_NETWORK.split(':')[1] ?? ''
  expect(log.replaceAll(known, '').match(/[1-9A-HJ-NP-Za-km-z]{43,}/g)).toBeNull()
})
