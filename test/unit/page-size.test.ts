// What a reader loads before paying: the page and its one script. Part of `npm run check`.
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { paywallPage } from '../../src/pages/paywall.tsx'
import { stringsFor } from '../../src/pages/strings/strings.ts'
import type { Amounts } from '../../src/policy/rules.ts'
import { ASSETS } from '../../src/x402/assets.ts'

const LIMIT_KIB = 15
const kibibytes = (bytes: string | Buffer) => gzipSync(bytes, { level: 9 }).byteLength / 1024
const text = (length: number) =>
  Array.from({ length }, (_, i) => ((i * 7919) % 26) + 10)
    .map((n) => n.toString(36))
    .join('')

/** Both, so that there is a choice to show. */
const inBoth = (micros: bigint): Amounts => [
  { currency: 'USD', micros },
  { currency: 'EUR', micros },
]
const ON_SOLANA = ASSETS.filter(({ network }) => network.startsWith('solana:'))
const WITHOUT = ASSETS.slice(0, 2)
const WITH = [...ASSETS.slice(0, 1), ...ON_SOLANA.slice(0, 1)]

test.each([
  ['en', WITHOUT],
  ['de', WITHOUT],
  ['es', WITHOUT],
  ['en', WITH],
  ['de', WITH],
  ['es', WITH],
])(`the paywall page in %s, with its script, is at most ${LIMIT_KIB} KiB`, async (lang, networks) => {
  const { html } = await paywallPage({
    brand: {
      name: 'The Daily Stand',
      logo: '/logo.svg',
      accent: '#0b6e4f',
      terms: '/terms',
      support: '/help',
      why: '/why',
      login: '/login',
      lang: null,
      legal: 'The Daily Stand Ltd, 1 Quay Street, Harbour',
      refunds: 'Write to us within two weeks.',
      topup: '/money',
    },
    strings: await stringsFor(null, lang),
    title: 'What the tide tables do not say',
    description: text(200),
    teaser: text(600),
    kind: 'read',
    refused: { code: 'payment_required' },
    offers: [
      { name: null, amounts: inBoth(50_000n), accessSeconds: 86_400, scope: null, text: null },
      {
        name: 'Day pass',
        amounts: inBoth(500_000n),
        accessSeconds: 86_400,
        scope: '/articles/*',
        text: 'Everything until tomorrow',
      },
    ],
    networks,
    tokens: ASSETS,
    resourceUrl: 'https://news.example/articles/tides',
    origin: 'https://news.example',
    challenge: btoa(JSON.stringify({ accepts: text(2980) })),
  })
  // What a reader with a wallet of Solana loads is not in it.
  expect(html).not.toContain('Memo')
  expect(html.match(/name="currency"/g)).toHaveLength(2)
  expect(kibibytes(html)).toBeLessThanOrEqual(LIMIT_KIB)
})
