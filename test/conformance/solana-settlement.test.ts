// What a facilitator may answer about a payment on Solana, and what a reader is told of it. What only time can tell is in
// test/long/solana.test.ts.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { refuses, says } from '../world/behaviour.ts'
import { VERSIONS, type Version } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { type SolanaBehaviour, solanaBehaviours } from '../world/solana-behaviour.ts'
import { arrivals, landSilently } from '../world/solana-on-chain.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const ONCE = '/once/hello'
const CONTENT = 'the whole article'
const { publisher } = solanaWallets
const facilitator = solanaBehaviours()
let shop: SolanaShop

beforeAll(async () => {
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
  ]
  shop = await openSolanaShop({ ROUTES }, { hook: facilitator.hook })
  for (const path of [PAGE, ONCE]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

const fundsOf = ({ address }: SolanaWallet) => shop.solana.balance(address)

async function readerMeeting(behaviour: SolanaBehaviour): Promise<SolanaWallet> {
  const reader = await shop.readerOnSolana()
  facilitator.set(reader.address, behaviour)
  return reader
}

/** What has come from one reader. */
const paidBy = async ({ address }: SolanaWallet) =>
  (await arrivals(shop.solana, publisher.address)).filter(({ from }) => from.includes(address))

/** The facilitator puts it on the chain and does not know that it did. */
const landing =
  (after: SolanaBehaviour): SolanaBehaviour =>
  async (proceed, transaction, path) => {
    landSilently(shop.solana, transaction)
    return after(proceed, transaction, path)
  }

/** What a facilitator is sent and says is the same for both versions: each answer is tried with one of them. */
const versionOf = (text: string): Version => (text.length % 2 === 0 ? 'v1' : 'v2')

test.each([
  ['invalid_exact_svm_payload_amount_mismatch', 'invalid_exact_svm_payload_amount_mismatch'],
  ['invalid_exact_svm_payload_transaction_simulation_failed', 'invalid_exact_svm_transaction_simulation_failed'],
  ['unsupported_scheme', 'unexpected_settle_error'],
])('refused for sure with %s: the content is withheld, with a fresh challenge', async (said, told) => {
  const version = versionOf(said)
  const reader = await readerMeeting(refuses(said))
  const { result: answer, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader))
  expect([answer.status, answer.error]).toEqual([402, told])
  expect(answer.receipt).toMatchObject({ success: false, errorReason: told, transaction: '' })
  expect(answer.header('PAYMENT-REQUIRED')).not.toBeNull()
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.header('Set-Cookie')).toBeNull()
  expect(cost).toEqual({ ...NOTHING, settles: 1 })
  expect(await shop.ledger(reader.address)).toEqual([])
})

test.each(['kyt_risk_detected', 'request_blocked_by_location'])(
  'refused for policy with %s: 403, and no new challenge',
  async (reason) => {
    const version = versionOf(reason)
    const reader = await readerMeeting(refuses(reason))
    const { result: answer, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader))
    expect([answer.status, answer.error]).toEqual([403, 'payment_refused'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text + JSON.stringify(answer.receipt)).not.toMatch(/kyt|location/)
    expect(cost).toEqual({ ...NOTHING, settles: 1 })
  },
)

test.each<[string, SolanaBehaviour]>([
  ['nothing', (proceed) => proceed().then(() => 'drop')],
  ['an error', (proceed) => proceed().then(says({ error: 'database is locked' }, 500))],
  ['something that is no JSON', async (proceed) => ({ ...(await proceed()), body: '{"success":tr' })],
  ['an open outcome', (proceed) => proceed().then(refuses('settlement_pending'))],
  ['a timeout', (proceed) => proceed().then(refuses('settle_exact_svm_transaction_confirmation_timed_out'))],
  ['the word that it has it already', landing(refuses('duplicate_settlement'))],
  ['the word that a simulation failed', landing(refuses('invalid_exact_svm_transaction_simulation_failed'))],
  ['the word that the transaction failed', landing(refuses('transaction_failed'))],
  ['its own simulation, which fails by then', landing((proceed) => proceed())],
  [
    'the success of another payment',
    async (proceed) => {
      const { status, body } = await proceed()
      const [other] = await arrivals(shop.solana, publisher.address)
      return { status, body: { ...Object(body), transaction: other?.signature } }
    },
  ],
  [
    'the success of another payer',
    async (proceed) => {
      const { status, body } = await proceed()
      return { status, body: { ...Object(body), payer: solanaWallets.alice.address } }
    },
  ],
])('landed, but answered with %s: the chain tells, and the content is served', async (said, behaviour) => {
  const version = versionOf(said)
  await shop.buyOnSolana(version, ONCE, await shop.readerOnSolana())
  const reader = await readerMeeting(behaviour)
  const start = performance.now()
  const { result: answer, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader))
  expect(answer.text).toBe(CONTENT)
  expect(performance.now() - start).toBeLessThan(15_000)
  const [arrival, ...more] = await paidBy(reader)
  expect(more).toEqual([])
  expect(answer.receipt).toMatchObject({ success: true, network: SOLANA_NETWORK, transaction: arrival?.signature })
  expect(cost).toEqual(ONE_SALE)
  await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
})

describe.each(VERSIONS)('in %s', (version) => {
  const payment = async (path: string, reader: SolanaWallet) =>
    paySolana(version, shop.solana, await shop.challengeOnSolana(path), reader)

  test('while nobody answers nothing is charged and no challenge invites another signature; then the same payment is served', async () => {
    const reader = await shop.readerOnSolana()
    const headers = await payment(PAGE, reader)
    shop.stack.facilitator.setHook(async () => 'drop')
    for (let time = 0; time < 2; time++) {
      const answer = await shop.ask(PAGE, { headers })
      expect([answer.status, answer.error]).toEqual([503, 'facilitator_unavailable'])
      expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(answer.text).not.toContain(CONTENT)
    }
    // What is known of its fee payers outlives that: others are told the price.
    expect((await shop.challengeOnSolana(PAGE)).v2.accepts).toHaveLength(1)
    expect(await fundsOf(reader)).toBe(1_000_000n)
    shop.stack.facilitator.setHook(facilitator.hook)
    const { result: served, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(served.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
  })

  test('asked for twice at once it is sent once and served once', async () => {
    const arrived = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const reader = await readerMeeting(async (proceed) => {
      arrived.resolve()
      await gate.promise
      return proceed()
    })
    const headers = await payment(ONCE, reader)
    const { result: answers, cost } = await shop.costOf(async () => {
      const first = shop.ask(ONCE, { headers })
      await arrived.promise
      const second = shop.ask(ONCE, { headers })
      await shop.site.turn()
      gate.resolve()
      return Promise.all([first, second])
    })
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 402])
    expect(answers.find(({ status }) => status === 402)?.error).toBe('payment_already_used')
    expect(cost).toEqual(ONE_SALE)
    expect(facilitator.calls(reader.address)).toEqual(['/settle'])
  })

  test('refused, and sent again when the reader owns the thing by another payment: it brings the content once', async () => {
    const reader = await readerMeeting(refuses('invalid_exact_svm_transaction_simulation_failed'))
    const headers = await payment(PAGE, reader)
    expect((await shop.ask(PAGE, { headers })).status).toBe(402)
    facilitator.set(reader.address, null)
    expect((await shop.buyOnSolana(version, PAGE, reader)).status).toBe(200)
    const { result, cost } = await shop.costOf(async () => [
      await shop.ask(PAGE, { headers }),
      await shop.ask(PAGE, { headers }),
    ])
    expect(result[0]?.text).toBe(CONTENT)
    expect(result[1]?.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
    expect(await fundsOf(reader)).toBe(1_000_000n - PRICE)
  })

  test('landed before this site ever saw it: its memo is of this site, so it is paid, and once', async () => {
    const reader = await shop.readerOnSolana()
    const headers = await payment(PAGE, reader)
    const header = Object.values(headers)[0] ?? ''
    const { transaction } = JSON.parse(Buffer.from(header, 'base64').toString()).payload
    expect(landSilently(shop.solana, Buffer.from(transaction, 'base64'))).toBeNull()
    const { result: answer } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(answer.text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(await fundsOf(reader)).toBe(1_000_000n - PRICE)
  })
})
