// The challenge: one 402 that every dialect and people understand.

import { publicError, type Refusal } from './errors.ts'
import { issueChallenges } from './mpp.ts'
import { memoOf } from './networks/memo.ts'
import { issueNonce } from './nonce.ts'
import { shownAmounts } from './pages/money.ts'
import { paywallPage } from './pages/paywall.tsx'
import { pricePicture } from './pages/picture.ts'
import type { Strings } from './pages/strings/strings.ts'
import type { PaywallView } from './pages/view.ts'
import { type Article, kindOf } from './policy/article.ts'
import type { Sale } from './policy/policy.ts'
import type { Rule } from './policy/rules.ts'
import { type Resource, urlOf } from './policy/scope.ts'
import { contextOf, issueQuote } from './quote.ts'
import { isAuthorized } from './request.ts'
import { type Answer, answerRefusal, stringsOf } from './respond.ts'
import { type Isolate, keyOf, nowSeconds, type SellingWorld, type World } from './site.ts'
import type { Teaser } from './wall.ts'
import { walledAnswer } from './walled.ts'
import { encodeChallenge } from './x402/codec.ts'
import { type Signed, signOffer } from './x402/extensions/offer-receipt.ts'
import type { SignInChallenge } from './x402/extensions/sign-in-with-x.ts'
import type { Signer } from './x402/jws.ts'
import type { Offer } from './x402/payment.ts'
import type { QuoteToken } from './x402/wire.ts'

/** What is for sale at one resource, in the article's own words where it has some. */
export type Item = {
  rule: Rule
  resource: Resource
  article: Article | null
  sales: readonly Sale[]
  offers: readonly Offer[]
}

/** @param outcome headers that report on the payment this challenge answers, if there was one */
export async function answerChallenge(
  request: Request,
  world: SellingWorld,
  refusal: Refusal,
  { rule, resource, article, sales, offers }: Item,
  outcome: Record<string, string>,
  teaser: Teaser | null = null,
): Promise<Answer> {
  const { brand, networks, tokens } = world.config
  const title = article?.title ?? ''
  const info = {
    url: urlOf(resource),
    description: article?.description ?? (rule.description || title),
    mimeType: article?.contentType ?? rule.mimeType,
  }
  const quote = await quoteOf(world, offers, resource)
  const signIn = await signInOf(world, offers, resource)
  const { header, body } = encodeChallenge(refusal.code, info, offers, quote, signIn)
  const viewIn = (strings: Strings): PaywallView => ({
    brand,
    strings,
    title: title || info.description || resource.path,
    description: info.description,
    teaser: article?.teaser ?? article?.description ?? null,
    kind: kindOf(info.mimeType),
    refused: refusal,
    offers: sales,
    networks,
    tokens,
    resourceUrl: info.url,
    origin: new URL(request.url).origin,
    // A page can ask again only with GET.
    challenge: resource.method === 'GET' ? header : null,
  })
  const known = { 'PAYMENT-REQUIRED': header, ...outcome }
  const headers = await withChallenges(request, world, refusal, resource, offers, quote, known)
  if (teaser?.kind === 'page') {
    const { page } = teaser
    const walled =
      rule.wall &&
      (await walledAnswer(request, refusal, page, rule.wall, viewIn(await stringsOf(request, brand)), headers))
    if (walled) return walled
    await page.discard()
  }
  return answerRefusal(request, refusal, {
    headers,
    json: body,
    brand,
    picture: ({ lang, pay }) => pricePicture(pay.picture(shownAmounts(sales[0]?.amounts ?? [], lang)), lang),
    page: (strings) => paywallPage(viewIn(strings)),
  })
}

/** All headers of a 402 together, in characters: servers on the way give up at 8 KiB, and add some of their own. */
const ALL_HEADERS = 6144
/** With the first challenge of MPP they may be so many: who speaks that alone has no other way to pay. */
const MOST_HEADERS = 8000
/** Those of every 402 beside its challenges and the outcome of a payment: CORS, `Vary`, the policy of its page. */
const OTHER_HEADERS = 1024

/** These headers, and the challenges of MPP: one for each offer by EIP-3009, while there is room. */
async function withChallenges(
  request: Request,
  world: World,
  { code }: Refusal,
  resource: Resource,
  offers: readonly Offer[],
  { id }: QuoteToken,
  known: Record<string, string>,
): Promise<Record<string, string>> {
  const { machines, tokens } = world.config
  const length = Object.values(known).reduce((sum, value) => sum + value.length, OTHER_HEADERS)
  const room = { first: MOST_HEADERS - length, all: ALL_HEADERS - length }
  if (!machines.mpp || publicError(code).status !== 402) return known
  const key = await keyOf(world, 'mpp')
  const isBeside = isAuthorized(request)
  const challenges = await issueChallenges({ offers, tokens, resource, id, isBeside, room }, key, nowSeconds())
  return { ...(challenges === null ? {} : { 'WWW-Authenticate': challenges }), ...known }
}

/** The offers as this challenge quotes them, signed where the site has a key for that. */
async function quoteOf(world: SellingWorld, offers: readonly Offer[], resource: Resource): Promise<QuoteToken> {
  const random = crypto.getRandomValues(new Uint8Array(9))
  const quote = await issueQuote(offers, resource, await keyOf(world, 'quote'), nowSeconds(), random)
  const memoKey = await keyOf(world, 'memo')
  const memos = offers.map((offer) =>
    offer.transfer.kind === 'svm'
      ? memoOf(offer, contextOf(resource), memoKey, quote.id, quote.expiresAtSeconds)
      : null,
  )
  const { signer, isolate } = world
  const signing = signer
    ? offers.map((offer) => signedOffer(isolate, signer, resource, offer, quote.expiresAtSeconds))
    : []
  return { ...quote, signedOffers: await Promise.all(signing), memos: await Promise.all(memos) }
}

/** The site's own word for an offer. What was signed a moment ago serves again: it ends before its quote. */
async function signedOffer(
  { signedOffers }: Isolate,
  signer: Signer,
  resource: Resource,
  offer: Offer,
  validUntil: number,
): Promise<Signed> {
  const { network, asset, payTo, amount } = offer
  const name = [urlOf(resource), network, asset, payTo, amount].join(' ')
  const known = signedOffers.get(name, Date.now())
  if (known && known.validUntil <= validUntil) return known.signed
  const signed = await signOffer(resource.site, urlOf(resource), offer, validUntil, signer)
  signedOffers.set(name, { signed, validUntil }, Date.now())
  return signed
}

/** What a reader who has bought access may sign instead of paying; null where no lasting access is sold. */
async function signInOf(world: World, offers: readonly Offer[], { site }: Resource): Promise<SignInChallenge | null> {
  if (!offers.some((offer) => offer.accessSeconds > 0)) return null
  const issuedAtSeconds = nowSeconds()
  const random = crypto.getRandomValues(new Uint8Array(4))
  const nonce = await issueNonce(site, await keyOf(world, 'sign-in'), issuedAtSeconds, random)
  return { site, nonce, issuedAtSeconds, networks: world.config.networks.map(({ network }) => network) }
}
