// A permit from the wire to its row: what is read, what is proven, and what is refused with which word. Pure.
import { PERMIT2_ADDRESS, permit2WitnessTypes, x402ExactPermit2ProxyAddress } from '@x402/evm'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { hashTypedData } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { publicError } from '../../src/errors.ts'
import { envelope } from '../../src/facilitator.ts'
import { verifyPayment } from '../../src/networks/network.ts'
import { EXACT_PROXY, PERMIT2, permitKey, permitTypedData } from '../../src/networks/permit2.ts'
import { NO_BRAND } from '../../src/pages/page.tsx'
import { paywallPage } from '../../src/pages/paywall.tsx'
import { stringsFor } from '../../src/pages/strings/strings.ts'
import { readRow, writeRow } from '../../src/payer/columns.ts'
import type { Truth } from '../../src/payer/reconcile.ts'
import { CLAIMED, maySend, type Status, step } from '../../src/payer/redemption.ts'
import { claimRow, ledgerRowOf, signedPaymentOf, subjectOf, withLooked, withState } from '../../src/payer/rows.ts'
import { termsOf } from '../../src/payer/stored.ts'
import type { Sale } from '../../src/policy/policy.ts'
import { readSettlement, readVerification } from '../../src/replies.ts'
import { ASSETS, type Asset, assetsOn, type Permit2Asset } from '../../src/x402/assets.ts'
import { decodePayment, encodeChallenge } from '../../src/x402/codec.ts'
import { type Offer, offerOf, type Payment, type Permit, type Permit2Transfer } from '../../src/x402/payment.ts'
import { payloadOf } from '../../src/x402/wire.ts'

const NOW = 1_800_000_000
const NETWORK = 'eip155:137'
const PAY_TO = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const STRANGER = `0x${'33'.repeat(20)}` as const
const LARGEST = 2n ** 256n - 1n
/** The order of secp256k1. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const reader = privateKeyToAccount(generatePrivateKey())
const lower = (address: string): `0x${string}` => `0x${address.slice(2).toLowerCase()}`

const [usdc] = assetsOn(NETWORK)
if (!usdc) throw new Error('the table has no token on Polygon')
/** One of `ASSETS` in the settings. */
const token: Permit2Asset = {
  ...usdc,
  kind: 'permit2',
  asset: '0x00000000000000000000000000000000000000AA',
  symbol: 'PEUR',
  currency: 'EUR',
}
const tokens: readonly Asset[] = [...ASSETS, token]
const offer: Offer = offerOf(
  { asset: token, payTo: PAY_TO, transfer: { kind: 'permit2' } },
  { amount: 50_000n, name: null, accessSeconds: 0, scope: null, flow: 'authorization' },
)

const permit: Permit = {
  from: lower(reader.address),
  asset: lower(token.asset),
  value: 50_000n,
  spender: EXACT_PROXY,
  nonce: LARGEST,
  deadline: BigInt(NOW + 300),
  to: lower(PAY_TO),
  validAfter: 0n,
}

const sign = (signed: Permit, network = NETWORK) => reader.signTypedData(permitTypedData(signed, network))

async function paymentOf(change: Partial<Permit> = {}, over: Partial<Payment> = {}): Promise<Payment> {
  const signed = { ...permit, ...change }
  return {
    x402Version: 2,
    scheme: 'exact',
    network: NETWORK,
    payer: signed.from,
    transfer: { kind: 'permit2', permit: signed, signature: await sign(signed) },
    accepted: { amount: offer.amount, asset: token.asset, payTo: PAY_TO, resource: null },
    identifier: null,
    quote: null,
    answering: null,
    ...over,
  }
}

/** What was signed of a payment. */
function signedOf({ transfer }: Payment): Permit2Transfer {
  if (transfer.kind !== 'permit2') throw new Error('it is no permit')
  return transfer
}

async function verify(payment: Payment, offers: readonly Offer[] = [offer], nowSeconds = NOW) {
  const bond = { context: '', keys: [], facilitators: [], tokens }
  const found = await verifyPayment(payment, offers, bond, nowSeconds)
  if (!found.ok) return { kind: 'refused', key: '', offer: null, objection: found.error.code }
  const { value } = found
  const { key, offer: taken } = value.kind === 'proven' ? value.verified : value
  return { kind: value.kind, key, offer: taken, objection: value.objection?.code ?? null }
}

const header = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64')
const decode = (json: unknown) => decodePayment({ paymentSignature: header(json), xPayment: null })
const INFO = { url: 'https://news.example/a', description: '', mimeType: '' }
const QUOTE = { id: 'x', expiresAtSeconds: NOW + 600, proof: 'p', signedOffers: [], memos: [null, null] }

describe('on the wire', () => {
  test('the stock client is told how to pay in v2, and what it signs is read and proven', async () => {
    const challenge = encodeChallenge('payment_required', INFO, [offer], QUOTE, null)
    const { accepts } = JSON.parse(Buffer.from(challenge.header, 'base64').toString())
    expect(accepts).toEqual([
      {
        scheme: 'exact',
        network: NETWORK,
        amount: '50000',
        asset: token.asset,
        payTo: PAY_TO,
        maxTimeoutSeconds: 300,
        extra: { assetTransferMethod: 'permit2' },
      },
    ])
    const { payload } = await new ExactEvmScheme(reader).createPaymentPayload(2, accepts[0])
    const payment = decode({ x402Version: 2, accepted: accepts[0], payload })
    if (!payment.ok || !payment.value) throw new Error('it was not read')
    expect(payment.value).toMatchObject({ payer: lower(reader.address), transfer: { kind: 'permit2' } })
    const now = Math.floor(Date.now() / 1000)
    expect(await verify(payment.value, [offer], now)).toMatchObject({ kind: 'proven', objection: null, offer })
  })

  test('v1 has no offer of it, and keeps the others', () => {
    const other: Offer = { ...offer, asset: usdc.asset, transfer: { kind: 'eip3009', name: 'USD Coin', version: '2' } }
    const { body } = encodeChallenge('payment_required', INFO, [offer, other], QUOTE, null)
    expect(body.accepts).toMatchObject([{ asset: usdc.asset }])
    expect(encodeChallenge('payment_required', INFO, [offer], QUOTE, null).body.accepts).toEqual([])
  })

  test('what a facilitator is sent is what was signed, and no extension', async () => {
    const payment = await paymentOf()
    const { payer, transfer } = payment
    const sent = envelope({ payer, transfer, offer, bought: null })
    expect(Object.keys(sent.paymentPayload)).toEqual(['x402Version', 'accepted', 'payload'])
    expect(sent.paymentRequirements.extra).toEqual({ assetTransferMethod: 'permit2' })
    const again = decode({ ...sent.paymentPayload, extensions: { eip2612GasSponsoring: { info: {} } } })
    expect(again).toEqual({ ok: true, value: { ...payment, accepted: { ...payment.accepted } } })
  })

  describe('malformed', async () => {
    const good = payloadOf(signedOf(await paymentOf()))
    const authorization = 'permit2Authorization' in good ? good.permit2Authorization : null
    const accepted = { scheme: 'exact', network: NETWORK, amount: '50000', asset: token.asset, payTo: PAY_TO }
    const read = (payload: unknown) => decode({ x402Version: 2, accepted, payload })
    const withField = (field: object) => ({ ...good, permit2Authorization: { ...authorization, ...field } })
    test.each<[string, unknown]>([
      ['a dummy authorization beside it', { ...good, authorization: {} }],
      ['a transaction beside it', { ...good, transaction: 'AA==' }],
      ['no signature', { permit2Authorization: authorization }],
      ['an empty signature', { ...good, signature: '0x' }],
      ['half a byte', { ...good, signature: '0xabc' }],
      ['a field that nobody knows', withField({ extra: '0x' })],
      ['a nonce with a leading zero', withField({ nonce: '01' })],
      ['a nonce in hex', withField({ nonce: '0x1' })],
      ['a nonce as a number', withField({ nonce: 1 })],
      ['a nonce beyond 256 bits', withField({ nonce: (LARGEST + 1n).toString() })],
      ['a negative nonce', withField({ nonce: '-1' })],
      ['a deadline with a sign', withField({ deadline: '+1' })],
      ['an amount with spaces', withField({ permitted: { token: token.asset, amount: ' 50000' } })],
      ['a second token', withField({ permitted: { token: token.asset, amount: '50000', asset: token.asset } })],
      ['several tokens', withField({ permitted: [{ token: token.asset, amount: '50000' }] })],
      ['a witness of upto', withField({ witness: { to: PAY_TO, facilitator: PAY_TO, validAfter: '0' } })],
      ['no witness', withField({ witness: undefined })],
      ['a spender that is no address', withField({ spender: '0x1' })],
    ])('%s', (_, payload) => {
      expect(read(good).ok).toBe(true)
      expect(read(payload)).toMatchObject({ ok: false, error: { code: 'invalid_payload' } })
    })
  })
})

describe('the proof', () => {
  test('is of the very digest that Permit2 makes, and its key knows neither token nor signature', async () => {
    const { domain } = permitTypedData(permit, NETWORK)
    expect(domain).toEqual({ name: 'Permit2', chainId: 137, verifyingContract: PERMIT2 })
    const theirs = { ...permitTypedData(permit, NETWORK), types: permit2WitnessTypes }
    expect(hashTypedData(permitTypedData(permit, NETWORK))).toBe(hashTypedData(theirs))
    expect([PERMIT2, EXACT_PROXY]).toEqual([lower(PERMIT2_ADDRESS), lower(x402ExactPermit2ProxyAddress)])
    const key = `permit2|137|${lower(reader.address)}|${LARGEST}`
    expect(permitKey(permit, NETWORK)).toBe(key)
    expect(await verify(await paymentOf())).toEqual({ kind: 'proven', key, offer, objection: null })
    expect(permitKey({ ...permit, asset: STRANGER, value: 1n, to: STRANGER }, NETWORK)).toBe(key)
    expect(permitKey({ ...permit, nonce: 0n }, NETWORK)).not.toBe(key)
    expect(permitKey(permit, 'eip155:1')).not.toBe(key)
    expect(permitKey({ ...permit, from: STRANGER }, NETWORK)).not.toBe(key)
  })

  test.each<[string, Partial<Permit>, string]>([
    ['another spender', { spender: STRANGER }, 'invalid_permit2_spender'],
    ['the proxy of upto', { spender: '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002' }, 'invalid_permit2_spender'],
    ['another payee', { to: STRANGER }, 'invalid_permit2_recipient_mismatch'],
    ['another token', { asset: STRANGER }, 'permit2_token_mismatch'],
    ['a token that is paid otherwise', { asset: lower(usdc.asset) }, 'permit2_token_mismatch'],
    ['a unit more', { value: 50_001n }, 'permit2_amount_mismatch'],
    ['a unit less', { value: 49_999n }, 'permit2_amount_mismatch'],
    ['nothing', { value: 0n }, 'permit2_amount_mismatch'],
    ['a deadline that is past', { deadline: BigInt(NOW - 1) }, 'permit2_deadline_expired'],
    ['a deadline too near to settle', { deadline: BigInt(NOW + 7) }, 'permit2_deadline_expired'],
    ['a deadline without end', { deadline: LARGEST }, 'permit2_deadline_expired'],
    ['a beginning to come', { validAfter: BigInt(NOW + 1) }, 'permit2_not_yet_valid'],
  ])('%s is an objection, though it is well signed', async (_, change, objection) => {
    expect(await verify(await paymentOf(change))).toMatchObject({ kind: 'proven', objection })
  })

  test('where nothing is sold by Permit2, it buys nothing', async () => {
    const other: Offer = { ...offer, asset: usdc.asset, transfer: { kind: 'eip3009', name: 'USD Coin', version: '2' } }
    const offers = [[], [other], [{ ...offer, network: 'eip155:1' }]]
    for (const sold of offers) {
      expect(await verify(await paymentOf(), sold)).toMatchObject({ objection: 'invalid_payment_requirements' })
    }
    const elsewhere = await paymentOf({}, { network: ASSETS.find(({ kind }) => kind === 'svm')?.network ?? '' })
    expect(await verify(elsewhere)).toMatchObject({ kind: 'refused', objection: 'invalid_payment_requirements' })
  })

  test('terms that name another token than the permit are refused', async () => {
    const accepted = { amount: 50_000n, asset: usdc.asset, payTo: PAY_TO, resource: null }
    expect(await verify(await paymentOf({}, { accepted }))).toMatchObject({ objection: 'permit2_token_mismatch' })
  })

  test('a signature that is not the one of this payer’s key proves nothing', async () => {
    const payment = await paymentOf()
    const { signature } = signedOf(payment)
    const s = BigInt(`0x${signature.slice(66, 130)}`)
    const flipped = signature.endsWith('1b') ? '1c' : '1b'
    const malleable: `0x${string}` = `0x${signature.slice(2, 66)}${(ORDER - s).toString(16).padStart(64, '0')}${flipped}`
    const others: [string, `0x${string}`][] = [
      ['the same with a high s', malleable],
      ['another recovery id', `0x${signature.slice(2, -2)}${flipped}`],
      ['a recovery id of 0', `0x${signature.slice(2, -2)}00`],
      ['a byte more', `${signature}00`],
      ['64 bytes (EIP-2098)', `0x${signature.slice(2, 130)}`],
      ['zeros', `0x${'00'.repeat(65)}`],
      ['of another chain', await sign(permit, 'eip155:1')],
      ['of another amount', await sign({ ...permit, value: 1n })],
      ['of another payee', await sign({ ...permit, to: STRANGER })],
      ['of another nonce', await sign({ ...permit, nonce: 1n })],
    ]
    const proven = await verify(payment)
    for (const [what, forged] of others) {
      const transfer = { ...signedOf(payment), signature: forged }
      const found = await verify({ ...payment, transfer })
      // The key is the same: whatever proves it, it is one payment.
      expect([what, found.kind, found.key]).toEqual([what, 'unproven', proven.key])
    }
    const stranger = await verify(await paymentOf({ from: STRANGER }))
    expect(stranger.kind).toBe('unproven')
  })
})

describe('what facilitators say', async () => {
  const { payer, transfer } = await paymentOf()
  const payment = { payer, transfer, offer, bought: null }
  const reply = (json: unknown, status = 200) => ({ status, json, retryAfterSeconds: null })
  const settled = (errorReason: string, transaction = '') =>
    readSettlement(reply({ success: false, errorReason, transaction, network: NETWORK, payer }), payment)
  const verified = (invalidReason: string) => readVerification(reply({ isValid: false, invalidReason, payer }), payment)

  test.each([
    ['permit2_allowance_required', 'permit2_allowance_required'],
    ['invalid_exact_evm_permit2_payload_allowance_required', 'permit2_allowance_required'],
    ['permit2_insufficient_balance', 'insufficient_funds'],
    ['invalid_permit2_signature', 'invalid_permit2_signature'],
    ['invalid_exact_evm_permit2_payload_signature', 'invalid_permit2_signature'],
    ['invalid_exact_evm_permit2_payload_spender', 'invalid_permit2_spender'],
    ['invalid_exact_evm_permit2_payload_recipient', 'invalid_permit2_recipient_mismatch'],
    ['invalid_exact_evm_permit2_payload_amount', 'permit2_amount_mismatch'],
    ['permit2_deadline_expired', 'permit2_deadline_expired'],
    ['permit2_payment_too_early', 'permit2_not_yet_valid'],
    ['permit2_token_mismatch', 'permit2_token_mismatch'],
    ['permit2_proxy_not_deployed', 'unexpected_settle_error'],
    ['permit2_invalid_owner', 'unexpected_settle_error'],
    ['permit2_disabled', 'unexpected_settle_error'],
  ])('%s refuses for sure: %s', async (word, reason) => {
    expect(await settled(word)).toEqual({ kind: 'refused', reason })
    expect(verified(word)).toEqual({ kind: 'refused', reason })
    // Whatever it says, what it has sent may land.
    const named = await settled(word, `0x${'ab'.repeat(32)}`)
    expect(named).toMatchObject({ kind: 'failed', transaction: `0x${'ab'.repeat(32)}` })
  })

  test.each([
    ['permit2_invalid_nonce', { kind: 'nonce_used' }],
    ['permit2_simulation_failed', { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' }],
    [
      'invalid_exact_evm_transaction_failed: the contract function "settle" reverted',
      { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
    ],
    ['settlement_pending', { kind: 'pending', transaction: '' }],
    ['permit2_whatever_comes', { kind: 'unknown' }],
  ])('%s is no refusal', async (word, said) => {
    expect(await settled(word)).toEqual(said)
  })

  test('without an approval the answer is 412, which tells what to do', () => {
    expect(publicError('permit2_allowance_required')).toMatchObject({ status: 412, isReported: true, blame: 'counted' })
    expect(publicError('permit2_allowance_required').message).toMatch(/Approve it, then send the same payment again/)
  })
})

describe('its row', async () => {
  const payment = await paymentOf()
  const claim = {
    key: permitKey(permit, NETWORK),
    owner: 'key' as const,
    payment,
    offer,
    signatureHash: 'a hash',
    seenBlock: 7,
    resource: { site: 'https://news.example', method: 'GET', path: '/a', id: '/a' },
    scope: '=/a',
    accessSeconds: 0,
  }
  const row = claimRow(claim, CLAIMED, NOW)

  test('keeps all that was signed, to the last digit', () => {
    expect(JSON.parse(row.terms).permit.nonce).toBe(LARGEST.toString())
    expect(row.validBeforeSeconds).toBe(NOW + 300)
    expect(termsOf(row)).toMatchObject({ asset: token.asset, domain: null, isSigned: true, facilitator: null })
    expect(termsOf(row).transfer).toEqual(payment.transfer)
    expect(subjectOf(row)).toEqual({ kind: 'permit2', permit })
    expect(signedPaymentOf(row)).toMatchObject({ payer: payment.payer, transfer: payment.transfer, offer })
  })

  test.each<[Truth, Status, string | null]>([
    [{ kind: 'expired', reason: 'permit2_deadline_expired' }, 'refused', 'permit2_deadline_expired'],
    [{ kind: 'used_before' }, 'void', null],
    [{ kind: 'unclear', why: 'strange logs' }, 'unknown', null],
    [{ kind: 'unclear', why: 'searching' }, 'unknown', null],
    [{ kind: 'unreachable' }, 'unknown', null],
    [{ kind: 'unused', pinnedSeconds: NOW, reverted: null }, 'unknown', null],
  ])('after a lost reply, and %o: %s', (truth, status, reason) => {
    const lost = { ...row, state: { ...CLAIMED, status: 'unknown' as const, sent: 1, doubt: 1 } }
    const { state } = withLooked(lost, { truth, seenBlock: 7, search: null }, NOW + 400, true)
    expect([state.status, state.reason]).toEqual([status, reason])
  })

  test('without an approval it is refused, and may be sent again', () => {
    const sent = step(row.state, { kind: 'send' })
    const reply = { kind: 'refused', reason: 'permit2_allowance_required' } as const
    const refused = step(sent, { kind: 'reply', reply, nowSeconds: NOW })
    expect([refused.status, refused.reason, maySend(refused)]).toEqual(['refused', 'permit2_allowance_required', true])
    expect(readRow({ seq: 1, ...writeRow(withState(row, refused, NOW)) }).state).toEqual(refused)
  })

  test('keeps no signature once it is settled, and is in the ledger as others', () => {
    const state = { ...CLAIMED, status: 'settled' as const, sent: 1, transaction: `0x${'ab'.repeat(32)}`, position: 3 }
    const settled = withState(row, state, NOW)
    expect(settled.terms).not.toContain(signedOf(payment).signature)
    expect(signedPaymentOf(settled)).toBeNull()
    expect(termsOf(settled).transfer).toMatchObject({ kind: 'permit2', permit })
    expect(ledgerRowOf(settled, tokens)).toMatchObject({
      network: NETWORK,
      asset: token.asset,
      amount: 50_000n,
      payer: permit.from,
      position: 3,
      token: { symbol: 'PEUR', currency: 'EUR', decimals: 6 },
    })
  })

  test('is in the ledger as it was sold, whatever the settings say by then; an older row as they say', () => {
    const state = { ...CLAIMED, status: 'settled' as const, sent: 1, transaction: `0x${'ab'.repeat(32)}`, position: 3 }
    const sold = { symbol: 'PEUR', currency: 'EUR', decimals: 18 }
    const fine = tokens.map((known) => ({ ...known, decimals: 18 }))
    const named = withState(claimRow(claim, CLAIMED, NOW, fine), state, NOW)
    expect(ledgerRowOf(named, []).token).toEqual(sold)
    expect(ledgerRowOf(named, tokens).token).toEqual(sold)
    expect(ledgerRowOf(withState(row, state, NOW), fine).token).toEqual(sold)
    const older = { ...named, terms: named.terms.replace(',"decimals":18', '') }
    expect(ledgerRowOf(older, fine).token).toEqual({ ...sold, decimals: 6 })
    expect(ledgerRowOf(withState(row, state, NOW), []).token).toBeNull()
  })
})

describe('the page', () => {
  const sale = (...currencies: ('USD' | 'EUR')[]): Sale => {
    const [first = 'EUR', ...others] = currencies
    const amountIn = (currency: 'USD' | 'EUR') => ({ currency, micros: 50_000n })
    return {
      name: null,
      amounts: [amountIn(first), ...others.map(amountIn)],
      accessSeconds: 0,
      scope: null,
      text: null,
    }
  }
  const pageOf = async (lang: string, offers: Sale[]) => {
    const { html } = await paywallPage({
      brand: NO_BRAND,
      strings: await stringsFor(null, lang),
      title: 'Tides',
      description: '',
      teaser: null,
      kind: 'read',
      refused: { code: 'payment_required' },
      offers,
      networks: [token],
      tokens,
      resourceUrl: 'https://news.example/a',
      origin: 'https://news.example',
      challenge: 'a challenge',
    })
    return html
  }

  test.each([
    ['en', 'PEUR is for programs: it takes an x402 v2 client, and a wallet that has approved Permit2 for it.'],
    ['de', 'PEUR ist für Programme'],
    ['es', 'PEUR es para programas'],
  ])('in %s says that it cannot pay by Permit2, and with what it can be done', async (lang, said) => {
    expect(await pageOf(lang, [sale('EUR')])).toContain(said)
    expect(await pageOf(lang, [sale('USD', 'EUR')])).toContain(said)
    expect(await pageOf(lang, [sale('USD')])).not.toContain('Permit2')
  })
})
