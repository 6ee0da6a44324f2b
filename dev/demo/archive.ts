// What the demo's archive answers when asked: the entry that shares most words with the question. No cleverness.

type Entry = { words: string; answer: string; source: string }

const entries: readonly Entry[] = [
  {
    words: 'tide tides twice two second moon far side heap bulge day',
    answer:
      'The Moon pulls the near water more than the Earth, and the Earth more than the far water: both end up further ' +
      'from the middle, so there are two heaps and a harbour meets each once a day.',
    source: '/articles/tides',
  },
  {
    words: 'tide late later day fifty minutes hour delay moves table',
    answer:
      'While the Earth turns once the Moon moves on by a twenty-ninth of its circle; the harbour needs about fifty ' +
      'minutes to catch up.',
    source: '/articles/tides',
  },
  {
    words: 'spring neap sun range full new quarter highest largest lazy',
    answer:
      'At new and full Moon the Sun pulls along the same line as the Moon and the range is large: spring tides. At ' +
      'the quarters they work across each other: neaps.',
    source: '/articles/tides',
  },
  {
    words: 'steps stones eleven nine book rope boat tie harbour count',
    answer: 'Eleven, of which the tenth and the eleventh are dry once in eighteen years and a half.',
    source: '/articles/steps',
  },
  {
    words: 'gutenberg bible mainz first press copies 1455 books print printed',
    answer: 'Around 1455 in Mainz: something like a hundred and eighty copies, and no profit for the printer.',
    source: '/articles/printing',
  },
  {
    words: 'steam koenig times london 1814 sheets hour engine fast speed',
    answer: 'In November 1814 The Times was first printed by steam: eleven hundred sheets an hour.',
    source: '/articles/printing',
  },
  {
    words: 'sun new york penny cent paper day benjamin 1833 price cheap newspaper',
    answer: 'In September 1833 Benjamin Day sold the New York Sun for one cent a copy, where others asked six.',
    source: '/articles/printing',
  },
  {
    words: 'pay payment 402 buy bought wallet account pass price cents cost',
    answer:
      'A page answers 402 with its price; a wallet signs that amount to the publisher, once; the site has it cashed ' +
      'and hands the page over, with a pass for the day.',
    source: '/articles/hello',
  },
]

/** Answers any text. The same question always gets the same answer. */
export function answerQuestion(question: string): { answer: string; source: string | null } {
  const asked = new Set(question.toLowerCase().match(/[a-z0-9]{3,}/g) ?? [])
  let best: { entry: Entry; score: number } | undefined
  for (const entry of entries) {
    const score = entry.words.split(' ').filter((word) => asked.has(word)).length
    if (score > (best?.score ?? 0)) best = { entry, score }
  }
  if (best === undefined) return { answer: 'The archive has nothing on that. It is a small archive.', source: null }
  return { answer: best.entry.answer, source: best.entry.source }
}
