// The key `origin` of a route: another server that its content is fetched from, and the headers that server is asked with.
import * as z from 'zod/mini'
import { fail, ok, type Result } from '../errors.ts'
import { type ConfigProblem, HEADER_NAME, isTaken, parseBase, parsed, secretOf, table } from '../settings.ts'
import type { PriceRule } from './rules.ts'

type Header = readonly [name: string, value: string]

export type Upstream = {
  /** Base URL without a trailing slash. */
  url: string
  /** What it is asked with, with the secrets in their places. */
  headers: readonly Header[]
  /** The secrets among them, in every spelling that is looked for, in small letters. */
  secrets: readonly string[]
  /** Headers of the reader that go there beside the usual ones: those that make a price, with the values that do. */
  priced: readonly Header[]
}

const SECRET = 'secret:'
/** A shorter word of a secret stands in harmless headers as well. */
const SHORTEST_WORD = 8

const HEADERS_ADVICE = 'write a table of headers, such as { Authorization = "secret:UPSTREAM_KEY" }'

function nameProblem(name: string, all: readonly string[]): string | null {
  if (!HEADER_NAME.test(name)) return 'this is no name of a header; write one such as "Authorization"'
  if (isTaken(name)) {
    return 'this header says something else already; write the one your upstream asks for, such as "Authorization"'
  }
  const isTwice = all.some((other) => other !== name && other.toLowerCase() === name.toLowerCase())
  return isTwice ? 'this header is there twice; write it once' : null
}

function valueProblem(value: string): string | null {
  if (value.startsWith(SECRET)) {
    return /^secret:[A-Za-z_]\w{0,63}$/.test(value)
      ? null
      : 'write the name of a secret behind "secret:", such as "secret:UPSTREAM_KEY"'
  }
  if (/secret:/i.test(value)) {
    return 'a secret is the whole value; write "secret:UPSTREAM_KEY", and put what stands before it, such as "Bearer ", into the secret'
  }
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return null
  return 'write plain ASCII on one line, or "secret:" and the name of a secret'
}

const headersSchema = z.pipe(
  z.record(z.string(), z.string({ error: 'write a text, or "secret:" and the name of a secret' }), {
    error: HEADERS_ADVICE,
  }),
  z.transform((headers, context) => {
    const names = Object.keys(headers)
    for (const [name, value] of Object.entries(headers)) {
      const message = nameProblem(name, names) ?? valueProblem(value)
      if (message !== null) context.issues.push({ code: 'custom', message, input: headers, path: [name] })
    }
    return headers
  }),
)

export const upstreamSchema = table({
  url: parsed(parseBase, 'write the base URL of the upstream, such as "https://api.upstream.example/v1"'),
  headers: z.optional(headersSchema),
})

type Written = z.infer<typeof upstreamSchema>

/** What is wrong with an upstream in its place. `hosts`: those of the site itself. `at`: where its route is written. */
export function upstreamProblems(
  { origin, content = 'origin' }: { origin?: Written | undefined; content?: string | undefined },
  hosts: readonly string[],
  at: string,
): ConfigProblem[] {
  if (origin === undefined) return []
  const problems: ConfigProblem[] = []
  if (content !== 'origin') {
    problems.push({ path: `${at}.origin`, message: `content = "${content}" is not fetched; remove one of the two` })
  }
  const plain = (host: string) => host.replace(/\.(?=:|$)/, '')
  if (hosts.map(plain).includes(plain(new URL(origin.url).host))) {
    problems.push({
      path: `${at}.origin.url`,
      message: 'this is the site itself; write the address of another server, or remove origin',
    })
  }
  return problems
}

/** A route's upstream with its secrets; what to do where one cannot be used. `at`: where it is written. */
export function upstreamOf(
  { url, headers = {} }: Written,
  prices: readonly PriceRule[],
  env: Record<string, unknown>,
  at: string,
): Result<Upstream, ConfigProblem[]> {
  const filled: Header[] = []
  const secrets: string[] = []
  const problems: ConfigProblem[] = []
  for (const [name, value] of Object.entries(headers)) {
    const secret = value.startsWith(SECRET) ? secretOf(env, value.slice(SECRET.length)) : null
    if (secret?.ok === false) problems.push({ path: `${at}.headers.${name}`, message: secret.error })
    if (secret?.ok) secrets.push(...spellingsOf(secret.value))
    filled.push([name, secret?.ok ? secret.value : value])
  }
  return problems.length > 0 ? fail(problems) : ok({ url, headers: filled, secrets, priced: pricedIn(prices) })
}

/** A secret as it may come back: whole, as part of an address, or without the word before it. */
function spellingsOf(secret: string): string[] {
  const words = secret.split(' ').filter((word) => word.length >= SHORTEST_WORD)
  return [...new Set([secret, ...words].flatMap((text) => [text, encodeURIComponent(text)]))].map((text) =>
    text.toLowerCase(),
  )
}

/** Who somebody is here is nothing to others, even where it makes the price. */
const pricedIn = (prices: readonly PriceRule[]): Header[] =>
  prices
    .flatMap(({ header }) => Object.entries(header))
    .map(([name, value]): Header => [name.toLowerCase(), value])
    .filter(([name]) => name !== 'authorization' && !isTaken(name))
