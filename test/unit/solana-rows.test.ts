import { describe, expect, test } from 'vitest'
import { readRow, writeRow } from '../../src/payer/columns.ts'
import { CLAIMED, step } from '../../src/payer/redemption.ts'
import {
  CLOCK_MARGIN_SECONDS,
  claimRow,
  keptUntilSeconds,
  type PaymentRow,
  signedPaymentOf,
  subjectOf,
  withLooked,
  withState,
} from '../../src/payer/rows.ts'
import { CLUSTER, signedFor } from '../world/imitated-solana.ts'
import { OTHER_WALLET } from '../world/svm.ts'

const NOW = 1_800_000_000
const ENDS_AT = NOW + 500
const FACILITATOR = 'https://one.example'
const { transfer } = signedFor(ENDS_AT)
const { feePayer, mint, amount, payer } = transfer

function claimed(): PaymentRow {
  const resource = { site: 'https://news.example', method: 'GET', path: '/a/1', id: '/a/1' }
  const payment = {
    x402Version: 2 as const,
    scheme: 'exact',
    network: CLUSTER,
    payer,
    transfer,
    accepted: null,
    identifier: null,
    quote: null,
    answering: null,
  }
  const offer = {
    network: CLUSTER,
    asset: mint,
    payTo: OTHER_WALLET.address,
    amount,
    transfer: { kind: 'svm' as const, feePayer, facilitator: FACILITATOR },
    maxTimeoutSeconds: 60,
    name: null,
    accessSeconds: 0,
    scope: null,
    flow: 'authorization' as const,
  }
  const claim = { key: 'svm|1', owner: 'key' as const, payment, offer, resource, scope: '=/a/1', accessSeconds: 0 }
  return claimRow({ ...claim, signatureHash: 'hash', seenBlock: null }, CLAIMED, NOW)
}

/** As it is read again once it was stored. */
const stored = (row: PaymentRow): PaymentRow => {
  const { ends_at: _ends, keep_until: _kept, ...columns } = writeRow(row)
  return readRow({ seq: 1, ...columns })
}

describe('a row of Solana', () => {
  test('ends with its memo, and is read as it was stored', () => {
    const row = claimed()
    expect(row.validBeforeSeconds).toBe(ENDS_AT)
    expect(stored(row)).toEqual({ ...row, seq: 1 })
    expect(subjectOf(stored(row))).toEqual({ kind: 'svm', transfer })
  })

  test('names to the facilitator the message, its signatures and who pays the fee', () => {
    const { transfer: sent, offer } = signedPaymentOf(stored(claimed())) ?? {}
    expect([sent, offer?.transfer]).toEqual([transfer, { kind: 'svm', feePayer, facilitator: FACILITATOR }])
  })

  test('keeps how far its search came, with the slot it needs', () => {
    const search = { before: 'a transaction', slot: 5_000_123, searchedTo: 7, emptySinceSeconds: null }
    const row = withLooked(claimed(), { truth: UNUSED, seenBlock: 9, search }, NOW + 300, true)
    expect([stored(row).search, stored(row).seenBlock]).toEqual([search, 9])
    // It has got further: the alarm goes on soon.
    expect(row.lookAtSeconds).toBe(NOW + 320)
  })

  test.each(['settle_exact_svm_block_height_exceeded', 'invalid_exact_svm_transaction_failed'] as const)(
    'that ended with %s is never sent nor asked about again, and is kept longer than its memo',
    (reason) => {
      const sent = withState(claimed(), step(CLAIMED, { kind: 'send' }), NOW)
      const row = withLooked(sent, { truth: { kind: 'expired', reason }, seenBlock: 9, search: null }, NOW + 200, true)
      expect(row).toMatchObject({ state: { status: 'refused', reason, doubt: 0 }, lookAtSeconds: null })
      expect(row.validBeforeSeconds).toBe(NOW + 200)
      expect(keptUntilSeconds(row)).toBe(NOW + 200 + CLOCK_MARGIN_SECONDS)
      expect(keptUntilSeconds(row)).toBeGreaterThan(ENDS_AT)
    },
  )

  test('that is paid keeps no signature, and can still be asked about', () => {
    const row = withState(claimed(), step(CLAIMED, { kind: 'truth', truth: PAID }), NOW + 5)
    expect(row.terms).not.toContain(transfer.signature)
    expect(signedPaymentOf(stored(row))).toBeNull()
    expect(subjectOf(stored(row))).toEqual({ kind: 'svm', transfer: { ...transfer, signature: '' } })
  })
})

const UNUSED = { kind: 'unused', pinnedSeconds: null, reverted: null } as const
const PAID = { kind: 'settled', transaction: 'a transaction', position: 2 } as const
