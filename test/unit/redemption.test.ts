import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Redemption, type RedemptionEvent, step } from '../../src/payer/redemption.ts'

const TX = `0x${'a'.repeat(64)}`
const send: RedemptionEvent = { kind: 'send' }
const retry: RedemptionEvent = { kind: 'retry' }
const settled: RedemptionEvent = { kind: 'reply', reply: { kind: 'settled', transaction: TX } }
const refused: RedemptionEvent = { kind: 'reply', reply: { kind: 'refused', reason: 'insufficient_funds' } }
const unknown: RedemptionEvent = { kind: 'reply', reply: { kind: 'unknown' } }
const after = (...events: RedemptionEvent[]): Redemption => events.reduce<Redemption>(step, { status: 'claimed' })

describe('an outcome is final when it is certain, and only then', () => {
  test.each<[string, RedemptionEvent[], Redemption]>([
    ['settled', [send, settled], { status: 'settled', transaction: TX }],
    ['refused', [send, refused], { status: 'refused', reason: 'insufficient_funds', transaction: '' }],
    ['an unknown reply', [send, unknown], { status: 'unknown' }],
    ['nothing reached a facilitator', [send, { kind: 'reply', reply: { kind: 'unsent' } }], { status: 'unknown' }],
    [
      'a used nonce proves nothing by itself',
      [send, { kind: 'reply', reply: { kind: 'nonce_used' } }],
      { status: 'unknown' },
    ],
    ['time is up', [send, { kind: 'give_up' }], { status: 'unknown' }],
    ['refused after an earlier sending was in doubt', [send, unknown, send, refused], { status: 'unknown' }],
    [
      'settled after an earlier sending was in doubt',
      [send, unknown, send, settled],
      { status: 'settled', transaction: TX },
    ],
    [
      'refused for want of funds, then topped up',
      [send, refused, retry, send, settled],
      { status: 'settled', transaction: TX },
    ],
    [
      'the chain says paid',
      [send, unknown, { kind: 'truth', truth: { kind: 'settled', transaction: TX } }],
      { status: 'settled', transaction: TX },
    ],
    [
      'the chain says used before us',
      [send, unknown, { kind: 'truth', truth: { kind: 'used_before', transaction: TX } }],
      { status: 'refused', reason: 'payment_already_used', transaction: TX },
    ],
    [
      'a facilitator refused what it settled',
      [send, refused, { kind: 'truth', truth: { kind: 'settled', transaction: TX } }],
      { status: 'settled', transaction: TX },
    ],
    ['the chain cannot say', [send, unknown, { kind: 'truth', truth: { kind: 'unreachable' } }], { status: 'unknown' }],
    ['not landed yet', [send, unknown, { kind: 'truth', truth: { kind: 'unused' } }], { status: 'unknown' }],
    [
      'never landed',
      [send, unknown, { kind: 'truth', truth: { kind: 'expired' } }],
      { status: 'refused', reason: 'invalid_exact_evm_payload_authorization_valid_before', transaction: '' },
    ],
    [
      'a claim that was never sent lapses',
      [{ kind: 'truth', truth: { kind: 'expired' } }],
      { status: 'refused', reason: 'invalid_exact_evm_payload_authorization_valid_before', transaction: '' },
    ],
  ])('%s', (_, events, state) => {
    expect(after(...events)).toEqual(state)
  })
})

const events = fc.oneof(
  fc.constantFrom(send, retry, settled, refused, unknown, { kind: 'give_up' } as const),
  fc
    .constantFrom('nonce_used' as const, 'unsent' as const)
    .map((kind) => ({ kind: 'reply', reply: { kind } }) as const),
  fc
    .constantFrom('unused' as const, 'unreachable' as const, 'expired' as const, 'spent_otherwise' as const)
    .map((kind) => ({ kind: 'truth', truth: { kind } }) as const),
)

test('settled stays settled, whatever comes after', () => {
  fc.assert(
    fc.property(fc.array(events), fc.array(events), (before, later) => {
      const state = after(...before)
      if (state.status === 'settled') expect(later.reduce<Redemption>(step, state)).toEqual(state)
    }),
  )
})

test('nothing is settled unless a facilitator or the chain said so', () => {
  fc.assert(
    fc.property(fc.array(events), (sequence) => {
      const said = sequence.some((event) => event === settled)
      if (!said) expect(after(...sequence).status).not.toBe('settled')
    }),
  )
})
