// What one request of each kind comes to: whom it asks how often, and what it writes in how many commits. These do not vary, and
// money and time follow from them: a change here is meant, or is a mistake.
import { expect, test } from 'vitest'
import { type Count, countAll } from '../../dev/bench/counting.ts'
import { built } from '../world/site.ts'

/** A look at the chain, the content, one settlement, and one row of the ledger. */
const SOLD = {
  'd1 request': 1,
  'd1 statement': 1,
  'facilitator settle': 1,
  'object delivered': 1,
  'object redeem': 1,
  'origin request': 1,
  'rpc eth_call': 1,
  'rpc eth_getBlockByNumber': 1,
  'rpc request': 2,
  // Claim and sending; outcome and handout; delivered; in the ledger.
  commits: 4,
}

const EXPECTED: Record<string, Count> = {
  '402, origin': {},
  '402, KV': { 'kv get': 1 },
  free: { 'origin request': 1 },
  pass: { 'origin request': 1 },
  'purchase, known payer': { ...SOLD, 'rows written': 14 },
  'purchase, new payer': { ...SOLD, 'rows written': 21, 'alarms set': 1 },
  'purchase of lasting access, new payer': { ...SOLD, 'rows written': 22, 'alarms set': 1 },
  replay: {
    'object redeem': 1,
    'origin request': 1,
    'rpc eth_call': 1,
    'rpc eth_getBlockByNumber': 1,
    'rpc request': 2,
  },
  garbage: {},
  'forged signature': { 'facilitator verify': 1, 'limit request': 1, 'object recognise': 2 },
}

test('one request of each kind asks so often, and writes so much', async () => {
  expect(await countAll((await built()).worker)).toEqual(EXPECTED)
})
