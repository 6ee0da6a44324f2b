// The site's own list of addresses against its routes: what is gated, what is free, which routes meet none. It fetches nothing
// but the list.
import { readFileSync } from 'node:fs'
import type { Config } from '../../src/config.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { canonicalPath } from '../../src/policy/paths.ts'
import { ask, type Surroundings } from './asking.ts'
import { error, type Finding, notChecked, type Report, warning } from './findings.ts'
import { decisionAt } from './routes.ts'

const LARGEST_BYTES = 10 * 1024 * 1024
/** The limit of the format. */
const MOST_ADDRESSES = 50_000
/** Lists that a list of lists may name here. */
const MOST_LISTS = 20

export async function sitemapReport(source: string, config: Config, surroundings: Surroundings): Promise<Report> {
  const read = await addressesIn(source, surroundings)
  if (!read.ok) return { findings: [notChecked('sitemap', read.error)], notes: [] }
  return compared(read.value, config)
}

/** Pure: the addresses of a sitemap as the policy takes them. */
export function compared(addresses: readonly string[], { rules, sites }: Config): Report {
  const met = new Set<number>()
  const count = { gated: 0, free: 0, refused: 0, elsewhere: 0 }
  let firstRefused: string | null = null
  for (const address of addresses) {
    const url = URL.canParse(address) ? new URL(address) : null
    if (url === null || !sites.includes(url.origin)) {
      count.elsewhere += 1
      continue
    }
    const canonical = canonicalPath(url.pathname)
    const decision = canonical.ok ? decisionAt(canonical.value, 'GET', url.host, rules) : canonical
    if (!decision.ok) {
      count.refused += 1
      firstRefused ??= url.pathname
    } else if (decision.value.kind === 'open') {
      count.free += 1
    } else {
      count[decision.value.kind === 'gated' ? 'gated' : 'free'] += 1
      met.add(rules.indexOf(decision.value.rule))
    }
  }
  const findings: Finding[] = rules.flatMap(({ path, methods }, i) => {
    const isRead = methods === null || methods.includes('GET')
    if (met.has(i) || !isRead) return []
    return warning(
      `ROUTES[${i}].path`,
      `no address of the sitemap matches "${path.text}"; correct it, or leave it if it is new`,
    )
  })
  if (count.gated === 0) {
    findings.push(
      warning('ROUTES', 'nothing in the sitemap is for sale; correct the paths, or give --sitemap another list'),
    )
  }
  if (firstRefused !== null) {
    const message = `${count.refused} of the sitemap's addresses are refused to everybody, ${firstRefused} for one`
    findings.push(error('ROUTES', `${message}; write routes that differ in more than case, and no odd addresses`))
  }
  const { gated, free, refused, elsewhere } = count
  const notes = [`Sitemap: ${gated} gated, ${free} free, ${refused} refused, ${elsewhere} of other sites.`]
  return { findings, notes }
}

async function addressesIn(source: string, surroundings: Surroundings): Promise<Result<string[], string>> {
  const text = await textOf(source, surroundings)
  if (!text.ok) return text
  const found = locations(text.value)
  if (!/<sitemapindex[\s>]/.test(text.value)) return ok(found)
  const all: string[] = []
  for (const list of found.slice(0, MOST_LISTS)) {
    const inner = await textOf(list, surroundings)
    if (inner.ok) all.push(...locations(inner.value))
  }
  return ok(all.slice(0, MOST_ADDRESSES))
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const locations = (xml: string): string[] =>
  [...xml.matchAll(/<loc>\s*([^<]{1,2048}?)\s*<\/loc>/g)]
    .slice(0, MOST_ADDRESSES)
    .map(([, text = '']) => text.replace(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole))

async function textOf(source: string, surroundings: Surroundings): Promise<Result<string, string>> {
  if (!/^https?:\/\//.test(source)) {
    try {
      return ok(readFileSync(source, 'utf8').slice(0, LARGEST_BYTES))
    } catch {
      return fail(`${source} cannot be read; give --sitemap a file or an address`)
    }
  }
  const reply = await ask(source, { headers: { Accept: '*/*' }, maxBytes: LARGEST_BYTES }, surroundings)
  const { host } = new URL(source)
  if (!reply.ok) return fail(`${host} did not answer for the sitemap; give --sitemap a file`)
  return reply.value.status === 200
    ? ok(reply.value.text)
    : fail(`${host} answered ${reply.value.status} for the sitemap; give --sitemap another address, or a file`)
}
