// The small bar under an article that a reader has bought: that it is theirs, until when, and where the receipts are.
import { type Strings, stringsFor } from './strings/strings.ts'

export const RECEIPTS = '/_newsstand/receipts'

export type BarView = { acceptLanguage: string | null; endsAtSeconds: number; timeZone: string }

/** HTML to be put at the end of a publisher's page. It brings its own style, and can do without it. */
export function bar({ acceptLanguage, endsAtSeconds, timeZone }: BarView): string {
  const strings = stringsFor(acceptLanguage)
  const { lang, bar: words } = strings
  return (
    <aside lang={lang} aria-label={words.bought} style={STYLE}>
      {boughtUntil(strings, endsAtSeconds, timeZone)} ·{' '}
      <a href={RECEIPTS} style="color:inherit">
        {words.receipt}
      </a>
    </aside>
  ).toString()
}

/** That it is bought, and until when it opens. */
export function boughtUntil({ lang, bar }: Strings, endsAtSeconds: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat(lang, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZone,
    timeZoneName: 'short',
  })
  return `${bar.bought} ${bar.until(format.format(endsAtSeconds * 1000))}`
}

const STYLE =
  'position:sticky;inset-block-end:0;margin:2rem 0 0;padding:.5rem 1rem;font:.875rem/1.4 system-ui,sans-serif;text-align:center;background:#1c1917;color:#fffdf9'
