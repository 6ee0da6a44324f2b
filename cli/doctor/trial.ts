// A payment that can never be settled, for each facilitator to judge: of the cheapest thing on sale, signed by a fresh key without
// money.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import * as z from 'zod'
import type { Config } from '../../src/config.ts'
import { envelope } from '../../src/facilitator.ts'
import type { Facilitator } from '../../src/facilitators.ts'
import type { Keyring } from '../../src/keyring.ts'
import { TRANSFER_WITH_AUTHORIZATION } from '../../src/networks/evm.ts'
import { amountIn, formatPrice, type Price, unitsOf } from '../../src/policy/rules.ts'
import { KEY_REFUSED, readVerification, type SignedPayment } from '../../src/replies.ts'
import {
  type Asset,
  type Currency,
  chainIdOf,
  type Eip3009Asset,
  type Network,
  namespaceOf,
  type SvmAsset,
} from '../../src/x402/assets.ts'
import { isSolanaAddress } from '../../src/x402/base58.ts'
import { type Authorization, type Offer, offerOf, type Way } from '../../src/x402/payment.ts'
import { askFacilitator, keyRefused, LIMIT, plain } from './ask-facilitator.ts'
import { jsonIn, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'
import { emptySolanaPayment, latestBlockhash } from './solana-trial.ts'
import { evmTokensSold, mintsSold } from './tokens.ts'

/** Who is asked about a payment that can never be settled. */
type Trial = {
  facilitator: Facilitator
  config: Config
  at: string
  keyring: Keyring
  surroundings: Surroundings
}

/** One trial for each token that is sold in on these networks. `feePayers`: on Solana, by network, whose key pays the fee. */
export async function trialFindings(
  trial: Trial,
  networks: readonly Network[],
  feePayers: ReadonlyMap<string, string | undefined>,
): Promise<Finding[]> {
  const isThere = (asset: Asset) => networks.some(({ network }) => network === asset.network)
  const each = await Promise.all([
    ...evmTokensSold(trial.config)
      .flat()
      .filter(isThere)
      .map(async (asset) => dryVerification(trial, await emptyOn(asset, trial))),
    ...mintsSold(trial.config)
      .filter(isThere)
      .map(async (asset) => dryVerification(trial, await emptyOnSolana(asset, feePayers.get(asset.network), trial))),
  ])
  return each.flat()
}

const said = z.object({ isValid: z.boolean(), invalidReason: z.string().nullish() })

/** How facilitators say that a wallet is empty; the second has tried the transfer, and does not say why it fails. */
const EMPTY = /insufficient|simulation_failed/
const POLICY = /kyt|blocked/

/** The offer of the cheapest thing on sale in a token; null where nothing is. */
function cheapestOffer(way: Way & { asset: Asset }, config: Config): Offer | null {
  const cheapest = cheapestOf(config, way.asset.currency)
  // What a token cannot pay exactly is no configuration.
  const amount = cheapest && unitsOf(cheapest.micros, way.asset)
  return amount === null
    ? null
    : offerOf(way, { amount, name: null, accessSeconds: 0, scope: null, flow: 'authorization' })
}

type Empty = { asset: Asset; payment: SignedPayment } | null

async function emptyOn(asset: Eip3009Asset, { config, surroundings }: Trial): Promise<Empty> {
  const way = { asset, payTo: config.payTo.eip155 ?? '', transfer: { kind: 'eip3009' as const, ...asset.eip712 } }
  const offer = cheapestOffer(way, config)
  return offer && { asset, payment: await emptyPayment(offer, asset, Math.floor(surroundings.nowMs() / 1000)) }
}

/** Null as well where nobody pays the fee, or the chain tells no blockhash: that is said elsewhere. */
async function emptyOnSolana(
  asset: SvmAsset,
  feePayer: string | undefined,
  { facilitator, config, surroundings }: Trial,
): Promise<Empty> {
  const blockhash = await latestBlockhash(config.rpcUrls[asset.network] ?? asset.rpcUrl, surroundings)
  if (feePayer === undefined || !isSolanaAddress(feePayer) || blockhash === null) return null
  const transfer = { kind: 'svm', feePayer, facilitator: facilitator.url } as const
  const offer = cheapestOffer({ asset, payTo: config.payTo.solana ?? '', transfer }, config)
  return offer && { asset, payment: await emptySolanaPayment(offer, asset, feePayer, blockhash) }
}

/** Asks about the cheapest thing on sale, paid by a wallet that nobody has seen and that holds nothing. */
async function dryVerification(
  { facilitator, config, at, keyring, surroundings }: Trial,
  empty: Empty,
): Promise<Finding[]> {
  const host = hostOf(facilitator.url)
  if (empty === null) return []
  const { asset, payment } = empty
  const cheapest = cheapestOf(config, asset.currency)
  if (cheapest === null) return []
  const reply = await askFacilitator(facilitator, '/verify', envelope(payment), keyring, surroundings)
  const trial = `a trial payment in ${asset.symbol} on ${asset.name}`
  if (reply === null) return [notChecked(at, `${host} did not answer ${trial} ${LIMIT}; run doctor again`)]
  if (KEY_REFUSED.has(reply.status)) return [keyRefused(facilitator.auth, at, host, reply.status)]
  const json = jsonIn(reply.text)
  const verdict = said.safeParse(json).data
  if (!verdict)
    return [notChecked(at, `${host} answered ${reply.status} to ${trial}, with no verdict; run doctor again`)]
  if (verdict.isValid) {
    const advice = 'name one that looks, or expect refusals only when a payment is settled'
    return [warning(at, `${host} calls ${trial} good although the wallet is empty; ${advice}`)]
  }
  const word = verdict.invalidReason ?? ''
  if (EMPTY.test(word)) return []
  const meaning = readVerification({ status: reply.status, json, retryAfterSeconds: null }, payment)
  const reason = meaning?.kind === 'refused' ? meaning.reason : null
  const quoted = plain(word)
  if (asset.kind === 'eip3009' && reason === 'invalid_exact_evm_payload_signature') {
    const { name, version } = asset.eip712
    const why = `newsstand signs for "${name}", version "${version}", at ${asset.asset}`
    return [
      error(at, `${host} says that ${trial} is signed wrongly (${quoted}); ${why}: name a facilitator that knows it`),
    ]
  }
  if (word === 'amount_too_low' || word.endsWith('value_too_low')) {
    const price = formatPrice({ currency: asset.currency, micros: cheapest.micros })
    return [
      error(cheapest.at, `${price} is less than ${host} settles; write a higher price, or name another facilitator`),
    ]
  }
  if (POLICY.test(word) && word.includes('to_address')) {
    return [
      error(
        `PAY_TO.${namespaceOf(asset.network)}`,
        `${host} settles nothing to this address (${quoted}); write another, or ask them why`,
      ),
    ]
  }
  if (/valid_(?:after|before)|expired/.test(word)) {
    return [
      warning('clock', `${host} calls ${trial} late or early (${quoted}); set this machine's clock by the network`),
    ]
  }
  const advice = 'look that word up in its documentation before you sell'
  return [warning(at, `${host} refuses ${trial} with ${quoted}, and not for the empty wallet; ${advice}`)]
}

/** The lowest price in a currency of all routes, and where it is written; null where nothing is on sale for it. */
export function cheapestOf({ rules }: Config, currency: Currency): { at: string; micros: bigint } | null {
  const prices = rules.flatMap((rule, i): { at: string; price: Price }[] => [
    { at: `ROUTES[${i}].price`, price: rule.price },
    ...rule.offers.map(({ price }, j) => ({ at: `ROUTES[${i}].offers[${j}].price`, price })),
    ...rule.prices.map(({ price }, j) => ({ at: `ROUTES[${i}].prices[${j}].price`, price })),
  ])
  const written = prices.flatMap(({ at, price }) => {
    const micros = price === 'free' ? null : amountIn(price, currency)
    return micros === null ? [] : [{ at, micros }]
  })
  return written.reduce<(typeof written)[number] | null>(
    (least, price) => (least === null || price.micros < least.micros ? price : least),
    null,
  )
}

/** Good but for the money. The key is forgotten at once, so that nobody can ever fund it. */
async function emptyPayment(offer: Offer, asset: Eip3009Asset, nowSeconds: number): Promise<SignedPayment> {
  const account = privateKeyToAccount(generatePrivateKey())
  const lowerCase = (address: string): `0x${string}` => `0x${address.slice(2).toLowerCase()}`
  const authorization: Authorization = {
    from: lowerCase(account.address),
    to: lowerCase(offer.payTo),
    value: offer.amount,
    validAfter: BigInt(nowSeconds - 60),
    validBefore: BigInt(nowSeconds + offer.maxTimeoutSeconds),
    nonce: generatePrivateKey(),
  }
  const signature = await account.signTypedData({
    domain: { ...asset.eip712, chainId: chainIdOf(asset.network), verifyingContract: asset.asset },
    types: TRANSFER_WITH_AUTHORIZATION,
    primaryType: 'TransferWithAuthorization',
    message: authorization,
  })
  return { payer: authorization.from, transfer: { kind: 'eip3009', authorization, signature }, offer, bought: null }
}
