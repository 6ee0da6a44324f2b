// The page of an answer that is neither content nor an offer: what happened and what to do.
import { publicError, type Refusal, sentenceOf } from '../errors.ts'
import { Footer } from './footer.tsx'
import { type Brand, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'

/** What a refusal means, in the reader's language where it has words of its own for it. */
export const messageOf = (refusal: Refusal, { errors }: Strings): string =>
  (refusal.hasNoPayee ? errors.noPayee : errors.messages[refusal.code]) ?? sentenceOf(refusal)

export function errorPage(refusal: Refusal, brand: Brand, strings: Strings): Promise<Page> {
  const { errors } = strings
  const { status, retryAfterSeconds } = publicError(refusal.code)
  const heading = errors.headings[status] ?? errors.fallback
  // Whoever comes back in a while may find it here; others are led on.
  const mayComeBack = retryAfterSeconds !== null || refusal.code === 'internal_error'
  return render({
    lang: strings.lang,
    brand,
    title: heading,
    footer: <Footer brand={brand} strings={strings} />,
    head: <meta name="robots" content="noindex" />,
    children: (
      <>
        <h1>{heading}</h1>
        <p>{messageOf(refusal, strings)}</p>
        {mayComeBack ? (
          // biome-ignore lint/a11y/useValidAnchor: an empty one is the page's own address, with its query
          <a class="button" href="">
            {errors.again}
          </a>
        ) : (
          <a class="button plain" href="/">
            {errors.back}
          </a>
        )}
      </>
    ),
  })
}
