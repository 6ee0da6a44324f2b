// Payments that readers sign for the imitated site on Solana: real messages and signatures, under keys made of a byte.
import { associatedTokenAccount, svmReplayKey } from '../../src/networks/solana.ts'
import { assetsOn } from '../../src/x402/assets.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { readTransaction } from '../../src/x402/svm.ts'
import { base64, DRAFT, messageBytes, number, text, wallet, withStep } from '../world/svm.ts'
import type { World } from './clock.ts'
import { type Product, proven, SITE, type SolanaOrder } from './orders.ts'
import { feeWalletOf, SOLANA, type SolanaChain } from './solana-chain.ts'

/** The publisher's wallet, and its token account. */
export const SOLANA_PAY_TO = wallet(90).address
export const PAID_ACCOUNT = wallet(91).address

function tokenOnSolana() {
  const [token] = assetsOn(SOLANA)
  if (!token) throw new Error('the table has no token on Solana')
  return token
}
const TOKEN = tokenOnSolana()
const MOST_READERS = 40
/** Each reader's own account of the token. Made beforehand: an address is derived in the thread pool. */
const SOURCES = await Promise.all(
  Array.from({ length: MOST_READERS }, (_, i) => associatedTokenAccount(wallet(20 + i).address, TOKEN.asset)),
)

/** A reader's wallet and token account. */
export type SolanaReader = ReturnType<typeof solanaReader>
export function solanaReader(i: number) {
  const source = SOURCES[i]
  if (!source) throw new Error(`there are ${MOST_READERS} readers on Solana`)
  return { wallet: wallet(20 + i), address: wallet(20 + i).address, source }
}

export type SolanaSigning = {
  reader: SolanaReader
  product: Product
  /** Until the memo ends; a quote lives for ten minutes. */
  windowSeconds?: number
  identifier?: string | null
  facilitator?: string
  /** How old the blockhash is. */
  ageBlocks?: number
}

/** A payment that its payer has signed; the chain knows the message, and nobody else has been shown it. */
export function signOnSolana(world: World, chain: SolanaChain, signing: SolanaSigning): SolanaOrder {
  const { reader, product, windowSeconds = 300, identifier = null } = signing
  const { facilitator = 'https://one.example', ageBlocks = 5 } = signing
  const asset = TOKEN
  const fee = feeWalletOf(facilitator)
  const endsAtSeconds = Math.floor(world.now() / 1000) + Math.min(windowSeconds, 600)
  const memo = `${world.random.hex(8).slice(2)}.${endsAtSeconds.toString(36)}.${'m'.repeat(22)}`
  const keys = [fee.address, reader.address, reader.source, PAID_ACCOUNT, asset.asset, ...DRAFT.keys.slice(5)]
  const steps = withStep(3, { data: text(memo) }).steps.map((step, i) =>
    i === 2 ? { ...step, data: Uint8Array.of(12, ...number(product.amount, 8), 6) } : step,
  )
  const message = messageBytes({ ...DRAFT, keys, steps })
  const read = readTransaction(
    base64(Uint8Array.of(2, ...Buffer.alloc(64), ...reader.wallet.sign(message), ...message)),
  )
  if (!read.ok) throw new Error(read.error)
  const transfer = read.value
  chain.authorize(transfer, fee, ageBlocks)
  const { method, path, scope, accessSeconds, amount, flow } = product
  const offer: Offer = {
    network: SOLANA,
    asset: asset.asset,
    payTo: SOLANA_PAY_TO,
    amount,
    transfer: { kind: 'svm', feePayer: fee.address, facilitator },
    maxTimeoutSeconds: 60,
    name: null,
    accessSeconds,
    scope,
    flow,
  }
  const key = svmReplayKey(SOLANA, transfer)
  const payment = {
    x402Version: 2 as const,
    scheme: 'exact',
    network: SOLANA,
    payer: reader.address,
    transfer,
    accepted: null,
    identifier,
    quote: null,
    answering: null,
  }
  return {
    kind: 'svm',
    product,
    network: SOLANA,
    from: reader.address,
    mark: transfer.message,
    endsAtSeconds,
    transfer,
    key,
    owner: 'key',
    identifier,
    verified: proven({ payment, offer, costs: [offer], window: 'open', owner: 'key', key }),
    resource: { site: SITE, method, path, id: path },
  }
}
