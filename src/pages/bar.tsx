// The quiet line at the end of an article that a reader has bought: that it is theirs, until when, and where the receipts are.
import { raw } from 'hono/html'
import type { Strings } from './strings/strings.ts'

export const RECEIPTS = '/_newsstand/receipts'

/** Until when something opens, and where its reader is. */
export type Until = { endsAtSeconds: number; nowSeconds: number; timeZone: string }

/**
 * HTML to be put at the end of a publisher's page, in the colours that it has there. It stands behind all text, is closed by its
 * mark without any script, and brings a style that it can do without.
 */
export function bar(strings: Strings, until: Until): string {
  const { lang, bar: words } = strings
  return (
    <aside lang={lang} aria-label={words.bought} class="newsstand-bar">
      <style>{raw(BAR_STYLE)}</style>
      <details open>
        <summary aria-label={words.close}>✓</summary>
        {boughtUntil(strings, until)} · <a href={RECEIPTS}>{words.receipt}</a>
      </details>
    </aside>
  ).toString()
}

/** That it is bought, and until when it opens. */
export const boughtUntil = (strings: Strings, until: Until): string =>
  `${strings.bar.bought} · ${strings.bar.until(momentOf(strings.lang, until))}`

/** A moment to come, as people say it: the time, with "tomorrow" or the date in front of it where it is not today. */
export function momentOf(lang: string, { endsAtSeconds, nowSeconds, timeZone }: Until): string {
  const end = endsAtSeconds * 1000
  const dayOf = (ms: number) => Date.parse(new Intl.DateTimeFormat('en-CA', { timeZone }).format(ms)) / 86_400_000
  const days = dayOf(end) - dayOf(nowSeconds * 1000)
  const time = new Intl.DateTimeFormat(lang, { hour: 'numeric', minute: '2-digit', timeZone }).format(end)
  if (days === 0) return time
  if (days === 1) return `${new Intl.RelativeTimeFormat(lang, { numeric: 'auto' }).format(1, 'day')} ${time}`
  const date = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'long', year: 'numeric', timeZone }).format(end)
  return `${date}, ${time}`
}

/** A policy that allows no inline style lets it in by its hash. */
export const BAR_STYLE =
  '.newsstand-bar{margin:2em 0 0;padding:.5em 1em;font-size:.875em;text-align:center;border-top:1px solid}.newsstand-bar:not(:has([open])){border:0}.newsstand-bar a{color:inherit}.newsstand-bar summary{float:inline-start;list-style:none;cursor:pointer;padding:0 .75em}@media print{.newsstand-bar{display:none}}'
