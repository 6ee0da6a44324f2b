// A publisher's page of a given size: a head with what pages say of themselves, navigation, and paragraphs of an article.

const SENTENCES = [
  'The harbour master keeps two books, and only one of them is about the sea.',
  'Nobody in the town remembers when the older of the two was begun.',
  'It lists what the tables leave out: wind from the south, a wet spring, the year the lock stood open.',
  'Where the two disagree, the fishermen believe the older one, and so does their insurer.',
  'A table is an average, she says, and nobody has ever drowned in an average.',
]

const paragraph = (number: number) =>
  `<p id="p${number}">${SENTENCES.map((_, i) => SENTENCES[(number + i) % SENTENCES.length]).join(' ')} <a href="/archive/${number}">From the archive</a>.</p>`

const HEAD = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What the tide tables do not say</title>
<meta name="description" content="Two books about one harbour"><meta property="og:title" content="What the tide tables do not say">
<meta property="og:image" content="https://news.example/harbour.jpg"><link rel="stylesheet" href="/style.css">
<script type="application/ld+json">{"@context":"https://schema.org","@type":"NewsArticle","headline":"What the tide tables do not say"}</script>
<style>article{max-width:40rem;margin:auto}nav a{padding:.5rem}</style></head>
<body><header><nav>${Array.from({ length: 12 }, (_, i) => `<a class="entry" href="/section/${i}">Section ${i}</a>`).join('')}</nav></header>
<main><article><h1>What the tide tables do not say</h1><p class="byline">By the harbour</p>
`
const FOOT =
  '</article></main><footer><p>The Daily Stand</p></footer><script src="/app.js" defer></script></body></html>\n'

/** A page of about so many KiB. */
export function articlePage(kibibytes: number): string {
  const parts: string[] = []
  let size = HEAD.length + FOOT.length
  for (let number = 0; size < kibibytes * 1024; number++) {
    const text = `${paragraph(number)}\n`
    parts.push(text)
    size += text.length
  }
  return HEAD + parts.join('') + FOOT
}
