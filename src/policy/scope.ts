// What a purchase opens: one resource exactly, or every resource a path pattern matches. Text form, as passes and the
// payer's record keep it: `=/articles/hello` is that resource and nothing else, `~/articles/*` is a pattern.
// The kinds are told apart by their mark, so that a path spelt like a pattern opens only itself.
import { covers, matchesAsRead, type Pattern, parsePattern } from './paths.ts'

/** The thing a request is about. HEAD counts as GET. */
export type Resource = {
  /** Canonical origin of the site. */
  site: string
  method: string
  /** Canonical path; where there is none, the path as sent. */
  path: string
  /**
   * What "the same resource" means: the canonical path, the query where it tells content apart, and after a `#` the
   * headers that made the price.
   */
  id: string
}

/** The host of a site, with its port where it has one. */
export const hostOf = (site: string): string => site.slice(site.indexOf('//') + 2)

/** The address of a resource, as challenges and receipts name it. */
export const urlOf = (resource: Resource): string => resource.site + pathAndQueryOf(resource.id)

/** Path and query of a resource's identity. */
export const pathAndQueryOf = (id: string): string => id.split('#')[0] ?? ''

/** Only the path. */
export const pathOf = (id: string): string => id.split(/[?#]/)[0] ?? ''

/** The scope text of an offer sold at a resource. */
export const scopeOf = (offer: { scope: string | null }, resource: Resource): string =>
  offer.scope === null ? `=${resource.id}` : `~${offer.scope}`

/** Whether a scope opens a resource. A pattern does where it matches every reading of the path. */
export function scopeOpens(scope: string, resource: Resource): boolean {
  if (scope.startsWith('=')) return scope.slice(1) === resource.id
  const pattern = patternOf(scope)
  return pattern !== null && matchesAsRead(pattern, resource.path)
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
