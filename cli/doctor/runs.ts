// What is paid for on a page, cut into runs of words, and where such runs stand in an answer that nobody has paid for. Pure.
import { type Allowance, readings } from './decoding.ts'
import { type Block, type Page, SOURCE, textOf } from './text.ts'

/** A run is eight words, or 24 characters of a script without spaces; a word weighs as much as three characters. */
const RUN_WEIGHT = 24
const WORD_WEIGHT = 3

type Word = { text: string; weight: number; start: number; end: number }

/** Chinese, Japanese, Thai, Lao, Khmer, Burmese. */
const SCRIPTS = ['Han', 'Hira', 'Kana', 'Thai', 'Laoo', 'Khmr', 'Mymr'].map((name) => `\\p{scx=${name}}`).join('')
const SPACELESS = new RegExp(`^[[${SCRIPTS}]&&[\\p{L}\\p{N}]]`, 'v')
const WORDS = new RegExp(
  `[[${SCRIPTS}]&&[\\p{L}\\p{N}]]\\p{M}*|[[\\p{L}\\p{N}]--[${SCRIPTS}]](?:[[\\p{L}\\p{N}\\p{M}]--[${SCRIPTS}]])*`,
  'gv',
)

/** Without what splits words unseen, and with one spelling of each letter. */
const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .replace(/[\u00ad\u200b-\u200d\u2060\ufeff]/g, '')
    .replace(/(?<=\p{L})['’ʼ](?=\p{L})/gu, '')

/** The same for most of what pages hold, and many times faster. */
const ASCII = /^[\0-\x7f]*$/
const ASCII_WORDS = /[a-z0-9]+/gi

/** @param text as `plain` makes it */
const wordsOf = (text: string): Word[] =>
  [...text.matchAll(ASCII.test(text) ? ASCII_WORDS : WORDS)].map(({ 0: word, index }) => ({
    text: word.toLowerCase(),
    weight: SPACELESS.test(word) ? 1 : WORD_WEIGHT,
    start: index,
    end: index + word.length,
  }))

/** Calls back with the shortest run that begins at each word, as far as `to`. */
function eachRun(
  words: readonly Word[],
  from: number,
  to: number,
  found: (key: string, start: number, end: number) => void,
): void {
  let end = from
  let weight = 0
  for (let start = from; start < to; start += 1) {
    for (; end < to && weight < RUN_WEIGHT; end += 1) weight += words[end]?.weight ?? 0
    if (weight < RUN_WEIGHT) return
    found(keyOf(words, start, end), start, end)
    weight -= words[start]?.weight ?? 0
  }
}

const keyOf = (words: readonly Word[], start: number, end: number): string =>
  words
    .slice(start, end)
    .map(({ text }) => text)
    .join(' ')

function runsOf(text: string): Set<string> {
  const words = wordsOf(plain(text))
  const runs = new Set<string>()
  eachRun(words, 0, words.length, (key) => runs.add(key))
  return runs
}

type Stretch = { start: number; end: number }

export type Paid = {
  /** How many words are paid for, and how many the unpaid page shows too; the frame is not counted. */
  paidWords: number
  shownWords: number
  text: string
  words: readonly Word[]
  runs: ReadonlyMap<string, Stretch>
  /** Cells, rows and captions that are shorter than a run, by their first word. */
  units: ReadonlyMap<string, readonly (Stretch & { key: string })[]>
  vocabulary: ReadonlySet<string>
  /** What title, description and headline of the page say as well. */
  headlines: ReadonlySet<string>
  frame: ReadonlySet<string>
}

/** Longer ones are texts of their own. */
const LONGEST_HEADLINE = 300

/** What the whole page shows and the unpaid page does not. */
export function paidPart(whole: Page, unpaid: Page): Paid {
  const text = plain(textOf(whole.blocks))
  const words = wordsOf(text)
  const places = placesOf(whole.blocks)
  const isShown = shownWords(words, places, unpaid)
  const runs = new Map<string, Stretch>()
  for (const { start, end } of stretches(words.length, (i) => !isShown[i])) {
    eachRun(words, start, end, (key, first, last) => {
      if (!runs.has(key)) runs.set(key, { start: first, end: last })
    })
  }
  const units = new Map<string, (Stretch & { key: string })[]>()
  const short = unitsOf(whole.blocks, places, words).filter(
    ({ start, end }) => !isShown.slice(start, end).some(Boolean),
  )
  for (const unit of short) {
    const first = words[unit.start]?.text ?? ''
    units.set(first, [...(units.get(first) ?? []), unit])
  }
  const shownIn = (place: Stretch | undefined): number =>
    place === undefined ? 0 : isShown.slice(place.start, place.end).filter(Boolean).length
  const vocabulary = new Set(words.filter((_, i) => !isShown[i]).map((word) => word.text))
  const counts = {
    paidWords: isShown.filter((is) => !is).length,
    shownWords: whole.blocks.reduce((sum, { isFrame }, i) => sum + (isFrame ? 0 : shownIn(places[i])), 0),
  }
  return { ...counts, text, words, runs, units, vocabulary, headlines: headlinesOf(whole), frame: frameOf(whole) }
}

const frameOf = ({ blocks }: Page): Set<string> => runsOf(textOf(blocks.filter(({ isFrame }) => isFrame)))

function headlinesOf({ blocks, spots }: Page): Set<string> {
  const texts = [...spots.filter(({ isHead }) => isHead), ...blocks.filter(({ isHeadline }) => isHeadline)]
  return new Set(texts.flatMap(({ text }) => (text.length > LONGEST_HEADLINE ? [] : [...runsOf(text)])))
}

/** Where each block lies among the words of all. */
function placesOf(blocks: readonly Block[]): Stretch[] {
  let start = 0
  return blocks.map(({ text }) => {
    const end = start + wordsOf(plain(text)).length
    const place = { start, end }
    start = end
    return place
  })
}

/** For each word whether the unpaid page shows it too: in a run, or in a block as short as its own. */
function shownWords(words: readonly Word[], places: readonly Stretch[], unpaid: Page): boolean[] {
  const isShown = words.map(() => false)
  const runs = runsOf(textOf(unpaid.blocks))
  eachRun(words, 0, words.length, (key, start, end) => {
    if (runs.has(key)) isShown.fill(true, start, end)
  })
  const lines = new Set(
    unpaid.blocks.map(({ text }) => {
      const line = wordsOf(plain(text))
      return keyOf(line, 0, line.length)
    }),
  )
  for (const { start, end } of places) if (lines.has(keyOf(words, start, end))) isShown.fill(true, start, end)
  return isShown
}

function* stretches(length: number, isIn: (index: number) => boolean): Generator<Stretch> {
  for (let start = 0; start < length; start += 1) {
    if (!isIn(start)) continue
    let end = start
    while (end < length && isIn(end)) end += 1
    yield { start, end }
    start = end
  }
}

/** Cells and captions whole, and rows whole, since a cell of one word says little. */
function unitsOf(
  blocks: readonly Block[],
  places: readonly Stretch[],
  words: readonly Word[],
): (Stretch & { key: string })[] {
  const units: Stretch[] = []
  const rows = new Map<number, Stretch>()
  blocks.forEach(({ kind, row }, i) => {
    const place = places[i]
    if (kind === 'text' || place === undefined) return
    units.push(place)
    if (kind === 'cell') rows.set(row, { start: rows.get(row)?.start ?? place.start, end: place.end })
  })
  return [...units, ...rows.values()]
    .map(({ start, end }) => ({ start, end, key: keyOf(words, start, end) }))
    .filter(({ key }) => isTelling(key))
}

/** At least two words and six letters, and not only a date, which stands anywhere. */
const isTelling = (key: string): boolean =>
  key.includes(' ') &&
  key.replaceAll(' ', '').length >= 6 &&
  !/^(?:\d{1,2} \d{1,2} \d{4}|\d{4} \d{1,2} \d{1,2})$/.test(key)

/** One run that stands where it should not. */
export type Leak = { where: string; isWarning: boolean; quote: string; wordCount: number; unit: 'words' | 'characters' }

/** Every run of the paid part in an answer, longest stretches together, by the place where they stand. */
export function leaksIn(page: Page, paid: Paid, allowance: Allowance): Leak[] {
  const frame = frameOf(page)
  const isFramed = (key: string) => paid.frame.has(key) && frame.has(key)
  const known = new Set<number>()
  return page.spots.flatMap(({ where, text, isHead }) => {
    // All but what a parser leaves out has been read at its own place.
    const isSource = where === SOURCE
    const hits = { said: new Set<number>(), soft: new Set<number>() }
    for (const reading of readings(text, allowance, isSource ? 0 : undefined)) hitsIn(reading, paid, isFramed, hits)
    if (hits.said.size + hits.soft.size === 0) return []
    const found = (set: ReadonlySet<number>) => [...stretches(paid.words.length, (i) => set.has(i))]
    const leaks = [
      ...found(hits.said).map((at) => ({ at, isWarning: isHead })),
      ...found(hits.soft)
        .filter(({ start, end }) => !hasAny(hits.said, start, end))
        .map((at) => ({ at, isWarning: true })),
    ].filter(({ at }) => !isSource || !hasAny(known, at.start, at.end))
    for (const i of [...hits.said, ...hits.soft]) known.add(i)
    return leaks.map(({ at, isWarning }) => ({
      where,
      isWarning,
      quote: quoteOf(paid, at),
      wordCount: at.end - at.start,
      unit: isSpaceless(paid, at) ? 'characters' : 'words',
    }))
  })
}

function hasAny(set: ReadonlySet<number>, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) if (set.has(i)) return true
  return false
}

function hitsIn(
  reading: string,
  paid: Paid,
  isFramed: (key: string) => boolean,
  hits: { said: Set<number>; soft: Set<number> },
): void {
  const words = wordsOf(plain(reading))
  const add = ({ start, end }: Stretch, isSoft: boolean) => {
    for (let i = start; i < end; i += 1) (isSoft ? hits.soft : hits.said).add(i)
  }
  for (const { start, end } of stretches(words.length, (i) => paid.vocabulary.has(words[i]?.text ?? ''))) {
    eachRun(words, start, end, (key) => {
      const at = paid.runs.get(key)
      if (at && !isFramed(key)) add(at, paid.headlines.has(key))
    })
    for (let i = start; i < end; i += 1) {
      for (const unit of paid.units.get(words[i]?.text ?? '') ?? []) {
        if (keyOf(words, i, i + unit.end - unit.start) === unit.key) add(unit, false)
      }
    }
  }
}

const isSpaceless = ({ words }: Paid, { start, end }: Stretch): boolean =>
  words.slice(start, end).filter(({ weight }) => weight < WORD_WEIGHT).length * 2 > end - start

const LONGEST_QUOTE = 100

function quoteOf({ text, words }: Paid, { start, end }: Stretch): string {
  const said = text.slice(words[start]?.start ?? 0, words[end - 1]?.end ?? 0).replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
  return said.length <= LONGEST_QUOTE ? said : `${said.slice(0, LONGEST_QUOTE - 1).trimEnd()}…`
}
