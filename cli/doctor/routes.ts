// What is wrong among routes that are each right by themselves. It never fetches.
import type { Config } from '../../src/config.ts'
import { covers, type Pattern } from '../../src/policy/paths.ts'
import { decide } from '../../src/policy/policy.ts'
import { amountIn, formatAmounts, isSameAmount, type Rule } from '../../src/policy/rules.ts'
import { error, type Finding, warning } from './findings.ts'

export function routeFindings({ rules, sites }: Config): Finding[] {
  return rules.flatMap((rule, i) => {
    const at = `ROUTES[${i}]`
    const never = neverMatches(rule, rules.slice(0, i))
    if (never !== null) return error(`${at}.${never.key}`, `it never matches: ${never.message}`)
    return [
      ...refusedSpellings(rule, i, rules, sites),
      ...unsold(rule, at),
      ...samePrices(rule, at),
      ...oneAnswer(rule, at),
      ...withoutDollars(rule, at),
      ...observed(rule, at),
      ...withYourKey(rule, at),
    ]
  })
}

const RESERVED = /^\/(?:_newsstand|\.well-known\/(?:x402|did\.json)$)(?:\/|$)/

/** HEAD is asked at the gate of GET. */
const methodsOf = (rule: Rule) => rule.methods?.filter((method) => method !== 'HEAD') ?? null

function neverMatches(rule: Rule, earlier: readonly Rule[]): { key: string; message: string } | null {
  const { path } = rule
  const methods = methodsOf(rule)
  if (methods?.length === 0) return { key: 'methods', message: 'HEAD goes with GET; write methods = ["GET"]' }
  if (RESERVED.test(path.text)) {
    return { key: 'path', message: `${path.text} belongs to newsstand; write another path, or remove the route` }
  }
  const index = earlier.findIndex((other) => {
    const taken = methodsOf(other)
    const hasAllMethods = taken === null || methods?.every((method) => taken.includes(method)) === true
    return hasAllMethods && (other.host === null || other.host === rule.host) && covers(other.path, path)
  })
  if (index < 0) return null
  const before = `ROUTES[${index}] ("${earlier[index]?.path.text}") stands before it and takes all of "${path.text}"`
  return { key: 'path', message: `${before}; move this route before that one, or remove it` }
}

/** An address that the pattern matches. */
export const exampleOf = ({ segments, tree }: Pattern): string =>
  `/${[...segments.map((segment) => (segment.startsWith(':') ? 'example' : segment)), ...(tree ? ['example'] : [])].join('/')}`

/** What the policy says of an address, asked as a program would. */
export const decisionAt = (path: string, method: string, host: string, rules: readonly Rule[]) =>
  decide({ host, method, path, isCanonical: true, rawPath: path, query: '', header: () => null, country: null }, rules)

/** Addresses which other software could take for those of another route are refused, to who pays too. */
function refusedSpellings(rule: Rule, index: number, rules: readonly Rule[], sites: readonly string[]): Finding[] {
  const path = exampleOf(rule.path)
  const host = rule.host ?? new URL(sites[0] ?? '').host
  const decision = decisionAt(path, methodsOf(rule)?.[0] ?? 'GET', host, rules)
  if (decision.ok) return []
  const why = 'is refused, since other software could take it for an address of another route'
  return [
    error(`ROUTES[${index}].path`, `every address such as ${path} ${why}; write paths that differ in more than case`),
  ]
}

/** Things that are on sale, and that nobody can buy. */
function unsold(rule: Rule, at: string): Finding[] {
  const findings: Finding[] = []
  const methods = methodsOf(rule)
  if (rule.content !== 'origin' && methods !== null && !methods.includes('GET')) {
    const advice = 'add "GET", or write content = "origin"'
    findings.push(error(`${at}.methods`, `content "${rule.content}" answers GET and HEAD only; ${advice}`))
  }
  const always = rule.prices.findIndex(
    ({ query, header, country }) => country.length + Object.keys(query).length + Object.keys(header).length === 0,
  )
  if (always >= 0) {
    const path = `${at}.prices[${always}].when`
    findings.push(error(path, 'it is empty and always applies, so that no later price does; write a condition'))
  }
  const isFree = rule.price === 'free' && rule.prices.every(({ price }) => price === 'free')
  rule.offers.forEach(({ name, scope }, i) => {
    if (isFree && rule.content === 'origin') {
      findings.push(
        error(`${at}.offers[${i}]`, `"${name}" is never offered: the route is free; write a price, or remove it`),
      )
    } else if (!overlap(scope, rule.path)) {
      const advice = `write a scope such as "${rule.path.text}"`
      const message = `"${name}" is never offered: "${scope.text}" has no address of this route; ${advice}`
      findings.push(error(`${at}.offers[${i}].scope`, message))
    }
  })
  return findings
}

/** Whether some path is matched by both. */
function overlap(a: Pattern, b: Pattern): boolean {
  const isLonger = (one: Pattern, other: Pattern) => one.segments.length > other.segments.length && !other.tree
  if (isLonger(a, b) || isLonger(b, a)) return false
  return a.segments.every((segment, i) => {
    const other = b.segments[i]
    return other === undefined || other === segment || segment.startsWith(':') || other.startsWith(':')
  })
}

/** An amount names what is bought. The parser compares offers with the price; here they are compared with its rules. */
function samePrices(rule: Rule, at: string): Finding[] {
  return rule.prices.flatMap(({ price }, i) => {
    const offer = price === 'free' ? undefined : rule.offers.find((known) => isSameAmount(known.price, price))
    if (price === 'free' || offer === undefined) return []
    const message = `${formatAmounts(price)} is the price of "${offer.name}" too, which is then sold for it; make them differ`
    return error(`${at}.prices[${i}].price`, message)
  })
}

/** Stock clients pay in the dollars they know, and in another token only when they are told to. */
function withoutDollars(rule: Rule, at: string): Finding[] {
  if (rule.price === 'free' || amountIn(rule.price, 'USD') !== null) return []
  const message = `${formatAmounts(rule.price)} is no price in dollars: most programs pay in USDC alone, unless they are told otherwise`
  return [warning(`${at}.price`, `${message}; write a price in dollars beside it`)]
}

/** What observing does beside counting. */
function observed(rule: Rule, at: string): Finding[] {
  if (!rule.isObserved) return []
  const source = rule.upstream ? 'asked for with your key for anybody' : 'given to anybody'
  const caches = 'purge caches before, since they may hold free copies'
  return [
    warning(
      `${at}.mode`,
      `it sells nothing: all of "${rule.path.text}" is ${source}; to sell write "enforce", and ${caches}`,
    ),
  ]
}

/** Names of headers that hold a key. */
const KEY_NAMES = /auth|cookie|key|password|secret|token/i

/** What a route's upstream may cost. */
function withYourKey(rule: Rule, at: string): Finding[] {
  if (!rule.upstream?.ok) return []
  const { headers, secrets } = rule.upstream.value
  const findings = headers
    .filter(([name, value]) => KEY_NAMES.test(name) && !secrets.includes(value.toLowerCase()))
    .map(([name]) =>
      warning(
        `${at}.origin.headers.${name}`,
        'it looks like a key, and stands in a file; write "secret:UPSTREAM_KEY", and put the key: npx wrangler secret put UPSTREAM_KEY',
      ),
    )
  if (secrets.length === 0) return findings
  if (rule.price === 'free' && !rule.isObserved) {
    findings.push(warning(`${at}.price`, 'anybody spends your key for nothing; write a price, or remove the secret'))
  }
  if (rule.methods === null) {
    const advice = 'write those you sell, such as methods = ["GET"]'
    findings.push(
      warning(`${at}.methods`, `every method goes there with your key, DELETE too, at one price; ${advice}`),
    )
  }
  return findings
}

/** What is sold for one answer has to arrive in one. */
function oneAnswer(rule: Rule, at: string): Finding[] {
  if (rule.content !== 'r2' || rule.accessSeconds > 0 || rule.price === 'free') return []
  const why = '"once" sells a single answer, in which a file of more than 100 MB hardly arrives'
  return [warning(`${at}.access`, `${why}; write a duration such as "24h", whose holders get ranges`)]
}
