// Challenges of the `Payment` scheme: each names one offer of one resource, and its id is a mac, so that issuing one writes
// nothing anywhere. What answers one pays for that offer there and for nothing else. Pure.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { challengeNonce } from './networks/evm.ts'
import { hostOf, type Resource } from './policy/scope.ts'
import { contextOf } from './quote.ts'
import { isMac, macOf } from './token.ts'
import { type Asset, assetsOn, isSameAddress } from './x402/assets.ts'
import { decodeJson } from './x402/base64.ts'
import { challengeFor, challengeText, slotsOf } from './x402/mpp.ts'
import { type Echo, evmTermsOf, type Offer, offerOf, type Payment } from './x402/payment.ts'

const opaqueText = z.lazy(() => z.object({ quote: z.string() }))

/** What an offer is beside its amount, token and payee, which stand in the challenge's `request`. */
const termsText = z.lazy(() =>
  z.tuple([
    z.number(), // accessSeconds
    z.nullable(z.string()), // scope
    z.nullable(z.string()), // name
    z.literal([0, 1]), // 1: upfront
  ]),
)

const realmOf = ({ site }: Resource) => hostOf(site)
/** What an id is the mac of: what the challenge says, and what it is for, which is not sent. */
const boundText = (challenge: Omit<Echo, 'id'>, resource: Resource) => `${slotsOf(challenge)} ${contextOf(resource)}`

/** What the challenges of one 402 are for. */
type Wanted = {
  offers: readonly Offer[]
  tokens: readonly Asset[]
  resource: Resource
  /** Of the quote, fresh and random: no two challenges are alike. */
  id: string
  /** Another credential stands in `Authorization`. */
  isBeside: boolean
  /** In characters: for the first of them, and for all. */
  room: { first: number; all: number }
}

/**
 * `WWW-Authenticate` of a 402: a challenge for each offer by EIP-3009, in their order, while there is room. Null where there is
 * none.
 */
export async function issueChallenges(
  { offers, tokens, resource, id, isBeside, room }: Wanted,
  key: CryptoKey,
  nowSeconds: number,
): Promise<string | null> {
  const payable = offers.filter(({ transfer }) => transfer.kind === 'eip3009')
  if (payable.length === 0) return null
  let header: string | null = null
  for (const offer of payable) {
    const token = assetsOn(offer.network, tokens).find(({ asset }) => isSameAddress(asset, offer.asset))
    if (!token) continue
    const { accessSeconds, scope, name, flow } = offer
    const challenge = challengeFor(offer, token.decimals, realmOf(resource), nowSeconds + offer.maxTimeoutSeconds, {
      id,
      method: resource.method,
      quote: JSON.stringify([accessSeconds, scope, name, flow === 'upfront' ? 1 : 0]),
    })
    const text = challengeText({ ...challenge, id: await macOf(key, boundText(challenge, resource)) }, isBeside)
    const longer: string = header === null ? text : `${header}, ${text}`
    if (longer.length > (header === null ? room.first : room.all)) break
    header = longer
  }
  return header
}

/**
 * The offer that a payment's challenge made at this resource. Errors: `payment_expired`; `invalid_payment_requirements` for a
 * challenge that is not of this site, was changed, or is for something else, and for a payment that was signed for another one.
 */
export async function answeredOffer(
  { answering, transfer }: Payment,
  resource: Resource,
  keys: readonly CryptoKey[],
  nowSeconds: number,
  tokens: readonly Asset[],
): Promise<Result<Offer>> {
  const not = (why: string) => fail({ code: 'invalid_payment_requirements', why } as const)
  if (answering === null || transfer.kind !== 'eip3009') return not('no challenge')
  const { id, realm, request, expires, opaque } = answering
  if (!(await isMac(keys, id, boundText(answering, resource))))
    return not('the challenge is of another site, or for another page')
  if (!(nowSeconds <= Date.parse(expires) / 1000)) return fail({ code: 'payment_expired' })
  if (transfer.authorization.nonce !== challengeNonce(id, realm)) return not('the nonce is not that of the challenge')
  const made = z.safeParse(opaqueText, jsonIn(opaque))
  if (!made.success) return not('the challenge is none of ours')
  return offerIn(request, made.data.quote, tokens) ?? not('the token is not taken any more')
}

/** Whether a payment was signed for the challenge it names, which this site made for here, whatever has become of that since. */
export async function isSignedFor(
  { answering, transfer }: Payment,
  resource: Resource,
  keys: readonly CryptoKey[],
): Promise<boolean> {
  if (answering === null || transfer.kind !== 'eip3009' || answering.realm !== realmOf(resource)) return false
  const isOfNonce = transfer.authorization.nonce === challengeNonce(answering.id, answering.realm)
  return isOfNonce && isMac(keys, answering.id, boundText(answering, resource))
}

const jsonIn = (base64: string): unknown => {
  const json = decodeJson(base64)
  return json.ok ? json.value : null
}

const requestText = z.lazy(() =>
  z.object({
    amount: z.string().check(z.regex(/^[0-9]+$/)),
    currency: z.string(),
    methodDetails: z.object({ chainId: z.number() }),
    recipient: z.string(),
  }),
)

/** The offer of a challenge that this site made; null where its token is not among these. */
function offerIn(request: string, quote: string, tokens: readonly Asset[]): Result<Offer> | null {
  const terms = z.safeParse(requestText, jsonIn(request))
  const bought = z.safeParse(termsText, JSON.parse(quote))
  if (!terms.success || !bought.success) return null
  const { amount, currency, methodDetails, recipient } = terms.data
  const asset = assetsOn(`eip155:${methodDetails.chainId}`, tokens).find((token) =>
    isSameAddress(token.asset, currency),
  )
  if (asset?.kind !== 'eip3009') return null
  const [accessSeconds, scope, name, upfront] = bought.data
  const flow = upfront === 1 ? 'upfront' : 'authorization'
  return ok(
    offerOf(
      { asset, transfer: evmTermsOf(asset), payTo: recipient },
      { amount: BigInt(amount), accessSeconds, scope, name, flow },
    ),
  )
}
