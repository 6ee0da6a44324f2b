// Transfers on Solana that a program makes for its owner: what is read of them, what a facilitator's word on one means, and what
// the chain has to show. Pure, on a chain that is imitated.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Landed, paymentIn } from '../../cli/ledger/landed.ts'
import { Rpc } from '../../src/chain.ts'
import { memoOf } from '../../src/networks/memo.ts'
import { verifyPayment } from '../../src/networks/network.ts'
import { associatedTokenAccount, isSignedBySigners, svmReplayKey } from '../../src/networks/solana.ts'
import { lookOnSolana, proofOnSolana } from '../../src/payer/solana.ts'
import { readSettlement } from '../../src/replies.ts'
import { deriveKey } from '../../src/token.ts'
import { ASSETS, networkOf, type SvmAsset, svmTokensOn } from '../../src/x402/assets.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { readMessage, readTransaction, type SvmTransfer } from '../../src/x402/svm.ts'
import { CLUSTER, imitatedSolana } from '../world/imitated-solana.ts'
import {
  AT,
  assertion,
  DRAFT,
  type Draft,
  FEE_WALLET,
  memoStep,
  messageBytes,
  OTHER_WALLET,
  PAYING_WALLET,
  type Step,
  signatures,
  text,
  transaction,
  transferStep,
  USDC,
  wallet,
  withKey,
  withSigner,
} from '../world/svm.ts'

const PROGRAM = wallet(40).address
const PAYEE = OTHER_WALLET.address
const TARGET = await associatedTokenAccount(PAYEE, USDC)
const PRICE = 50_000n
/** When the imitated chain begins. */
const NOW = 1_700_400_000
const MEMO_TEXT = `quote.${(NOW + 500).toString(36)}.${'a'.repeat(22)}`
/** A call of the program, with the payee's own account among its accounts, and a memo of this site. */
const callStep: Step = { program: AT.other, accounts: [AT.source, AT.mint, AT.target, AT.token], data: text('go') }
const ofSteps = (...behind: readonly Step[]): Draft => ({
  ...withKey(AT.other, PROGRAM),
  keys: withKey(AT.other, PROGRAM).keys.map((key, i) => (i === AT.target ? TARGET : key)),
  steps: [...DRAFT.steps.slice(0, 2), ...behind],
})
const memo: Step = { ...memoStep, data: text(MEMO_TEXT) }
const CALL = ofSteps(callStep, memo)

function read(draft: Draft): SvmTransfer {
  const found = readTransaction(transaction(draft))
  if (!found.ok) throw new Error(found.error)
  return found.value
}
const refusal = (draft: Draft): string | null => {
  const found = readTransaction(transaction(draft))
  return found.ok ? null : found.error
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('read from its bytes', () => {
  test('is who signs, who pays the fee, and the memo; and nothing of what is moved', async () => {
    const transfer = read(CALL)
    expect(transfer).toMatchObject({
      feePayer: FEE_WALLET.address,
      payer: PAYING_WALLET.address,
      source: null,
      mint: null,
      destination: null,
      amount: null,
      memo: MEMO_TEXT,
      position: 2,
    })
    expect(await isSignedBySigners(transfer)).toBe(true)
    expect(readMessage(transfer.message, transfer.signature)).toEqual({ ok: true, value: transfer })
    expect(readMessage(transfer.message, '')).toEqual({ ok: true, value: { ...transfer, signature: '' } })
  })

  test.each<[string, Draft]>([
    ['several calls', ofSteps(callStep, callStep, memo)],
    ['the memo between them', ofSteps(callStep, memo, callStep)],
    ['assertions of the wallet', ofSteps(callStep, assertion, memo, assertion)],
    ['another signer behind', withSigner(wallet(9).address, CALL)],
  ])('%s: the same payer', (_, draft) => {
    const found = readMessage(Buffer.from(messageBytes(draft)).toString('base64'), '')
    expect(found).toMatchObject({ ok: true, value: { payer: PAYING_WALLET.address, mint: null } })
  })

  test.each<[string, Draft, string]>([
    ['the fee payer among the accounts of a call', ofSteps({ ...callStep, accounts: [AT.fee] }, memo), 'fee payer'],
    ['the fee payer in the second call', ofSteps(callStep, { ...callStep, accounts: [AT.fee] }, memo), 'fee payer'],
    ['the fee payer in the memo', ofSteps(callStep, { ...memo, accounts: [AT.fee] }), 'fee payer'],
    ['a transfer behind the call', ofSteps(callStep, transferStep, memo), 'neither a memo nor an assertion'],
    ['a call behind a transfer', ofSteps(transferStep, callStep, memo), 'neither a memo nor an assertion'],
    ['two memos', ofSteps(callStep, memo, memo), 'more than one memo'],
    ['a memo that is not printable', ofSteps(callStep, { ...memo, data: text('\n') }), 'printable'],
    ['a budget behind the call', { ...CALL, steps: [...CALL.steps, DRAFT.steps[1] ?? memo] }, 'neither a memo'],
    ['no compute budget', { ...CALL, steps: CALL.steps.slice(1) }, 'SetComputeUnitLimit'],
  ])('%s is malformed', (_, draft, said) => {
    expect(refusal(draft)).toContain(said)
  })

  test('nobody but the fee payer: malformed', () => {
    const draft: Draft = { ...CALL, header: [1, 0, 6] }
    expect(readMessage(Buffer.from(messageBytes(draft)).toString('base64'), '')).toMatchObject({ ok: false })
  })

  test('what the first signer has not signed is not proven', async () => {
    const [, ...own] = signatures(CALL)
    const forged = own.map((bytes) => Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte ^ 1 : byte)))
    const found = readTransaction(transaction(CALL, [new Uint8Array(64), ...forged]))
    expect(found.ok && (await isSignedBySigners(found.value))).toBe(false)
  })

  test('the key is the message’s alone: another call is another payment', () => {
    const keys = [CALL, ofSteps({ ...callStep, data: text('go!') }, memo)].map((draft) =>
      svmReplayKey(CLUSTER, read(draft)),
    )
    expect(new Set(keys).size).toBe(2)
  })
})

const SIGNATURE = encodeBase58(FEE_WALLET.sign(messageBytes(CALL)))
const offer: Offer = {
  network: CLUSTER,
  asset: USDC,
  payTo: PAYEE,
  amount: PRICE,
  transfer: { kind: 'svm', feePayer: FEE_WALLET.address, facilitator: 'https://one.example' },
  maxTimeoutSeconds: 60,
  name: null,
  accessSeconds: 0,
  scope: null,
  flow: 'authorization',
}

describe('for what it is', () => {
  async function verified(
    change: { memoFor?: Offer; simulates?: boolean; accepted?: Partial<Offer>; offers?: Offer[] } = {},
  ) {
    const { memoFor = offer, simulates = true, offers = [offer] } = change
    const binding = {
      context: 'GET https://news.example/a',
      keys: [await deriveKey('a secret for tests, long enough', 'memo')],
    }
    const [memoKey] = binding.keys
    if (!memoKey) throw new Error('there is no key')
    const bound = await memoOf(memoFor, binding.context, memoKey, 'quote', NOW + 500)
    const transfer = read(ofSteps(callStep, { ...memoStep, data: text(bound) }))
    const bond = { ...binding, facilitators: ['https://one.example'], simulating: () => simulates, tokens: ASSETS }
    const accepted = change.accepted
      ? { amount: PRICE, asset: USDC, payTo: PAYEE, resource: null, ...change.accepted }
      : null
    const rest = {
      x402Version: 2,
      scheme: 'exact',
      network: CLUSTER,
      payer: transfer.payer,
      identifier: null,
      quote: null,
    } as const
    const found = await verifyPayment({ ...rest, transfer, accepted }, offers, bond, NOW)
    if (!found.ok || found.value.kind !== 'proven') throw new Error('its signers have signed')
    const { verified: proven, objection } = found.value
    return { owner: proven.owner, amount: proven.offer?.amount ?? null, objection: objection?.code ?? null }
  }

  test('the memo names the offer, and its owner is code', async () => {
    expect(await verified()).toEqual({ owner: 'code', amount: PRICE, objection: null })
    expect(await verified({ accepted: {} })).toEqual({ owner: 'code', amount: PRICE, objection: null })
    const dearer = { ...offer, amount: 2n * PRICE, name: 'Day pass' }
    expect(await verified({ memoFor: dearer, offers: [offer, dearer] })).toMatchObject({ amount: 2n * PRICE })
  })

  test.each<[string, Parameters<typeof verified>[0], string]>([
    ['nobody who simulates', { simulates: false }, 'invalid_exact_svm_payload_no_transfer_instruction'],
    ['a memo of another amount', { memoFor: { ...offer, amount: 1n } }, 'invalid_exact_svm_payload_memo_mismatch'],
    [
      'a memo of another payee',
      { memoFor: { ...offer, payTo: wallet(80).address } },
      'invalid_exact_svm_payload_memo_mismatch',
    ],
    ['other terms than it says', { accepted: { amount: 1n } }, 'invalid_payment_requirements'],
    ['nothing on offer there', { offers: [] }, 'invalid_payment_requirements'],
  ])('%s: it is not sent', async (_, change, objection) => {
    expect(await verified(change)).toEqual({ owner: 'code', amount: null, objection })
  })
})

describe('a facilitator’s word', () => {
  const payment = { payer: PAYING_WALLET.address, transfer: read(CALL), bought: null, offer }
  const said = (json: object) => readSettlement({ status: 200, json, retryAfterSeconds: null }, payment)

  test.each([PAYING_WALLET.address, wallet(50).address, undefined])(
    'that it is paid is no outcome, whoever it says has paid (%s): the chain has to show it',
    async (payer) => {
      const reply = await said({ success: true, transaction: SIGNATURE, network: CLUSTER, payer })
      expect(reply).toEqual({ kind: 'pending', transaction: SIGNATURE })
    },
  )

  test('with a transaction that is none of this message says nothing', async () => {
    const other = encodeBase58(FEE_WALLET.sign(messageBytes(ofSteps(callStep, callStep, memo))))
    expect(await said({ success: true, transaction: other, network: CLUSTER })).toEqual({ kind: 'unknown' })
  })

  test.each([
    ['invalid_exact_svm_smart_wallet_transfer_mismatch', 'unexpected_settle_error'],
    ['invalid_exact_svm_smart_wallet_program_not_allowed: Abc', 'invalid_exact_svm_payload_no_transfer_instruction'],
    ['invalid_exact_svm_payload_no_transfer_instruction', 'invalid_exact_svm_payload_no_transfer_instruction'],
    [
      'invalid_exact_svm_smart_wallet_simulation_failed: Error: {"InstructionError":[2,{"Custom":1}]}',
      'invalid_exact_svm_transaction_simulation_failed',
    ],
  ])('%s refuses it: %s', async (errorReason, reason) => {
    expect(await said({ success: false, errorReason, transaction: '' })).toEqual({ kind: 'refused', reason })
  })

  test('that the transfer was not confirmed leaves it open, with the transaction to look at', async () => {
    const errorReason = 'post_settlement_transfer_not_confirmed'
    const reply = await said({ success: false, errorReason, transaction: SIGNATURE })
    expect(reply).toEqual({ kind: 'pending', transaction: SIGNATURE })
  })
})

type Held = { accountIndex: number; mint: string; owner: string; uiTokenAmount: { amount: string } }
const holds = (amount: bigint, accountIndex = AT.target, mint = USDC, owner = PAYEE): Held => ({
  accountIndex,
  mint,
  owner,
  uiTokenAmount: { amount: amount.toString() },
})
const GAIN: [before: Held[], after: Held[]] = [[holds(7n)], [holds(PRICE + 7n)]]

describe('what the chain shows', () => {
  /** One look at a payment that landed, with what the accounts held before and after. */
  async function look(
    [pre, post]: readonly [unknown, unknown] = GAIN,
    { slots = 40, named = true, bytes = transaction(CALL) } = {},
  ) {
    const chain = imitatedSolana()
    const signed = { transfer: read(CALL), transaction: SIGNATURE, bytes }
    chain.landBytes(signed)
    chain.pass(slots)
    chain.knobs.instead = (method, answer) =>
      method === 'getTransaction' && typeof answer === 'object' && answer !== null
        ? { ...answer, meta: { err: null, preTokenBalances: pre, postTokenBalances: post } }
        : undefined
    const subject = { kind: 'svm' as const, transfer: signed.transfer, sold: offer }
    const rpc = new Rpc('https://rpc.example/', CLUSTER)
    const known = { seenBlock: 1, claimedAtSeconds: chain.nowSeconds(), search: null, wantsPinned: false }
    const question = { ...subject, ...known, transaction: named ? SIGNATURE : '' }
    const { truth } = await lookOnSolana(rpc, question, chain.nowSeconds(), { left: 50 })
    const settledAtSeconds = chain.nowSeconds()
    const proof = await proofOnSolana(
      rpc,
      { ...question, transaction: SIGNATURE, settledAtSeconds },
      settledAtSeconds,
      {
        left: 50,
      },
    )
    return { truth, proof }
  }
  const PAID = { kind: 'settled', transaction: SIGNATURE, position: 2 }
  const FAILED = { kind: 'expired', reason: 'invalid_exact_svm_transaction_failed' }

  test.each<[string, [Held[], Held[]]]>([
    ['the price', GAIN],
    ['more than the price', [[holds(0n)], [holds(PRICE + 1n)]]],
    ['the price in an account that was made for it', [[], [holds(PRICE)]]],
    [
      'the price beside what others got',
      [
        [holds(1n), holds(9n, 2)],
        [holds(9n, 2), holds(PRICE + 1n)],
      ],
    ],
  ])('%s has arrived: paid', async (_, balances) => {
    expect(await look(balances)).toEqual({ truth: PAID, proof: { kind: 'proven', position: 2 } })
    expect((await look(balances, { named: false })).truth).toEqual(PAID)
  })

  test.each<[string, [Held[], Held[]]]>([
    ['a unit less', [[holds(7n)], [holds(PRICE + 6n)]]],
    ['nothing: it was taken back', [[holds(7n)], [holds(7n)]]],
    ['less than before', [[holds(PRICE)], [holds(0n)]]],
    [
      'the price in another account',
      [
        [holds(0n), holds(0n, 2)],
        [holds(0n), holds(PRICE, 2)],
      ],
    ],
    ['the price in another account of the payee’s', [[], [holds(PRICE, AT.source)]]],
    ['the price in another token', [[], [holds(PRICE, AT.target, wallet(60).address)]]],
    ['no token at all', [[], []]],
  ])('%s: not paid, once that is final', async (_, balances) => {
    expect(await look(balances)).toEqual({ truth: FAILED, proof: { kind: 'missing' } })
    expect((await look(balances, { named: false })).truth).toEqual(FAILED)
    expect((await look(balances, { slots: 5 })).truth).toMatchObject({ kind: 'unclear', why: 'too fresh' })
  })

  test.each<[string, readonly [unknown, unknown]]>([
    ['no balances', [undefined, undefined]],
    ['none of before', [null, GAIN[1]]],
    ['none of after', [GAIN[0], null]],
    ['an amount that is none', [GAIN[0], [{ ...holds(0n), uiTokenAmount: { amount: '-1' } }]]],
    ['an amount with a point', [GAIN[0], [{ ...holds(0n), uiTokenAmount: { amount: '50000.0' } }]]],
  ])('a node that says %s leaves it open', async (_, balances) => {
    expect((await look(balances)).truth).toMatchObject({ kind: 'unclear' })
  })

  test('another message under this name proves nothing', async () => {
    const other = transaction(ofSteps(callStep, callStep, memo))
    expect((await look(GAIN, { bytes: other })).truth).toMatchObject({ kind: 'unclear' })
  })

  test('what is not confirmed yet is not paid', async () => {
    expect((await look(GAIN, { slots: 0 })).truth).toMatchObject({ kind: 'unclear' })
  })
})

describe('in the books', () => {
  const [asset] = svmTokensOn([networkOf(CLUSTER)].filter((network) => network !== undefined))
  const known: SvmAsset | undefined = asset
  const landed = (post: Held[], pre: Held[] = []): Landed => ({
    signature: SIGNATURE,
    blockTime: NOW,
    meta: {
      err: null,
      preTokenBalances: pre.map(inBooks),
      postTokenBalances: post.map(inBooks),
    },
    transaction: [transaction(CALL), 'base64'],
  })
  const inBooks = ({ uiTokenAmount, ...rest }: Held) => ({
    ...rest,
    uiTokenAmount: { amount: BigInt(uiTokenAmount.amount) },
  })
  const paid = (one: Landed, payees = [PAYEE]) => known && paymentIn(one, known, payees)

  test('it is a payment of who has signed, to the payee whose account got it', () => {
    const gain = landed([holds(9n, AT.source, USDC, wallet(70).address), holds(PRICE + 7n)], [holds(7n)])
    expect(paid(gain)).toMatchObject({ payer: PAYING_WALLET.address, payTo: PAYEE, amount: PRICE, position: 2 })
    expect(paid(gain, [wallet(71).address])).toBeNull()
  })

  test('without gain it is none', () => {
    expect(paid(landed([holds(7n)], [holds(7n)]))).toBeNull()
    expect(paid(landed([]))).toBeNull()
  })
})
