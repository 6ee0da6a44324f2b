// What a purchase opens: one resource exactly, or every resource a path pattern matches. Text form, as passes and the
// payer's record keep it: `=/articles/hello` is that resource and nothing else, `~/articles/*` is a pattern.
// The kinds are told apart by their mark, so that a path spelt like a pattern opens only itself.
import { covers, matchesPattern, type Pattern, parsePattern } from './rules.ts'

/** The thing a request is about. HEAD counts as GET. */
export type Resource = {
  /** Canonical origin of the site. */
  site: string
  method: string
  /** Canonical path. */
  path: string
  /**
   * What "the same resource" means: the canonical path, the query where it tells content apart, and after a `#` the
   * headers that made the price.
   */
  id: string
}

/** The address of a resource, as challenges and receipts name it. */
export const urlOf = (resource: Resource): string => resource.site + pathAndQueryOf(resource.id)

/** Path and query of a resource's identity. */
export const pathAndQueryOf = (id: string): string => id.split('#')[0] ?? ''

/** Only the path. */
export const pathOf = (id: string): string => id.split(/[?#]/)[0] ?? ''

/** The scope text of an offer sold at a resource. */
export const scopeOf = (offer: { scope: string | null }, resource: Resource): string =>
  offer.scope === null ? `=${resource.id}` : `~${offer.scope}`

/** Whether a scope opens a resource. */
export function scopeOpens(scope: string, resource: Resource): boolean {
  if (scope.startsWith('=')) return scope.slice(1) === resource.id
  const pattern = patternOf(scope)
  return pattern !== null && matchesPattern(pattern, resource.path)
}

/** Whether `owned` opens all of `wanted`, a scope sold at `resource`: then paying for `wanted` is paying twice. */
export function scopeIncludes(owned: string, wanted: string, resource: Resource): boolean {
  if (owned === wanted) return true
  const outer = patternOf(owned)
  if (outer === null) return false
  const inner = patternOf(wanted)
  return inner === null ? scopeOpens(owned, resource) : covers(outer, inner)
}

function patternOf(scope: string): Pattern | null {
  if (!scope.startsWith('~')) return null
  const pattern = parsePattern(scope.slice(1))
  return pattern.ok ? pattern.value : null
}

/** Parameters that say where a reader came from. They never tell content apart. */
const TRACKING =
  /^(?:utm_[a-z_]+|fbclid|gclid|gbraid|wbraid|dclid|msclkid|twclid|ttclid|li_fat_id|igshid|mc_[ce]id|_ga|ref_src)$/

/** The query as part of a resource: sorted, without tracking parameters; "" or with its question mark. */
export function identifyingQuery(query: URLSearchParams): string {
  const kept = new URLSearchParams([...query].filter(([name]) => !TRACKING.test(name)))
  kept.sort()
  return kept.size === 0 ? '' : `?${kept.toString()}`
}
