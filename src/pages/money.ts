// Prices as people of a language write them.
import type { Money } from '../policy/rules.ts'

/** A price has no more (`parseMoney`): that many digits are exact in a number. */
const PRICE_DECIMALS = 6

/** By language and currency: making one takes longer than the rest of a card. */
const formats = new Map<string, Intl.NumberFormat>()

function formatOf(lang: string, currency: string): Intl.NumberFormat {
  const name = `${lang} ${currency}`
  const known = formats.get(name)
  if (known) return known
  const style = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as const
  const format = new Intl.NumberFormat(lang, { ...style, maximumFractionDigits: PRICE_DECIMALS })
  formats.set(name, format)
  return format
}

/** `"$0.05"` in English, `"0,05 $"` in German; several with a dot between them. Nothing is rounded. */
export const shownAmounts = (amounts: readonly Money[], lang: string): string =>
  amounts
    .map(({ currency, micros }) => formatOf(lang, currency).format(Number(micros) / 10 ** PRICE_DECIMALS))
    .join(' · ')
