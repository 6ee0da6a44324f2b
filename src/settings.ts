// How settings are read: zod schemas whose errors are what to write instead.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'

/** A setting that cannot be used, and what to write instead. */
export type ConfigProblem = { path: string; message: string }

const LOCAL_HOSTS = /^(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.localhost)$/

/** Whether a URL's host is the machine itself. */
export const isLocalHost = (hostname: string): boolean => LOCAL_HOSTS.test(hostname)

/** A zod schema over strings from a parser whose error is what to write instead. `missing`: the error without a string. */
export function parsed<Value>(parse: (input: string) => Result<Value, string>, missing: string) {
  return z.pipe(
    z.string({ error: missing }),
    z.transform((input: string, context): Value => {
      const result = parse(input)
      if (result.ok) return result.value
      context.issues.push({ code: 'custom', message: result.error, input })
      return z.NEVER
    }),
  )
}

/** Unknown keys are errors: a misspelt `price` must not sell for another price. */
function unknownKeys(known: readonly string[], notYet: Readonly<Record<string, string>>) {
  return (issue: { code?: string | undefined; keys?: readonly string[] }) => {
    if (issue.code !== 'unrecognized_keys') return 'write a table'
    return (issue.keys ?? [])
      .map((key) => notYet[key] ?? `${key} is not a known key; write one of ${known.join(', ')}`)
      .join('; ')
  }
}

/** A table of known keys. `notYet`: keys that are planned, each with what to do until then. */
export function table<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  notYet: Readonly<Record<string, string>> = {},
) {
  return z.strictObject(shape, { error: unknownKeys(Object.keys(shape), notYet) })
}

export const list = <Item extends z.core.SomeType>(item: Item, advice: string) =>
  z.array(item, { error: advice }).check(z.minLength(1, { error: advice }))

export const text = z.string({ error: 'write a text' })

/** From the dashboard it comes as a text. */
export const trueOrFalse = z.pipe(
  z.union([z.boolean({ error: 'write true or false' }), z.enum(['true', 'false'], { error: 'write true or false' })]),
  z.transform((value) => value === true || value === 'true'),
)

/** A number above 0 and up to 1; from the dashboard it comes as a text. */
export function share(advice: string) {
  const error = { error: advice }
  const written = z.string(error).check(z.regex(/^[01](?:\.\d+)?$/, error))
  return z
    .pipe(z.union([z.number(error), written]), z.transform(Number))
    .check(z.refine((value) => value > 0 && value <= 1, error))
}

/** An https URL, or an http one of the machine itself, without a name and password. */
export function parseUrl(input: string): Result<URL, string> {
  const advice = 'write an https:// URL (http:// is for localhost only)'
  let url: URL
  try {
    url = new URL(input)
  } catch {
    return fail(advice)
  }
  const allowed = url.protocol === 'https:' || (url.protocol === 'http:' && isLocalHost(url.hostname))
  if (!allowed || url.username || url.password) return fail(advice)
  return ok(url)
}

/** A URL that paths are put behind, without its trailing slash. */
export function parseBase(input: string): Result<string, string> {
  const url = parseUrl(input)
  if (!url.ok) return url
  if (url.value.search || url.value.hash) return fail('write a base URL without query or fragment')
  return ok(url.value.href.replace(/\/+$/, ''))
}

/** Secrets of newsstand itself. None of them is ever sent to anybody. */
export const OWN_SECRETS = [
  'PASS_SECRET',
  'PASS_SECRET_PREVIOUS',
  'RECEIPT_KEY',
  'ADMIN_TOKEN',
  'CDP_API_KEY_ID',
  'CDP_API_KEY_SECRET',
] as const

/** A secret that a setting names, fit for a header. The error says what to do; it never holds the secret. */
export function secretOf(env: Record<string, unknown>, name: string): Result<string, string> {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)) return fail('write the name of a secret, such as "API_KEY"')
  if (OWN_SECRETS.some((own) => own === name))
    return fail(`${name} is newsstand's own and is sent to nobody; name another`)
  const value = env[name]
  if (typeof value !== 'string' || value === '') return fail(`set it: npx wrangler secret put ${name}`)
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) {
    return fail(`${name} holds characters that no header can carry; set it again, in plain ASCII on one line`)
  }
  return ok(value)
}

/** The name of a header (RFC 9110 §5.1), of a length that all software takes. */
export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

const TAKEN =
  /^(?:host|cookie|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|range|if-.*|accept-encoding|content-.*|sec-.*|cf-.*|payment-.*|x-payment.*|x-newsstand.*|sign-in-with-x|settlement-overrides)$/i

/** Whether a header says something already: to the platform, to HTTP, or in this protocol. With `_` for `-` too. */
export const isTaken = (name: string): boolean => TAKEN.test(name.replaceAll('_', '-'))
