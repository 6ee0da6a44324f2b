// What one transaction of Solana shows to `npm run ledger`: a payment of newsstand's form, other money, or nothing. And ids and
// addresses whose capitals mean something.
import { describe, expect, test } from 'vitest'
import { compare, type View } from '../../cli/ledger/compare.ts'
import { type Landed, paymentIn, weighed } from '../../cli/ledger/landed.ts'
import { placeIn, type Row } from '../../cli/ledger/rows.ts'
import { keyOf, oneKey, type Transfer } from '../../cli/ledger/transfers.ts'
import { svmReplayKey } from '../../src/networks/solana.ts'
import { networkOf, svmTokensOn } from '../../src/x402/assets.ts'
import { readTransaction } from '../../src/x402/svm.ts'
import {
  AT,
  DRAFT,
  type Draft,
  memoStep,
  PAYING_WALLET,
  text,
  transaction,
  USDC,
  wallet,
  withKey,
  withStep,
  withSteps,
} from '../world/svm.ts'

const DEVNET = networkOf('solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1')
const [ASSET] = svmTokensOn(DEVNET ? [DEVNET] : [])
if (!ASSET) throw new Error('the table has no token of Solana Devnet')
const [PAYEE, STRANGER] = [wallet(21).address, wallet(22).address]
const NOW = 1_800_000_000
const SIGNATURE = '5'.repeat(88)
const MEMO = `dG9kYXk.${(NOW + 600).toString(36)}.${'m'.repeat(22)}`
const SALE = withStep(3, { data: text(MEMO) })

const balance = (accountIndex: number, owner: string, amount: bigint, mint = USDC) => ({
  accountIndex,
  mint,
  owner,
  uiTokenAmount: { amount },
})
const landed = (draft: Draft = SALE, meta: Partial<Landed['meta']> = {}): Landed => ({
  signature: SIGNATURE,
  blockTime: NOW - 3_600,
  meta: {
    err: null,
    preTokenBalances: [balance(AT.source, PAYING_WALLET.address, 90_000n), balance(AT.target, PAYEE, 7n)],
    postTokenBalances: [balance(AT.source, PAYING_WALLET.address, 40_000n), balance(AT.target, PAYEE, 50_007n)],
    ...meta,
  },
  transaction: [transaction(draft), 'base64'],
})
const paid = (one: Landed) => paymentIn(one, ASSET)

describe('what a transaction shows', () => {
  test('a payment: who signed for it, whom it paid, and what came in; its id is the replay key', () => {
    const payment = paid(landed())
    expect(payment).toMatchObject({
      transaction: SIGNATURE,
      position: 2,
      block: NOW - 3_600,
      payer: PAYING_WALLET.address,
      payTo: PAYEE,
      amount: 50_000n,
    })
    const read = readTransaction(transaction(SALE))
    if (!payment || !read.ok) throw new Error('it is no payment')
    expect(keyOf(payment, ASSET)).toBe(svmReplayKey(ASSET.network, read.value))
  })

  test('an account that was made in the same transaction had nothing before', () => {
    expect(paid(landed(SALE, { preTokenBalances: [] }))?.amount).toBe(50_007n)
  })

  test.each<[string, Landed]>([
    ['a memo of others', landed(withStep(3, { data: text('thanks') }))],
    ['no memo', landed(withSteps(...DRAFT.steps.slice(0, 3)))],
    ['two memos', landed(withSteps(...SALE.steps, memoStep))],
    ['another mint', landed(withKey(AT.mint, wallet(30).address))],
    ['a failure', landed(SALE, { err: { InstructionError: [2, 'Custom'] } })],
    ['nothing that came in', landed(SALE, { postTokenBalances: landed().meta.preTokenBalances })],
    ['other bytes', { ...landed(), transaction: ['AAAA', 'base64'] }],
  ])('%s: no payment', (_, one) => {
    expect(paid(one)).toBeNull()
  })

  test('money with another memo is other money, and what goes out, or to somebody else, is neither', () => {
    const present = landed(withStep(3, { data: text('thanks') }))
    const out = landed(withStep(3, { data: text('thanks') }), {
      preTokenBalances: [balance(AT.source, PAYEE, 90_000n)],
      postTokenBalances: [balance(AT.source, PAYEE, 40_000n)],
    })
    expect(weighed([landed(), present, out], ASSET, [PAYEE])).toMatchObject({
      transfers: [{ time: NOW - 3_600 }],
      others: 1,
    })
    expect(weighed([landed(), present, out], ASSET, [STRANGER])).toEqual({ transfers: [], others: 0 })
  })
})

describe('the ledger against Solana', () => {
  const payment: Transfer & { time: number } = {
    transaction: SIGNATURE,
    position: 2,
    block: NOW - 3_600,
    time: NOW - 3_600,
    payer: PAYING_WALLET.address,
    payTo: PAYEE,
    nonce: 'ab'.repeat(32),
    amount: 50_000n,
  }
  const row: Row = {
    id: keyOf(payment, ASSET),
    site: 'https://news.example',
    resource: '/articles/hello',
    scheme: 'exact',
    network: ASSET.network,
    asset: ASSET.asset,
    amount: 50_000n,
    payer: PAYING_WALLET.address,
    payTo: PAYEE,
    transaction: SIGNATURE,
    position: 2,
    offer: '',
    accessSeconds: 86_400,
    settledAtSeconds: NOW - 3_600,
    remark: null,
    title: null,
    token: null,
  }
  const view: View = {
    asset: ASSET,
    payees: [PAYEE],
    from: NOW - 86_400,
    to: NOW,
    fromSeconds: NOW - 86_400,
    nowSeconds: NOW,
    transfers: [payment],
    inReceipts: [],
  }
  const found = (over: Partial<Row>) => compare([{ ...row, ...over }], view).errors.map(({ kind }) => kind)

  test('a row and its transfer are well', () => {
    expect(found({})).toEqual([])
    expect(found({ position: null })).toEqual([])
  })

  test.each<[string, Partial<Row>, string[]]>([
    ['the payer', { payer: row.payer.toLowerCase() }, ['wrong_payer']],
    ['the payee', { payTo: row.payTo.toLowerCase() }, ['wrong_payee']],
    ['the id', { id: row.id.toLowerCase() }, ['transfer_without_row']],
    ['the mint', { asset: row.asset.toLowerCase() }, ['transfer_without_row']],
  ])('capitals mean something: %s in small letters is another one', (_, over, kinds) => {
    expect(found(over)).toEqual(expect.arrayContaining(kinds))
  })

  test('an id of EVM is one in any spelling, and a place is named by what it is', () => {
    expect(oneKey('3009|1|0xAB|0xCD|0xEF')).toBe('3009|1|0xab|0xcd|0xef')
    expect(placeIn('eip155:8453', 3)).toBe('log 3')
    expect(placeIn(ASSET.network, 2)).toBe('instruction 2')
  })
})
