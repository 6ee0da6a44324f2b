// The reference client pays through the reference facilitator on the local Solana, with a challenge that no site made.
import { describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { type Facilitator, startFacilitator } from '../../dev/stack/facilitator.ts'
import type { SolanaPart } from '../../dev/stack/solana/facilitator.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { LIGHTHOUSE, SOLANA_EURC, SOLANA_USDC, type Solana } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { Answer, decodeHeader } from '../world/answer.ts'
import { HEADERS, termsOf, VERSIONS, type Version } from '../world/payer.ts'
import { solanaBehaviours } from '../world/solana-behaviour.ts'
import { startBareSolana } from '../world/solana-node.ts'
import { arrivals, landSilently } from '../world/solana-on-chain.ts'
import {
  paymentOf,
  paySolana,
  type SolanaChange,
  signSolana,
  solanaChallenge,
  solanaReader,
  solanaTerms,
} from '../world/solana-payer.ts'
import { stockSolanaHeader, stockSolanaPayment } from '../world/solana-stock.ts'
import { startSolanaStack } from '../world/stack.ts'

const PRICE = 50_000n
const { publisher } = solanaWallets
const TERMS = solanaTerms(PRICE, 'quote 1')

const settlement = z.looseObject({ success: z.boolean(), transaction: z.string(), errorReason: z.string().optional() })

async function facilitatorOf(chain: Solana, memory: SolanaPart['memory'] = 'shared'): Promise<Facilitator> {
  const facilitator = await startFacilitator({ solana: { rpcUrl: chain.rpcUrl, memory } })
  onTestFinished(facilitator.stop)
  return facilitator
}

/** Asks a facilitator to settle what was paid, by the terms of the challenge. */
async function settle(facilitator: Facilitator, version: Version, paymentPayload: unknown, terms = TERMS) {
  const body = JSON.stringify({
    x402Version: version === 'v1' ? 1 : 2,
    paymentPayload,
    paymentRequirements: terms[version].accepts[0],
  })
  const response = await fetch(`${facilitator.url}/settle`, { method: 'POST', body })
  return settlement.parse(await response.json())
}

/** The challenge as the stock client takes it. */
const asRequired = (version: Version) =>
  z.custom<Parameters<typeof stockSolanaPayment>[0]>((json) => typeof json === 'object').parse(TERMS[version])

describe.each(VERSIONS)('the facilitator, %s', (version) => {
  const network = version === 'v1' ? 'solana-devnet' : 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'

  test('lists Solana with both fee payers', async () => {
    const { chain } = await startBareSolana()
    const { url } = await facilitatorOf(chain)
    const feePayers = solanaWallets.feePayers.map(({ address }) => address)
    const supported = z
      .object({
        kinds: z.array(
          z.object({ x402Version: z.number(), network: z.string(), extra: z.object({ feePayer: z.string() }) }),
        ),
        signers: z.record(z.string(), z.array(z.string())),
      })
      .parse(await (await fetch(`${url}/supported`)).json())
    expect(supported.signers).toEqual({ 'solana:*': feePayers })
    const kind = supported.kinds.find(({ x402Version }) => x402Version === (version === 'v1' ? 1 : 2))
    expect(kind?.network).toBe(network)
    expect(feePayers).toContain(kind?.extra.feePayer)
  })

  test('the stock client pays through it, given only a challenge and the address of the node', async () => {
    const { chain, reader } = await startBareSolana()
    const facilitator = await facilitatorOf(chain)
    const payment = await stockSolanaPayment(asRequired(version), reader, chain.rpcUrl)
    const settled = await settle(facilitator, version, payment)
    expect(settled).toMatchObject({ success: true, network, payer: reader.address })
    expect(await arrivals(chain, publisher.address)).toEqual([
      {
        signature: settled.transaction,
        slot: chain.clock.slot(),
        amount: PRICE,
        from: [reader.address],
        memo: '[7] quote 1',
      },
    ])
    expect(await chain.balance(reader.address)).toBe(1_000_000n - PRICE)
  })

  test.each(['legacy', 0] as const)('takes a payment written by hand, as a message of version %s', async (message) => {
    const { chain, reader } = await startBareSolana()
    const facilitator = await facilitatorOf(chain)
    const transaction = await signSolana(chain, TERMS, reader, { message })
    expect(await settle(facilitator, version, paymentOf(version, TERMS, transaction))).toMatchObject({ success: true })
    expect(await chain.balance(publisher.address)).toBe(PRICE)
  })

  test.each([
    ['shared', { success: false, errorReason: 'duplicate_settlement', transaction: '' }],
    ['none', { success: true }],
  ] as const)('asked twice, with memory "%s"', async (memory, again) => {
    const { chain, reader } = await startBareSolana()
    const facilitator = await facilitatorOf(chain, memory)
    const payment = paymentOf(version, TERMS, await signSolana(chain, TERMS, reader))
    const first = await settle(facilitator, version, payment)
    expect(first).toMatchObject({ success: true })
    const second = await settle(facilitator, version, payment)
    expect(second).toMatchObject(again)
    if (second.success) expect(second.transaction).toBe(first.transaction)
    expect(await chain.balance(publisher.address)).toBe(PRICE)
  })

  test('asked for what it has put on the chain itself, and has forgotten: the simulation fails', async () => {
    const { chain, reader } = await startBareSolana()
    const transaction = await signSolana(chain, TERMS, reader)
    expect(landSilently(chain, transaction)).toBeNull()
    const refused = await settle(await facilitatorOf(chain), version, paymentOf(version, TERMS, transaction))
    expect(refused.errorReason).toMatch(/transaction_simulation_failed$/)
    expect(await chain.balance(publisher.address)).toBe(PRICE)
  })

  test.each<[string, SolanaChange, RegExp]>([
    ['less than the price', { amount: PRICE - 1n }, /amount_mismatch$/],
    ['more than the price', { amount: PRICE + 1n }, /amount_mismatch$/],
    ['euros', { mint: SOLANA_EURC }, /mint_mismatch$/],
    ['another memo', { memo: 'quote 2' }, /memo_mismatch$/],
    ['no memo', { memo: null }, /memo_count$/],
    ['nobody’s signature', { signers: [] }, /signature/],
    [
      'more money than there is',
      { signers: [solanaWallets.alice], authority: solanaWallets.alice.address },
      /simulation_failed$/,
    ],
    ['too dear a fee', { unitPrice: 5_000_001n }, /price_instruction_too_high$/],
  ])('refuses %s, and nothing moves', async (_, change, reason) => {
    const { chain, reader } = await startBareSolana()
    for (const mint of [SOLANA_USDC, SOLANA_EURC]) await chain.fund(publisher.address, 0n, mint)
    await chain.fund(reader.address, 1_000_000n, SOLANA_EURC)
    const payment = paymentOf(version, TERMS, await signSolana(chain, TERMS, reader, change))
    const refused = await settle(await facilitatorOf(chain), version, payment)
    expect(refused).toMatchObject({ success: false, transaction: '' })
    expect(refused.errorReason).toMatch(reason)
    expect(chain.ledger.landed).toEqual([])
  })

  test('takes an instruction of Lighthouse where something stands in for it', async () => {
    const guard = { program: LIGHTHOUSE, data: Uint8Array.of(1, 255) }
    const instructions: SolanaChange['instructions'] = ([limit, price, transfer, memo]) =>
      [limit, price, transfer, guard, memo].flatMap((one) => (one ? [one] : []))
    for (const [lighthouse, success] of [
      [false, false],
      [true, true],
    ] as const) {
      const { chain, reader } = await startBareSolana({ lighthouse })
      const payment = paymentOf(version, TERMS, await signSolana(chain, TERMS, reader, { instructions }))
      expect(await settle(await facilitatorOf(chain), version, payment)).toMatchObject({ success })
      expect(await chain.balance(publisher.address)).toBe(success ? PRICE : 0n)
    }
  })

  test('is paid by header for the offer on Solana, where an offer on an EVM chain stands in front', async () => {
    const { chain, reader } = await startBareSolana()
    const facilitator = await facilitatorOf(chain)
    const { amount, ...evm } = termsOf(PRICE)
    const v1 = {
      ...TERMS.v1,
      accepts: [{ ...evm, network: 'base-sepolia', maxAmountRequired: amount }, ...TERMS.v1.accepts],
    }
    const v2 = { ...TERMS.v2, accepts: [termsOf(PRICE), ...TERMS.v2.accepts] }
    const required = Buffer.from(JSON.stringify(v2)).toString('base64')
    const answer = new Answer(402, new Headers({ 'PAYMENT-REQUIRED': required }), Buffer.from(JSON.stringify(v1)))
    const challenge = solanaChallenge(answer)
    expect(challenge).toEqual(TERMS)
    for (const headers of [
      await stockSolanaHeader(version, answer, reader, chain.rpcUrl),
      await paySolana(version, chain, challenge, reader, { unitLimit: 30_000 }),
    ]) {
      const payment = decodeHeader(headers[HEADERS[version]] ?? '')
      expect(await settle(facilitator, version, payment)).toMatchObject({ success: true })
    }
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
  })

  test('loses its answer for one payer alone, after it has settled', async () => {
    const { chain, reader } = await startBareSolana()
    const other = await solanaReader(chain)
    const facilitator = await facilitatorOf(chain)
    const { hook, set, calls } = solanaBehaviours()
    facilitator.setHook(hook)
    set(reader.address, async (proceed) => {
      await proceed()
      return 'drop'
    })
    const payment = paymentOf(version, TERMS, await signSolana(chain, TERMS, reader))
    await expect(settle(facilitator, version, payment)).rejects.toThrow()
    expect((await arrivals(chain, publisher.address)).map(({ from }) => from)).toEqual([[reader.address]])
    const theirs = paymentOf(version, TERMS, await signSolana(chain, TERMS, other))
    expect(await settle(facilitator, version, theirs)).toMatchObject({ success: true })
    expect([calls(reader.address), calls(other.address)]).toEqual([['/settle'], ['/settle']])
    // Asked again it knows the payment, and does not say that it is paid.
    set(reader.address, null)
    expect(await settle(facilitator, version, payment)).toMatchObject({ errorReason: 'duplicate_settlement' })
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
  })
})

test('one facilitator serves both chains beside each other', async () => {
  const { chain, solana, facilitator, stop } = await startSolanaStack()
  onTestFinished(stop)
  const supported = z
    .object({ kinds: z.array(z.object({ network: z.string() })) })
    .parse(await (await fetch(`${facilitator.url}/supported`)).json())
  expect(supported.kinds.map(({ network }) => network).sort()).toEqual([
    'base-sepolia',
    'eip155:84532',
    'solana-devnet',
    'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  ])
  expect([await chain.balance(wallets.publisher.address), await solana.balance(publisher.address)]).toEqual([0n, 0n])
})
