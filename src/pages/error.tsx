// The page of an answer that is neither content nor an offer: what happened and what to do.
import { publicError, type Refusal } from '../errors.ts'
import { Footer } from './footer.tsx'
import { type Brand, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'

/** What a refusal means, in the reader's language where it has words of its own for it. */
export const messageOf = (code: Refusal['code'], strings: Strings): string =>
  strings.errors.messages[code] ?? publicError(code).message

export function errorPage({ code }: Refusal, brand: Brand, strings: Strings): Promise<Page> {
  const { errors } = strings
  const { status, retryAfterSeconds } = publicError(code)
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
        <p>{messageOf(code, strings)}</p>
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
