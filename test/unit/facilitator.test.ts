// Facilitators against a `fetch` of our own: what their words come to, and who is sent a payment after whom.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Breaker } from '../../src/breaker.ts'
import { settle, verify } from '../../src/facilitator.ts'
import { newKeyring } from '../../src/keyring.ts'
import type { SettleReply, SignedPayment, VerifyReply } from '../../src/replies.ts'
import { newListingsMemory, withCatalogues } from '../../src/supported.ts'
import { bazaarDeclaration } from '../../src/x402/extensions/bazaar.ts'

const A = 'https://a.example'
const B = 'https://b.example/x402'
const HASH = `0x${'a'.repeat(64)}`
const NOTHING = `0x${'0'.repeat(64)}`
const NONCE = `0x${'3'.repeat(64)}` as const
const FROM = `0x${'1'.repeat(40)}` as const
const PAY_TO = `0x${'2'.repeat(40)}` as const
const ASSET = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'

const payment: SignedPayment = {
  payer: FROM,
  transfer: {
    kind: 'eip3009',
    authorization: {
      from: FROM,
      to: PAY_TO,
      value: 50_000n,
      validAfter: 0n,
      validBefore: 1_800_000_300n,
      nonce: NONCE,
    },
    signature: `0x${'4'.repeat(130)}`,
  },
  bought: { url: 'https://news.example/articles/hello', method: 'GET' },
  offer: {
    network: 'eip155:84532',
    asset: ASSET,
    payTo: PAY_TO,
    amount: 50_000n,
    transfer: { kind: 'eip3009', name: 'USDC', version: '2' },
    maxTimeoutSeconds: 300,
    name: 'Day',
    accessSeconds: 86_400,
    scope: '/articles/*',
    flow: 'upfront',
  },
}

const success = { success: true, transaction: HASH, network: 'eip155:84532', payer: FROM }
const refusal = (errorReason: string, transaction = '') => ({
  success: false,
  errorReason,
  transaction,
  network: 'eip155:84532',
})

type Answer = (signal: AbortSignal) => Promise<Response>
const json =
  (body: unknown, status = 200): Answer =>
  async () =>
    Response.json(body, { status })
const page =
  (status: number): Answer =>
  async () =>
    new Response(`<h1>${status}</h1>`, { status })
const lost: Answer = () => Promise.reject(new TypeError('fetch failed'))
const silent: Answer = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
const supported = json({ kinds: [] })

/** What one facilitator says to a payment, and to the question whether it is there. */
type Facilitator = { says: Answer; supported: Answer }

/** Puts these facilitators at the other end of `fetch`; tells who was asked what, in order. */
function world(facilitators: Record<string, Facilitator>): string[] {
  const calls: string[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (url, init) => {
    const [base, facilitator] = Object.entries(facilitators).find(([known]) => `${url}`.startsWith(known)) ?? []
    if (!base || !facilitator) throw new Error(`nobody is at ${url}`)
    const path = `${url}`.slice(base.length)
    calls.push(`${base === A ? 'A' : 'B'} ${init?.method} ${path}`)
    const signal = init?.signal ?? new AbortController().signal
    return path === '/supported' ? facilitator.supported(signal) : facilitator.says(signal)
  })
  return calls
}

/** One facilitator that is there, and what comes of its answer. */
function outcomeOf(says: Answer, probe = supported): Promise<SettleReply> {
  world({ [A]: { says, supported: probe } })
  return settle(at(A), memoryOf(), payment, false)
}

/** Facilitators that ask for no key. */
const at = (...urls: string[]) => urls.map((url) => ({ url, auth: { kind: 'none' } as const, isListed: false }))
const memoryOf = (breaker = new Breaker()) => ({ breaker, keyring: newKeyring() })

/** A breaker that has seen these fail three times. */
function openFor(...bases: string[]): Breaker {
  const breaker = new Breaker()
  for (const base of bases) for (let i = 0; i < 3; i += 1) breaker.note({ url: base }, false, Date.now())
  return breaker
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('the words of hosted facilitators', () => {
  const table: Record<string, SettleReply> = {
    // Sure: found by looking at the payment.
    insufficient_funds: { kind: 'refused', reason: 'insufficient_funds' },
    invalid_exact_evm_insufficient_balance: { kind: 'refused', reason: 'insufficient_funds' },
    payment_expired: { kind: 'refused', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
    invalid_exact_evm_payload_authorization_valid_before: {
      kind: 'refused',
      reason: 'invalid_exact_evm_payload_authorization_valid_before',
    },
    invalid_exact_evm_payload_authorization_valid_after: {
      kind: 'refused',
      reason: 'invalid_exact_evm_payload_authorization_valid_after',
    },
    invalid_exact_evm_authorization_value: {
      kind: 'refused',
      reason: 'invalid_exact_evm_payload_authorization_value_mismatch',
    },
    invalid_exact_evm_recipient_mismatch: {
      kind: 'refused',
      reason: 'invalid_exact_evm_payload_recipient_mismatch',
    },
    invalid_exact_evm_signature: { kind: 'refused', reason: 'invalid_exact_evm_payload_signature' },
    invalid_exact_evm_payload_undeployed_smart_wallet: {
      kind: 'refused',
      reason: 'invalid_exact_evm_payload_signature',
    },
    invalid_exact_evm_token_name_mismatch: { kind: 'refused', reason: 'unexpected_settle_error' },
    invalid_payload: { kind: 'refused', reason: 'unexpected_settle_error' },
    invalid_network: { kind: 'refused', reason: 'unexpected_settle_error' },
    unsupported_scheme: { kind: 'refused', reason: 'unexpected_settle_error' },
    unsupported_payload_type: { kind: 'refused', reason: 'unexpected_settle_error' },
    asset_not_deployed_contract: { kind: 'refused', reason: 'unexpected_settle_error' },
    eip6492_factory_not_allowed: { kind: 'refused', reason: 'invalid_exact_evm_payload_signature' },
    amount_too_low: { kind: 'refused', reason: 'unexpected_settle_error' },
    self_send_not_allowed: { kind: 'refused', reason: 'unexpected_settle_error' },
    preflight_validation_failed: { kind: 'refused', reason: 'unexpected_settle_error' },
    // Policy.
    kyt_risk_detected: { kind: 'refused', reason: 'payment_refused' },
    invalid_exact_evm_payload_authorization_from_address_kyt: { kind: 'refused', reason: 'payment_refused' },
    request_blocked_by_location: { kind: 'refused', reason: 'payment_refused' },
    // The chain has to agree.
    invalid_transaction_state: { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
    invalid_exact_evm_transaction_failed: { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
    settle_exact_failed_onchain: { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
    invalid_exact_evm_transfer_event_mismatch: {
      kind: 'failed',
      reason: 'invalid_transaction_state',
      transaction: '',
    },
    invalid_exact_evm_transaction_simulation_failed: {
      kind: 'failed',
      reason: 'invalid_transaction_state',
      transaction: '',
    },
    smart_wallet_deployment_failed: { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
    // Only the chain knows what for.
    invalid_exact_evm_nonce_already_used: { kind: 'nonce_used' },
    duplicate_settlement: { kind: 'nonce_used' },
    'FiatTokenV2: authorization is used or canceled': { kind: 'nonce_used' },
    // Not decided yet.
    settlement_pending: { kind: 'pending', transaction: '' },
    settle_exact_evm_transaction_confirmation_timed_out: { kind: 'pending', transaction: '' },
    // These say nothing.
    settle_exact_node_failure: { kind: 'unknown' },
    unknown_error: { kind: 'unknown' },
    unexpected_settle_error: { kind: 'unknown' },
    unexpected_verify_error: { kind: 'unknown' },
    'something new': { kind: 'unknown' },
  }
  // Names that every object has.
  const inherited = ['constructor', 'toString'].map((name): [string, SettleReply] => [name, { kind: 'unknown' }])

  test.each([...Object.entries(table), ...inherited])('%s', async (reason, reply) => {
    expect(await outcomeOf(json(refusal(reason)))).toEqual(reply)
    // The status beside it changes nothing.
    expect(await outcomeOf(json(refusal(reason), 400))).toEqual(reply)
    expect(await outcomeOf(json(refusal(reason), 429))).toEqual(reply)
    expect(await outcomeOf(json(refusal(reason), 500), silent)).toEqual(reply)
  })

  test.each<[string, SettleReply]>([
    ['insufficient_funds', { kind: 'failed', reason: 'insufficient_funds', transaction: HASH }],
    ['invalid_payload', { kind: 'failed', reason: 'invalid_transaction_state', transaction: HASH }],
    ['invalid_transaction_state', { kind: 'failed', reason: 'invalid_transaction_state', transaction: HASH }],
    ['kyt_risk_detected', { kind: 'failed', reason: 'payment_refused', transaction: HASH }],
    ['settlement_pending', { kind: 'pending', transaction: HASH }],
    ['settle_exact_evm_transaction_confirmation_timed_out', { kind: 'pending', transaction: HASH }],
    ['settle_exact_node_failure', { kind: 'pending', transaction: HASH }],
    ['something new', { kind: 'pending', transaction: HASH }],
    ['', { kind: 'pending', transaction: HASH }],
    ['duplicate_settlement', { kind: 'nonce_used' }],
  ])('%j that names a transaction', async (reason, reply) => {
    expect(await outcomeOf(json(refusal(reason, HASH.toUpperCase().replace('0X', '0x'))))).toEqual(reply)
  })

  test.each(['0x', '0', NOTHING])('%s is how some write that there is no transaction', async (none) => {
    const funds = { kind: 'refused', reason: 'insufficient_funds' }
    expect(await outcomeOf(json(refusal('insufficient_funds', none)))).toEqual(funds)
    expect(await outcomeOf(json(refusal('settlement_pending', none)))).toEqual({ kind: 'pending', transaction: '' })
    expect(await outcomeOf(json(refusal('unknown_error', none)))).toEqual({ kind: 'unknown' })
  })

  test.each(['0xabc', 'pending', `${HASH}00`, `https://basescan.org/tx/${HASH}`])(
    'a refusal that names %s is not sure either, and names no hash',
    async (named) => {
      const failed = { kind: 'failed', reason: 'insufficient_funds', transaction: '' }
      expect(await outcomeOf(json(refusal('insufficient_funds', named)))).toEqual(failed)
      expect(await outcomeOf(json(refusal('settlement_pending', named)))).toEqual({ kind: 'pending', transaction: '' })
    },
  )
})

describe('a success', () => {
  test.each<[string, object]>([
    ['in full', { ...success, amount: '50000' }],
    ['that names the transaction alone', { success: true, transaction: HASH }],
    ['with nulls', { success: true, transaction: HASH, errorReason: null, network: null, payer: null, amount: null }],
    ['with empty words', { success: true, transaction: HASH, errorReason: '', network: '', payer: '', amount: '' }],
    ['that names the network as version 1 does', { ...success, network: 'base-sepolia' }],
    ['in capitals', { ...success, transaction: `0x${'A'.repeat(64)}`, payer: FROM.toUpperCase() }],
    ['with more than we know of', { ...success, extra: { fee: 1 }, extensions: [] }],
  ])('%s counts', async (_what, reply) => {
    expect(await outcomeOf(json(reply))).toEqual({ kind: 'settled', transaction: HASH })
    expect(await outcomeOf(json(reply, 502))).toEqual({ kind: 'settled', transaction: HASH })
  })

  test.each<[string, object]>([
    ['without a transaction', { success: true }],
    ['with an empty one', { ...success, transaction: '' }],
    ['with one of zeros', { ...success, transaction: NOTHING }],
    ['with one that is too short', { ...success, transaction: HASH.slice(0, -1) }],
    ['with one that is no hexadecimal', { ...success, transaction: `0x${'g'.repeat(64)}` }],
    ['with one and a line break', { ...success, transaction: `${HASH}\n` }],
    ['on another network', { ...success, network: 'eip155:8453' }],
    ["by another's version 1 name", { ...success, network: 'base' }],
    ['of another payer', { ...success, payer: PAY_TO }],
    ['of less', { ...success, amount: '49999' }],
    ['of more', { ...success, amount: '50001' }],
    ['of the same in another spelling', { ...success, amount: '0xc350' }],
    ['with a reason for failing', { ...success, errorReason: 'insufficient_funds' }],
  ])('%s does not', async (_what, reply) => {
    expect(await outcomeOf(json(reply))).toEqual({ kind: 'unknown' })
  })
})

describe('hostile and broken replies', () => {
  const hostile: [string, Answer][] = [
    ['a page', page(200)],
    ['nothing', async () => new Response(null, { status: 204 })],
    ['null', json(null)],
    ['a number', json(1)],
    ['a list', json([success])],
    ['an empty object', json({})],
    ['success as a word', json({ ...success, success: 'true' })],
    ['success as a number', json({ ...success, success: 1 })],
    ['a transaction that is an object', json({ ...success, transaction: { hash: HASH } })],
    ['an amount that is a number', json({ ...success, amount: 50_000 })],
    ['a failure without a reason', json({ success: false })],
    ['a failure whose reason is a list', json({ success: false, errorReason: ['insufficient_funds'] })],
    ['the answer to another question', json({ isValid: false, invalidReason: 'insufficient_funds' })],
    ['somebody’s own error', json({ errorType: 'internal', errorMessage: 'no' }, 400)],
    ['a malformed request with a transaction', json({ errorType: 'invalid_request', transaction: HASH }, 409)],
    ['a request it calls bad', page(400)],
    ['a conflict', page(409)],
    ['a success behind 403 that cannot be read', json({ ...success, amount: 50_000 }, 403)],
    ['a success behind 500 that cannot be read', json({ ...success, amount: 50_000 }, 500)],
    ['a reply of 100 KiB', async () => new Response(JSON.stringify({ ...success, pad: 'x'.repeat(100 * 1024) }))],
    ['half a reply', async () => new Response(JSON.stringify(success).slice(0, -1))],
    ['brackets', async () => new Response('['.repeat(60_000))],
  ]
  test.each(hostile)('%s is unknown', async (_what, says) => {
    expect(await outcomeOf(says)).toEqual({ kind: 'unknown' })
  })

  test.each([301, 302, 303, 307, 308])('a redirect (%s) is not followed, whatever it says', async (status) => {
    const says: Answer = async () =>
      new Response(JSON.stringify(success), { status, headers: { Location: `${B}/settle` } })
    const calls = world({ [A]: { says, supported }, [B]: { says: json(success), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toEqual({ kind: 'unknown' })
    expect(calls).toEqual(['A POST /settle'])
  })

  test.each([401, 402, 403, 404, 405, 429, 521, 523, 525, 526, 530])(
    'status %s says that nobody looked at the payment',
    async (status) => {
      expect(await outcomeOf(page(status))).toEqual({ kind: 'unsent' })
      expect(await outcomeOf(json({ error: 'no' }, status))).toEqual({ kind: 'unsent' })
      // As a settlement, and no more is said: nothing follows from it.
      const doubt = await outcomeOf(json({ success: false, error: 'no' }, status), supported)
      expect(doubt).toEqual({ kind: 'unknown' })
    },
  )

  test.each([500, 501, 502, 503, 504, 520, 522, 524])(
    'status %s without a settlement leaves a doubt',
    async (status) => {
      for (const says of [page(status), json({ error: 'no' }, status), json({ success: false }, status)]) {
        expect(await outcomeOf(says, supported)).toEqual({ kind: 'unknown' })
        expect(await outcomeOf(says, lost)).toEqual({ kind: 'unanswered' })
      }
    },
  )

  test.each<[string, Answer, SettleReply['kind']]>([
    ['it does not have the page', page(404), 'unknown'],
    ['it wants a key', page(401), 'unknown'],
    ['it breaks off half-way', async () => new Response('x'.repeat(100 * 1024)), 'unknown'],
    ['its gateway answers', page(502), 'unanswered'],
    ['the edge finds no origin', page(530), 'unanswered'],
    ['the connection is lost', lost, 'unanswered'],
  ])('whether a facilitator is there: %s', async (_what, probe, kind) => {
    expect(await outcomeOf(lost, probe)).toEqual({ kind })
  })
})

describe('two facilitators', () => {
  const behaviours = {
    'lost, silent': { says: lost, supported: lost },
    'lost, alive': { says: lost, supported },
    '502, silent': { says: page(502), supported: page(502) },
    '504, alive': { says: page(504), supported },
    429: { says: page(429), supported },
    refused: { says: json(refusal('insufficient_funds')), supported },
    success: { says: json(success), supported },
    'never asked': { says: json(success), supported: lost },
  } satisfies Record<string, Facilitator>
  type Behaviour = keyof typeof behaviours

  // In this order: what comes of it when the second is …
  const seconds: Behaviour[] = [
    'lost, silent',
    'lost, alive',
    '502, silent',
    '504, alive',
    429,
    'refused',
    'success',
    'never asked',
  ]
  const table: Record<Behaviour, string> = {
    'lost, silent': 'unanswered unknown unanswered unknown unanswered unknown settled unanswered',
    'lost, alive': 'unknown unknown unknown unknown unknown unknown unknown unknown',
    '502, silent': 'unanswered unknown unanswered unknown unanswered unknown settled unanswered',
    '504, alive': 'unknown unknown unknown unknown unknown unknown unknown unknown',
    429: 'unanswered unknown unanswered unknown unsent refused settled unsent',
    refused: 'refused refused refused refused refused refused refused refused',
    success: 'settled settled settled settled settled settled settled settled',
    'never asked': 'unanswered unknown unanswered unknown unsent refused settled unsent',
  }
  const cases = Object.entries(table).flatMap(([first, row]) =>
    row.split(' ').map((kind, i) => [first, `${seconds[i]}`, kind] as const),
  )
  const behaviourOf = (name: string) => new Map<string, Facilitator>(Object.entries(behaviours)).get(name)

  test.each(cases)('%s, then %s: %s', async (first, second, kind) => {
    const [a, b] = [behaviourOf(first), behaviourOf(second)]
    if (!a || !b) throw new Error('the table names a behaviour that is none')
    const calls = world({ [A]: a, [B]: b })
    const breaker = openFor(...(first === 'never asked' ? [A] : []), ...(second === 'never asked' ? [B] : []))
    expect(await settle(at(A, B), memoryOf(breaker), payment, false)).toMatchObject({ kind })
    for (const [name, letter] of [
      [first, 'A'],
      [second, 'B'],
    ] as const) {
      const sendings = calls.filter((call) => call === `${letter} POST /settle`).length
      expect(sendings).toBeLessThanOrEqual(name === 'never asked' ? 0 : 1)
    }
  })

  test('the table has every combination', () => {
    expect(cases).toHaveLength(64)
    expect(Object.keys(table).sort()).toEqual(seconds.map(String).sort())
  })

  test.each<[string, SettleReply]>([
    ['insufficient_funds', { kind: 'unknown' }],
    ['kyt_risk_detected', { kind: 'unknown' }],
    ['invalid_transaction_state', { kind: 'unknown' }],
    ['duplicate_settlement', { kind: 'nonce_used' }],
    ['settlement_pending', { kind: 'pending', transaction: HASH }],
    ['unknown_error', { kind: 'pending', transaction: HASH }],
  ])('after one that may have got it, %s of the other is no refusal', async (reason, reply) => {
    world({ [A]: { says: lost, supported: lost }, [B]: { says: json(refusal(reason, HASH)), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toEqual(reply)
  })
})

describe('who is asked', () => {
  test('an ordinary purchase is one call', async () => {
    const calls = world({ [A]: { says: json(success), supported }, [B]: { says: json(success), supported } })
    await settle(at(A, B), memoryOf(), payment, false)
    expect(calls).toEqual(['A POST /settle'])
  })

  test('nobody, where there is nobody', async () => {
    expect(await settle(at(), memoryOf(), payment, false)).toEqual({ kind: 'unsent' })
  })

  test('after a doubt the first is asked whether it is there, then the second is sent the payment', async () => {
    const calls = world({ [A]: { says: lost, supported: lost }, [B]: { says: json(success), supported } })
    await settle(at(A, B), memoryOf(), payment, false)
    expect(calls).toEqual(['A POST /settle', 'A GET /supported', 'B POST /settle'])
  })

  test('one that may have got it and is there is the last', async () => {
    const calls = world({ [A]: { says: lost, supported }, [B]: { says: json(success), supported } })
    await settle(at(A, B), memoryOf(), payment, false)
    expect(calls).toEqual(['A POST /settle', 'A GET /supported'])
  })

  test('one the breaker has open comes last, and shows first that it is there', async () => {
    const calls = world({ [A]: { says: json(success), supported }, [B]: { says: page(429), supported } })
    expect(await settle(at(A, B), memoryOf(openFor(A)), payment, false)).toMatchObject({ kind: 'settled' })
    expect(calls).toEqual(['B POST /settle', 'A GET /supported', 'A POST /settle'])
  })

  test('all are down three times, and then nothing is sent until one is up again', async () => {
    const breaker = new Breaker()
    const down = world({ [A]: { says: lost, supported: lost } })
    for (let i = 0; i < 3; i += 1) {
      expect(await settle(at(A), memoryOf(breaker), payment, false)).toEqual({ kind: 'unanswered' })
    }
    down.length = 0
    expect(await settle(at(A), memoryOf(breaker), payment, false)).toEqual({ kind: 'unsent' })
    expect(down).toEqual(['A GET /supported'])
    world({ [A]: { says: json(success), supported } })
    expect(await settle(at(A), memoryOf(breaker), payment, false)).toMatchObject({ kind: 'settled' })
    expect(breaker.isOpen({ url: A }, Date.now())).toBe(false)
  })

  test('a payment that may have been sent before goes only to one that shows that it is there', async () => {
    const calls = world({ [A]: { says: json(success), supported: lost }, [B]: { says: json(success), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, true)).toMatchObject({ kind: 'settled' })
    expect(calls).toEqual(['A GET /supported', 'B GET /supported', 'B POST /settle'])
  })

  test('and one that does not got nothing: what the other says counts', async () => {
    world({
      [A]: { says: json(success), supported: page(502) },
      [B]: { says: json(refusal('insufficient_funds')), supported },
    })
    expect(await settle(at(A, B), memoryOf(), payment, true)).toMatchObject({ kind: 'refused' })
  })

  test('where none shows that it is there, nothing is sent', async () => {
    const calls = world({
      [A]: { says: json(success), supported: lost },
      [B]: { says: json(success), supported: lost },
    })
    expect(await settle(at(A, B), memoryOf(), payment, true)).toEqual({ kind: 'unsent' })
    expect(calls).toEqual(['A GET /supported', 'B GET /supported'])
  })

  test('not being there is a failure the breaker hears of', async () => {
    const breaker = new Breaker()
    world({ [A]: { says: json(success), supported: lost } })
    for (let i = 0; i < 3; i += 1) await settle(at(A), memoryOf(breaker), payment, true)
    expect(breaker.isOpen({ url: A }, Date.now())).toBe(true)
  })
})

describe('time', () => {
  /** The reply of a call, and how long it took. */
  async function timed<Reply>(call: Promise<Reply>): Promise<{ reply: Reply; tookMs: number }> {
    const startMs = Date.now()
    const done = call.then((reply) => ({ reply, tookMs: Date.now() - startMs }))
    await vi.advanceTimersByTimeAsync(120_000)
    return done
  }
  const late =
    (afterMs: number, answer: Answer): Answer =>
    async (signal) => {
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      return answer(signal)
    }
  const hangs = { says: silent, supported: silent }

  test('one that says nothing takes 30 s, and 2 s to say nothing again', async () => {
    const calls = world({ [A]: hangs, [B]: { says: json(success), supported } })
    const { reply, tookMs } = await timed(settle(at(A, B), memoryOf(), payment, false))
    expect(reply).toEqual({ kind: 'unanswered' })
    expect(tookMs).toBe(32_000)
    expect(calls).toEqual(['A POST /settle', 'A GET /supported'])
  })

  test('one that says nothing and is there may have got it', async () => {
    world({ [A]: { says: silent, supported } })
    const { reply, tookMs } = await timed(settle(at(A), memoryOf(), payment, false))
    expect({ reply, tookMs }).toEqual({ reply: { kind: 'unknown' }, tookMs: 30_000 })
  })

  test('the second has what the first left over', async () => {
    world({ [A]: { says: late(10_000, page(504)), supported: silent }, [B]: hangs })
    const { reply, tookMs } = await timed(settle(at(A, B), memoryOf(), payment, false))
    expect({ reply, tookMs }).toEqual({ reply: { kind: 'unanswered' }, tookMs: 32_000 })
  })

  test('with less than 5 s left nobody else is asked', async () => {
    const second = { says: json(success), supported }
    const calls = world({ [A]: { says: late(25_001, page(429)), supported }, [B]: second })
    expect((await timed(settle(at(A, B), memoryOf(), payment, false))).reply).toEqual({ kind: 'unsent' })
    expect(calls).toEqual(['A POST /settle'])
    world({ [A]: { says: late(25_000, page(429)), supported }, [B]: second })
    expect((await timed(settle(at(A, B), memoryOf(), payment, false))).reply).toMatchObject({ kind: 'settled' })
  })

  test('many that are not there do not add up', async () => {
    const bases = Array.from({ length: 30 }, (_, i) => `${A}/${i}`)
    world({ [A]: hangs })
    const { reply, tookMs } = await timed(settle(at(...bases), memoryOf(), payment, true))
    expect(reply).toEqual({ kind: 'unsent' })
    expect(tookMs).toBeLessThanOrEqual(32_000)
  })

  test('a clock that is set back makes no wait longer', async () => {
    world({ [A]: { says: late(1_000, async () => setBack()), supported: silent }, [B]: hangs })
    const setBack = () => {
      vi.setSystemTime(Date.now() - 3_600_000)
      return new Response(null, { status: 429 })
    }
    const done = vi.fn()
    void settle(at(A, B), memoryOf(), payment, false).then(done)
    await vi.advanceTimersByTimeAsync(33_000)
    expect(done).toHaveBeenCalledWith({ kind: 'unanswered' })
  })
})

describe('what is sent', () => {
  test('an envelope of version 2, field by field', async () => {
    world({ [A]: { says: json(success), supported } })
    await settle(at(A), memoryOf(), payment, false)
    const requirements = {
      scheme: 'exact',
      network: 'eip155:84532',
      amount: '50000',
      asset: ASSET,
      payTo: PAY_TO,
      maxTimeoutSeconds: 300,
      extra: { name: 'USDC', version: '2', paymentFlow: 'upfront', offer: 'Day' },
    }
    const [[, init] = []] = vi.mocked(fetch).mock.calls
    expect(JSON.parse(`${init?.body}`)).toEqual({
      x402Version: 2,
      paymentPayload: {
        x402Version: 2,
        accepted: requirements,
        payload: {
          signature: payment.transfer.signature,
          authorization: {
            from: FROM,
            to: PAY_TO,
            value: '50000',
            validAfter: '0',
            validBefore: '1800000300',
            nonce: NONCE,
          },
        },
      },
      paymentRequirements: requirements,
    })
    expect(init?.redirect).toBe('manual')
  })
})

describe('/verify', () => {
  const replyTo = (says: Answer): Promise<VerifyReply> => {
    world({ [A]: { says, supported } })
    return verify(at(A), memoryOf(), payment)
  }

  test.each<[string, unknown, VerifyReply]>([
    ['valid', { isValid: true, payer: FROM }, { kind: 'valid' }],
    ['valid, in capitals', { isValid: true, payer: FROM.toUpperCase() }, { kind: 'valid' }],
    ['valid, without a payer', { isValid: true }, { kind: 'valid' }],
    ["valid, but somebody else's", { isValid: true, payer: PAY_TO }, { kind: 'unavailable', hasWorked: true }],
    ['used', { isValid: false, invalidReason: 'invalid_exact_evm_nonce_already_used' }, { kind: 'nonce_used' }],
    [
      'poor',
      { isValid: false, invalidReason: 'insufficient_funds' },
      { kind: 'refused', reason: 'insufficient_funds' },
    ],
    ['policy', { isValid: false, invalidReason: 'kyt_risk_detected' }, { kind: 'refused', reason: 'payment_refused' }],
    ['new', { isValid: false, invalidReason: 'new' }, { kind: 'refused', reason: 'unexpected_settle_error' }],
    ['mute', { isValid: false }, { kind: 'refused', reason: 'unexpected_settle_error' }],
    [
      'a word every object has',
      { isValid: false, invalidReason: 'constructor' },
      { kind: 'refused', reason: 'unexpected_settle_error' },
    ],
    ['a word for valid', { isValid: 'true', payer: FROM }, { kind: 'unavailable', hasWorked: true }],
    ['a settlement', success, { kind: 'unavailable', hasWorked: true }],
    ['null', null, { kind: 'unavailable', hasWorked: true }],
  ])('%s', async (_what, body, reply) => {
    expect(await replyTo(json(body))).toEqual(reply)
  })

  test('asks the next where the first does not answer, and charges nobody', async () => {
    const calls = world({ [A]: { says: lost, supported }, [B]: { says: json({ isValid: true }), supported } })
    expect(await verify(at(A, B), memoryOf(), payment)).toEqual({ kind: 'valid' })
    expect(calls).toEqual(['A POST /verify', 'B POST /verify'])
  })

  test('what it learns serves /settle: the breaker is the one passed', async () => {
    const breaker = new Breaker()
    world({ [A]: { says: lost, supported: lost } })
    for (let i = 0; i < 3; i += 1) await verify(at(A), memoryOf(breaker), payment)
    expect(breaker.isOpen({ url: A }, Date.now())).toBe(true)
    expect(await settle(at(A), memoryOf(breaker), payment, false)).toEqual({ kind: 'unsent' })
  })
})

describe('what is about us', () => {
  const keyed = { url: A, auth: { kind: 'header', name: 'x-api-key', value: 'k' } as const, isListed: false }
  const key = (status: number) => json({ error: 'unauthorized' }, status)
  const malformed = json({ errorType: 'invalid_request', errorMessage: 'accepts: too long' }, 400)
  const said: string[] = []

  beforeEach(() => {
    said.length = 0
    vi.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line))
  })

  test.each<[string, Answer, string | null]>([
    ['no key', key(401), 'facilitator_key_refused'],
    ['a key that is not paid for', key(402), 'facilitator_key_refused'],
    ['a key without the right', key(403), 'facilitator_key_refused'],
    ['too many requests', page(429), null],
    ['a malformed request', malformed, 'facilitator_request_refused'],
    ['a malformed request, in other words', json({ error: 'invalid_request' }, 400), 'facilitator_request_refused'],
  ])('%s: it got nothing, the next is asked, and the log says so', async (_what, says, event) => {
    const calls = world({ [A]: { says, supported }, [B]: { says: json(success), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toMatchObject({ kind: 'settled' })
    expect(calls).toEqual(['A POST /settle', 'B POST /settle'])
    expect(said.map((line) => JSON.parse(line))).toEqual(
      event ? [expect.objectContaining({ event, facilitator: 'a.example' })] : [],
    )
  })

  test('four such answers before a good one: it is sold once', async () => {
    const bases = [1, 2, 3].map((i) => `${A}/${i}`)
    const calls = world({
      [`${A}/1`]: { says: key(401), supported },
      [`${A}/2`]: { says: malformed, supported },
      [`${A}/3`]: { says: page(429), supported },
      [B]: { says: json(success), supported },
    })
    expect(await settle(at(...bases, B), memoryOf(), payment, false)).toMatchObject({ kind: 'settled' })
    expect(calls).toHaveLength(4)
  })

  test.each<[string, Answer, number]>([
    ['a refused key', key(401), 60_000],
    ['429 with a time', async () => new Response(null, { status: 429, headers: { 'Retry-After': '40' } }), 40_000],
  ])('after %s it is left alone for so long', async (_what, says, restMs) => {
    const memory = memoryOf()
    const calls = world({ [A]: { says, supported } })
    expect(await settle([keyed], memory, payment, false)).toEqual({ kind: 'unsent' })
    vi.setSystemTime(Date.now() + restMs - 1)
    expect(await settle([keyed], memory, payment, false)).toEqual({ kind: 'unsent' })
    expect(calls).toHaveLength(1)
    vi.setSystemTime(Date.now() + 1)
    await settle([keyed], memory, payment, false)
    expect(calls).toHaveLength(2)
  })

  test('429 without a time says nothing about when: the next payment asks again', async () => {
    const memory = memoryOf()
    const calls = world({ [A]: { says: page(429), supported } })
    for (let i = 0; i < 2; i++) expect(await settle(at(A), memory, payment, false)).toEqual({ kind: 'unsent' })
    expect(calls).toHaveLength(2)
  })

  test('without a key nothing is sent', async () => {
    const problem = { path: 'FACILITATORS[0].auth', message: 'set it' }
    const keyless = { url: A, auth: { kind: 'missing', problem } as const, isListed: false }
    const calls = world({ [A]: { says: json(success), supported } })
    const memory = memoryOf()
    expect(await settle([keyless], memory, payment, false)).toEqual({ kind: 'unsent' })
    expect(await verify([keyless], memory, payment)).toEqual({ kind: 'unavailable', hasWorked: false })
    expect(calls).toEqual([])
    expect(said.map((line) => JSON.parse(line))).toEqual([
      { event: 'facilitator_key_refused', facilitator: 'a.example', status: null },
    ])
  })

  test.each<[string, Answer, SettleReply]>([
    [
      'a settlement that was refused',
      json(refusal('insufficient_funds'), 400),
      { kind: 'refused', reason: 'insufficient_funds' },
    ],
    [
      'a verification that was refused',
      json({ isValid: false, invalidReason: 'insufficient_funds' }, 400),
      { kind: 'refused', reason: 'insufficient_funds' },
    ],
    [
      'the same for policy',
      json({ isValid: false, invalidReason: 'request_blocked_by_location' }, 403),
      { kind: 'refused', reason: 'payment_refused' },
    ],
    ['a verification that says yes', json({ isValid: true }, 400), { kind: 'unknown' }],
    ['the same beside 403', json({ isValid: true }, 403), { kind: 'unknown' }],
    [
      'a malformed request with a transaction',
      json({ errorType: 'invalid_request', transaction: HASH }, 400),
      { kind: 'unknown' },
    ],
    [
      'a malformed request with what may be one',
      json({ errorType: 'invalid_request', transaction: 'pending' }, 400),
      { kind: 'unknown' },
    ],
    ['another error', json({ errorType: 'rate', errorMessage: 'no' }, 400), { kind: 'unknown' }],
    ['nothing that is known', page(400), { kind: 'unknown' }],
  ])('400 or 403 with %s: that is the answer, and nobody else is asked', async (_what, says, reply) => {
    const calls = world({ [A]: { says, supported }, [B]: { says: json(success), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toEqual(reply)
    expect(calls).toEqual(['A POST /settle'])
  })

  test.each([401, 402, 403])('/verify that refuses our key (%i): the payer has no part in it', async (status) => {
    world({ [A]: { says: key(status), supported } })
    expect(await verify([keyed], memoryOf(), payment)).toEqual({ kind: 'unavailable', hasWorked: false })
  })

  test.each<[string, Answer]>([
    ['without a key of ours, 403', key(403)],
    ['too many requests', page(429)],
    ['a malformed request', malformed],
    ['no, and no reason', json({ isValid: false }, 429)],
  ])('/verify with %s: somebody has worked for a stranger, and nobody rests for it', async (_what, says) => {
    const memory = memoryOf()
    const calls = world({ [A]: { says, supported } })
    for (let i = 0; i < 2; i++) {
      expect(await verify(at(A), memory, payment)).toEqual({ kind: 'unavailable', hasWorked: true })
    }
    expect(calls).toHaveLength(2)
  })

  test.each([
    'invalid_network',
    'unsupported_scheme',
    'invalid_scheme',
    'invalid_x402_version',
    'unsupported_payload_type',
    'permit2_disabled',
    'eip6492_factory_not_allowed',
    'permit2_disabled',
  ])('one that serves something else (%s) lets the next one try; alone it is a refusal', async (word) => {
    const other = { says: json(refusal(word)), supported }
    world({ [A]: other, [B]: { says: json(success), supported } })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toMatchObject({ kind: 'settled' })
    world({ [A]: other })
    expect(await settle(at(A), memoryOf(), payment, false)).toMatchObject({ kind: 'refused' })
    world({ [A]: { says: lost, supported: lost }, [B]: other })
    expect(await settle(at(A, B), memoryOf(), payment, false)).toEqual({ kind: 'unanswered' })
    world({ [A]: { says: json({ isValid: false, invalidReason: word }), supported } })
    expect(await verify(at(A), memoryOf(), payment)).toMatchObject({ kind: 'refused' })
  })

  test('a shorter rest does not end a longer one', async () => {
    const memory = memoryOf()
    memory.breaker.rest(keyed, 60_000, Date.now())
    memory.breaker.rest(keyed, 0, Date.now())
    expect(await settle([keyed], memory, payment, false)).toEqual({ kind: 'unsent' })
  })

  test.each([401, 403, 429])('%i with a transaction is no word about us: the chain is asked', async (status) => {
    for (const body of [{ transaction: HASH }, { error: 'no', transaction: HASH }]) {
      const calls = world({ [A]: { says: json(body, status), supported }, [B]: { says: json(success), supported } })
      expect(await settle(at(A, B), memoryOf(), payment, false)).toEqual({ kind: 'unknown' })
      expect(calls).toEqual(['A POST /settle'])
    }
  })

  test.each(['unknown_error', 'settle_exact_node_failure', 'unexpected_verify_error', 'invalid_network'])(
    '/verify that could not find out (%s) refuses nobody: the next is asked',
    async (invalidReason) => {
      world({
        [A]: { says: json({ isValid: false, invalidReason }), supported },
        [B]: { says: json({ isValid: true }), supported },
      })
      expect(await verify(at(A, B), memoryOf(), payment)).toEqual({ kind: 'valid' })
    },
  )
})

describe('what a catalogue is told', () => {
  const declaration = bazaarDeclaration()
  const listed = { url: A, auth: { kind: 'none' } as const, isListed: true }
  const sentTo = async (facilitator: typeof listed, catalogues: string[], bought = payment.bought) => {
    world({ [A]: { says: json(success), supported } })
    const value = Object.fromEntries(catalogues.map((url) => [url, { missing: {}, hasBazaar: true }]))
    const isolate = { listings: { ...newListingsMemory(), value, lookedAtMs: Date.now() } }
    const facilitators = withCatalogues([facilitator], { env: {}, isolate, waitUntil: () => {} })
    await settle(facilitators, memoryOf(), { ...payment, bought }, false)
    return JSON.parse(`${vi.mocked(fetch).mock.calls.at(-1)?.[1]?.body}`).paymentPayload
  }

  test('the address without its query, and our own declaration', async () => {
    const sent = await sentTo(listed, [A])
    expect(sent.resource).toEqual({ url: 'https://news.example/articles/hello' })
    expect(sent.extensions).toEqual({ bazaar: declaration })
  })

  test.each<[string, typeof listed, string[], SignedPayment['bought']]>([
    ['the publisher does not want it', { ...listed, isListed: false }, [A], payment.bought],
    ['it has none', listed, [B], payment.bought],
    ['it is no page to read', listed, [A], { url: 'https://news.example/api', method: 'POST' }],
    ['nobody knows what it is for', listed, [A], null],
  ])('nothing, where %s', async (_what, facilitator, catalogues, bought) => {
    const sent = await sentTo(facilitator, catalogues, bought)
    expect(Object.keys(sent).sort()).toEqual(['accepted', 'payload', 'x402Version'])
  })
})
