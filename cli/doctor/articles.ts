// What lies in KV against the routes: articles whose metadata stops their sale, and those that nobody can ask for. It looks at
// names and metadata alone; what an article says is not read.
import type { Config } from '../../src/config.ts'
import { parseArticle } from '../../src/policy/article.ts'
import { canonicalPath } from '../../src/policy/paths.ts'
import { formatAmounts, isSameAmount, type Rule } from '../../src/policy/rules.ts'
import { unpayable } from '../../src/price-problems.ts'
import type { StoredKey } from './cloudflare.ts'
import { error, type Finding, warning } from './findings.ts'
import { decisionAt } from './routes.ts'

/** More of one kind than a person reads are counted. */
const MOST_SHOWN = 5

/** Pure: what is wrong with what is stored. Keys that begin with no slash are somebody else's. */
export function articleFindings(keys: readonly StoredKey[], config: Config): Finding[] {
  const findings: Finding[] = []
  const unserved: string[] = []
  for (const { name, metadata } of keys.filter((key) => key.name.startsWith('/'))) {
    const rule = ruleAt(name, config)
    if (rule === null) unserved.push(name)
    else findings.push(...articleProblem(name, metadata, rule, config))
  }
  const more = findings.length - MOST_SHOWN
  return [
    ...findings.slice(0, MOST_SHOWN),
    ...(more > 0 ? [error('CONTENT_KV', `${more} more articles are like these; mend them, and run doctor again`)] : []),
    ...(unserved.length > 0 ? [nobodyAsks(unserved)] : []),
  ]
}

/** The route that answers with what lies under a key, at the first site that has one; null where none does. */
function ruleAt(key: string, { rules, sites }: Config): Rule | null {
  const path = addressOf(key)
  if (path === null) return null
  for (const site of sites) {
    const decision = decisionAt(path, 'GET', new URL(site).host, rules)
    const rule = decision.ok && decision.value.kind !== 'open' ? decision.value.rule : null
    if (rule?.content === 'kv') return rule
  }
  return null
}

/** The address whose key this is, where it is one: canonical, or the same in readable characters. */
function addressOf(key: string): string | null {
  for (const spelling of [key, key.split('/').map(encodeURIComponent).join('/')]) {
    const path = canonicalPath(spelling)
    if (path.ok && [path.value, decodeURIComponent(path.value)].includes(key)) return path.value
  }
  return null
}

function articleProblem(key: string, metadata: unknown, { offers }: Rule, { networks, tokens }: Config): Finding[] {
  const shown = JSON.stringify(key)
  const article = parseArticle(key, metadata)
  if (!article.ok) {
    return [
      error(
        'CONTENT_KV',
        `${shown} answers 500: ${article.error.problem}; put it again with metadata that can be read`,
      ),
    ]
  }
  const { price } = article.value
  const problem = price === null ? null : unpayable(price, networks, tokens)
  if (problem !== null) return [error('CONTENT_KV', `${shown} cannot be bought: ${problem}`)]
  const same = price === null || price === 'free' ? undefined : offers.find((offer) => isSameAmount(offer.price, price))
  if (same === undefined) return []
  const amount = formatAmounts(same.price)
  return [
    error(
      'CONTENT_KV',
      `${shown} costs ${amount}, and so does "${same.name}", which is then sold for it; make them differ`,
    ),
  ]
}

function nobodyAsks(keys: readonly string[]): Finding {
  const [first] = keys
  const shown = JSON.stringify(first)
  const what = keys.length === 1 ? `the key ${shown}` : `any of ${keys.length} keys such as ${shown}`
  return warning('CONTENT_KV', `no route with content = "kv" shows ${what}; add a route, correct the key, or remove it`)
}
