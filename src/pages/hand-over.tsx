// The page of a code, for who has bought what it names: it asks whether that is to open on the other screen too.
import { Footer } from './footer.tsx'
import { type Brand, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'

export type HandOverView = {
  brand: Brand
  strings: Strings
  /** The two words that the other screen shows. */
  words: string
  /** Path and query of what was bought. */
  page: string
}

export function handOverPage({ brand, strings, words, page }: HandOverView): Promise<Page> {
  const { handOver } = strings
  return render({
    lang: strings.lang,
    brand,
    title: handOver.heading,
    head: <meta name="robots" content="noindex" />,
    footer: <Footer brand={brand} strings={strings} />,
    hasForm: true,
    children: (
      <>
        <h1>{handOver.heading}</h1>
        <p>{handOver.what}</p>
        <p>
          <a href={page}>{page}</a>
        </p>
        <section class="card" aria-label={handOver.words}>
          <p>{handOver.words}</p>
          <p>
            <strong class="price" lang="en" translate="no">
              {words}
            </strong>
          </p>
          <form method="post">
            <button type="submit">{handOver.yes}</button>
          </form>
          <a class="button plain" href={page}>
            {handOver.no}
          </a>
        </section>
        <p class="quiet">{handOver.meaning}</p>
      </>
    ),
  })
}
