// The shape of ROUTES in the configuration.
import * as z from 'zod/mini'
import { list, parsed, table, text } from '../settings.ts'
import { parseSelector } from '../wall/select.ts'
import { parsePattern } from './paths.ts'
import { type Amounts, PRICE_ADVICE, type Price, parseAccess, parseAmounts, parsePrice, type Rule } from './rules.ts'
import { upstreamOf, upstreamSchema } from './upstream.ts'

const isTexts = (value: unknown): value is string | string[] =>
  typeof value === 'string' || (Array.isArray(value) && value.every((text) => typeof text === 'string'))

/** One price, or a list with one for each currency. */
const price = z.pipe(
  z.custom<string | string[]>(isTexts, { error: PRICE_ADVICE }),
  z.transform((texts, context): Price => {
    const parsedPrice = typeof texts === 'string' ? parsePrice(texts) : parseAmounts(texts)
    if (parsedPrice.ok) return parsedPrice.value
    context.issues.push({ code: 'custom', message: parsedPrice.error, input: texts })
    return z.NEVER
  }),
)
const paidPrice = z.pipe(
  price,
  z.transform((value, context): Amounts => {
    if (value !== 'free') return value
    context.issues.push({
      code: 'custom',
      message: 'an offer has a price; write one such as "$0.50"',
      input: value,
    })
    return z.NEVER
  }),
)
const access = parsed(parseAccess, 'write "once", or a duration such as "10m", "24h" or "30d"')
const pattern = parsed(parsePattern, 'write a canonical path such as "/about", "/a/:slug" or "/articles/*"')
const strings = z.record(z.string(), z.string({ error: 'write a text' }), { error: 'write a table of texts' })

/** Names stand in headers, which have 8 KiB for all. */
const offerName = text.check(z.maxLength(64, { error: 'it is too long; write 64 characters at most' }))

/** Where the publisher's own page is cut, and how it is answered. */
const wall = z.union([
  z.literal(false, { error: 'write a table such as { keep = 3 }, or false' }),
  table({
    select: z.optional(parsed(parseSelector, 'write a CSS selector such as ".entry-content"')),
    keep: z.optional(
      z
        .int({ error: 'write a whole number of paragraphs, such as 3' })
        .check(z.gte(0, { error: 'write 0 or more' }), z.lte(100, { error: 'write 100 or less' })),
    ),
    status: z.optional(z.union([z.literal(402), z.literal(200)], { error: 'write 402 or 200' })),
  }),
])

const KNOWN_LATER: Record<string, string> = {
  audience: 'audience is not supported yet; remove it (every visitor pays the same)',
  meter: 'meter is not supported yet; remove it (the wall stands from the first article on)',
}

export const routeSchema = table(
  {
    path: pattern,
    host: z.optional(text),
    methods: z.optional(
      list(
        z
          .string({ error: 'write a method such as "GET"' })
          .check(z.regex(/^[A-Z]{3,16}$/, { error: 'write methods in capitals, such as "GET"' })),
        'write a list of methods such as ["GET"], or leave it out to gate them all',
      ),
    ),
    price,
    access: z.optional(access),
    content: z.optional(z.enum(['kv', 'r2', 'origin'], { error: 'write "kv", "r2" or "origin"' })),
    origin: z.optional(upstreamSchema),
    description: z.optional(text),
    mimeType: z.optional(text),
    wall: z.optional(wall),
    mode: z.optional(z.enum(['enforce', 'observe'], { error: 'write "enforce" or "observe"' })),
    offers: z.optional(
      z.array(table({ name: offerName, price: paidPrice, access, scope: pattern, text: z.optional(text) }), {
        error: 'write a list of offers',
      }),
    ),
    prices: z.optional(
      z.array(
        table({
          when: table({
            query: z.optional(strings),
            header: z.optional(strings),
            country: z.optional(
              z.array(
                z.string({ error: 'write a country code' }).check(
                  z.regex(/^[A-Z]{2}$/, {
                    error: 'write a country as two capitals (ISO 3166-1), such as "DE"',
                  }),
                ),
                { error: 'write a list of countries such as ["DE", "AT"]' },
              ),
            ),
          }),
          price,
        }),
        { error: 'write a list of price rules' },
      ),
    ),
  },
  KNOWN_LATER,
)

export type Route = z.infer<typeof routeSchema>

/** A route with its defaults. `at`: where it is written. */
export function ruleOf(route: Route, env: Record<string, unknown>, at: string): Rule {
  const prices = (route.prices ?? []).map(({ when, price: amount }) => ({
    query: when.query ?? {},
    header: when.header ?? {},
    country: when.country ?? [],
    price: amount,
  }))
  return {
    path: route.path,
    isObserved: route.mode === 'observe',
    host: route.host ?? null,
    methods: route.methods ?? null,
    price: route.price,
    prices,
    accessSeconds: route.access ?? 86_400,
    content: route.content ?? 'origin',
    upstream: route.origin ? upstreamOf(route.origin, prices, env, `${at}.origin`) : null,
    description: route.description ?? '',
    mimeType: route.mimeType ?? '',
    wall:
      route.wall === false
        ? null
        : { select: route.wall?.select ?? null, keep: route.wall?.keep ?? 3, status: route.wall?.status ?? 402 },
    offers: (route.offers ?? []).map((offer) => ({
      name: offer.name,
      price: offer.price,
      accessSeconds: offer.access,
      scope: offer.scope,
      text: offer.text ?? null,
    })),
  }
}
