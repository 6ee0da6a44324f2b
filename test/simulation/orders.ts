// What the imitated site sells, and the payments that readers sign for it. The one place that makes a verified payment
// without a signature: the imitated chain proves none.

import { EXACT_PROXY, permitKey } from '../../src/networks/permit2.ts'
import type { Resource } from '../../src/policy/scope.ts'
import { chainIdOf } from '../../src/x402/assets.ts'
import type { Authorization, Offer, Owner, Permit, VerifiedPayment } from '../../src/x402/payment.ts'
import type { SvmTransfer } from '../../src/x402/svm.ts'
import { usdcOn } from '../world/usdc.ts'
import { permitMark } from './chain.ts'
import type { World } from './clock.ts'

export const SITE = 'https://news.example'
export const PAY_TO = `0x${'b2'.repeat(20)}` as const
/** Base and Polygon, as the suites have them: two seconds a block, and a quick one. */
export const NETWORKS = ['eip155:8453', 'eip155:137'] as const
export type Network = (typeof NETWORKS)[number]

/** Something for sale at a resource. `scope` is a path pattern; null is the resource itself. */
export type Product = {
  name: string
  method: 'GET' | 'POST'
  path: string
  scope: string | null
  accessSeconds: number
  amount: bigint
  flow: Offer['flow']
}

const DAY_SECONDS = 86_400

/** One answer of a page. */
export const single = (path = '/a/1', amount = 50_000n): Product => ({
  name: 'single',
  method: 'GET',
  path,
  scope: null,
  accessSeconds: 0,
  amount,
  flow: 'authorization',
})
/** A page for a day. */
export const page = (path = '/a/1', amount = 100_000n): Product => ({
  ...single(path, amount),
  name: 'page',
  accessSeconds: DAY_SECONDS,
})
/** All pages for a while, bought at one of them. */
export const pass = (accessSeconds = DAY_SECONDS, amount = 500_000n, path = '/a/1'): Product => ({
  ...single(path, amount),
  name: `pass ${accessSeconds}`,
  scope: '/a/*',
  accessSeconds,
})
export const month = (path = '/a/1'): Product => pass(30 * DAY_SECONDS, 5_000_000n, path)
/** Something an origin carries out, settled before. */
export const job = (path = '/api/run', amount = 60_000n): Product => ({
  ...single(path, amount),
  name: 'job',
  method: 'POST',
  flow: 'upfront',
})

/** One signed payment. */
export type Order = EvmOrder | PermitOrder | SolanaOrder
export type EvmOrder = Signed & { kind: 'eip3009'; authorization: Authorization }
export type PermitOrder = Signed & { kind: 'permit2'; permit: Permit }
export type SolanaOrder = Signed & { kind: 'svm'; transfer: SvmTransfer }
type Signed = {
  product: Product
  network: string
  /** The payer's address. */
  from: string
  /** What tells it from the payer's others on this network: its nonce, or its message. */
  mark: string
  endsAtSeconds: number
  key: string
  owner: Owner
  identifier: string | null
  verified: VerifiedPayment
  resource: Resource
}

export type Signing = {
  from: `0x${string}`
  network: string
  product: Product
  windowSeconds?: number
  identifier?: string | null
  owner?: Owner
  payTo?: `0x${string}`
  nonce?: `0x${string}`
}

/** A payment its payer has signed; nobody has been shown it. */
export function signOrder(world: World, signing: Signing): EvmOrder {
  const { from, network, product, windowSeconds = 300, identifier = null, owner = 'key', payTo = PAY_TO } = signing
  const asset = usdcOn(network)
  const nowSeconds = Math.floor(world.now() / 1000)
  const nonce = signing.nonce ?? world.random.hex(32)
  const authorization: Authorization = {
    from,
    to: payTo,
    value: product.amount,
    validAfter: 0n,
    validBefore: BigInt(nowSeconds + windowSeconds),
    nonce,
  }
  const { method, path, amount } = product
  const offer = offerOf(network, product, payTo, { kind: 'eip3009', ...asset.eip712 })
  const key = `3009|${chainIdOf(network)}|${asset.asset.toLowerCase()}|${from}|${nonce}`
  const payment = {
    x402Version: 2 as const,
    scheme: 'exact',
    network,
    payer: from,
    transfer: {
      kind: 'eip3009' as const,
      authorization,
      signature: `0x${nonce.slice(2)}${'22'.repeat(33)}` as const,
    },
    accepted: { amount, asset: asset.asset, payTo, resource: null },
    identifier,
    quote: null,
    answering: null,
  }
  return {
    kind: 'eip3009',
    product,
    network,
    from,
    mark: nonce,
    endsAtSeconds: nowSeconds + windowSeconds,
    authorization,
    key,
    owner,
    identifier,
    verified: proven({ payment, offer, costs: [offer], window: 'open', owner, key }),
    resource: { site: SITE, method, path, id: path },
  }
}

const offerOf = (network: string, product: Product, payTo: string, transfer: Offer['transfer']): Offer => ({
  network,
  asset: usdcOn(network).asset,
  payTo,
  amount: product.amount,
  transfer,
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: product.accessSeconds,
  scope: product.scope,
  flow: product.flow,
})

/** A permit its payer has signed for the same token; nobody has been shown it. */
export function permitOrder(world: World, signing: Omit<Signing, 'nonce'> & { nonce?: bigint }): PermitOrder {
  const { from, network, product, windowSeconds = 300, identifier = null, owner = 'key', payTo = PAY_TO } = signing
  const { asset } = usdcOn(network)
  const nowSeconds = Math.floor(world.now() / 1000)
  const nonce = signing.nonce ?? BigInt(world.random.hex(32))
  const permit: Permit = {
    from,
    asset: `0x${asset.slice(2).toLowerCase()}`,
    value: product.amount,
    spender: EXACT_PROXY,
    nonce,
    deadline: BigInt(nowSeconds + windowSeconds),
    to: payTo,
    validAfter: 0n,
  }
  const offer = offerOf(network, product, payTo, { kind: 'permit2' })
  const key = permitKey(permit, network)
  const { method, path, amount } = product
  const signature = `0x${nonce.toString(16).padStart(64, '0')}${'33'.repeat(33)}` as const
  const payment = {
    x402Version: 2 as const,
    scheme: 'exact',
    network,
    payer: from,
    transfer: { kind: 'permit2' as const, permit, signature },
    accepted: { amount, asset, payTo, resource: null },
    identifier,
    quote: null,
    answering: null,
  }
  return {
    kind: 'permit2',
    product,
    network,
    from,
    mark: permitMark(nonce),
    endsAtSeconds: nowSeconds + windowSeconds,
    permit,
    key,
    owner,
    identifier,
    verified: proven({ payment, offer, costs: [offer], window: 'open', owner, key }),
    resource: { site: SITE, method, path, id: path },
  }
}

/** The brand of a verified payment is made by `networks/network.ts` alone; here a signature is taken as good. */
export const proven = (
  fields: Pick<VerifiedPayment, 'payment' | 'offer' | 'costs' | 'window' | 'owner' | 'key'>,
): VerifiedPayment => fields as VerifiedPayment
