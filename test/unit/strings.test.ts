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
  fr: /rien n’a été débité/i,
  it: /non è stato addebitato nulla/i,
  pt: /nada foi cobrado/i,
  ja: /引き落としはありません/,
}
const MACHINE_MADE = ['fr', 'it', 'pt', 'ja']

describe.each(['de', 'es', ...MACHINE_MADE])('in %s', async (lang) => {
  const { checkout } = await stringsFor(null, lang)
  const pairs = Object.entries(en.checkout).map(([name, text]) => {
    const own = Object.entries(checkout).find(([other]) => other === name)?.[1] ?? ''
    return [name, text, own] as const
  })

  test.each(pairs)('%s has the slots of English', (_, text, own) => {
    expect(slotsOf(own)).toEqual(slotsOf(text))
  })

  // What a language does not say is said in English.
  test.each(pairs.filter(([, text, own]) => own !== text))(
    '%s says that nothing was charged where English does',
    (_, text, own) => {
      expect(UNCHARGED[lang]?.test(own)).toBe(UNCHARGED.en?.test(text))
    },
  )
})

describe('which language a reader gets', () => {
  test.each([
    ['the publication’s', 'ja', 'de, en', 'ja'],
    ['the publication’s, with its region', 'pt-BR', 'de', 'pt-BR'],
    ['the browser’s, where the publication names none', null, 'fr;q=0.5, it', 'it'],
    ['the browser’s, where we do not have the publication’s', 'nl', 'es', 'es'],
    ['English, where we have neither', 'nl', 'sv', 'en'],
    ['the browser’s, with its region', null, 'en-GB, de', 'en-GB'],
    ['nothing that is no language', null, 'en-"><script>', 'en'],
    ['English, without a word', null, null, 'en'],
  ])('%s', async (_, publication, accepted, lang) => {
    expect((await stringsFor(publication, accepted)).lang).toBe(lang)
  })

  test.each([...MACHINE_MADE, 'en', 'de', 'es'])('%s says whether a machine has made it', async (lang) => {
    expect((await stringsFor(null, lang)).isMachineMade ?? false).toBe(MACHINE_MADE.includes(lang))
  })
})
