// What facilitators say of themselves, and of a payment that can never be settled: signed by a fresh key without money.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import * as z from 'zod'
import type { Config } from '../../src/config.ts'
import { envelope } from '../../src/facilitator.ts'
import type { Facilitator } from '../../src/facilitators.ts'
import { headersFor, type Keyring, keyProblem, newKeyring } from '../../src/keyring.ts'
import { TRANSFER_WITH_AUTHORIZATION } from '../../src/networks/evm.ts'
import { amountIn, formatPrice, type Price } from '../../src/policy/rules.ts'
import { KEY_REFUSED, readVerification, type SignedPayment, TOO_MANY_REQUESTS } from '../../src/replies.ts'
import { chainIdOf, type Eip3009Asset, evmTokensOn, isSameAddress, type Network } from '../../src/x402/assets.ts'
import { type Authorization, type Offer, offerOf } from '../../src/x402/payment.ts'
import { ANSWER_LIMIT_MS, type Answered, ask, clockProblem, jsonIn, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'

/** Test networks, by CAIP-2: those of the specification's own lists. */
const TEST_NETWORKS = new Set([
  ...[84532, 11155111, 80002, 43113, 421614, 11155420, 1328, 11124, 2201, 324705682].map((id) => `eip155:${id}`),
  'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z',
])

const supported = z.object({
  kinds: z.array(z.object({ x402Version: z.number(), scheme: z.string(), network: z.string() })),
  signers: z.record(z.string(), z.array(z.string())).catch({}).default({}),
})
type Supported = z.infer<typeof supported>

const LIMIT = `within ${ANSWER_LIMIT_MS / 1000} s`

/** Each facilitator by itself: the worker may come to any of them. */
export async function facilitatorFindings(
  config: Config,
  vars: Record<string, unknown>,
  surroundings: Surroundings,
): Promise<Finding[]> {
  const keyring = newKeyring()
  const each = config.facilitators.map((facilitator, i) => {
    const at = vars.FACILITATORS === undefined ? 'FACILITATOR_URL' : `FACILITATORS[${i}]`
    return checkOne(facilitator, at, config, keyring, surroundings)
  })
  return (await Promise.all(each)).flat()
}

async function checkOne(
  facilitator: Facilitator,
  at: string,
  config: Config,
  keyring: Keyring,
  surroundings: Surroundings,
): Promise<Finding[]> {
  // Said already where the settings were read.
  if (facilitator.auth.kind === 'missing') return []
  const key = await keyProblem(facilitator, keyring)
  if (key !== null) return [error(key.path, key.message)]
  const host = hostOf(facilitator.url)
  const reply = await askFacilitator(facilitator, '/supported', undefined, keyring, surroundings)
  if (reply === null) {
    return [notChecked(at, `${host} did not answer ${LIMIT}; run doctor again, or name another facilitator`)]
  }
  const clock = clockProblem(host, reply)
  const findings = clock === null ? [] : [warning('clock', clock)]
  const list = listIn(reply, facilitator, at, host)
  if (!('kinds' in list)) return [...findings, list]
  const networks = networkFindings(list, config, at, host)
  const served = config.networks.filter(({ network }) => serves(list, network))
  const dry = await Promise.all(
    evmTokensOn(served).map((asset) => dryVerification(facilitator, asset, config, at, keyring, surroundings)),
  )
  return [...findings, ...networks, ...signerFindings(list, config, host), ...dry.flat()]
}

async function askFacilitator(
  facilitator: Facilitator,
  path: '/supported' | '/verify',
  json: unknown,
  keyring: Keyring,
  surroundings: Surroundings,
): Promise<Answered | null> {
  const url = `${facilitator.url}${path}`
  const seconds = Math.floor(surroundings.nowMs() / 1000)
  const headers = await headersFor(facilitator, json === undefined ? 'GET' : 'POST', url, keyring, seconds)
  const reply = headers === null ? null : await ask(url, { headers, json }, surroundings)
  return reply?.ok ? reply.value : null
}

/** What it serves, or why that cannot be said. */
function listIn({ status, text }: Answered, { auth }: Facilitator, at: string, host: string): Supported | Finding {
  if (KEY_REFUSED.has(status)) return keyRefused(auth, at, host, status)
  if (status >= 300 && status < 400) {
    return error(at, `${host} redirects (${status}), and a payment follows no redirect; write the address it leads to`)
  }
  if (status >= 500 || status === TOO_MANY_REQUESTS) {
    return notChecked(at, `${host} answered ${status} to /supported; run doctor again, or name another facilitator`)
  }
  const list = status === 200 ? supported.safeParse(jsonIn(text)).data : undefined
  if (list && list.kinds.length > 0) return list
  return error(
    at,
    `${host} answered ${status} to /supported, without a list of networks; write a facilitator's base URL`,
  )
}

function keyRefused(auth: Facilitator['auth'], at: string, host: string, status: number): Finding {
  if (auth.kind === 'none') {
    return error(
      at,
      `${host} asks for a key (${status}); write { url = "…", auth = … }, as docs/configuration.md shows`,
    )
  }
  const secrets = auth.kind === 'cdp' ? 'CDP_API_KEY_ID and CDP_API_KEY_SECRET' : 'the secret of its auth'
  return error(
    `${at}.auth`,
    `${host} refuses the key (${status}); set ${secrets} again, and look at what the key may do`,
  )
}

/** Whatever the client spoke, facilitators are sent version 2. */
const serves = ({ kinds }: Supported, network: string) =>
  kinds.some((kind) => kind.x402Version === 2 && kind.scheme === 'exact' && kind.network === network)

function networkFindings(list: Supported, { networks }: Config, at: string, host: string): Finding[] {
  const missing = networks.filter(({ network }) => !serves(list, network))
  if (missing.length === 0) return []
  const names = (networks: readonly Network[]) =>
    networks.map(({ name, network }) => `${name} (${network})`).join(' and ')
  const chains = list.kinds.map(({ network }) => network).filter((network) => network.includes(':'))
  const isAllTest = chains.length > 0 && chains.every((network) => TEST_NETWORKS.has(network))
  const isAllReal = chains.length > 0 && !chains.some((network) => TEST_NETWORKS.has(network))
  const real = missing.filter(({ isTest }) => !isTest)
  const test = missing.filter(({ isTest }) => isTest)
  if (isAllTest && real.length > 0) {
    return [error(at, `${host} serves test networks only; write a facilitator that serves ${names(real)}`)]
  }
  if (isAllReal && test.length > 0) {
    return [error(at, `${host} serves no test network; write a facilitator that serves ${names(test)}`)]
  }
  return missing.map((asset) => {
    const other = list.kinds.find(({ network }) => network === asset.network)
    const how = other ? `only with scheme "${plain(other.scheme)}" in version ${other.x402Version}` : 'not at all'
    const advice = 'write one that serves it with scheme "exact" in version 2, or remove the network from NETWORKS'
    return error(at, `${host} serves ${names([asset])} ${how}; ${advice}`)
  })
}

/** What others say is shown where it looks like a reason: it may hold the key that they were sent. */
const plain = (word: string) =>
  /^[a-z]+(?:_(?:[a-z]{1,24}|[a-z0-9]{1,7}))*$/.test(word) && word.length <= 80 ? word : 'something unreadable'

function signerFindings({ signers }: Supported, { payTo }: Config, host: string): Finding[] {
  const isSigner = Object.values(signers).some((list) =>
    list.some((address) => Object.values(payTo).some((payee) => isSameAddress(address, payee))),
  )
  const message = `this is the address from which ${host} sends transactions; write your own`
  return isSigner ? [error('PAY_TO.eip155', message)] : []
}

const said = z.object({ isValid: z.boolean(), invalidReason: z.string().nullish() })

/** How facilitators say that a wallet is empty; the second has tried the transfer, and does not say why it fails. */
const EMPTY = /insufficient|simulation_failed/
const POLICY = /kyt|blocked/

/** Asks about the cheapest thing on sale, paid by a wallet that nobody has seen and that holds nothing. */
async function dryVerification(
  facilitator: Facilitator,
  asset: Eip3009Asset,
  config: Config,
  at: string,
  keyring: Keyring,
  surroundings: Surroundings,
): Promise<Finding[]> {
  const host = hostOf(facilitator.url)
  const cheapest = cheapestOf(config)
  if (cheapest === null) return []
  const terms = { amount: cheapest.micros, name: null, accessSeconds: 0, scope: null, flow: 'authorization' } as const
  const way = { asset, payTo: config.payTo.eip155 ?? '', transfer: { kind: 'eip3009', ...asset.eip712 } } as const
  const offer = offerOf(way, terms)
  const payment = await emptyPayment(offer, asset, Math.floor(surroundings.nowMs() / 1000))
  const reply = await askFacilitator(facilitator, '/verify', envelope(payment), keyring, surroundings)
  const trial = `a trial payment on ${asset.name}`
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
  if (reason === 'invalid_exact_evm_payload_signature') {
    const { name, version } = asset.eip712
    const why = `newsstand signs for "${name}", version "${version}", at ${asset.asset}`
    return [
      error(at, `${host} says that ${trial} is signed wrongly (${quoted}); ${why}: name a facilitator that knows it`),
    ]
  }
  if (word === 'amount_too_low' || word.endsWith('value_too_low')) {
    const price = formatPrice({ currency: 'USD', micros: cheapest.micros })
    return [
      error(cheapest.at, `${price} is less than ${host} settles; write a higher price, or name another facilitator`),
    ]
  }
  if (POLICY.test(word) && word.includes('to_address')) {
    return [
      error('PAY_TO.eip155', `${host} settles nothing to this address (${quoted}); write another, or ask them why`),
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

/** The lowest price in dollars of all routes, and where it is written; null where nothing is on sale. */
export function cheapestOf({ rules }: Config): { at: string; micros: bigint } | null {
  const prices = rules.flatMap((rule, i): { at: string; price: Price }[] => [
    { at: `ROUTES[${i}].price`, price: rule.price },
    ...rule.offers.map(({ price }, j) => ({ at: `ROUTES[${i}].offers[${j}].price`, price })),
    ...rule.prices.map(({ price }, j) => ({ at: `ROUTES[${i}].prices[${j}].price`, price })),
  ])
  const inDollars = prices.flatMap(({ at, price }) => {
    const micros = price === 'free' ? null : amountIn(price, 'USD')
    return micros === null ? [] : [{ at, micros }]
  })
  return inDollars.reduce<(typeof inDollars)[number] | null>(
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
