// What is done about a payment, given the others for the same wish: the table of decisions, to be read as one, and what
// holds of every view. The views of the properties are gathered from rows as the records gather them.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MOST_REFUSED_A_MINUTE } from '../../src/limits.ts'
import { isEnough, next, type Seen, type Step, type View } from '../../src/payer/next.ts'
import { PROTOCOL, type RedeemRequest } from '../../src/payer/protocol.ts'
import { MOST_COVERED, MOST_OPEN } from '../../src/payer/records.ts'
import { CLAIMED, isOpen, MOST_SENDINGS, type Redemption, wasSent } from '../../src/payer/redemption.ts'
import {
  CLOCK_MARGIN_SECONDS,
  endsAtSeconds,
  isUnresolved,
  MOST_HANDOUTS,
  type PaymentRow,
} from '../../src/payer/rows.ts'
import { assetsOn, NETWORKS } from '../../src/x402/assets.ts'
import type { Cost, Offer, Owner } from '../../src/x402/payment.ts'

const NOW = 1_800_000_000
const HOUR = 3_600
const DAY = 24 * HOUR
const MONTH = 30 * DAY
const TX = `0x${'ab'.repeat(32)}`
const NAME = 'a_name_of_sixteen'
const SITE = 'https://news.example'
const BASE = 'eip155:8453'

const UNKNOWN: Redemption = { ...CLAIMED, status: 'unknown', sent: 1, doubt: 1 }
const SETTLED: Redemption = { ...CLAIMED, status: 'settled', sent: 1, transaction: TX }
const REFUSED: Redemption = { ...CLAIMED, status: 'refused', sent: 1, reason: 'insufficient_funds' }
const COVERED: Redemption = { ...CLAIMED, status: 'covered', coveredBy: 'paid' }
const VOID: Redemption = { ...CLAIMED, status: 'void', sent: 1, transaction: TX }

/** What can be bought here. */
type Thing = Pick<PaymentRow, 'resource' | 'scope' | 'accessSeconds' | 'amount'>
const ARTICLE: Thing = { resource: '/articles/hello', scope: '=/articles/hello', accessSeconds: DAY, amount: 50_000n }
const DAY_PASS: Thing = { ...ARTICLE, scope: '~/articles/*', amount: 500_000n }
const MONTH_PASS: Thing = { ...DAY_PASS, accessSeconds: MONTH, amount: 5_000_000n }
/** An answer, once. */
const ANSWER: Thing = { ...ARTICLE, accessSeconds: 0, amount: 10_000n }

function rowOf(thing: Thing, state: Redemption, over: Partial<PaymentRow> = {}): PaymentRow {
  return {
    ...thing,
    seq: 1,
    key: 'earlier',
    identifier: null,
    owner: 'key',
    network: BASE,
    site: SITE,
    method: 'GET',
    flow: 'authorization',
    validBeforeSeconds: NOW + 300,
    state,
    claimedAtSeconds: NOW,
    sentAtSeconds: wasSent(state) ? NOW : null,
    settledAtSeconds: state.status === 'settled' ? NOW : null,
    handouts: 0,
    released: 0,
    isDelivered: false,
    outbox: 'empty',
    lookAtSeconds: NOW + 45,
    seenBlock: 1,
    search: null,
    signatureHash: 'a hash',
    terms: TERMS,
    ...over,
  }
}

const seen = (row: PaymentRow, over: Partial<Seen> = {}): Seen => ({
  row,
  isRunning: false,
  isAwaited: false,
  isHandedOut: false,
  isSendable: true,
  ...over,
})

const offerOf = ({ amount, accessSeconds, scope }: Thing, flow: Offer['flow']): Offer => ({
  network: BASE,
  asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  amount,
  transfer: { kind: 'eip3009', name: 'USD Coin', version: '2' },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds,
  scope: scope.startsWith('~') ? scope.slice(1) : null,
  flow,
})

/** A payment in the first token of its network. */
const TERMS = JSON.stringify({
  from: '0x01',
  to: '0x02',
  value: '1',
  validAfter: '0',
  validBefore: '1',
  nonce: '0x03',
  signature: null,
  payTo: '0x02',
  offer: null,
})

/** What the same thing costs on each network these tests speak of. */
const costsOf = (amount: bigint): Cost[] =>
  NETWORKS.flatMap(({ network }) => assetsOn(network).map(({ asset }) => ({ network, asset, amount })))

function requestFor(thing: Thing, over: Partial<RedeemRequest> = {}): RedeemRequest {
  return {
    protocol: PROTOCOL,
    requestId: 'a request',
    key: 'own',
    owner: 'key',
    payment: {
      x402Version: 2,
      scheme: 'exact',
      network: BASE,
      payer: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
      transfer: {
        kind: 'eip3009',
        authorization: {
          from: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
          to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
          value: thing.amount,
          validAfter: 0n,
          validBefore: BigInt(NOW + 300),
          nonce: `0x${'01'.repeat(32)}`,
        },
        signature: '0x22',
      },
      accepted: null,
      identifier: null,
      quote: null,
      answering: null,
    },
    offer: offerOf(thing, 'authorization'),
    costs: costsOf(thing.amount),
    objection: null,
    verdict: null,
    resource: { site: SITE, method: 'GET', path: thing.resource, id: thing.resource },
    scope: thing.scope,
    accessSeconds: thing.accessSeconds,
    signatureHash: 'a hash',
    look: null,
    ...over,
  }
}
const named = (thing: Thing, over: Partial<RedeemRequest> = {}): RedeemRequest => {
  const request = requestFor(thing, over)
  return { ...request, payment: { ...request.payment, identifier: NAME } }
}

const EMPTY: View = {
  nowSeconds: NOW,
  isLate: false,
  own: null,
  paidBy: null,
  namesakes: [],
  open: [],
  refused: [],
  lasting: [],
  unclaimed: [],
  load: { open: 0, covered: 0, refusedLately: 0 },
  told: { finished: new Map(), asked: new Set() },
}
const view = (over: Partial<View>): View => ({ ...EMPTY, ...over })
const asked = (...keys: string[]): View['told'] => ({ finished: new Map(), asked: new Set(keys) })
const finished = (key: string, as: 'settlement_pending' | 'facilitator_unavailable' | null): View['told'] => ({
  finished: new Map([[key, as]]),
  asked: new Set(),
})

/** A step in words. */
function words(now: Step): string {
  switch (now.kind) {
    case 'answer':
      return `answer ${now.refusal.code}`
    case 'hand out':
      return `hand out ${now.content.key}${now.paid.key === now.content.key ? '' : `, paid by ${now.paid.key}`}${now.isLeased ? '' : ', again'}`
    case 'wait':
      return `wait for ${now.key}`
    case 'finish':
      return `finish ${now.key}${now.maySend ? '' : ', do not send'}`
    case 'ask':
      return `ask about ${now.keys.join(' and ')}, ${now.patience}`
    case 'cover':
      return `covered by ${now.by.key}`
    case 'claim':
      return 'claim'
  }
}

type Case = [name: string, over: Partial<View>, request: RedeemRequest, step: string]
const table = (name: string, cases: Case[]) =>
  describe(name, () => {
    test.each(cases)('%s', (_, over, request, step) => {
      expect(words(next(view(over), request))).toBe(step)
    })
  })

const own = (thing: Thing, state: Redemption, over: Partial<PaymentRow> = {}) =>
  rowOf(thing, state, { key: 'own', seq: 5, ...over })
const paid = (thing: Thing, over: Partial<PaymentRow> = {}) => rowOf(thing, SETTLED, { key: 'paid', seq: 3, ...over })

table('a payment nobody knows', [
  ['is claimed', {}, requestFor(ARTICLE), 'claim'],
  ['seen unused: is claimed', {}, requestFor(ARTICLE, { look: { kind: 'unused', block: 7 } }), 'claim'],
  ['used before: buys nothing', {}, requestFor(ARTICLE, { look: { kind: 'used' } }), 'answer payment_already_used'],
  [
    'that may not be sent: is refused',
    {},
    requestFor(ARTICLE, { objection: { code: 'invalid_exact_evm_payload_recipient_mismatch' } }),
    'answer invalid_exact_evm_payload_recipient_mismatch',
  ],
  ['for what is not on offer', {}, requestFor(ARTICLE, { offer: null }), 'answer invalid_payment_requirements'],
  ['under the name of another', { namesakes: [paid(ARTICLE)] }, named(ARTICLE), 'answer payment_identifier_conflict'],
])

table('what the payer owns already', [
  ['the article: covered', { lasting: [paid(ARTICLE)] }, requestFor(ARTICLE), 'covered by paid'],
  ['the day pass: the article is covered', { lasting: [paid(DAY_PASS)] }, requestFor(ARTICLE), 'covered by paid'],
  ['the article is no day pass', { lasting: [paid(ARTICLE)] }, requestFor(DAY_PASS), 'claim'],
  ['the day is no month', { lasting: [paid(DAY_PASS)] }, requestFor(MONTH_PASS), 'claim'],
  [
    'access that has ended is none',
    { lasting: [paid(ARTICLE, { settledAtSeconds: NOW - DAY })] },
    requestFor(ARTICLE),
    'claim',
  ],
  ['access to an answer covers one', { lasting: [paid(ARTICLE)] }, requestFor(ANSWER), 'covered by paid'],
  ['an answer never handed out: covered', { unclaimed: [paid(ANSWER)] }, requestFor(ANSWER), 'covered by paid'],
  ['an answer is no access', { unclaimed: [paid(ANSWER)] }, requestFor(ARTICLE), 'claim'],
  [
    'an answer that was taken back: covered',
    { unclaimed: [paid(ANSWER, { handouts: 1, released: 1 })] },
    requestFor(ANSWER),
    'covered by paid',
  ],
  [
    'settled upfront and never carried out: covered',
    { unclaimed: [paid(ANSWER, { flow: 'upfront' })] },
    requestFor(ANSWER),
    'covered by paid',
  ],
  [
    'carried out once, taken by nobody: not again for another payment',
    { unclaimed: [paid(ANSWER, { flow: 'upfront', handouts: 1, released: 1 })] },
    requestFor(ANSWER),
    'claim',
  ],
  [
    'covered too often: told to come later',
    { lasting: [paid(ARTICLE)], load: { open: 0, covered: MOST_COVERED, refusedLately: 0 } },
    requestFor(ARTICLE),
    'answer too_many_requests',
  ],
])

const open = (thing: Thing, state: Redemption, over: Partial<Seen> = {}): Partial<View> => ({
  open: [seen(rowOf(thing, state), over)],
})

const unapproved: Partial<RedeemRequest> = { verdict: { code: 'permit2_allowance_required' } }

table('a payment that a facilitator would not settle', [
  ['that nobody knows: is not claimed', {}, requestFor(ARTICLE, unapproved), 'answer permit2_allowance_required'],
  [
    'for what its payer owns: covered',
    { lasting: [paid(ARTICLE)] },
    requestFor(ARTICLE, unapproved),
    'covered by paid',
  ],
  [
    'for an answer that was paid for and never handed out: covered',
    { unclaimed: [paid(ANSWER)] },
    requestFor(ANSWER, unapproved),
    'covered by paid',
  ],
  [
    'behind one that may have paid: that one is seen through first',
    open(ARTICLE, UNKNOWN),
    requestFor(ARTICLE, unapproved),
    'finish earlier',
  ],
  [
    'and that one stays open: no challenge',
    { ...open(ARTICLE, UNKNOWN), told: finished('earlier', 'settlement_pending') },
    requestFor(ARTICLE, unapproved),
    'answer settlement_pending',
  ],
  [
    'behind a refused one: the chain is asked about that',
    { refused: [rowOf(ARTICLE, REFUSED)] },
    requestFor(ARTICLE, unapproved),
    'ask about earlier, answered',
  ],
  [
    'that was settled meanwhile: handed out',
    { own: seen(own(ARTICLE, SETTLED)) },
    requestFor(ARTICLE, unapproved),
    'hand out own',
  ],
  [
    'that is being settled: seen through',
    { own: seen(own(ARTICLE, { ...CLAIMED, status: 'settling', sent: 1, doubt: 1 }), { isRunning: true }) },
    requestFor(ARTICLE, unapproved),
    'finish own',
  ],
  [
    'that was used before: buys nothing',
    {},
    requestFor(ARTICLE, { ...unapproved, look: { kind: 'used' } }),
    'answer payment_already_used',
  ],
])

table('an earlier payment whose outcome is open', [
  ['an article: seen through first', open(ARTICLE, UNKNOWN), requestFor(ARTICLE), 'finish earlier'],
  ['never sent: the same', open(ARTICLE, CLAIMED), requestFor(ARTICLE), 'finish earlier'],
  [
    'and nobody can say: its outcome is the answer',
    { ...open(ARTICLE, UNKNOWN), told: finished('earlier', 'settlement_pending') },
    requestFor(ARTICLE),
    'answer settlement_pending',
  ],
  [
    'no facilitator answers: the same',
    { ...open(ARTICLE, CLAIMED), told: finished('earlier', 'facilitator_unavailable') },
    requestFor(ARTICLE),
    'answer facilitator_unavailable',
  ],
  ['a day pass, never sent, an article under it: left alone', open(DAY_PASS, CLAIMED), requestFor(ARTICLE), 'claim'],
  [
    'a day pass being sent, an article under it: asked until it is certain',
    open(DAY_PASS, CLAIMED, { isRunning: true }),
    requestFor(ARTICLE),
    'ask about earlier, certain',
  ],
  [
    'a day pass, maybe sent, an article under it: asked until it is certain',
    open(DAY_PASS, UNKNOWN),
    requestFor(ARTICLE),
    'ask about earlier, certain',
  ],
  [
    'and it is not: the article is not sold meanwhile',
    { ...open(DAY_PASS, UNKNOWN), told: asked('earlier') },
    requestFor(ARTICLE),
    'answer settlement_pending',
  ],
  [
    '$0.50 (503), then $0.05 for the same: never both',
    { ...open({ ...ARTICLE, amount: 500_000n }, UNKNOWN), told: asked('earlier') },
    requestFor(ARTICLE),
    'answer settlement_pending',
  ],
  [
    '$0.05 (503), then $0.50 for the same: the cheap one is seen through',
    open(ARTICLE, UNKNOWN),
    requestFor({ ...ARTICLE, amount: 500_000n }),
    'finish earlier',
  ],
  ['a day (503), then the month: one look', open(DAY_PASS, UNKNOWN), requestFor(MONTH_PASS), 'ask about earlier, once'],
  ['and the month is bought', { ...open(DAY_PASS, UNKNOWN), told: asked('earlier') }, requestFor(MONTH_PASS), 'claim'],
  ['a day, never sent, then the month: left alone', open(DAY_PASS, CLAIMED), requestFor(MONTH_PASS), 'claim'],
  ['another article', open({ ...ARTICLE, scope: '=/articles/other' }, UNKNOWN), requestFor(ARTICLE), 'claim'],
  [
    'an answer somebody waits for: bought side by side',
    open(ANSWER, UNKNOWN, { isAwaited: true }),
    requestFor(ANSWER),
    'claim',
  ],
  [
    'an answer nobody waits for: seen through, and may pay',
    open(ANSWER, UNKNOWN),
    requestFor(ANSWER),
    'finish earlier',
  ],
  [
    'access somebody waits for: not side by side',
    open(ARTICLE, UNKNOWN, { isAwaited: true }),
    requestFor(ARTICLE),
    'finish earlier',
  ],
  [
    'nobody has said for thirty days: it holds up nothing',
    { open: [seen(rowOf(ARTICLE, UNKNOWN, { validBeforeSeconds: NOW - MONTH }))] },
    requestFor(ARTICLE),
    'claim',
  ],
  [
    'two: by age',
    { open: [seen(rowOf(ARTICLE, UNKNOWN)), seen(rowOf(ARTICLE, UNKNOWN, { key: 'second', seq: 2 }))] },
    requestFor(ARTICLE),
    'finish earlier',
  ],
  [
    'too many open',
    { load: { open: MOST_OPEN, covered: 0, refusedLately: 0 } },
    requestFor(ARTICLE),
    'answer unavailable',
  ],
])

table('a payment that was refused', [
  [
    'is asked about before another signature pays',
    { refused: [rowOf(ARTICLE, REFUSED), rowOf(ARTICLE, REFUSED, { key: 'second' })] },
    requestFor(ARTICLE),
    'ask about earlier and second, answered',
  ],
  ['once', { refused: [rowOf(ARTICLE, REFUSED)], told: asked('earlier') }, requestFor(ARTICLE), 'claim'],
  [
    'the dear one too, since it may have landed',
    { refused: [rowOf(DAY_PASS, REFUSED)] },
    requestFor(ARTICLE),
    'ask about earlier, answered',
  ],
  ['not for another thing', { refused: [rowOf(ARTICLE, REFUSED)] }, requestFor(DAY_PASS), 'claim'],
  ['is sent again when its client asks', { own: seen(own(ARTICLE, REFUSED)) }, requestFor(ARTICLE), 'finish own'],
  [
    'and its outcome is the answer',
    { own: seen(own(ARTICLE, REFUSED)), told: finished('own', null) },
    requestFor(ARTICLE),
    'answer insufficient_funds',
  ],
  [
    'sent three times: only the chain is asked',
    { own: seen(own(ARTICLE, { ...REFUSED, sent: MOST_SENDINGS })) },
    requestFor(ARTICLE),
    'ask about own, once',
  ],
  [
    'and then its reason is the answer',
    { own: seen(own(ARTICLE, { ...REFUSED, sent: MOST_SENDINGS })), told: asked('own') },
    requestFor(ARTICLE),
    'answer insufficient_funds',
  ],
  [
    'too many within a minute: no new one',
    { load: { open: 0, covered: 0, refusedLately: MOST_REFUSED_A_MINUTE } },
    requestFor(ARTICLE),
    'answer too_many_requests',
  ],
  [
    'and none again',
    { own: seen(own(ARTICLE, REFUSED)), load: { open: 0, covered: 0, refusedLately: MOST_REFUSED_A_MINUTE } },
    requestFor(ARTICLE),
    'answer too_many_requests',
  ],
  [
    'and paid by another since: covered',
    { own: seen(own(ARTICLE, REFUSED)), lasting: [paid(DAY_PASS)] },
    requestFor(ARTICLE),
    'covered by paid',
  ],
])

const OBJECTION = { code: 'invalid_payment_requirements' } as const
const objected = requestFor(ARTICLE, { objection: OBJECTION, offer: null })

table('a payment that is known and open', [
  ['claimed: seen through', { own: seen(own(ARTICLE, CLAIMED)) }, requestFor(ARTICLE), 'finish own'],
  ['in doubt: seen through', { own: seen(own(ARTICLE, UNKNOWN)) }, requestFor(ARTICLE), 'finish own'],
  [
    'and nobody can say: unknown is not failed',
    { own: seen(own(ARTICLE, UNKNOWN)), told: finished('own', 'settlement_pending') },
    requestFor(ARTICLE),
    'answer settlement_pending',
  ],
  [
    'in doubt, and not to be sent any more: the chain alone',
    { own: seen(own(ARTICLE, UNKNOWN)) },
    objected,
    'finish own, do not send',
  ],
  [
    'never sent, and not to be sent any more: the objection',
    { own: seen(own(ARTICLE, CLAIMED)) },
    objected,
    'answer invalid_payment_requirements',
  ],
  [
    'refused, and not to be sent any more: the objection',
    { own: seen(own(ARTICLE, REFUSED)) },
    objected,
    'answer invalid_payment_requirements',
  ],
  [
    'never sent, paid by another: covered',
    { own: seen(own(ARTICLE, CLAIMED)), lasting: [paid(DAY_PASS)] },
    requestFor(ARTICLE),
    'covered by paid',
  ],
  [
    'in doubt, paid by another: one look',
    { own: seen(own(ARTICLE, UNKNOWN)), lasting: [paid(DAY_PASS)] },
    requestFor(ARTICLE),
    'ask about own, once',
  ],
  [
    'and then it is covered by what the other paid',
    { own: seen(own(ARTICLE, UNKNOWN)), lasting: [paid(DAY_PASS)], told: asked('own') },
    requestFor(ARTICLE),
    'covered by paid',
  ],
  [
    'never sent, an earlier one open: that one first',
    { own: seen(own(ARTICLE, CLAIMED)), ...open(ARTICLE, UNKNOWN) },
    requestFor(ARTICLE),
    'finish earlier',
  ],
  [
    'never sent, a later one open: not that one',
    { own: seen(own(ARTICLE, CLAIMED)), open: [seen(rowOf(ARTICLE, UNKNOWN, { key: 'later', seq: 9 }))] },
    requestFor(ARTICLE),
    'finish own',
  ],
  [
    'in doubt, an earlier one open: one look before it waits',
    { own: seen(own(ARTICLE, UNKNOWN)), ...open(ARTICLE, UNKNOWN) },
    requestFor(ARTICLE),
    'ask about own, once',
  ],
  [
    'and then that one first',
    { own: seen(own(ARTICLE, UNKNOWN)), ...open(ARTICLE, UNKNOWN), told: asked('own') },
    requestFor(ARTICLE),
    'finish earlier',
  ],
  [
    'asked for at another page',
    { own: seen(own(ARTICLE, UNKNOWN)) },
    requestFor({ ...ARTICLE, resource: '/articles/other' }),
    'answer payment_already_used',
  ],
  ['void: it can never pay', { own: seen(own(ARTICLE, VOID)) }, requestFor(ARTICLE), 'answer payment_already_used'],
])

table('what is in doubt is not failed, and not sent beside what has paid', [
  [
    'an answer in doubt beside one that was paid for and nobody took: the chain is asked, nothing is sent',
    { own: seen(own(ANSWER, UNKNOWN)), unclaimed: [paid(ANSWER)] },
    requestFor(ANSWER),
    'ask about own, once',
  ],
  [
    'asked about and still in doubt beside such an answer: that one covers it',
    { own: seen(own(ANSWER, UNKNOWN)), unclaimed: [paid(ANSWER)], told: asked('own') },
    requestFor(ANSWER),
    'covered by paid',
  ],
  [
    'on its way at this moment beside what has paid: its outcome is awaited, and it is not sent again',
    { own: seen(own(ARTICLE, UNKNOWN), { isRunning: true }), lasting: [paid(DAY_PASS)] },
    requestFor(ARTICLE),
    'finish own, do not send',
  ],
])

table('a payment that has paid', [
  ['is handed out', { own: seen(own(ARTICLE, SETTLED)) }, requestFor(ARTICLE), 'hand out own'],
  ['whatever the terms of today', { own: seen(own(ARTICLE, SETTLED)) }, objected, 'hand out own'],
  [
    'whatever the chain says of its nonce',
    { own: seen(own(ARTICLE, SETTLED)) },
    requestFor(ARTICLE, { look: { kind: 'used' } }),
    'hand out own',
  ],
  [
    'on its way to somebody: wait',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 1 }), { isHandedOut: true }) },
    requestFor(ARTICLE),
    'wait for own',
  ],
  [
    'for as long as requests are held',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 1 }), { isHandedOut: true }), isLate: true },
    requestFor(ARTICLE),
    'answer payment_in_progress',
  ],
  [
    'not taken: handed out again',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 1, released: 1 })) },
    requestFor(ARTICLE),
    'hand out own',
  ],
  [
    'three times in all',
    { own: seen(own(ARTICLE, SETTLED, { handouts: MOST_HANDOUTS })) },
    requestFor(ARTICLE),
    'answer payment_already_used',
  ],
  [
    'taken: used',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 1, isDelivered: true })) },
    requestFor(ARTICLE),
    'answer payment_already_used',
  ],
  [
    'taken, and asked for by its name: again',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 9, isDelivered: true, identifier: NAME })) },
    named(ARTICLE),
    'hand out own, again',
  ],
  [
    'taken, and asked for by its name once its window is over: again',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 9, isDelivered: true, identifier: NAME })) },
    { ...named(ARTICLE), objection: { code: 'invalid_exact_evm_payload_authorization_valid_before' }, offer: null },
    'hand out own, again',
  ],
  [
    'by a name it was not claimed under',
    { own: seen(own(ARTICLE, SETTLED, { handouts: 1, isDelivered: true })) },
    named(ARTICLE),
    'answer payment_already_used',
  ],
  [
    'what an origin carries out, by its name: three times in all',
    { own: seen(own(ANSWER, SETTLED, { handouts: MOST_HANDOUTS, identifier: NAME, flow: 'upfront' })) },
    named(ANSWER),
    'answer payment_already_used',
  ],
])

const coveredRow = (thing: Thing, over: Partial<PaymentRow> = {}) => seen(own(thing, COVERED, over))
table('a payment that another one covers', [
  [
    'access: its own content, for what the other paid',
    { own: coveredRow(ARTICLE), paidBy: seen(paid(DAY_PASS)) },
    requestFor(ARTICLE),
    'hand out own, paid by paid',
  ],
  [
    'as long as that lasts',
    { own: coveredRow(ARTICLE), paidBy: seen(paid(DAY_PASS, { settledAtSeconds: NOW - DAY })) },
    requestFor(ARTICLE),
    'answer payment_already_used',
  ],
  [
    'an answer: the very one, counted where it was paid',
    { own: coveredRow(ANSWER), paidBy: seen(paid(ANSWER, { handouts: 1, released: 1 })) },
    requestFor(ANSWER),
    'hand out paid',
  ],
  [
    'an answer on its way to somebody: wait for that one',
    { own: coveredRow(ANSWER), paidBy: seen(paid(ANSWER, { handouts: 1 }), { isHandedOut: true }) },
    requestFor(ANSWER),
    'wait for paid',
  ],
  [
    'an answer that was carried out for three requests: no fourth, by whichever name',
    {
      own: coveredRow(ANSWER, { identifier: NAME, flow: 'upfront' }),
      paidBy: seen(paid(ANSWER, { handouts: MOST_HANDOUTS, flow: 'upfront' })),
    },
    named(ANSWER),
    'answer payment_already_used',
  ],
  [
    'used up beside a pass: it buys nothing',
    { own: coveredRow(ARTICLE) },
    requestFor(ARTICLE),
    'answer payment_already_used',
  ],
])

describe('enough', () => {
  const wish = (thing: Thing) => requestFor(thing)
  const grant = (thing: Thing, over: Partial<PaymentRow> = {}) => rowOf(thing, SETTLED, over)
  test.each<[string, PaymentRow, Thing, boolean]>([
    ['the same', grant(ARTICLE), ARTICLE, true],
    ['more pages', grant(DAY_PASS), ARTICLE, true],
    ['longer', grant(MONTH_PASS), DAY_PASS, true],
    ['fewer pages', grant(ARTICLE), DAY_PASS, false],
    ['shorter', grant(DAY_PASS), MONTH_PASS, false],
    ['more pages and shorter', grant(DAY_PASS), { ...ARTICLE, accessSeconds: MONTH }, false],
    ['access for an answer', grant(DAY_PASS), ANSWER, true],
    ['an answer for an answer', grant(ANSWER), ANSWER, true],
    ['an answer for access', grant(ANSWER), ARTICLE, false],
    ['another site', grant(ARTICLE, { site: 'https://other.example' }), ARTICLE, false],
    ['another method', grant(ARTICLE, { method: 'POST' }), ARTICLE, false],
  ])('%s', (_, owned, thing, is) => {
    expect(isEnough(owned, wish(thing))).toBe(is)
  })
})

// ---- every view -----------------------------------------------------------------------------------------------------

/** Several payments of one address, and what is happening to each. */
type Scene = { rows: Seen[]; request: RedeemRequest; isLate: boolean }

/** Mostly the same: what has nothing to do with each other decides nothing. */
const HELLO = '=/articles/hello'
const SCOPES = [HELLO, HELLO, HELLO, '=/articles/other', '~/articles/*', '~/*']
const things = fc
  .record({
    scope: fc.constantFrom(...SCOPES),
    accessSeconds: fc.constantFrom(0, 0, DAY, MONTH),
    amount: fc.constantFrom(10_000n, 50_000n, 500_000n),
  })
  .map(
    ({ scope, ...thing }): Thing => ({
      ...thing,
      scope,
      resource: scope.startsWith('=') ? scope.slice(1) : '/articles/hello',
    }),
  )
const states = fc.oneof(
  fc.constant(CLAIMED),
  fc.constantFrom(UNKNOWN, { ...UNKNOWN, status: 'settling' as const }, { ...UNKNOWN, sent: 3, doubt: 3 }),
  fc.constantFrom(SETTLED, SETTLED, { ...SETTLED, position: 0 }),
  fc.constantFrom(REFUSED, { ...REFUSED, sent: 3 }),
  fc.constantFrom(VOID, COVERED),
)
const owners = fc.constantFrom<[Owner, string][]>(
  ['key', BASE],
  ['key', BASE],
  ['key', 'eip155:137'],
  ['code', BASE],
  ['code', 'eip155:137'],
)

const scenes: fc.Arbitrary<Scene> = fc
  .record({
    seen: fc.array(
      fc.record({
        thing: things,
        state: states,
        owner: owners,
        isRunning: fc.boolean(),
        isAwaited: fc.boolean(),
        isHandedOut: fc.constantFrom(false, false, true),
        identifier: fc.constantFrom(null, null, null, null, NAME),
        flow: fc.constantFrom('authorization' as const, 'upfront' as const),
        handouts: fc.constantFrom(0, 0, 0, 1, 2, MOST_HANDOUTS),
        released: fc.nat({ max: MOST_HANDOUTS }),
        isDelivered: fc.constantFrom(false, false, true),
        age: fc.constantFrom(0, 0, 0, DAY, 2 * MONTH),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    which: fc.nat({ max: 4 }),
    thing: things,
    owner: owners,
    isNamed: fc.constantFrom(false, false, true),
    objects: fc.constantFrom(false, false, false, true),
    isLate: fc.boolean(),
  })
  .map(({ seen: all, which, thing, owner: [owner, network], isNamed, objects, isLate }) => {
    const rows = all.map(
      ({ thing: of, state, owner: [by, on], isRunning, isAwaited, isHandedOut, age, ...over }, i) => {
        const covering = state.status === 'covered' ? { ...state, coveredBy: `payment ${which}` } : state
        const handouts = isHandedOut ? Math.max(1, over.handouts) : over.handouts
        const row = rowOf(of, covering, {
          ...over,
          handouts,
          released: Math.min(handouts - (isHandedOut ? 1 : 0), over.released),
          seq: i + 1,
          key: `payment ${i}`,
          owner: by,
          network: on,
          claimedAtSeconds: NOW - age,
          settledAtSeconds: state.status === 'settled' ? NOW - age : null,
          validBeforeSeconds: NOW - age + 300,
        })
        return seen(row, { isRunning, isAwaited, isHandedOut })
      },
    )
    const known = rows[which]?.row
    const over = {
      key: known?.key ?? 'own',
      owner: known?.owner ?? owner,
      ...(objects ? { objection: OBJECTION } : {}),
    }
    const request = (isNamed ? named : requestFor)(known ?? thing, over)
    return {
      rows,
      request: { ...request, payment: { ...request.payment, network: known?.network ?? network } },
      isLate,
    }
  })

/** As the object gathers: rows of the same person, by what is being asked. */
function gather({ rows, request, isLate }: Scene, told: View['told']): View {
  const { key, owner, payment, resource } = request
  const isOwn = ({ row }: Seen) => row.network === payment.network || (row.owner === 'key' && owner === 'key')
  const mine = rows.filter(isOwn)
  const found = mine.find(({ row }) => row.key === key) ?? null
  const wish = found?.row ?? request
  const others = mine.filter(
    ({ row }) => row.key !== key && row.site === resource.site && row.method === resource.method,
  )
  const isBeforeDecision = !found || isOpen(found.row.state) || found.row.state.status === 'refused'
  const where = (is: (row: PaymentRow) => boolean) =>
    isBeforeDecision ? others.filter(({ row }) => is(row)).map(({ row }) => row) : []
  const mayOpen = ({ scope }: PaymentRow) => scope === wish.scope || scope.startsWith('~')
  const isPaid = ({ state }: PaymentRow) => state.status === 'settled'
  return {
    nowSeconds: NOW,
    isLate,
    own: found,
    paidBy: rows.find(({ row }) => row.key === found?.row.state.coveredBy) ?? null,
    namesakes: payment.identifier === null ? [] : mine.map(({ row }) => row).filter((row) => row.identifier === NAME),
    open: isBeforeDecision ? others.filter(({ row }) => isOpen(row.state)) : [],
    refused: where(
      (row) => row.state.status === 'refused' && mayOpen(row) && row.validBeforeSeconds > NOW - CLOCK_MARGIN_SECONDS,
    ),
    lasting: where((row) => isPaid(row) && row.accessSeconds > 0 && mayOpen(row) && endsAtSeconds(row) > NOW),
    unclaimed: where(
      (row) =>
        isPaid(row) &&
        row.accessSeconds === 0 &&
        wish.accessSeconds === 0 &&
        row.scope === wish.scope &&
        !row.isDelivered &&
        row.handouts === row.released &&
        row.handouts < MOST_HANDOUTS,
    ),
    load: { open: 0, covered: 0, refusedLately: 0 },
    told,
  }
}

type Chances = { settles: boolean; refuses: boolean; takes: boolean }
type Notes = { finished: Map<string, 'settlement_pending' | null>; asked: Set<string> }

/** Does what the step says, with one of its outcomes. Null when the request is over. */
function perform(scene: Scene, now: Step, told: Notes, chance: Chances): Scene | null {
  const change = (key: string, to: (one: Seen) => Seen): Scene => ({
    ...scene,
    rows: scene.rows.map((one) => (one.row.key === key ? to(one) : one)),
  })
  const withState = (one: Seen, state: Redemption): Seen => ({ ...one, row: { ...one.row, state } })
  const ended = (one: Seen): Seen => {
    if (chance.settles)
      return { ...one, row: rowOf(one.row, SETTLED, { ...one.row, state: SETTLED, settledAtSeconds: NOW }) }
    return withState(one, chance.refuses ? { ...REFUSED, sent: 3 } : UNKNOWN)
  }
  switch (now.kind) {
    case 'answer':
    case 'hand out':
      return null
    case 'wait':
      return change(now.key, (one) => ({ ...one, isHandedOut: false, row: { ...one.row, isDelivered: chance.takes } }))
    case 'ask':
      for (const key of now.keys) told.asked.add(key)
      return now.keys[0] && chance.settles ? change(now.keys[0], ended) : scene
    case 'finish': {
      told.finished.set(now.key, chance.settles || chance.refuses ? null : 'settlement_pending')
      return change(now.key, ended)
    }
    case 'claim':
    case 'cover': {
      const state: Redemption = now.kind === 'claim' ? CLAIMED : { ...COVERED, coveredBy: now.by.key }
      const { key, owner, payment, offer, scope, accessSeconds, resource } = scene.request
      if (scene.rows.some(({ row }) => row.key === key)) return change(key, (one) => withState(one, state))
      const thing = { scope, accessSeconds, resource: resource.id, amount: offer?.amount ?? 0n }
      const row = rowOf(thing, state, { key, owner, network: payment.network, seq: scene.rows.length + 1 })
      return { ...scene, rows: [...scene.rows, seen(row, { isAwaited: true })] }
    }
  }
}

const chances = fc.array(fc.record({ settles: fc.boolean(), refuses: fc.boolean(), takes: fc.boolean() }), {
  minLength: 30,
  maxLength: 30,
})

/** Every step of a request, with what it was decided from, to its end. */
function history(scene: Scene, luck: readonly Chances[]): { scene: Scene; seenAs: View; step: Step }[] {
  const told: Notes = { finished: new Map(), asked: new Set() }
  const all: { scene: Scene; seenAs: View; step: Step }[] = []
  let now: Scene | null = scene
  for (const chance of luck) {
    if (!now) break
    const seenAs = gather(now, { finished: new Map(told.finished), asked: new Set(told.asked) })
    const decided: Step = next(seenAs, now.request)
    all.push({ scene: now, seenAs, step: decided })
    now = perform(now, decided, told, chance)
  }
  if (now) all.push({ scene: now, seenAs: EMPTY, step: { kind: 'claim' } })
  return all
}

const always = (holds: (moment: { scene: Scene; seenAs: View; step: Step }) => void) =>
  fc.assert(
    fc.property(scenes, chances, (scene, luck) => history(scene, luck).forEach(holds)),
    { numRuns: 4_000 },
  )

/** Whether a settled payment, of those the records found, makes paying for a thing paying twice. */
const hasPaid = ({ lasting, unclaimed }: View, wish: Parameters<typeof isEnough>[1]) =>
  lasting.some((row) => isEnough(row, wish)) ||
  unclaimed.some((row) => isEnough(row, wish) && (row.flow === 'authorization' || row.handouts === 0))

describe('in every view', () => {
  test('an open payment waits for earlier ones only, and nobody waits for a refused one: no view makes a circle', () => {
    always(({ scene, step: decided }) => {
      const own = scene.rows.find(({ row }) => row.key === scene.request.key)?.row
      if (decided.kind === 'finish' && decided.key !== own?.key) {
        expect(scene.rows.find(({ row }) => row.key === decided.key)?.row.state.status).not.toBe('refused')
      }
      if (own?.state.status === 'refused') return
      const seqOf = (key: string) => scene.rows.find(({ row }) => row.key === key)?.row.seq ?? 0
      if (decided.kind === 'finish' && decided.key !== own?.key) {
        expect(seqOf(decided.key)).toBeLessThan(own?.seq ?? Number.POSITIVE_INFINITY)
      }
      if (decided.kind === 'ask' && decided.patience === 'certain') {
        for (const key of decided.keys) expect(seqOf(key)).toBeLessThan(own?.seq ?? Number.POSITIVE_INFINITY)
      }
      // A handout waits for nothing: what is waited for is its own, or has paid.
      if (decided.kind === 'wait' && decided.key !== scene.request.key) {
        expect(scene.rows.find(({ row }) => row.key === decided.key)?.row.state.status).toBe('settled')
      }
    })
  })

  test('each step uses something up: a request is over after a few', () => {
    fc.assert(
      fc.property(scenes, chances, (scene, luck) => {
        const steps = history(scene, luck)
        expect(['answer', 'hand out']).toContain(steps.at(-1)?.step.kind)
        // Each payment is finished once and asked about once; then a claim or cover, a wait, and the end.
        expect(steps.length).toBeLessThanOrEqual(2 * (scene.rows.length + 1) + 3)
      }),
      { numRuns: 4_000 },
    )
  })

  test('nothing is asked or seen through twice', () => {
    always(({ seenAs: { told }, step: decided }) => {
      if (decided.kind === 'ask') expect(decided.keys.filter((key) => told.asked.has(key))).toEqual([])
      if (decided.kind === 'finish') expect(told.finished.has(decided.key)).toBe(false)
    })
  })

  test('nothing is sent while what is settled would make it paying twice', () => {
    always(({ scene, seenAs, step: decided }) => {
      if (decided.kind === 'claim') expect(hasPaid(seenAs, scene.request)).toBe(false)
      if (decided.kind !== 'finish' || !decided.maySend) return
      const row = scene.rows.find(({ row: { key } }) => key === decided.key)?.row
      if (!row) return
      expect(hasPaid(seenAs, { ...scene.request, scope: row.scope, accessSeconds: row.accessSeconds })).toBe(false)
    })
  })

  test('nothing is sent while an earlier payment may still land that would make it paying twice', () => {
    always(({ scene, seenAs, step: decided }) => {
      const isSending = decided.kind === 'claim' || (decided.kind === 'finish' && decided.maySend)
      if (!isSending) return
      const key = decided.kind === 'finish' ? decided.key : scene.request.key
      const row = scene.rows.find((one) => one.row.key === key)?.row
      const wish = {
        ...scene.request,
        scope: row?.scope ?? scene.request.scope,
        accessSeconds: row?.accessSeconds ?? scene.request.accessSeconds,
      }
      const mayLand = seenAs.open.filter(
        (one) =>
          one.row.key !== key &&
          one.row.seq < (row?.seq ?? Number.POSITIVE_INFINITY) &&
          (wasSent(one.row.state) || one.isRunning) &&
          isEnough(one.row, wish) &&
          // Single answers that somebody waits for are bought side by side.
          !(one.row.accessSeconds === 0 && one.isAwaited) &&
          !isUnresolved(one.row, NOW),
      )
      expect(mayLand).toEqual([])
    })
  })

  test('another payment is never sent that is not enough, or dearer', () => {
    always(({ scene, step: decided }) => {
      if (decided.kind !== 'finish' || !decided.maySend || decided.key === scene.request.key) return
      const row = scene.rows.find((one) => one.row.key === decided.key)?.row
      const own = scene.rows.find((one) => one.row.key === scene.request.key)?.row
      const wish = own ? { ...scene.request, scope: own.scope, accessSeconds: own.accessSeconds } : scene.request
      expect(row && isEnough(row, wish)).toBe(true)
      expect((row?.amount ?? 0n) <= (own?.amount ?? scene.request.offer?.amount ?? 0n)).toBe(true)
    })
  })

  test('nothing is handed out that is not paid for, and nothing to somebody else', () => {
    always(({ scene: { request }, step: decided }) => {
      if (decided.kind !== 'hand out') return
      const { content, paid: by } = decided
      expect(by.state.status).toBe('settled')
      expect(content.key === request.key || content.key === by.key).toBe(true)
      if (by.accessSeconds === 0) expect(content.key).toBe(by.key)
    })
  })

  test('what is in doubt is never refused', () => {
    const mayAnswer = ['settlement_pending', 'payment_in_progress', 'payment_identifier_conflict']
    always(({ seenAs: { own }, step: decided }) => {
      if (decided.kind !== 'answer' || !own || !isOpen(own.row.state) || !wasSent(own.row.state)) return
      expect(mayAnswer).toContain(decided.refusal.code)
    })
  })

  test('a name answers with its own payment only, and never with that of another owner', () => {
    always(({ seenAs: { own, namesakes }, scene: { request }, step: decided }) => {
      if (namesakes.some(({ key }) => key !== request.key)) {
        expect(words(decided)).toBe('answer payment_identifier_conflict')
      }
      if (decided.kind !== 'hand out' || decided.isLeased) return
      expect(own?.row.key).toBe(request.key)
      expect(own?.row.identifier).toBe(request.payment.identifier)
      expect(request.payment.identifier).not.toBeNull()
    })
  })
})
