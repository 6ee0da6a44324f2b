// What is on the chain already, or comes there by another way than ours: transfers that are shown as payments, payments that
// somebody else has settled, wallets that are emptied in between, and facilitators that say something else than what happened.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { served } from '../world/answer.ts'
import { says } from '../world/behaviour.ts'
import { VERSIONS } from '../world/payer.ts'
import { NOTHING, PRICE } from '../world/shop.ts'
import { type SolanaBehaviour, type SolanaBehaviours, solanaBehaviours } from '../world/solana-behaviour.ts'
import { arrivals, drainSolana, landSilently, messageOf, withFeePayer } from '../world/solana-on-chain.ts'
import { paymentOf, type SolanaChallenge, type SolanaChange, signSolana, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const { publisher } = solanaWallets
let shop: SolanaShop
let facilitator: SolanaBehaviours

beforeAll(async () => {
  facilitator = solanaBehaviours()
  shop = await openSolanaShop({}, { hook: facilitator.hook, solana: { slots: 'by hand' } })
  await shop.site.kv.put(ARTICLE, CONTENT)
  await shop.site.kv.put(OTHER, 'another article')
})
afterAll(() => shop.close())

type Signed = { reader: SolanaWallet; challenge: SolanaChallenge; transaction: Uint8Array }

async function signed(change?: SolanaChange, atomicUnits = PRICE): Promise<Signed> {
  const reader = await shop.readerOnSolana(atomicUnits)
  const challenge = await shop.challengeOnSolana(ARTICLE)
  return { reader, challenge, transaction: await signSolana(shop.solana, challenge, reader, change) }
}

const show = ({ challenge, transaction }: Signed, path = ARTICLE, version: 'v1' | 'v2' = 'v2') =>
  shop.ask(path, { headers: wrapSolana(version, challenge, transaction) })

const rowsOf = async ({ address }: SolanaWallet) =>
  (await shop.site.db.prepare('SELECT * FROM payments WHERE payer = ?').bind(address).all()).results

const cameFrom = async ({ address }: SolanaWallet) =>
  (await arrivals(shop.solana, publisher.address)).filter(({ from }) => from.includes(address))

/** The wallet is emptied, and then the payment comes into a block: there it fails. */
async function landAndFail({ reader, transaction }: Signed): Promise<void> {
  await drainSolana(shop.solana, reader)
  if (landSilently(shop.solana, transaction) !== null) throw new Error('it has not come into a block')
  const [last] = shop.solana.ledger.landed.slice(-1)
  if (last?.err === null) throw new Error('it has not failed')
}

/** What has landed until now cannot be undone any more. */
const finalize = () => shop.solana.clock.pass(40)

/** The transaction's own name: the fee payer's signature. */
const nameOf = (transaction: Uint8Array): string => encodeBase58(withFeePayer(transaction).slice(1, 65))

describe('free riding', () => {
  test.each<[string, SolanaChange]>([
    ['no memo at all', { memo: null }],
    ['a memo of its payer’s own', { memo: 'for the article, thank you' }],
  ])('a transfer of the price to the publisher, with %s, is no payment', async (_, change) => {
    const payment = await signed(change)
    expect(landSilently(shop.solana, payment.transaction)).toBeNull()
    for (const version of VERSIONS) {
      const { result, cost } = await shop.costOnSolana(() => show(payment, ARTICLE, version))
      expect([result.status, result.error]).toEqual([402, 'invalid_exact_svm_payload_memo_mismatch'])
      expect(cost).toEqual(NOTHING)
    }
    expect(await rowsOf(payment.reader)).toEqual([])
  })

  test.each([
    ['is final', () => finalize()],
    ['may still be undone', () => {}],
  ])('a payment that has landed and failed, where that %s, opens nothing', async (_, wait) => {
    const payment = await signed()
    await landAndFail(payment)
    wait()
    const asked = show(payment)
    await expect.poll(() => facilitator.calls(payment.reader.address)).toContain('/settle')
    finalize()
    expect((await asked).status).toBe(402)
    // Nor once there is money again: a message lands once.
    await shop.solana.fund(payment.reader.address, PRICE)
    const again = await show(payment)
    expect([again.status, served([again], CONTENT)]).toEqual([402, 0])
    expect(await cameFrom(payment.reader)).toEqual([])
    expect(await rowsOf(payment.reader)).toEqual([])
  })

  test.each(['HEAD', 'OPTIONS'])('%s takes no payment that it carries, and it is good for the page', async (method) => {
    const payment = await signed()
    const headers = wrapSolana('v2', payment.challenge, payment.transaction)
    const { result, cost } = await shop.costOnSolana(() => shop.ask(ARTICLE, { method, headers }))
    expect([result.text, cost]).toEqual(['', NOTHING])
    expect((await show(payment)).text).toBe(CONTENT)
  })

  test('what is public once it has landed opens nothing for those who copy it', async () => {
    const payment = await signed()
    expect((await show(payment)).text).toBe(CONTENT)
    const [landed] = shop.solana.ledger.landed.slice(-1)
    if (!landed) throw new Error('nothing has landed')
    const copied = { ...payment, transaction: landed.transaction.bytes }
    for (const path of [ARTICLE, OTHER]) {
      for (const version of VERSIONS) {
        const { result, cost } = await shop.costOnSolana(() => show(copied, path, version))
        expect([result.status, result.error]).toEqual([402, 'payment_already_used'])
        expect(cost).toEqual(NOTHING)
      }
    }
  })
})

describe('preemption', () => {
  test.each<[string, (payment: Signed) => Promise<void>]>([
    [
      'that somebody has put on the chain',
      async ({ transaction }) => {
        expect(landSilently(shop.solana, transaction)).toBeNull()
      },
    ],
    [
      'that its payer has had settled by the facilitator',
      async ({ challenge, transaction }) => {
        const body = JSON.stringify({
          x402Version: 2,
          paymentPayload: paymentOf('v2', challenge, transaction),
          paymentRequirements: challenge.v2.accepts[0],
        })
        const reply = await fetch(`${shop.stack.facilitator.url}/settle`, { method: 'POST', body })
        expect(await reply.json()).toMatchObject({ success: true })
      },
    ],
  ])('a payment %s before we saw it is paid: once, and here', async (_, preempt) => {
    const payment = await signed()
    await preempt(payment)
    expect(await cameFrom(payment.reader)).toHaveLength(1)
    const { result: elsewhere } = await shop.costOnSolana(() => show(payment, OTHER))
    expect([elsewhere.status, elsewhere.error]).toEqual([402, 'invalid_exact_svm_payload_memo_mismatch'])
    const { result: answers, cost } = await shop.costOnSolana(() =>
      Promise.all(Array.from({ length: 8 }, (__, i) => show(payment, ARTICLE, i % 2 === 0 ? 'v2' : 'v1'))),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(cost.earned).toBe(0n)
    for (const path of [ARTICLE, OTHER]) expect((await show(payment, path)).error).toBe('payment_already_used')
    await expect.poll(() => rowsOf(payment.reader), { timeout: 10_000 }).toHaveLength(1)
    expect(await cameFrom(payment.reader)).toHaveLength(1)
  })

  test('a wallet that is emptied before its payment is settled reads nothing', async () => {
    const payment = await signed()
    facilitator.set(payment.reader.address, async (proceed) => {
      await drainSolana(shop.solana, payment.reader)
      return proceed()
    })
    const answer = await show(payment)
    expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_transaction_simulation_failed'])
    expect(await cameFrom(payment.reader)).toEqual([])
    expect(await rowsOf(payment.reader)).toEqual([])
  })

  test('a wallet that is emptied between the simulation and the block reads nothing', async () => {
    const payment = await signed()
    facilitator.set(payment.reader.address, async (_, transaction) => {
      await landAndFail(payment)
      finalize()
      return says(failure('transaction_failed', nameOf(transaction)))()
    })
    const answer = await show(payment)
    expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_transaction_failed'])
    expect(await cameFrom(payment.reader)).toEqual([])
    expect((await show(payment)).status).toBe(402)
  })
})

const failure = (errorReason: string, transaction = '') => ({
  success: false,
  errorReason,
  transaction,
  network: SOLANA_NETWORK,
})
const success = (transaction: string) => ({ success: true, transaction, network: SOLANA_NETWORK })

/** A name that is none of this payment. */
const NAMES: readonly (readonly [string, (transaction: Uint8Array) => string])[] = [
  ['nothing', () => ''],
  ['made-up bytes', () => encodeBase58(new Uint8Array(64).fill(3))],
  ['a hash of EVM', () => `0x${'ab'.repeat(32)}`],
  [
    'the transaction of somebody else',
    () => shop.solana.ledger.landed.find(({ err }) => err === null)?.signature ?? '',
  ],
  ['the payer’s own signature in place of the fee payer’s', (transaction) => encodeBase58(transaction.slice(65, 129))],
  [
    'the signature of another fee payer under it',
    (transaction) => {
      const own = withFeePayer(transaction).slice(1, 65)
      const all = solanaWallets.feePayers.map((wallet) => wallet.sign(messageOf(transaction)))
      return encodeBase58(all.find((one) => Buffer.compare(one, own) !== 0) ?? own)
    },
  ],
  [
    'the fee payer’s signature under another message',
    (transaction) => {
      const changed = messageOf(transaction).map((byte, i, all) => (i === all.length - 2 ? byte ^ 1 : byte))
      const own = encodeBase58(withFeePayer(transaction).slice(1, 65))
      const all = solanaWallets.feePayers.map((wallet) => encodeBase58(wallet.sign(changed)))
      return all.find((one) => one !== own) ?? ''
    },
  ],
  ['its own name in small letters', (transaction) => nameOf(transaction).toLowerCase()],
  ['its own name and one more', (transaction) => `1${nameOf(transaction)}`],
]

describe('a facilitator that lies, or does not know', () => {
  const told = new Set<string>()
  afterEach(() => {
    for (const address of told) facilitator.set(address, null)
    told.clear()
  })
  const behave = ({ reader }: Signed, behaviour: SolanaBehaviour) => {
    told.add(reader.address)
    facilitator.set(reader.address, behaviour)
  }

  test('and calls a payment settled under a name that is not its own: nothing is served before it has landed', async () => {
    const payments = await Promise.all(NAMES.map(async ([, name]) => ({ name, payment: await signed() })))
    let answered = 0
    const looks = () => shop.solana.calls.getSignaturesForAddress ?? 0
    const before = looks()
    const asked = payments.map(async ({ name, payment }) => {
      behave(payment, async (_, transaction) => says(success(name(transaction)))())
      const answer = await show(payment)
      answered += 1
      return answer
    })
    // The chain is asked only once the facilitator has answered; the second time, what it said has made no difference.
    await expect.poll(() => looks() - before, { timeout: 10_000 }).toBeGreaterThanOrEqual(2 * NAMES.length)
    expect(answered).toBe(0)
    // Now they land after all, and each is served, once, by what the chain says.
    for (const { payment } of payments) expect(landSilently(shop.solana, payment.transaction)).toBeNull()
    const answers = await Promise.all(asked)
    expect(served(answers, CONTENT)).toBe(NAMES.length)
    expect(answers.map(({ receipt }) => receipt?.transaction)).toEqual(
      payments.map(({ payment }) => nameOf(payment.transaction)),
    )
  })

  test.each<[string, (transaction: Uint8Array) => unknown]>([
    ['duplicate_settlement', () => failure('duplicate_settlement')],
    ['transaction_failed', () => failure('transaction_failed')],
    ['transaction_failed, with its name', (transaction) => failure('transaction_failed', nameOf(transaction))],
    ['settlement_pending', () => failure('settlement_pending')],
    ['settlement_pending, with its name', (transaction) => failure('settlement_pending', nameOf(transaction))],
    ['simulation_failed', () => failure('invalid_exact_svm_transaction_simulation_failed')],
    ['insufficient_funds', () => failure('insufficient_funds')],
    ['success, and the name of another', () => success(encodeBase58(new Uint8Array(64).fill(3)))],
    ['success of another payer', (transaction) => ({ ...success(nameOf(transaction)), payer: publisher.address })],
    ['success on another network', (transaction) => ({ ...success(nameOf(transaction)), network: 'solana:other' })],
    ['success and failure at once', (transaction) => ({ ...success(nameOf(transaction)), errorReason: 'unexpected' })],
  ])('and says "%s" of what has landed: it is served once, and paid once', async (_, reply) => {
    const payment = await signed({}, 3n * PRICE)
    behave(payment, async (proceed, transaction) => {
      await proceed()
      return says(reply(transaction))()
    })
    expect((await show(payment)).text).toBe(CONTENT)
    expect((await show(payment)).error).toBe('payment_already_used')
    const { result: owned, cost } = await shop.costOnSolana(() => shop.buyOnSolana('v2', ARTICLE, payment.reader))
    expect([owned.text, cost]).toEqual([CONTENT, NOTHING])
    expect(await cameFrom(payment.reader)).toHaveLength(1)
    await expect.poll(() => rowsOf(payment.reader), { timeout: 10_000 }).toHaveLength(1)
  })
})

test('the log of all this names no wallet, memo, message, transaction or article', async () => {
  const { challenge, transaction, reader } = await signed()
  await show({ challenge, transaction, reader })
  const log = shop.site.logs.join('\n')
  expect(log).toContain('"decision"')
  const landed = shop.solana.ledger.landed.flatMap(({ transaction: { keys }, signature }) => [...keys, signature])
  const secret = [
    ...landed.filter((text) => text.length > 40),
    challenge.v2.accepts[0]?.extra.memo ?? '-',
    Buffer.from(messageOf(transaction)).toString('base64').slice(0, 40),
    ARTICLE,
  ]
  expect(secret.filter((text) => log.includes(text))).toEqual([])
})
