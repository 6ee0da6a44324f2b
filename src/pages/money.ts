// Prices as people of a language write them.
import type { Money } from '../policy/rules.ts'

/** A price has no more (`parseMoney`): that many digits are exact in a number. */
const PRICE_DECIMALS = 6

/** `"$0.05"` in English, `"0,05 $"` in German; several with a dot between them. Nothing is rounded. */
export const shownAmounts = (amounts: readonly Money[], lang: string): string =>
  amounts
    .map(({ currency, micros }) => {
      const style = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as const
      const format = new Intl.NumberFormat(lang, { ...style, maximumFractionDigits: PRICE_DECIMALS })
      return format.format(Number(micros) / 10 ** PRICE_DECIMALS)
    })
    .join(' · ')
