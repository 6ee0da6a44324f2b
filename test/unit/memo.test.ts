import { expect, test } from 'vitest'
import { type Binding, isMemoOf, memoEndsAtSeconds, memoOf } from '../../src/networks/memo.ts'
import { deriveKey } from '../../src/token.ts'
import type { Offer } from '../../src/x402/payment.ts'

const ENDS_AT_SECONDS = 1_790_000_000
const CONTEXT = 'GET https://news.example/a/1'
const ID = 'Xc9_-aBcDeFgHiJk'
const offer: Offer = {
  network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  asset: '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU',
  payTo: 'FujCVYpgH8SDuvY65FPrVsfjNKoWoN5Dsv6kVYCxAf2s',
  amount: 50_000n,
  transfer: {
    kind: 'svm',
    feePayer: 'AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9',
    facilitator: 'https://one.example',
  },
  maxTimeoutSeconds: 60,
  name: null,
  accessSeconds: 0,
  scope: null,
  flow: 'authorization',
}
const key = await deriveKey('a secret for tests, long enough', 'memo')
const before = await deriveKey('the secret before, long enough', 'memo')
const binding: Binding = { context: CONTEXT, keys: [key] }
const memo = await memoOf(offer, CONTEXT, key, ID, ENDS_AT_SECONDS)

test('a memo is of its offer, short, and says when it ends', async () => {
  expect(memo).toMatch(/^Xc9_-aBcDeFgHiJk\.[0-9a-z]{6}\.[A-Za-z0-9_-]{22}$/)
  expect(await isMemoOf(memo, offer, binding)).toBe(true)
  expect(memoEndsAtSeconds(memo)).toBe(ENDS_AT_SECONDS)
})

test.each<[string, Partial<Offer>]>([
  ['another network', { network: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }],
  ['another token', { asset: 'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v' }],
  ['another amount', { amount: 50_001n }],
  ['another payee', { payTo: 'So11111111111111111111111111111111111111112' }],
  ['another fee payer', { transfer: { kind: 'svm', feePayer: offer.payTo, facilitator: 'https://one.example' } }],
  [
    'another facilitator',
    {
      transfer: {
        kind: 'svm',
        feePayer: 'AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9',
        facilitator: 'https://two.example',
      },
    },
  ],
  ['no facilitator', { transfer: { kind: 'eip3009', name: 'USDC', version: '2' } }],
  ['another name', { name: 'day' }],
  ['another duration', { accessSeconds: 86_400 }],
  ['another scope', { scope: '/a/*' }],
  ['another flow', { flow: 'upfront' }],
])('it is not of an offer with %s', async (_, change) => {
  expect(await isMemoOf(memo, { ...offer, ...change }, binding)).toBe(false)
})

test('it is not of another resource', async () => {
  expect(await isMemoOf(memo, offer, { ...binding, context: 'GET https://news.example/a/2' })).toBe(false)
})

test('it is not of a site with another secret, and is while the secret before is kept', async () => {
  expect(await isMemoOf(memo, offer, { ...binding, keys: [before] })).toBe(false)
  expect(await isMemoOf(memo, offer, { ...binding, keys: [] })).toBe(false)
  expect(await isMemoOf(memo, offer, { ...binding, keys: [before, key] })).toBe(true)
})

test('nobody can make it last longer, or give it another name', async () => {
  const [id, expiry, mac] = memo.split('.')
  const later = (ENDS_AT_SECONDS + 1).toString(36)
  for (const changed of [`${id}.${later}.${mac}`, `other.${expiry}.${mac}`, `${id}.0${expiry}.${mac}`]) {
    expect(await isMemoOf(changed, offer, binding)).toBe(false)
  }
})

test.each([
  ['nothing', ''],
  ['a text', 'hello'],
  ['a memo without a mac', memo.slice(0, -23)],
  ['a memo with a shorter mac', memo.slice(0, -1)],
  ['a memo with a longer mac', `${memo}A`],
  ['a memo in capital letters', memo.toUpperCase()],
  ['a memo with a line behind', `${memo}\n`],
  ['a memo with another in front', `x.${memo}`],
  ['a time longer than eight digits', `id.zzzzzzzzz.${'A'.repeat(22)}`],
])('%s is no memo of this site, and says no end', async (_, text) => {
  expect(await isMemoOf(text, offer, binding)).toBe(false)
  if (text !== memo.toUpperCase()) expect(memoEndsAtSeconds(text)).toBeNull()
})

test('each character of the mac counts', async () => {
  const start = memo.length - 22
  for (let i = start; i < memo.length; i++) {
    const changed = `${memo.slice(0, i)}${memo[i] === 'A' ? 'B' : 'A'}${memo.slice(i + 1)}`
    expect(await isMemoOf(changed, offer, binding)).toBe(false)
  }
})
