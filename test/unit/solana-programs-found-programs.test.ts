// Findings of a review of wallets that are programs. Each of these fails today.
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type Landed, paymentIn } from '../../cli/ledger/landed.ts'
import { Rpc } from '../../src/chain.ts'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import { lookOnSolana } from '../../src/payer/solana.ts'
import { readSettlement } from '../../src/replies.ts'
import { networkOf, svmTokensOn } from '../../src/x402/assets.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { readTransaction } from '../../src/x402/svm.ts'
import { CLUSTER, imitatedSolana } from '../world/imitated-solana.ts'
import {
  AT,
  DRAFT,
  type Draft,
  FEE_WALLET,
  memoStep,
  messageBytes,
  OTHER_WALLET,
  PAYING_WALLET,
  type Step,
  text,
  transaction,
  USDC,
  wallet,
  withKey,
} from '../world/svm.ts'

const PAYEE = OTHER_WALLET.address
const TARGET = await associatedTokenAccount(PAYEE, USDC)
const PRICE = 50_000n
const NOW = 1_700_400_000
const MEMO_TEXT = `quote.${(NOW + 500).toString(36)}.${'a'.repeat(22)}`
const callStep: Step = { program: AT.other, accounts: [AT.source, AT.mint, AT.target, AT.token], data: text('go') }
const memo: Step = { ...memoStep, data: text(MEMO_TEXT) }
const callOf = (program: string, ...behind: readonly Step[]): Draft => ({
  ...withKey(AT.other, program),
  keys: withKey(AT.other, program).keys.map((key, i) => (i === AT.target ? TARGET : key)),
  steps: [...DRAFT.steps.slice(0, 2), ...behind],
})
const CALL = callOf(wallet(40).address, callStep, memo)
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

describe('what a facilitator says behind a colon still counts, for a plain transfer as before', () => {
  const plain = readTransaction(transaction(DRAFT))
  if (!plain.ok) throw new Error(plain.error)
  const payment = { payer: PAYING_WALLET.address, transfer: plain.value, bought: null, offer }
  const said = async (errorReason: string) => {
    const json = { success: false, errorReason, transaction: '' }
    return (await readSettlement({ status: 200, json, retryAfterSeconds: null }, payment)).kind
  }
  test.each([
    'invalid_transaction: confirmation timed_out',
    'invalid_exact_svm_settlement: settlement_pending',
    'unsupported_rpc_response: settlement_pending',
    'insufficient_funds: transaction_failed',
    'invalid_exact_svm_payload_transaction: transaction_failed',
    'invalid_exact_svm_settle: block_height_exceeded',
  ])('"%s" is no refusal: something may have been broadcast', async (errorReason) => {
    expect(await said(errorReason)).not.toBe('refused')
  })
})

describe('in the books', () => {
  const [asset] = svmTokensOn([networkOf(CLUSTER)].filter((network) => network !== undefined))
  if (!asset) throw new Error('no token')
  const holds = (accountIndex: number, amount: bigint, owner = PAYEE) => ({
    accountIndex,
    mint: USDC,
    owner,
    uiTokenAmount: { amount },
  })
  test('a payment is seen where another account of the publisher is named in the same transaction', () => {
    const landed: Landed = {
      signature: '5'.repeat(88),
      blockTime: NOW,
      meta: {
        err: null,
        preTokenBalances: [holds(AT.source, 3n), holds(AT.target, 7n)],
        postTokenBalances: [holds(AT.source, 3n), holds(AT.target, PRICE + 7n)],
      },
      transaction: [transaction(CALL), 'base64'],
    }
    expect(paymentIn(landed, asset, [PAYEE])).toMatchObject({ payTo: PAYEE, amount: PRICE })
  })
  test('a payment is of what the payee’s associated account got, not of another account of hers', () => {
    const landed: Landed = {
      signature: '5'.repeat(88),
      blockTime: NOW,
      meta: {
        err: null,
        preTokenBalances: [holds(AT.source, 0n), holds(AT.target, 7n)],
        postTokenBalances: [holds(AT.source, 1n), holds(AT.target, PRICE + 7n)],
      },
      transaction: [transaction(CALL), 'base64'],
    }
    expect(paymentIn(landed, asset, [PAYEE])).toMatchObject({ payTo: PAYEE, amount: PRICE })
  })
})

describe('what is a wallet', () => {
  // Each signature that a precompile is asked to check costs the fee payer 5,000 lamports.
  test.each([
    'Ed25519SigVerify111111111111111111111111111',
    'KeccakSecp256k11111111111111111111111111111',
    'Vote111111111111111111111111111111111111111',
    'Stake11111111111111111111111111111111111111',
    'Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo',
  ])('%s is none', (program) => {
    expect(readTransaction(transaction(callOf(program, { ...callStep, accounts: [] }, memo))).ok).toBe(false)
  })
})

describe('a verdict against the payer', () => {
  test('is read at finalized: what a node shows at confirmed is not final', async () => {
    const chain = imitatedSolana()
    const read = readTransaction(transaction(CALL))
    if (!read.ok) throw new Error(read.error)
    const signature = encodeBase58(FEE_WALLET.sign(messageBytes(CALL)))
    chain.landBytes({ transfer: read.value, transaction: signature, bytes: transaction(CALL) })
    chain.pass(40)
    const own = (amount: bigint) => [
      { accountIndex: AT.target, mint: USDC, owner: PAYEE, uiTokenAmount: { amount: amount.toString() } },
    ]
    const asked: unknown[] = []
    // Behind the same address is a node on a fork where the program moved less.
    chain.knobs.instead = (method, answer) => {
      if (method !== 'getTransaction' || typeof answer !== 'object' || answer === null) return undefined
      const options = z.object({ commitment: z.string() }).parse(chain.counts.calls.at(-1)?.params[1])
      asked.push(options.commitment)
      const post = own(options.commitment === 'finalized' ? PRICE : 0n)
      return { ...answer, meta: { err: null, preTokenBalances: own(0n), postTokenBalances: post } }
    }
    const known = { seenBlock: 1, claimedAtSeconds: chain.nowSeconds(), search: null, wantsPinned: false }
    const question = { kind: 'svm' as const, transfer: read.value, sold: offer, ...known, transaction: signature }
    const { truth } = await lookOnSolana(new Rpc('https://rpc.example/', CLUSTER), question, chain.nowSeconds(), {
      left: 50,
    })
    expect(truth.kind).not.toBe('expired')
    expect(asked).toContain('finalized')
  })
})
