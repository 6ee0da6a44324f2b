// How long the header of a challenge gets, made as the worker makes it. It never fetches.
import type { Config } from '../../src/config.ts'
import { memoOf } from '../../src/networks/memo.ts'
import { issueNonce } from '../../src/nonce.ts'
import { saleOffers, salesAt } from '../../src/policy/policy.ts'
import type { Rule } from '../../src/policy/rules.ts'
import { type Resource, urlOf } from '../../src/policy/scope.ts'
import { issueQuote } from '../../src/quote.ts'
import { deriveKey } from '../../src/token.ts'
import { type Asset, namespaceOf, offeredOn } from '../../src/x402/assets.ts'
import { encodeChallenge } from '../../src/x402/codec.ts'
import { evmTermsOf, type Offer, type TransferTerms, type Way } from '../../src/x402/payment.ts'
import { error, type Finding, warning } from './findings.ts'
import { exampleOf } from './routes.ts'

/** For one price on one network at an address of this length (the contract's promise to clients). */
const LONGEST_HEADER = 2048
const ADDRESS_CHARACTERS = 256
/**
 * Clients send most of it back, and facilitators get that. A hosted one has broken at 3,564 and taken 2,996. One price on two
 * networks stays below.
 */
const LONGEST_FOR_HOSTED = 2900
/** Of the 8 KiB that servers on the way take for all headers of an answer, what our others need stays free. */
const LONGEST_WITH_ALL_OFFERS = 8192 - 1638

/** As `encodeChallenge` does it. */
const LEFT_OUT =
  'what is left out first are signed offers, then words of the description, the query of the address, and the sign-in; terms never are'

export async function challengeFindings(config: Config, nowSeconds: number): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [i, rule] of config.rules.entries()) {
    const { price } = rule
    if (price === 'free') continue
    const resource = longAddress(config, rule)
    const offers = saleOffers(salesAt(resource.path, price, rule), waysOf(config), true)
    const single = await headerLength(config, rule, resource, offers.slice(0, 1), nowSeconds)
    const all = await headerLength(config, rule, resource, offers, nowSeconds)
    const at = `ROUTES[${i}]`
    if (single > LONGEST_HEADER) {
      const advice = 'shorten mimeType, or the path'
      findings.push(error(at, `its challenge takes ${single} characters, ${LONGEST_HEADER} are the most; ${advice}`))
    } else if (all > LONGEST_WITH_ALL_OFFERS) {
      const advice = 'name fewer offers, or fewer NETWORKS, or shorten scopes and mimeType'
      const most = `${LONGEST_WITH_ALL_OFFERS} are the most beside the other headers`
      findings.push(error(at, `its challenge with all offers takes ${all} characters, ${most}; ${advice}`))
    } else if (all > LONGEST_FOR_HOSTED) {
      const what = `its challenge with all offers takes ${all} characters, and hosted facilitators have refused payments that answer more than ${LONGEST_FOR_HOSTED}`
      const advice = 'name fewer offers or NETWORKS, or shorten scopes and mimeType'
      findings.push(warning(at, `${what}; ${LEFT_OUT}; ${advice}`))
    }
  }
  return findings
}

/** As long as any fee payer's. */
const FEE_PAYER = '1'.repeat(44)

/** Every way to pay that is configured. */
const waysOf = ({ networks, payTo, tokens }: Config): Way[] =>
  offeredOn(networks, tokens).map((asset) => wayOf(asset, payTo[namespaceOf(asset.network)] ?? ''))

function wayOf(asset: Asset, payTo: string): Way {
  const transfer: TransferTerms =
    asset.kind === 'svm' ? { kind: 'svm', feePayer: FEE_PAYER, facilitator: '' } : evmTermsOf(asset)
  return { asset, transfer, payTo }
}

/** An address of the route that is as long as the contract speaks of, where its pattern allows. */
function longAddress({ sites }: Config, { path, host, methods }: Rule): Resource {
  const site = sites.find((each) => new URL(each).host === host) ?? sites[0] ?? ''
  const example = exampleOf(path)
  const isOpen = path.tree || path.segments.some((segment) => segment.startsWith(':'))
  const missing = ADDRESS_CHARACTERS - site.length - example.length
  const full = isOpen && missing > 0 ? example.replace('example', `example${'-'.repeat(missing)}`) : example
  return { site, method: methods?.includes('GET') === false ? (methods[0] ?? 'GET') : 'GET', path: full, id: full }
}

async function headerLength(
  config: Config,
  rule: Rule,
  resource: Resource,
  offers: readonly Offer[],
  nowSeconds: number,
): Promise<number> {
  const { site } = resource
  const key = await deriveKey(config.passSecret, 'quote')
  const quote = await issueQuote(offers, resource, key, nowSeconds, new Uint8Array(9))
  const nonce = await issueNonce(site, await deriveKey(config.passSecret, 'sign-in'), nowSeconds, new Uint8Array(4))
  const networks = config.networks.map(({ network }) => network)
  const memoKey = await deriveKey(config.passSecret, 'memo')
  const memos = await Promise.all(
    offers.map((offer) =>
      offer.transfer.kind === 'svm' ? memoOf(offer, '', memoKey, quote.id, quote.expiresAtSeconds) : null,
    ),
  )
  const isLasting = offers.some(({ accessSeconds }) => accessSeconds > 0)
  const info = { url: urlOf(resource), description: rule.description, mimeType: rule.mimeType }
  const signIn = isLasting ? { site, nonce, issuedAtSeconds: nowSeconds, networks } : null
  // Signed offers are put in only where they fit.
  return encodeChallenge('payment_required', info, offers, { ...quote, signedOffers: [], memos }, signIn).header.length
}
