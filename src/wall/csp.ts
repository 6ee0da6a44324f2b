// The Content-Security-Policy of a walled page: what the publisher's page may show, and no script but ours and the kept
// ones. Pure; words and rules are those of CSP Level 3.

/** A script that the publisher marked as kept. One that cannot be named in a policy does not run. */
export type KeptScript = {
  /** Absolute, resolved against the page's base, or a path of the site. Null for an inline script. */
  src: string | null
  /** `sha256-…` of an inline script. */
  hash: string | null
  /** Used only where neither address nor hash names the script and nothing else. */
  nonce: string | null
}

export type WallPolicy = {
  /** Each `Content-Security-Policy` of the origin; what it sends for reports alone is left out. */
  headers: readonly string[]
  /** Contents of the page's meta elements, which must not reach the reader: they would stop our script. */
  metas: readonly string[]
  /** `sha256-…` of our inline script. */
  script: string
  /** `sha256-…` of our inline style elements. */
  styles: readonly string[]
  kept: readonly KeptScript[]
  /** Canonical origin of the site. */
  site: string
  /** Where the page's own links count from. */
  base: string
}

/** First of a kind counts; names in lower case. */
type Policy = ReadonlyMap<string, readonly string[]>
type Directive = readonly [name: string, values: readonly string[]]
type Filter = (values: readonly string[]) => readonly string[]

/** A page's own policies are not read past this, in characters: far more than browsers and servers take in one header. */
const LONGEST_GIVEN = 32_768

/** All policies of an answer together, in characters: half of what its headers may have. */
const LONGEST = 4096

/** What a browser reads in one way only. A meta element may hold any character, a header may not. */
const HAS_CONTROL = /[^\t\n\f\r -~\u0080-\uffff]/
const HAS_MORE_THAN_ASCII = /[\u0080-\uffff]/

const HASH = /^sha(?:256|384|512)-[\w+/-]+={0,2}$/i
const NONCE = /^[\w+/-]+={0,2}$/
/** A nonce or hash in a list: with one, `'unsafe-inline'` says nothing. */
const KEYED = /^'(?:nonce|sha(?:256|384|512))-[\w+/-]+={0,2}'$/i

/** Without these the card neither runs, nor asks this site, nor sends a form. */
const NEEDED_IN_SANDBOX = ['allow-scripts', 'allow-same-origin', 'allow-forms']

/**
 * The values of `Content-Security-Policy` that stand in the place of the page's own: one header each. Null: the plain page
 * has to be shown, since the page is sandboxed without scripts, forms or its origin, or its policies cannot be kept within
 * the bounds. Where the page says nothing of base and forms, they are the site's own.
 */
export function wallPolicy({ headers, metas, script, styles, kept, site, base }: WallPolicy): string[] | null {
  const given = [...headers, ...metas].join('')
  if (given.length > LONGEST_GIVEN || HAS_CONTROL.test(given)) return null
  if (![script, ...styles].every((hash) => HASH.test(hash))) return null
  const policies = [
    ...headers.flatMap(policiesIn),
    // In a meta element a sandbox is not heeded.
    ...metas.flatMap(policiesIn).map((policy) => new Map([...policy].filter(([name]) => name !== 'sandbox'))),
  ]
  if (policies.some(stopsTheCard)) return null

  const scripts = [`'${script}'`, ...kept.flatMap((one) => sourceOf(one, site) ?? [])]
  const hashes = styles.map((hash) => `'${hash}'`)
  const limits = limitsOf(scripts, policies, new URL(base).origin === site ? [] : [new URL(base).origin])
  const pages = policies.length === 0 ? [[]] : policies.map((policy) => ofPage(policy, hashes))
  const values = [...new Set(pages.map((page) => [...page, ...limits].map(written).join('; ')))]
  return values.join(', ').length > LONGEST ? null : values
}

/** A page's own policy as it is, but that one more inline style may stand in the page. `hash`: `sha256-…`. */
export function withStyleLetIn(header: string, hash: string): string {
  if (header.length > LONGEST_GIVEN || HAS_CONTROL.test(header)) return header
  return policiesIn(header)
    .map((policy) => {
      const governing = ['style-src-elem', 'style-src', 'default-src'].find((name) => policy.has(name))
      const list = policy.get(governing ?? '') ?? []
      const sources = list.filter((source) => source.toLowerCase() !== "'none'")
      if (governing === undefined || allowsAllInline(list)) return policy
      return new Map([...policy, ['style-src-elem', [...sources, `'${hash}'`]] as const])
    })
    .map((policy) => [...policy].map(written).join('; '))
    .join(', ')
}

/** The policies of one value. Browsers part a meta element's at commas too, and the parts together are never looser. */
const policiesIn = (value: string): Policy[] =>
  value
    .split(',')
    .map(policyOf)
    .filter(({ size }) => size > 0)

function policyOf(text: string): Policy {
  const policy = new Map<string, readonly string[]>()
  for (const directive of text.split(';')) {
    const [name = '', ...values] = directive.split(/[\t\n\f\r ]+/).filter((part) => part !== '')
    if (name === '' || HAS_MORE_THAN_ASCII.test(directive) || policy.has(name.toLowerCase())) continue
    policy.set(name.toLowerCase(), values)
  }
  return policy
}

function stopsTheCard(policy: Policy): boolean {
  const allowed = policy.get('sandbox')?.map((flag) => flag.toLowerCase())
  return allowed !== undefined && !NEEDED_IN_SANDBOX.every((flag) => allowed.includes(flag))
}

/** What every walled page is held to, whatever its own policies say. */
function limitsOf(scripts: readonly string[], policies: readonly Policy[], bases: readonly string[]): Directive[] {
  // Where one of the policies speaks of it, that one holds: ours beside it could shut out what it allows.
  const unlessSaid = (name: string, more: readonly string[] = []): Directive[] =>
    policies.some((policy) => policy.has(name)) ? [] : [[name, ["'self'", ...more]]]
  return [
    ['script-src', scripts],
    ['connect-src', ["'self'"]],
    ...['object-src', 'frame-src', 'worker-src', 'manifest-src', 'frame-ancestors'].map(
      (name): Directive => [name, []],
    ),
    ...unlessSaid('base-uri', bases),
    ...unlessSaid('form-action'),
  ]
}

/** What stays of one of the page's policies: what it shows, bases, forms, and what makes it stricter. */
function ofPage(policy: Policy, hashes: readonly string[]): Directive[] {
  const fallback = policy.get('default-src')
  const keep = (name: string, values: readonly string[] | undefined, kept: Filter): Directive[] =>
    values === undefined ? [] : [[name, kept(values)]]
  const asItIs = (name: string): Directive[] => keep(name, policy.get(name), (values) => values)
  const withHashes = (values: readonly string[]) => styleSources(values, hashes)
  return [
    // All that it stands for is written out, and what is not known yet stays shut.
    ...keep('default-src', fallback, () => []),
    // A wallet shows itself by a picture that it brings along.
    ...keep('img-src', policy.get('img-src') ?? fallback, (values) => [...addresses(values), 'data:']),
    ...['font-src', 'media-src'].flatMap((name) => keep(name, policy.get(name) ?? fallback, addresses)),
    ...keep('style-src', policy.get('style-src') ?? fallback, withHashes),
    ...keep('style-src-elem', policy.get('style-src-elem'), withHashes),
    ...keep('style-src-attr', policy.get('style-src-attr'), (values) => styleSources(values, [])),
    ...['base-uri', 'form-action'].flatMap((name) => keep(name, policy.get(name), addresses)),
    ...['require-trusted-types-for', 'trusted-types', 'sandbox'].flatMap(asItIs),
    ...['upgrade-insecure-requests', 'block-all-mixed-content'].flatMap((name) =>
      keep(name, policy.get(name), () => []),
    ),
  ]
}

/** What of a list names addresses. Anything but words in quotes is for the browser to read, as in the page's own policy. */
const addresses = (list: readonly string[]): string[] =>
  list.filter((source) => !source.startsWith("'") || source.toLowerCase() === "'self'")

/** The list with our hashes, unless it allows all inline styles: a hash would end that. */
function styleSources(list: readonly string[], hashes: readonly string[]): string[] {
  return [
    ...addresses(list),
    ...list.filter((source) => KEYED.test(source)),
    ...(has(list, "'unsafe-hashes'") ? ["'unsafe-hashes'"] : []),
    ...(allowsAllInline(list) ? ["'unsafe-inline'"] : hashes),
  ]
}

const has = (list: readonly string[], keyword: string) => list.some((source) => source.toLowerCase() === keyword)

const allowsAllInline = (list: readonly string[]): boolean =>
  has(list, "'unsafe-inline'") && !list.some((source) => KEYED.test(source))

/** How a policy names a kept script: as narrowly as it can; null where it cannot. */
function sourceOf({ src, hash, nonce }: KeptScript, site: string): string | null {
  const byNonce = nonce !== null && NONCE.test(nonce) ? `'nonce-${nonce}'` : null
  if (src === null) return hash !== null && HASH.test(hash) ? `'${hash}'` : byNonce
  const address = scriptAddress(src, site)
  // An address that ends in a slash names all that lies below it.
  return address?.endsWith('/') ? (byNonce ?? address) : (address ?? byNonce)
}

/** A script's address as a policy can write it: without its query, which browsers do not compare. Null where it cannot. */
export function scriptAddress(src: string, site: string): string | null {
  if (src === '' || !URL.canParse(src, site)) return null
  const { protocol, hostname, port, pathname } = new URL(src, site)
  // `*` is a host's name in an address and all hosts in a policy.
  if (!/^https?:$/.test(protocol) || !/^[\w-]+(?:\.[\w-]+)*$/.test(hostname)) return null
  const path = pathname.replace(/[^\w\-.~!$&()*+=:@%/]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
  return `${protocol}//${hostname}${port === '' ? '' : `:${port}`}${path}`
}

/** Names whose empty list is written as `'none'`; others stand alone. */
const IS_LIST = /-src(?:-elem|-attr)?$|^(?:base-uri|form-action|frame-ancestors)$/

function written([name, values]: Directive): string {
  const list = values.length === 0 && IS_LIST.test(name) ? ["'none'"] : [...new Set(values)]
  return [name, ...list].join(' ')
}
