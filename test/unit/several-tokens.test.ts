// A payment on a network with several tokens: which of them was signed for, whatever is on sale today. Pure.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { TRANSFER_WITH_AUTHORIZATION } from '../../src/networks/evm.ts'
import { type Bond, verifyPayment } from '../../src/networks/network.ts'
import { stringsFor } from '../../src/pages/strings/strings.ts'
import { ASSETS, type Asset, chainIdOf, type Eip3009Asset } from '../../src/x402/assets.ts'
import { type Offer, offerOf, type Payment } from '../../src/x402/payment.ts'

const NOW = 1_800_000_000
const NETWORK = 'eip155:8453'
const PAY_TO = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const reader = privateKeyToAccount(generatePrivateKey())

const tokenOf = (symbol: string): Eip3009Asset => {
  const found = ASSETS.find((asset) => asset.network === NETWORK && asset.symbol === symbol)
  if (found?.kind !== 'eip3009') throw new Error(`the table has no ${symbol} on Base`)
  return found
}
const usdc = tokenOf('USDC')
const eurc = tokenOf('EURC')
/** One of `ASSETS` in the settings. */
const further: Eip3009Asset = {
  ...usdc,
  asset: '0x00000000000000000000000000000000000000aa',
  symbol: 'XUSD',
  eip712: { name: 'X Dollar', version: '1' },
}

const offerIn = (asset: Eip3009Asset, amount: bigint): Offer =>
  offerOf(
    { asset, payTo: PAY_TO, transfer: { kind: 'eip3009', ...asset.eip712 } },
    { amount, name: null, accessSeconds: 0, scope: null, flow: 'authorization' },
  )

const bond = (tokens: readonly Asset[] = ASSETS): Bond => ({ context: '', keys: [], facilitators: [], tokens })

async function paymentIn(asset: Eip3009Asset, amount: bigint, x402Version: 1 | 2): Promise<Payment> {
  const authorization = {
    from: `0x${reader.address.slice(2).toLowerCase()}`,
    to: `0x${PAY_TO.slice(2).toLowerCase()}`,
    value: amount,
    validAfter: 0n,
    validBefore: BigInt(NOW + 300),
    nonce: `0x${'7'.repeat(64)}`,
  } as const
  const signature = await reader.signTypedData({
    domain: { ...asset.eip712, chainId: chainIdOf(NETWORK), verifyingContract: asset.asset },
    types: TRANSFER_WITH_AUTHORIZATION,
    primaryType: 'TransferWithAuthorization',
    message: authorization,
  })
  return {
    x402Version,
    scheme: 'exact',
    network: NETWORK,
    payer: authorization.from,
    transfer: { kind: 'eip3009', authorization, signature },
    accepted: x402Version === 1 ? null : { amount, asset: asset.asset, payTo: PAY_TO, resource: null },
    identifier: null,
    quote: null,
    answering: null,
  }
}

/** The payment with a signature that no key has made, as contract wallets sign. */
const byCode = (payment: Payment): Payment => {
  if (payment.transfer.kind !== 'eip3009') throw new Error('it is no payment on EVM')
  return { ...payment, transfer: { ...payment.transfer, signature: '0x1234' } }
}

async function verify(payment: Payment, offers: readonly Offer[], tokens?: readonly Asset[]) {
  const found = await verifyPayment(payment, offers, bond(tokens), NOW)
  if (!found.ok) return { kind: 'refused', key: '', keys: [], asset: null, objection: found.error.code }
  const { value } = found
  const { kind, objection } = value
  const { key, offer } = value.kind === 'proven' ? value.verified : value
  const keys = value.kind === 'proven' ? [key] : [value, ...value.others].map((reading) => reading.key)
  return { kind, key, keys, asset: offer?.asset ?? null, objection: objection?.code ?? null }
}

describe.each([1, 2] as const)('x402 v%s', (version) => {
  test('the same number in two currencies: what was signed for is what is paid', async () => {
    const both = [offerIn(usdc, 50_000n), offerIn(eurc, 50_000n)]
    for (const token of [usdc, eurc]) {
      expect(await verify(await paymentIn(token, 50_000n, version), both)).toMatchObject({
        kind: 'proven',
        asset: token.asset,
        objection: null,
      })
    }
  })

  test('the lower number of one currency buys nothing in the other', async () => {
    const both = [offerIn(usdc, 50_000n), offerIn(eurc, 40_000n)]
    const found = await verify(await paymentIn(usdc, 40_000n, version), both)
    expect(found).toMatchObject({ kind: 'proven', asset: null })
    expect(found.objection).not.toBeNull()
    const onlyEuros = await verify(await paymentIn(usdc, 40_000n, version), [offerIn(eurc, 40_000n)])
    expect(onlyEuros).toMatchObject({ asset: null, objection: 'invalid_payment_requirements' })
  })
})

test('v2 that names one token and is signed for another is proven for neither', async () => {
  const signed = await paymentIn(usdc, 50_000n, 2)
  const named = await paymentIn(eurc, 50_000n, 2)
  const both = [offerIn(usdc, 50_000n), offerIn(eurc, 50_000n)]
  expect(await verify({ ...signed, accepted: named.accepted }, both)).toMatchObject({ kind: 'unproven' })
})

describe('what was paid in a token that is no longer in the settings', () => {
  test('has the key it had, and buys nothing anew', async () => {
    const payment = await paymentIn(further, 50_000n, 2)
    const before = await verify(payment, [offerIn(further, 50_000n)], [...ASSETS, further])
    expect(before).toMatchObject({ kind: 'proven', objection: null })
    const today = await verify(payment, [offerIn(usdc, 50_000n)])
    expect(today.key).toBe(before.key)
    // Nobody here knows its domain: an earlier proof of the same signature recognises it.
    expect(today).toMatchObject({ kind: 'unproven', asset: null, objection: 'invalid_payment_requirements' })
  })
})

describe('a contract wallet’s payment of v1, which names no token,', () => {
  test('may be for each of them: the one that has this price first', async () => {
    const payment = byCode(await paymentIn(eurc, 40_000n, 1))
    const [inEuros] = (await verify(await paymentIn(eurc, 40_000n, 1), [])).keys
    const both = await verify(payment, [offerIn(usdc, 50_000n), offerIn(eurc, 40_000n)])
    expect(both).toMatchObject({ kind: 'unproven', key: inEuros, asset: eurc.asset, objection: null })
    // The euros are dearer by now, or no longer taken: what was paid has to be found all the same.
    const later = await verify(payment, [offerIn(usdc, 40_000n)])
    expect(later.keys).toContain(inEuros)
    expect(later.keys).toHaveLength(2)
  })

  test('is for one of them where v2 names it', async () => {
    const found = await verify(byCode(await paymentIn(eurc, 40_000n, 2)), [offerIn(eurc, 40_000n)])
    expect(found).toMatchObject({ kind: 'unproven', keys: [found.key], asset: eurc.asset, objection: null })
  })
})

test.each(['en', 'de', 'es'])('in %s, what a wallet lacks is called by its own token', async (lang) => {
  const { tooLittle } = (await stringsFor(null, lang)).checkout
  expect(tooLittle).toContain('{missing} {token}')
  expect(tooLittle).not.toMatch(/USDC|EURC/)
})
