// What the page asks of this site before a payment on Solana: the blockhash, the accounts, and what the reader's holds. It
// asks the chain, a few times at most, and knows nothing of offers.
import * as z from 'zod/mini'
import { type Budget, type Rpc, read } from './chain.ts'
import type { Refusal } from './errors.ts'
import { addressOf } from './limits.ts'
import { associatedTokenAccount } from './networks/solana.ts'
import { isBlocked } from './purchase.ts'
import { siteOf } from './request.ts'
import { type Answer, PRIVATE, refuse, toPage } from './respond.ts'
import { rpcOf, type World } from './site.ts'
import { within } from './waiting.ts'
import { assetAt, namespaceOf } from './x402/assets.ts'
import { isSolanaAddress } from './x402/base58.ts'

/** Where the page asks: `?network=…&asset=…&payer=…`. */
export const LOOK = '/_newsstand/checkout/solana'

/** Genesis hash, both questions at once, and each alone where the node takes them only so. */
const MOST_CALLS = 4
/** A reader waits with a finger on the button. */
const MOST_MS = 6_000
/** Of a token account: the amount stands behind mint and owner. */
const AMOUNT = { offset: 64, length: 8 }

/** What a transfer needs to name. `balance`: in atomic units, '0' where the payer has no such account. */
type Look = { blockhash: string; source: string; destination: string; balance: string; decimals: number }

/** `GET /_newsstand/checkout/solana`: for the site's own pages, about the networks, tokens and payees of its settings. */
export async function answerLook(request: Request, world: World): Promise<Answer> {
  const { config, isolate, env } = world
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code }, { 'Cache-Control': PRIVATE })
  if (siteOf(request, config) === null) return no('misdirected_request')
  const asked = askedIn(request, world)
  if (asked === null) return no('not_found')
  if (config.isPaused) return no('unavailable')
  const mayLook = !isBlocked(world, request) && (await isolate.limits.mayLook(env.FAILED_PAYMENTS, addressOf(request)))
  if (!mayLook) return no('too_many_requests')
  const rpc = rpcOf(isolate, config, asked.network)
  const found = rpc && (await within(lookFor(rpc, asked, { left: MOST_CALLS }), MOST_MS))
  return found ? toPage(found) : no('unavailable')
}

type Asked = { network: string; asset: string; decimals: number; payer: string; payTo: string }

/** Null for what this site does not sell for, and for pages of other sites: its RPC is not theirs. */
function askedIn({ url, headers }: Request, { config }: World): Asked | null {
  // Browsers that do not say where a request is from are old; what they may ask is public all the same.
  if ((headers.get('Sec-Fetch-Site') ?? 'same-origin') !== 'same-origin') return null
  const { searchParams } = new URL(url)
  const [network = '', asset = '', payer = ''] = ['network', 'asset', 'payer'].map(
    (name) => searchParams.get(name) ?? '',
  )
  const payTo = config.payTo[namespaceOf(network)]
  const isConfigured = config.networks.some((configured) => configured.network === network)
  const token = assetAt(network, asset, config.tokens)
  if (!isConfigured || token?.kind !== 'svm' || payTo === undefined || !isSolanaAddress(payer)) return null
  return { network, asset, decimals: token.decimals, payer, payTo }
}

const latest = z.lazy(() => z.object({ value: z.object({ blockhash: z.string().check(z.refine(isSolanaAddress)) }) }))
const account = z.lazy(() => z.nullable(z.object({ data: z.tuple([z.base64(), z.literal('base64')]) })))
const accounts = z.lazy(() => z.object({ value: z.tuple([account, account]) }))

/** Null where the chain cannot be asked, or nobody can be paid there yet. */
async function lookFor(rpc: Rpc, { asset, decimals, payer, payTo }: Asked, budget: Budget): Promise<Look | null> {
  const [source, destination] = await Promise.all([
    associatedTokenAccount(payer, asset),
    associatedTokenAccount(payTo, asset),
  ])
  const commitment = 'confirmed'
  const options = { commitment, encoding: 'base64', dataSlice: AMOUNT }
  const answers = await rpc.askAll(
    [
      { method: 'getLatestBlockhash', params: [{ commitment }] },
      { method: 'getMultipleAccounts', params: [[source, destination], options] },
    ],
    budget,
  )
  const newest = read(latest, answers[0])
  const held = read(accounts, answers[1])
  if (!newest.ok || !held.ok) return null
  const [own, payees] = held.value.value
  if (payees === null) return null
  const balance = amountIn(own?.data[0] ?? '').toString()
  return { blockhash: newest.value.value.blockhash, source, destination, balance, decimals }
}

/** The least significant byte first; 0n for an account that is not there. */
const amountIn = (base64: string): bigint =>
  Array.from(atob(base64), (char) => BigInt(char.charCodeAt(0))).reduceRight((sum, byte) => sum * 256n + byte, 0n)
