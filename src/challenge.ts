// The challenge: one 402 that both wire versions and people understand.
import type { Config } from './config.ts'
import type { Refusal } from './errors.ts'
import { paywallPage } from './pages/paywall.tsx'
import type { Sale } from './policy/policy.ts'
import type { Rule } from './policy/rules.ts'
import { type Resource, urlOf } from './policy/scope.ts'
import { refusal } from './respond.ts'
import { encodeChallenge } from './x402/codec.ts'
import type { SignInChallenge } from './x402/extensions/sign-in-with-x.ts'
import type { Offer } from './x402/payment.ts'
import type { QuoteToken } from './x402/wire.ts'

/** What is for sale at one resource, in the article's own words where it has some. */
export type Item = {
  rule: Rule
  resource: Resource
  article: {
    title: string | null
    description: string | null
    contentType: string | null
    teaser: string | null
  } | null
  sales: readonly Sale[]
  offers: readonly Offer[]
  /** What who has bought it may sign in its place. */
  signIn: SignInChallenge | null
}

/** @param outcome headers that report on the payment this challenge answers, if there was one */
export function answerChallenge(
  request: Request,
  config: Config,
  refused: Refusal,
  { rule, resource, article, sales, offers, signIn }: Item,
  quote: QuoteToken,
  outcome: Record<string, string>,
): Promise<Response> {
  const title = article?.title ?? ''
  const info = {
    url: urlOf(resource),
    description: article?.description ?? (rule.description || title),
    mimeType: article?.contentType ?? rule.mimeType,
  }
  const { header, body } = encodeChallenge(refused.code, info, offers, quote, signIn)
  return refusal(request, refused, {
    headers: { 'PAYMENT-REQUIRED': header, ...outcome },
    json: body,
    page: (strings) =>
      paywallPage({
        brand: config.brand,
        strings,
        title: title || info.description || resource.path,
        description: info.description,
        teaser: article?.teaser ?? article?.description ?? null,
        refused,
        offers: sales,
        networks: config.networks,
        resourceUrl: info.url,
        // A browser asks with GET; what another method asked for, a page cannot ask for again.
        challenge: resource.method === 'GET' ? header : null,
      }),
  })
}
