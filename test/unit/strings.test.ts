// What the checkout says, in every language: with the same slots, and no promise that another language does not make.
import { describe, expect, test } from 'vitest'
import { en } from '../../src/pages/strings/en.ts'
import { stringsFor } from '../../src/pages/strings/strings.ts'

const slotsOf = (text: string) => [...new Set(text.match(/\{\w+\}/g))].toSorted()
/** How each language says that nothing was charged. */
const UNCHARGED: Record<string, RegExp> = {
  en: /nothing was charged/i,
  de: /es wurde nichts abgebucht/i,
  es: /no se ha cobrado nada/i,
}

describe.each(['de', 'es'])('in %s', (lang) => {
  const { checkout } = stringsFor(lang)
  const pairs = Object.entries(en.checkout).map(([name, text]) => {
    const own = Object.entries(checkout).find(([other]) => other === name)?.[1] ?? ''
    return [name, text, own] as const
  })

  test.each(pairs)('%s has the slots of English', (_, text, own) => {
    expect(slotsOf(own)).toEqual(slotsOf(text))
  })

  test.each(pairs)('%s says that nothing was charged where English does', (_, text, own) => {
    expect(UNCHARGED[lang]?.test(own)).toBe(UNCHARGED.en?.test(text))
  })
})
