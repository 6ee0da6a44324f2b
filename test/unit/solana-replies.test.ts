import { beforeEach, describe, expect, test } from 'vitest'
import { readSettlement, readVerification, type SettleReply, type SignedPayment } from '../../src/replies.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { CLUSTER, type Signed, signedFor } from '../world/imitated-solana.ts'
import { bytesOf, OTHER_WALLET } from '../world/svm.ts'

/** What facilitators say of payments on EVM, and a payer on Solana shall not read. */
const EVM_WORDS = ['valid_after', 'valid_before', 'value', 'value_mismatch', 'recipient_mismatch', 'signature']
  .flatMap((end) => [
    `invalid_exact_evm_payload_authorization_${end}`,
    `invalid_exact_evm_payload_${end}`,
    `invalid_exact_evm_${end}`,
  ])
  .concat('eip6492_factory_not_allowed', 'payment_expired')

const HASH = `0x${'ab'.repeat(32)}`
let signed: Signed
let payment: SignedPayment

beforeEach(() => {
  signed = signedFor(1_790_000_000)
  const { transfer } = signed
  payment = {
    payer: transfer.payer,
    transfer,
    bought: null,
    offer: {
      network: CLUSTER,
      asset: transfer.mint,
      payTo: OTHER_WALLET.address,
      amount: transfer.amount,
      transfer: { kind: 'svm', feePayer: transfer.feePayer, facilitator: 'https://one.example' },
      maxTimeoutSeconds: 60,
      name: null,
      accessSeconds: 0,
      scope: null,
      flow: 'authorization',
    },
  }
})

const said = (json: object, status = 200): Promise<SettleReply> =>
  readSettlement({ status, json, retryAfterSeconds: null }, payment)
const success = (transaction: string, over: object = {}) =>
  said({ success: true, transaction, network: CLUSTER, payer: payment.payer, ...over })
const failure = (errorReason: string, transaction = '') =>
  said({ success: false, errorReason, transaction, network: CLUSTER, payer: payment.payer })

describe('a success', () => {
  test('counts with the fee payer’s own signature under this very message', async () => {
    expect(await success(signed.transaction)).toEqual({ kind: 'settled', transaction: signed.transaction })
  })

  test('of the network by its name of v1 counts, and one of another cluster does not', async () => {
    expect(await success(signed.transaction, { network: 'solana-devnet' })).toMatchObject({ kind: 'settled' })
    expect(await success(signed.transaction, { network: 'solana' })).toEqual({ kind: 'unknown' })
  })

  test.each<[string, () => string]>([
    ['no transaction', () => ''],
    ['a hash', () => HASH],
    ['the signature of another message', () => signedFor(1_790_000_001).transaction],
    [
      'another’s signature under this message',
      () => encodeBase58(OTHER_WALLET.sign(Buffer.from(signed.transfer.message, 'base64'))),
    ],
    ['the payer’s own signature', () => encodeBase58(Buffer.from(signed.transfer.signature, 'base64').subarray(64))],
    ['64 zeros', () => '1'.repeat(64)],
    ['a signature in other letters', () => signed.transaction.toLowerCase()],
    ['a signature with a byte too few', () => encodeBase58(bytesOf(signed.transaction).subarray(1))],
  ])('that names %s says nothing', async (_, named) => {
    expect(await success(named())).toEqual({ kind: 'unknown' })
  })

  test('of another payer, whatever the case of its letters, says nothing', async () => {
    expect(await success(signed.transaction, { payer: payment.payer.toLowerCase() })).toEqual({ kind: 'unknown' })
  })
})

describe('a failure', () => {
  test.each([
    ['duplicate_settlement', { kind: 'nonce_used' }],
    ['transaction_failed', { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' }],
    [
      'invalid_exact_svm_transaction_failed',
      { kind: 'failed', reason: 'invalid_exact_svm_transaction_failed', transaction: '' },
    ],
    [
      'settle_exact_svm_block_height_exceeded',
      { kind: 'failed', reason: 'settle_exact_svm_block_height_exceeded', transaction: '' },
    ],
    ['settle_exact_svm_transaction_confirmation_timed_out', { kind: 'pending', transaction: '' }],
    ['settlement_pending', { kind: 'pending', transaction: '' }],
    ['unexpected_settle_error', { kind: 'unknown' }],
  ])('%s leaves it open', async (word, reply) => {
    expect(await failure(word)).toEqual(reply)
  })

  test.each(['invalid_exact_svm_transaction_simulation_failed', 'transaction_simulation_failed'])(
    '%s was found before anything was sent',
    async (word) => {
      expect(await failure(word)).toMatchObject({ kind: 'refused' })
    },
  )

  test.each([
    ['payment_expired', 'payment_expired'],
    ['invalid_exact_evm_payload_authorization_valid_before', 'payment_expired'],
    ['invalid_exact_evm_payload_authorization_valid_after', 'unexpected_settle_error'],
    ['invalid_exact_evm_payload_authorization_value', 'invalid_exact_svm_payload_amount_mismatch'],
    ['invalid_exact_evm_recipient_mismatch', 'invalid_exact_svm_payload_recipient_mismatch'],
    ['invalid_exact_evm_payload_signature', 'invalid_exact_svm_payload_signature_invalid'],
    ['insufficient_funds', 'insufficient_funds'],
  ])('%s is a refusal, and is told as Solana has it: %s', async (word, reason) => {
    expect(await failure(word)).toEqual({ kind: 'refused', reason })
    const json = { isValid: false, invalidReason: word, payer: payment.payer }
    expect(readVerification({ status: 200, json, retryAfterSeconds: null }, payment)).toEqual({
      kind: 'refused',
      reason,
    })
  })

  test('no word of any facilitator is told in the words of EVM', async () => {
    for (const word of EVM_WORDS) expect(JSON.stringify(await failure(word))).not.toContain('_evm_')
  })

  test('of a simulation that names a transaction is none', async () => {
    const word = 'invalid_exact_svm_transaction_simulation_failed'
    expect(await failure(word, signed.transaction)).toMatchObject({ kind: 'failed', transaction: signed.transaction })
  })

  test('names its transaction only where that is this payment’s', async () => {
    expect(await failure('transaction_failed', signed.transaction)).toMatchObject({ transaction: signed.transaction })
    expect(await failure('settlement_pending', signedFor(1_790_000_001).transaction)).toEqual({
      kind: 'pending',
      transaction: '',
    })
  })
})
