// BRAND: how the publisher's name, colours and links are written in the configuration.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import type { Brand } from './pages/page.tsx'
import { parsed, parseUrl, text } from './settings.ts'

/** Where a page may link to: a path of the site, an https address, or a mail address. */
function parseLink(input: string): Result<string, string> {
  if (/^\/(?!\/)/.test(input) || /^mailto:[^\s@]+@[^\s@]+$/.test(input)) return ok(input)
  const url = parseUrl(input)
  return url.ok
    ? ok(url.value.href)
    : fail('write a path such as "/terms", an https:// URL, or mailto:you@news.example')
}

const link = parsed(parseLink, 'write an address')

/** A language tag (BCP 47), as far as pages need one. */
const language = z
  .string({ error: 'write a language' })
  .check(
    z.regex(/^[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8})*$/, { error: 'write a language such as "en" or "pt-BR"' }),
    z.refine(isKnownShape, { error: 'write a language such as "en" or "pt-BR"' }),
  )

/** Dates and prices are written by it: what cannot be would break every page. */
function isKnownShape(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

/** Nothing here makes a price, so unknown keys are passed over. */
export const brandSchema = z.object(
  {
    name: z.optional(text),
    logo: z.optional(link),
    accent: z.optional(
      z
        .string({ error: 'write a colour' })
        .check(z.regex(/^#[0-9a-fA-F]{6}$/, { error: 'write a colour such as "#0b6e4f"' })),
    ),
    terms: z.optional(link),
    support: z.optional(link),
    why: z.optional(link),
    login: z.optional(link),
    lang: z.optional(language),
    legal: z.optional(text),
    refunds: z.optional(text),
    topup: z.optional(link),
  },
  { error: 'write a table such as { name = "The Daily Stand" }' },
)

export const brandOf = (brand: z.infer<typeof brandSchema> | undefined): Brand => ({
  name: brand?.name ?? '',
  logo: brand?.logo ?? null,
  accent: brand?.accent ?? null,
  terms: brand?.terms ?? null,
  support: brand?.support ?? null,
  why: brand?.why ?? null,
  login: brand?.login ?? null,
  lang: brand?.lang ?? null,
  legal: brand?.legal ?? null,
  refunds: brand?.refunds ?? null,
  topup: brand?.topup ?? null,
})
