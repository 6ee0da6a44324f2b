// Replay on Solana: one transaction in other bytes, versions, headers and signatures, at once and one after the other.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assemble, readTransaction } from '../../dev/stack/solana/message.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { type Question, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { signAnew, withLargeS } from '../world/solana-ed25519.ts'
import { messageOf, withFeePayer } from '../world/solana-on-chain.ts'
import {
  memoOf,
  paymentOf,
  type SolanaChallenge,
  type SolanaChange,
  signSolana,
  solanaTerms,
  wrapSolana,
} from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const COPIES = 50
const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'

/** The same transaction with this signature in one of its places. */
function withSignature(transaction: Uint8Array, place: number, signature: Uint8Array): Uint8Array {
  const { signatures, messageBytes } = readTransaction(transaction)
  return assemble(
    signatures.map((own, i) => (i === place ? signature : own)),
    messageBytes,
  )
}

/** One payment as different bytes, at different addresses. */
function wrappings(challenge: SolanaChallenge, transaction: Uint8Array, reader: SolanaWallet): [string, Question][] {
  const message = messageOf(transaction)
  const [, second] = solanaWallets.feePayers
  const spelt = (spelling: BufferEncoding) => ({
    payment: { payload: { transaction: Buffer.from(transaction).toString(spelling) } },
  })
  const unpadded = Buffer.from(transaction).toString('base64').replace(/=+$/, '')
  const v2 = (bytes = transaction, change: SolanaChange = {}): Question => ({
    headers: wrapSolana('v2', challenge, bytes, change),
  })
  const v1 = (bytes = transaction, change: SolanaChange = {}): Question => ({
    headers: wrapSolana('v1', challenge, bytes, change),
  })
  const reversed = Object.fromEntries(Object.entries(paymentOf('v2', challenge, transaction)).reverse())
  return [
    [ARTICLE, v2()],
    [ARTICLE, v1()],
    [ARTICLE, { headers: { ...v1().headers, ...v2().headers } }],
    [ARTICLE, v2(transaction, { echo: false })],
    [ARTICLE, v2(transaction, spelt('base64url'))],
    [ARTICLE, v1(transaction, { payment: { payload: { transaction: unpadded } } })],
    [ARTICLE, v2(transaction, { encode: (json) => Buffer.from(json).toString('base64url') })],
    [ARTICLE, { headers: { 'X-PAYMENT': Buffer.from(JSON.stringify(reversed, null, 1)).toString('base64') } }],
    [ARTICLE, v2(withFeePayer(transaction))],
    [ARTICLE, v1(withSignature(transaction, 0, second.sign(message)))],
    [ARTICLE, v2(withSignature(transaction, 0, new Uint8Array(64).fill(7)))],
    [ARTICLE, v2(withSignature(transaction, 1, signAnew(reader, message)))],
    [ARTICLE, v1(withSignature(transaction, 1, signAnew(reader, message, 'another number')))],
    [`${ARTICLE}/?utm_source=replay`, v2()],
    [OTHER, v2()],
    [OTHER, v1()],
  ]
}

describe.each([
  ['shared', 1],
  ['none', 3],
] as const)('where the facilitator’s memory is "%s"', (memory, naively) => {
  let shop: SolanaShop

  beforeAll(async () => {
    shop = await openSolanaShop({}, { solana: { memory } })
    await shop.site.kv.put(ARTICLE, CONTENT)
    await shop.site.kv.put(OTHER, `another article, not ${CONTENT}`)
  })
  afterAll(() => shop.close())

  async function payment(): Promise<{ challenge: SolanaChallenge; transaction: Uint8Array; reader: SolanaWallet }> {
    const reader = await shop.readerOnSolana(PRICE * 20n)
    const challenge = await shop.challengeOnSolana(ARTICLE)
    return { challenge, transaction: await signSolana(shop.solana, challenge, reader), reader }
  }

  test(`a naive shop serves ${naively} of three copies of one payment`, async () => {
    const [requirements] = solanaTerms(PRICE).v2.accepts
    const naive = await openNaive(shop, async ({ payment: sent, settle }) =>
      sent && (await settle(sent, requirements)) ? CONTENT : null,
    )
    const transaction = await signSolana(shop.solana, solanaTerms(PRICE), await shop.readerOnSolana(PRICE))
    const headers = wrapSolana('v2', solanaTerms(PRICE), transaction)
    const { result: answers, cost } = await shop.costOnSolana(async () => {
      const got = []
      for (let i = 0; i < 3; i += 1) got.push(await send(naive, { headers }))
      return got
    })
    expect(served(answers, CONTENT)).toBe(naively)
    expect(cost.earned).toBe(PRICE)
  })

  test(`${COPIES} copies at once, in every wrapping and at two articles, are one grant and one settlement`, async () => {
    const { challenge, transaction, reader } = await payment()
    const ways = wrappings(challenge, transaction, reader)
    const { result: answers, cost } = await shop.costOnSolana(() =>
      Promise.all(
        Array.from({ length: COPIES }, (_, i) => {
          const [path, question] = ways[i % ways.length] ?? [ARTICLE, {}]
          return shop.ask(path, question)
        }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(served(answers, CONTENT)).toBe(1)
    expect(cost).toEqual(ONE_SALE)
    for (const { text } of answers.filter(({ status }) => status !== 200)) {
      expect(text).toMatch(
        /"error":"(?:payment_(?:already_used|in_progress)|invalid_payment_requirements|invalid_exact_svm_payload_memo_mismatch)"/,
      )
    }
    const rows = () => shop.site.db.prepare('SELECT * FROM payments WHERE payer = ?').bind(reader.address).all()
    await expect.poll(async () => (await rows()).results, { timeout: 10_000 }).toHaveLength(1)
  })

  test('each wrapping alone, after the purchase, buys nothing', async () => {
    const { challenge, transaction, reader } = await payment()
    expect((await shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, transaction) })).text).toBe(CONTENT)
    const { result: answers, cost } = await shop.costOnSolana(async () => {
      const got = []
      for (const [path, question] of wrappings(challenge, transaction, reader)) got.push(await shop.ask(path, question))
      return got
    })
    expect(answers.map(({ error }) => error)).toEqual(answers.map(() => 'payment_already_used'))
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toEqual(NOTHING)
  })

  test.each(['v1', 'v2'] as const)(
    'with junk in the fee payer’s place and another signature of the payer, %s: bought once',
    async (version) => {
      const { challenge, transaction, reader } = await payment()
      const anew = withSignature(transaction, 1, signAnew(reader, messageOf(transaction)))
      const filled = withSignature(anew, 0, new Uint8Array(64).fill(7))
      const { result: answer, cost } = await shop.costOnSolana(() =>
        shop.ask(ARTICLE, { headers: wrapSolana(version, challenge, filled) }),
      )
      expect(answer.text).toBe(CONTENT)
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test('the same signature with the order added to its s opens nothing', async () => {
    const { challenge, transaction } = await payment()
    const [, own = new Uint8Array()] = readTransaction(transaction).signatures
    const twin = withSignature(transaction, 1, withLargeS(own))
    const ask = (bytes: Uint8Array) => shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, bytes) })
    const { result: before, cost } = await shop.costOnSolana(() => ask(twin))
    expect(before.error).toBe('invalid_exact_svm_payload_signature_invalid')
    expect(cost).toEqual(NOTHING)
    expect((await ask(transaction)).text).toBe(CONTENT)
    expect((await ask(twin)).error).toBe('invalid_exact_svm_payload_signature_invalid')
  })

  test('another message with the same memo is another payment: what is owned is not paid again', async () => {
    const { challenge, transaction, reader } = await payment()
    expect((await shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, transaction) })).text).toBe(CONTENT)
    const second = await shop.readerOnSolana(0n)
    const memo = challenge.v2.accepts[0]?.extra.memo ?? ''
    const others: SolanaChange[] = [
      { message: 'legacy' },
      { unitLimit: 20_001 },
      {
        signers: [reader, second],
        instructions: ([limit, price, transfer]) => [
          ...[limit, price, transfer].flatMap((one) => (one ? [one] : [])),
          { ...memoOf(memo), accounts: [{ address: second.address, isSigner: true }] },
        ],
      },
    ]
    const { result: answers, cost } = await shop.costOnSolana(async () => {
      const got = []
      for (const change of others) {
        const bytes = await signSolana(shop.solana, challenge, reader, change)
        const headers = wrapSolana('v2', challenge, bytes)
        got.push(await shop.ask(ARTICLE, { headers }), await shop.ask(OTHER, { headers }))
      }
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual([200, 402, 200, 402, 200, 402])
    expect(cost).toEqual(NOTHING)
  })
})
