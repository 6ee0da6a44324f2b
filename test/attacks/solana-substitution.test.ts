// Cross-resource substitution on Solana: a payment whose memo was made for something else, or by nobody here.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { networkVars } from '../../dev/stack/offered.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { memoOf } from '../../src/networks/memo.ts'
import { contextOf, QUOTE_SECONDS } from '../../src/quote.ts'
import { deriveKey } from '../../src/token.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { type Answer, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { VERSIONS } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'
import { landSilently } from '../world/solana-on-chain.ts'
import { type SolanaChange, signSolana, solanaChallenge, solanaTerms, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

/** The secret of every test site. An attacker does not have it; what is made with it here is what the site would make. */
const SECRET = 'a secret for tests, long enough'
const ONE = '/articles/one'
const TWO = '/articles/two'
const DEAR = '/articles/dear'
const MOVING = '/articles/moving'
const DAY_PASS = 500_000n
const MISMATCH = 'invalid_exact_svm_payload_memo_mismatch'
let shop: SolanaShop
/** Another site of the same publisher, with the same secret. */
let other: Shop
/** Whose key pays the fee here, and another one of the same facilitator. */
let feePayer = ''
let otherFeePayer = ''

const ROUTES = [
  {
    path: '/articles/*',
    content: 'kv',
    price: '$0.05',
    access: '24h',
    offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' }],
  },
]

beforeAll(async () => {
  shop = await openSolanaShop({ ROUTES })
  const both = networkVars([
    { network: NETWORK, payTo: wallets.publisher.address, rpcUrl: shop.stack.chain.rpcUrl },
    { network: SOLANA_NETWORK, payTo: solanaWallets.publisher.address, rpcUrl: shop.solana.rpcUrl },
  ])
  other = await openShop({ ...both, ROUTES, SITE_URL: 'https://other.example' }, { stack: shop.stack })
  for (const { site } of [shop, other]) {
    await site.kv.put(ONE, 'article one')
    await site.kv.put(TWO, 'article two')
    await site.kv.put(DEAR, 'the dear article', { metadata: { price: '$0.10' } })
  }
  feePayer = (await shop.challengeOnSolana(ONE)).v2.accepts[0]?.extra.feePayer ?? ''
  otherFeePayer = solanaWallets.feePayers.find(({ address }) => address !== feePayer)?.address ?? ''
})

afterAll(async () => {
  await other.close()
  await shop.close()
})

const now = () => Math.floor(Date.now() / 1000)

/** The offer of an article, as this site sells it. */
const offer = (change: Partial<Offer> = {}): Offer => ({
  network: SOLANA_NETWORK,
  asset: SOLANA_USDC,
  payTo: solanaWallets.publisher.address,
  amount: PRICE,
  transfer: { kind: 'svm', feePayer, facilitator: shop.stack.facilitator.url },
  maxTimeoutSeconds: 60,
  name: null,
  accessSeconds: 86_400,
  scope: null,
  flow: 'authorization',
  ...change,
})

type Says = {
  offer?: Partial<Offer>
  site?: string
  method?: string
  path?: string
  secret?: string
  purpose?: Parameters<typeof deriveKey>[1]
  endsAt?: number
}

/** A memo of this site for article one; genuine where nothing else is said. */
async function memo(says: Says = {}): Promise<string> {
  const path = says.path ?? ONE
  const context = contextOf({ site: says.site ?? SITE, method: says.method ?? 'GET', path, id: path })
  const key = await deriveKey(says.secret ?? SECRET, says.purpose ?? 'memo')
  return memoOf(offer(says.offer), context, key, 'AAAAAAAAAAAA', says.endsAt ?? now() + QUOTE_SECONDS)
}

/** Pays article one with a change, and tells what it cost. */
async function payChanged(change: SolanaChange, version: 'v1' | 'v2' = 'v2', path = ONE) {
  const reader = await shop.readerOnSolana()
  return shop.costOnSolana(() => shop.buyOnSolana(version, path, reader, change))
}

function expectNothing({ result, cost }: { result: Answer; cost: typeof NOTHING }, code = MISMATCH) {
  expect([result.status, result.error]).toEqual([402, code])
  expect(result.header('Set-Cookie')).toBeNull()
  expect(cost).toEqual(NOTHING)
}

describe('against a naive shop', () => {
  test('one transfer buys as many things of its price as it is shown at, where the memo is not looked at', async () => {
    const [requirements] = solanaTerms(PRICE).v2.accepts
    const landed = async () => (await shop.solana.balance(reader.address)) === 0n
    const naive = await openNaive(shop, async ({ path, payment, settle }) =>
      payment && ((await settle(payment, requirements)) || (await landed())) ? `content of ${path}` : null,
    )
    const reader = await shop.readerOnSolana(PRICE)
    const headers = wrapSolana('v2', solanaTerms(PRICE), await signSolana(shop.solana, solanaTerms(PRICE), reader))
    const { result: answers, cost } = await shop.costOnSolana(async () => [
      await send(naive + ONE, { headers }),
      await send(naive + TWO, { headers }),
    ])
    expect(answers.map(({ text }) => text)).toEqual([`content of ${ONE}`, `content of ${TWO}`])
    expect(cost.earned).toBe(PRICE)
  })
})

describe.each(VERSIONS)('here, in %s', (version) => {
  test.each([
    ['of another article of the same price', TWO],
    ['of a dearer one', DEAR],
  ])('a payment %s opens nothing, is not used up, and buys what it is for', async (_, path) => {
    const reader = await shop.readerOnSolana()
    const challenge = await shop.challengeOnSolana(path)
    const here = await shop.challengeOnSolana(ONE)
    const transaction = await signSolana(shop.solana, challenge, reader)
    const stores = await shop.site.objects()
    const accepted = { payment: version === 'v2' ? { resource: here.v2.resource, accepted: here.v2.accepts[0] } : {} }
    for (const headers of [
      wrapSolana(version, challenge, transaction),
      wrapSolana(version, here, transaction),
      wrapSolana(version, challenge, transaction, { echo: false }),
      wrapSolana(version, challenge, transaction, accepted),
    ]) {
      const { result: answer, cost } = await shop.costOnSolana(() => shop.ask(ONE, { headers }))
      expect(answer.status).toBe(402)
      expect(answer.error).toMatch(/memo_mismatch|amount_mismatch|invalid_payment_requirements/)
      expect(cost).toEqual(NOTHING)
    }
    expect(await shop.site.objects()).toBe(stores)
    const bought = await shop.ask(path, { headers: wrapSolana(version, challenge, transaction) })
    expect(bought.status).toBe(200)
  })

  test('a payment of another site opens nothing here, even where one publisher has both', async () => {
    const reader = await shop.readerOnSolana()
    const theirs = solanaChallenge(await other.ask(ONE))
    const transaction = await signSolana(shop.solana, theirs, reader)
    const here = await shop.challengeOnSolana(ONE)
    const result = await shop.costOnSolana(() =>
      shop.ask(ONE, { headers: wrapSolana(version, here, transaction, { echo: false }) }),
    )
    expectNothing(result)
    expect((await other.ask(ONE, { headers: wrapSolana(version, theirs, transaction) })).text).toBe('article one')
    // It has landed now, to the same payee.
    expectNothing(await shop.costOnSolana(() => shop.ask(ONE, { headers: wrapSolana(version, here, transaction) })))
  })

  test('the memo of the article does not carry the day pass, nor that of the day pass the article', async () => {
    const challenge = await shop.challengeOnSolana(ONE)
    const [article, pass] = challenge.v2.accepts
    expect([article?.amount, pass?.amount]).toEqual([PRICE.toString(), DAY_PASS.toString()])
    const wide: SolanaChange = { offer: 1, memo: article?.extra.memo ?? '' }
    const narrow: SolanaChange = { offer: 0, memo: pass?.extra.memo ?? '' }
    for (const change of [wide, narrow]) {
      const headers = wrapSolana(
        version,
        challenge,
        await signSolana(shop.solana, challenge, await shop.readerOnSolana(), change),
        change,
      )
      expectNothing(await shop.costOnSolana(() => shop.ask(ONE, { headers })))
    }
  })

  test('who pays for the article gets no day pass, and who pays for the day pass gets one', async () => {
    const cheap = await shop.buyOnSolana(version, ONE, await shop.readerOnSolana())
    expect((await shop.ask(TWO, { headers: { Cookie: cheap.pass } })).status).toBe(402)
    const wide = await shop.buyOnSolana(version, ONE, await shop.readerOnSolana(), { offer: 1 })
    expect((await shop.ask(TWO, { headers: { Cookie: wide.pass } })).text).toBe('article two')
  })

  test('a price of before is paid with its own quote and memo, never with a half of each', async () => {
    await shop.site.kv.put(MOVING, 'cheap today', { metadata: { price: '$0.01' } })
    const before = await shop.challengeOnSolana(MOVING)
    await shop.site.kv.put(MOVING, 'dear tomorrow', { metadata: { price: '$0.05' } })
    const after = await shop.challengeOnSolana(MOVING)
    const [old, young] = [before.v2.accepts[0]?.extra.memo ?? '', after.v2.accepts[0]?.extra.memo ?? '']
    const pay = async (quoted: typeof before, change: SolanaChange) => {
      const transaction = await signSolana(shop.solana, quoted, await shop.readerOnSolana(), change)
      return shop.costOnSolana(() => shop.ask(MOVING, { headers: wrapSolana(version, quoted, transaction, change) }))
    }
    expectNothing(await pay(before, { memo: young }))
    expectNothing(await pay(after, { memo: old }))
    // Without its quote the cheap price is none of today's.
    const bare = await pay(before, { echo: false })
    expect([bare.result.status, bare.cost]).toEqual([402, NOTHING])
    const honoured = await pay(before, {})
    expect([honoured.result.text, honoured.cost.earned]).toEqual(['dear tomorrow', 10_000n])
  })

  test('two payers with one memo pay both, and each has what they bought', async () => {
    const challenge = await shop.challengeOnSolana(ONE)
    const readers = [await shop.readerOnSolana(), await shop.readerOnSolana()]
    const { result: answers, cost } = await shop.costOnSolana(() =>
      Promise.all(
        readers.map(async (reader) =>
          shop.ask(ONE, { headers: wrapSolana(version, challenge, await signSolana(shop.solana, challenge, reader)) }),
        ),
      ),
    )
    expect(served(answers, 'article one')).toBe(2)
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 0 })
    expect(answers.map(({ receipt }) => receipt?.payer)).toEqual(readers.map(({ address }) => address))
    expect(new Set(answers.map(({ receipt }) => receipt?.transaction)).size).toBe(2)
  })
})

describe('the memo', () => {
  test('as this site makes it is taken', async () => {
    const { result, cost } = await payChanged({ memo: await memo() })
    expect([result.text, cost]).toEqual(['article one', ONE_SALE])
  })

  test.each<[string, () => Says]>([
    ['for another resource', () => ({ path: TWO })],
    ['of another site', () => ({ site: 'https://other.example' })],
    ['for another method', () => ({ method: 'POST' })],
    ['made with another secret', () => ({ secret: 'some other secret, long enough too' })],
    ['made with the key of quotes', () => ({ purpose: 'quote' })],
    ['made with the key of passes', () => ({ purpose: 'pass' })],
    ['of another amount', () => ({ offer: { amount: PRICE - 1n } })],
    ['of another payee', () => ({ offer: { payTo: solanaWallets.alice.address } })],
    ['of another token', () => ({ offer: { asset: solanaWallets.alice.address } })],
    ['of another cluster', () => ({ offer: { network: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' } })],
    ['of a longer access', () => ({ offer: { accessSeconds: 864_000 } })],
    ['of a wider scope', () => ({ offer: { scope: '/articles/*' } })],
    ['of an offer with a name', () => ({ offer: { name: 'Day pass' } })],
    ['of what is settled before', () => ({ offer: { flow: 'upfront' } })],
    [
      'of another fee payer',
      () => ({
        offer: {
          transfer: {
            kind: 'svm',
            feePayer: otherFeePayer,
            facilitator: shop.stack.facilitator.url,
          },
        },
      }),
    ],
    [
      'of another facilitator',
      () => ({
        offer: {
          transfer: {
            kind: 'svm',
            feePayer,
            facilitator: 'https://facilitator.example',
          },
        },
      }),
    ],
  ])('%s is none of this offer', async (_, says) => {
    expectNothing(await payChanged({ memo: await memo(says()) }))
  })

  test.each([
    ['that has expired', -5],
    ['that ends before it can be settled', 5],
    ['that ends in months', 40 * 86_400],
  ])('%s is too late or too early, though this site made it', async (_, left) => {
    expectNothing(await payChanged({ memo: await memo({ endsAt: now() + left }) }), 'payment_expired')
  })

  test.each<[string, (genuine: string) => string | Uint8Array | null]>([
    ['is left out', () => null],
    ['ends later', (genuine) => genuine.replace(/\.[0-9a-z]+\./, `.${(now() + 5_000).toString(36)}.`)],
    ['has another id', (genuine) => genuine.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))],
    ['has an id that holds its end', (genuine) => genuine.replace('.', '')],
    ['has a shorter mac', (genuine) => genuine.slice(0, -1)],
    ['has no mac', (genuine) => genuine.replace(/[^.]*$/, '')],
    ['has its mac spelt otherwise', (genuine) => genuine.replace(/.$/, (last) => (last === 'B' ? 'C' : 'B'))],
    ['is in capitals', (genuine) => genuine.toUpperCase()],
    ['has a space behind it', (genuine) => `${genuine} `],
    ['stands twice in one', (genuine) => `${genuine} ${genuine}`],
    ['stands behind a word', (genuine) => `x.${genuine}`],
  ])('that %s buys nothing', async (_, change) => {
    const challenge = await shop.challengeOnSolana(ONE)
    const genuine = challenge.v2.accepts[0]?.extra.memo ?? ''
    const changed = { memo: change(genuine) }
    const transaction = await signSolana(shop.solana, challenge, await shop.readerOnSolana(), changed)
    for (const version of VERSIONS) {
      expectNothing(
        await shop.costOnSolana(() => shop.ask(ONE, { headers: wrapSolana(version, challenge, transaction) })),
      )
    }
  })

  test('a payment with the other fee payer of the same facilitator is none of this offer', async () => {
    expectNothing(await payChanged({ feePayer: otherFeePayer }))
  })

  test('what has landed with a memo that is over is not taken any more', async () => {
    const challenge = await shop.challengeOnSolana(ONE)
    const change = { memo: await memo({ endsAt: now() - 5 }) }
    const transaction = await signSolana(shop.solana, challenge, await shop.readerOnSolana(), change)
    expect(landSilently(shop.solana, transaction)).toBeNull()
    expectNothing(
      await shop.costOnSolana(() => shop.ask(ONE, { headers: wrapSolana('v2', challenge, transaction) })),
      'payment_expired',
    )
  })
})

test('one payment-identifier is for one payment at one place: another is told so, and nothing is sent', async () => {
  const identifier = 'an-identifier-of-one-purchase'
  const reader = await shop.readerOnSolana()
  const challenge = await shop.challengeOnSolana(ONE)
  const transaction = await signSolana(shop.solana, challenge, reader)
  const own = { headers: wrapSolana('v2', challenge, transaction, { identifier }) }
  expect((await shop.ask(ONE, own)).text).toBe('article one')
  const { result: answers, cost } = await shop.costOnSolana(async () => [
    await shop.buyOnSolana('v2', ONE, reader, { identifier, unitLimit: 20_001 }),
    await shop.buyOnSolana('v2', TWO, reader, { identifier }),
    await shop.ask(TWO, own),
  ])
  expect(answers.map(({ status }) => status)).toEqual([409, 409, 409])
  expect(cost).toEqual(NOTHING)
  expect((await shop.ask(ONE, own)).text).toBe('article one')
})

describe('two payments in one request', () => {
  test('are refused, whichever could pay', async () => {
    const headersOf = async (version: 'v1' | 'v2', path: string) => {
      const challenge = await shop.challengeOnSolana(path)
      return wrapSolana(version, challenge, await signSolana(shop.solana, challenge, await shop.readerOnSolana()))
    }
    const { result: answers, cost } = await shop.costOnSolana(async () => [
      await shop.ask(DEAR, { headers: { ...(await headersOf('v1', ONE)), ...(await headersOf('v2', DEAR)) } }),
      await shop.ask(DEAR, { headers: { ...(await headersOf('v2', ONE)), ...(await headersOf('v1', DEAR)) } }),
    ])
    expect(answers.map(({ status, error }) => [status, error])).toEqual(answers.map(() => [400, 'invalid_payload']))
    expect(cost).toEqual(NOTHING)
  })
})
