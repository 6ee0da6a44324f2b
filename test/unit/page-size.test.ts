// What a reader loads before paying: the page and its one script. Part of `npm run check`.
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { paywallPage } from '../../src/pages/paywall.tsx'
import { stringsFor } from '../../src/pages/strings/strings.ts'
import { ASSETS } from '../../src/x402/assets.ts'

const LIMIT_KIB = 15
const kibibytes = (bytes: string | Buffer) => gzipSync(bytes, { level: 9 }).byteLength / 1024
const text = (length: number) =>
  Array.from({ length }, (_, i) => ((i * 7919) % 26) + 10)
    .map((n) => n.toString(36))
    .join('')

test.each(['en', 'de', 'es'])(`the paywall page in %s, with its script, is at most ${LIMIT_KIB} KiB`, async (lang) => {
  const { html } = await paywallPage({
    brand: {
      name: 'The Daily Stand',
      logo: '/logo.svg',
      accent: '#0b6e4f',
      terms: '/terms',
      support: '/help',
      why: '/why',
      login: '/login',
    },
    strings: stringsFor(lang),
    title: 'What the tide tables do not say',
    description: text(200),
    teaser: text(600),
    refused: { code: 'payment_required' },
    offers: [
      { name: null, amounts: [{ currency: 'USD', micros: 50_000n }], accessSeconds: 86_400, scope: null },
      {
        name: 'Day pass',
        amounts: [{ currency: 'USD', micros: 500_000n }],
        accessSeconds: 86_400,
        scope: '/articles/*',
      },
    ],
    networks: ASSETS.slice(0, 2),
    tokens: ASSETS,
    resourceUrl: 'https://news.example/articles/tides',
    challenge: text(4000),
  })
  expect(kibibytes(html)).toBeLessThanOrEqual(LIMIT_KIB)
})
