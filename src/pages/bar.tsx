// The small bar under an article that a reader has bought: that it is theirs, until when, and where the receipts are.
import { stringsFor } from './strings/strings.ts'

export const RECEIPTS = '/_newsstand/receipts'

export type BarView = { acceptLanguage: string | null; endsAtSeconds: number; timeZone: string }

/** HTML to be put at the end of a publisher's page. It brings its own style, and can do without it. */
export function bar({ acceptLanguage, endsAtSeconds, timeZone }: BarView): string {
  const { lang, bar: words } = stringsFor(acceptLanguage)
  const format = new Intl.DateTimeFormat(lang, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZone,
    timeZoneName: 'short',
  })
  return (
    <aside lang={lang} aria-label={words.bought} style={STYLE}>
      {words.bought} {words.until(format.format(endsAtSeconds * 1000))} ·{' '}
      <a href={RECEIPTS} style="color:inherit">
        {words.receipt}
      </a>
    </aside>
  ).toString()
}

const STYLE =
  'position:sticky;inset-block-end:0;margin:2rem 0 0;padding:.5rem 1rem;font:.875rem/1.4 system-ui,sans-serif;text-align:center;background:#1c1917;color:#fffdf9'
