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
        {retryAfterSeconds === null ? (
          <p>
            <a class="inline" href="/">
              {errors.back}
            </a>
          </p>
        ) : null}
      </>
    ),
  })
}
