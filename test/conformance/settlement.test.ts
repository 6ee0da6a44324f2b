// What a facilitator may answer to /settle, and what a reader is told of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer } from '../world/answer.ts'
import { type Behaviour, refuses, says } from '../world/behaviour.ts'
import { broadcast } from '../world/on-chain.ts'
import { type Change, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { allBehaviours } from '../world/solana-behaviour.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { type Buyer, CELLS, KIND, type Kind, type Wrapping } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const facilitator = allBehaviours()
/** A payment that says nothing of the page it is for. */
const UNNAMED: Change = { echo: false, payment: { resource: undefined } }

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, 'the whole article')
  await shop.site.kv.put('/articles/other', 'the other article')
})

afterAll(() => shop.close())

async function readerMeeting(kind: Kind, behaviour: Behaviour<unknown>): Promise<Buyer> {
  const reader = await kind.reader(shop)
  facilitator.set(reader.address, behaviour)
  return reader
}

/** Two requests of a reader, the second while the facilitator has the first: they cost one sale. */
async function overlapping(
  reader: Buyer,
  ...payments: [Record<string, string>, Record<string, string>]
): Promise<Answer[]> {
  const arrived = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  facilitator.set(reader.address, async (proceed) => {
    arrived.resolve()
    await gate.promise
    return proceed()
  })
  const { result, cost } = await shop.costOf(async () => {
    const [first, second] = payments
    const one = shop.ask(PAGE, { headers: first })
    await arrived.promise
    const two = shop.ask(PAGE, { headers: second })
    // A third question that is answered shows that the second has been asked.
    await shop.challenge(PAGE)
    gate.resolve()
    return Promise.all([one, two])
  })
  expect(cost).toEqual(ONE_SALE)
  expect(facilitator.calls(reader.address)).toEqual(['/settle'])
  return result
}

/** What it does to one payment, which somebody may put on the chain before that. */
type Story = (land: () => Promise<boolean>) => Behaviour<unknown>
/** Another facilitator has it on the chain, and this one does not know. */
const landed =
  (after: Behaviour<unknown>): Story =>
  (land) =>
  async (proceed, payment, path) => {
    expect(await land()).toBe(true)
    return after(proceed, payment, path)
  }
const claiming =
  (change: () => Promise<object>): Story =>
  () =>
  async (proceed) => {
    const { status, body } = await proceed()
    return { status, body: { ...Object(body), ...(await change()) } }
  }

const LANDED: [string, Story][] = [
  ['an error', () => (proceed) => proceed().then(says({ error: 'database is locked' }, 500))],
  ['a page', () => async (proceed) => ({ ...(await proceed()), status: 502, body: '<html>Bad Gateway</html>' })],
  ['nothing', () => (proceed) => proceed().then(() => 'drop')],
  ['something that is no JSON', () => async (proceed) => ({ ...(await proceed()), body: '{"success":tr' })],
  ['an open outcome', () => (proceed) => proceed().then(refuses('settlement_pending'))],
  ['the look of a stranger, who had seen it on its way, at its own copy', landed((proceed) => proceed())],
]
/** What each kind of network has its own words for. */
const WORDS = {
  eip155: {
    sure: [
      ['invalid_exact_evm_insufficient_balance', 'insufficient_funds'],
      ['insufficient_funds', 'insufficient_funds'],
      ['invalid_exact_evm_payload_authorization_valid_before', 'invalid_exact_evm_payload_authorization_valid_before'],
      ['unsupported_scheme', 'unexpected_settle_error'],
    ],
    policy: ['invalid_exact_evm_payload_authorization_from_address_kyt'],
    landed: [
      ['a timeout', () => (proceed) => proceed().then(refuses('settle_exact_evm_transaction_confirmation_timed_out'))],
      ['the success of another payer', claiming(async () => ({ payer: wallets.alice.address }))],
    ],
  },
  solana: {
    sure: [
      ['invalid_exact_svm_payload_amount_mismatch', 'invalid_exact_svm_payload_amount_mismatch'],
      ['invalid_exact_svm_payload_transaction_simulation_failed', 'invalid_exact_svm_transaction_simulation_failed'],
      ['unsupported_scheme', 'unexpected_settle_error'],
    ],
    policy: [],
    landed: [
      ['a timeout', () => (proceed) => proceed().then(refuses('settle_exact_svm_transaction_confirmation_timed_out'))],
      ['the success of another payer', claiming(async () => ({ payer: solanaWallets.alice.address }))],
      ['the word that it has it already', landed(refuses('duplicate_settlement'))],
      ['the word that a simulation failed', landed(refuses('invalid_exact_svm_transaction_simulation_failed'))],
      ['the word that the transaction failed', landed(refuses('transaction_failed'))],
      [
        'the success of another payment',
        claiming(async () => {
          await shop.buyOnSolana('v2', '/articles/other', await shop.readerOnSolana())
          const all = await arrivals(shop.solana, solanaWallets.publisher.address)
          return { transaction: all.at(-1)?.signature }
        }),
      ],
    ],
  },
} satisfies Record<string, { sure: [string, string][]; policy: string[]; landed: [string, Story][] }>

describe.each(CELLS)('in $version on $name', ({ version, name, kind }) => {
  const words = WORDS[name]

  test.each<[string, string]>(words.sure)(
    'refused for sure with %s: the content is withheld, with a fresh challenge',
    async (said, told) => {
      const reader = await readerMeeting(kind, refuses(said))
      const { result: answer, cost } = await shop.costOf(() => reader.buy(version, PAGE))
      expect(answer.status).toBe(402)
      expect(answer.error).toBe(told)
      expect(kind.challengeOf(answer).v2.accepts).toHaveLength(1)
      expect(answer.receipt).toMatchObject({ success: false, errorReason: told, transaction: '' })
      expect(answer.receiptV1?.success).toBe(version === 'v1' ? false : undefined)
      expect(answer.text).not.toContain('the whole article')
      expect(answer.text + JSON.stringify(answer.receipt)).not.toContain('unsupported')
      expect(answer.header('Set-Cookie')).toBeNull()
      expect(cost).toEqual({ ...NOTHING, settles: 1 })
      expect(await shop.ledger(reader.address)).toEqual([])
    },
  )

  test('refused, and sent again when the reader owns the thing by another payment: it brings the content once', async () => {
    const reader = await readerMeeting(kind, refuses(kind.insufficient))
    const headers = await reader.pay(version, PAGE)
    expect((await shop.ask(PAGE, { headers })).status).toBe(402)
    facilitator.set(reader.address, null)
    expect((await reader.buy(version, PAGE)).status).toBe(200)
    const { result, cost } = await shop.costOf(async () => [
      await shop.ask(PAGE, { headers }),
      await shop.ask(PAGE, { headers }),
    ])
    const [first, second] = result
    expect(first?.text).toBe('the whole article')
    expect(second?.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
    expect(await reader.balance()).toBe(1_000_000n - PRICE)
  })

  test.each(['kyt_risk_detected', 'request_blocked_by_location', ...words.policy])(
    'refused for policy with %s: 403, and no new challenge',
    async (reason) => {
      const reader = await readerMeeting(kind, refuses(reason))
      const { result: answer, cost } = await shop.costOf(() => reader.buy(version, PAGE))
      expect(answer.status).toBe(403)
      expect(answer.error).toBe('payment_refused')
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(answer.text + JSON.stringify(answer.receipt)).not.toMatch(/kyt|location/)
      expect(answer.text).not.toContain('accepts')
      expect(cost).toEqual({ ...NOTHING, settles: 1 })
    },
  )

  test.each<[string, Story]>([...LANDED, ...words.landed])(
    'settled, but answered with %s: the chain tells, and the content is served',
    async (_, story) => {
      const reader = await kind.reader(shop)
      const headers = await reader.pay(version, PAGE)
      facilitator.set(
        reader.address,
        story(() => kind.land(shop, headers)),
      )
      const answer = await shop.ask(PAGE, { headers })
      expect(answer.status).toBe(200)
      expect(answer.text).toBe('the whole article')
      expect(answer.receipt).toMatchObject({ success: true, transaction: expect.stringMatching(kind.transaction) })
      expect(facilitator.calls(reader.address)).toEqual(['/settle'])
      expect(await reader.balance()).toBe(1_000_000n - PRICE)
      await expect.poll(() => shop.ledger(reader.address)).toMatchObject([{ transaction: answer.receipt?.transaction }])
    },
  )

  test('while nobody answers nothing is charged and no challenge invites another signature; then the same payment is served', async () => {
    const reader = await kind.reader(shop)
    const headers = await reader.pay(version, PAGE)
    shop.stack.facilitator.setHook(async () => 'drop')
    for (let time = 0; time < 2; time++) {
      const answer = await shop.ask(PAGE, { headers })
      expect([answer.status, answer.error]).toEqual([503, 'facilitator_unavailable'])
      expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(answer.text).not.toContain('the whole article')
    }
    // What is known of fee payers outlives that: others are told the price.
    expect(kind.challengeOf(await shop.ask(PAGE)).v2.accepts).toHaveLength(1)
    expect(await reader.balance()).toBe(1_000_000n)
    shop.stack.facilitator.setHook(facilitator.hook)
    const { result: served, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(served.text).toBe('the whole article')
    expect(cost).toEqual(ONE_SALE)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
  })

  describe('the same payment while the first is in flight', () => {
    async function together(change: { identifier?: string }) {
      const reader = await kind.reader(shop)
      const headers = await reader.pay(version, PAGE, change)
      return overlapping(reader, headers, headers)
    }

    test('waits for its outcome, and is used up then', async () => {
      const answers = await together({})
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 402])
      expect(answers.find(({ status }) => status === 402)?.error).toBe('payment_already_used')
    })

    test('waits for its outcome, and gets the content by its identifier', async () => {
      const answers = await together({ identifier: `in-flight-together-${version}` })
      expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual([
        '200 the whole article',
        '200 the whole article',
      ])
      expect(answers[0]?.receipt).toEqual(answers[1]?.receipt)
    })
  })

  test('two payments of one reader for one article at once: one is settled, both get it', async () => {
    const reader = await kind.reader(shop)
    const answers = await overlapping(reader, await reader.pay(version, PAGE), await reader.pay(version, PAGE))
    expect(answers.map(({ text }) => text)).toEqual(['the whole article', 'the whole article'])
    expect(await reader.balance()).toBe(1_000_000n - PRICE)
  })
})

// On Solana a payment says which page of which site it is for: `test/attacks/solana-landed.test.ts` and its neighbours.
describe.each(VERSIONS)('an authorization in %s', (version) => {
  test('used on chain before this site saw it: it buys nothing, here or elsewhere', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await sign(version, challenge, reader)
    await broadcast(shop.stack.chain, signed)
    const { cost } = await shop.costOf(async () => {
      for (const path of [PAGE, PAGE, '/articles/other']) {
        const answer = await shop.ask(path, { headers: wrap(version, challenge, signed, UNNAMED) })
        expect(answer.status).toBe(402)
        expect(answer.error).toBe('payment_already_used')
        expect(answer.receipt).toMatchObject({ success: false, errorReason: 'payment_already_used' })
        expect(answer.text).not.toMatch(/the (whole|other) article/)
      }
    })
    expect(cost).toMatchObject({ earned: 0n, verifies: 0 })
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  test('one payment at two articles at once buys one of them', async () => {
    const headers = await pay(version, await shop.challenge(PAGE), await shop.reader(), UNNAMED)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([shop.ask(PAGE, { headers }), shop.ask('/articles/other', { headers })]),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 402])
    expect(answers.find(({ status }) => status === 402)?.error).toBe('payment_already_used')
    expect(cost).toEqual(ONE_SALE)
  })
})

test.each<[Kind, Wrapping]>([
  [KIND.eip155, { payment: { note: 'smuggled' }, accepted: { extra: { name: 'smuggled', version: '2' } } }],
  [KIND.solana, { payment: { note: 'smuggled' }, accepted: { note: 'smuggled' } }],
])('what the facilitator is sent is built by the site, and holds nothing of the client’s', async (kind, change) => {
  const bodies: string[] = []
  shop.stack.facilitator.setHook(async (call, proceed) => {
    bodies.push(JSON.stringify(call.body))
    return proceed()
  })
  const answer = await (await kind.reader(shop)).buy('v2', PAGE, change)
  shop.stack.facilitator.setHook(facilitator.hook)
  expect(answer.status).toBe(200)
  expect(bodies).toHaveLength(1)
  expect(bodies[0]).not.toContain('smuggled')
})

test('a failure that lies about a success is none', async () => {
  const lie = says({ success: false, errorReason: 'invalid_payload', transaction: '' })
  const answer = await (await readerMeeting(KIND.eip155, lie)).buy('v2', PAGE)
  expect(answer.status).toBe(402)
  expect(answer.receipt?.success).toBe(false)
})
