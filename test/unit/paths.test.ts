import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalPath,
  covers,
  matchesPattern,
  type Pattern,
  parsePattern,
  readingsOf,
} from '../../src/policy/paths.ts'
import { decide } from '../../src/policy/policy.ts'
import type { Rule } from '../../src/policy/rules.ts'

function pattern(text: string): Pattern {
  const parsed = parsePattern(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`)
  return parsed.value
}

const rule = (path: string, micros: bigint | 'free' = 50_000n, methods: string[] | null = null): Rule => ({
  path: pattern(path),
  isObserved: false,
  host: null,
  methods,
  price: micros === 'free' ? 'free' : [{ currency: 'USD', micros }],
  prices: [],
  accessSeconds: 86_400,
  content: 'origin',
  upstream: null,
  description: '',
  mimeType: '',
  wall: null,
  offers: [],
})

const facts = (path: string, method = 'GET') => ({
  host: 'news.example',
  method,
  path,
  isCanonical: true,
  rawPath: path,
  query: '',
  header: () => null,
  country: null,
})

describe('a path has one canonical form', () => {
  test.each([
    ['/articles/hello', '/articles/hello'],
    ['/articles/hello/', '/articles/hello'],
    ['/', '/'],
    ['/articles/h%65llo', '/articles/hello'],
    ['/articles/%7Ehello', '/articles/~hello'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/caf\u00e9', '/caf%C3%A9'],
    ['/cafe%CC%81', '/caf%C3%A9'],
    ['/100%25', '/100%25'],
    ['/a:b@c$d&e+f,g=h', '/a:b@c$d&e+f,g=h'],
    ['/a b', '/a%20b'],
    ['/a.b', '/a.b'],
  ])('%s is %s', (raw, canonical) => {
    expect(canonicalPath(raw)).toEqual({ ok: true, value: canonical })
  })

  test.each([
    '',
    'articles/hello',
    '//articles/hello',
    '/articles//hello',
    '/articles/%2Fhello',
    '/articles/%2fhello',
    '/articles%5Chello',
    '/articles\\hello',
    '/articles/../hello',
    '/articles/./hello',
    '/articles/%2e%2e/hello',
    '/articles/.%2E/hello',
    '/articles/..',
    '/articles/..;/hello',
    '/articles/.;x=1/hello',
    '/;x=1/articles/hello',
    '/.../articles/hello',
    '/%20/articles/hello',
    '/articles/hello%00',
    '/articles/hello%0a',
    '/articles/hello%7f',
    '/articles/hello%C2%85',
    '/articles/%',
    '/articles/%zz',
    '/articles/%c3',
    '/articles/%C0%AFhello',
    '/articles%252Fhello',
    '/articles/%25252e%25252e/hello',
    '/articles/%255Chello',
    '/articles/hello%2500',
    // U+037E becomes a semicolon when it is composed.
    '/%CD%BE',
    '/articles/..%CD%BE/hello',
  ])('%s is refused', (raw) => {
    expect(canonicalPath(raw)).toEqual({ ok: false, error: { code: 'invalid_path' } })
  })

  test('a path without escapes has the form of the same path with each of its characters escaped', () => {
    const plain = fc.string({ unit: fc.constantFrom(..."aZ09._~!&'*,=:@-/"), maxLength: 12 }).map((text) => `/${text}`)
    const escaped = (char: string) =>
      char === '/' || char === '.' ? char : `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`
    fc.assert(
      fc.property(plain, (path) => {
        expect(canonicalPath(path)).toEqual(canonicalPath([...path].map(escaped).join('')))
      }),
      { numRuns: 5_000 },
    )
  })

  test('canonical paths stay as they are, and nothing throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const first = canonicalPath(`/${text}`)
        if (first.ok) expect(canonicalPath(first.value)).toEqual(first)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('no spelling of a path reaches content around its route', () => {
  const rules = [rule('/articles/*'), rule('/a/:slug'), rule('/about', 'free'), rule('/Reports/Annual', 90_000n)]

  /** What lenient software may make of a path: decoded until nothing changes, case and parameters ignored. */
  function lenient(raw: string): string {
    let now = raw
    for (let i = 0; i < 8; i++) {
      try {
        now = decodeURIComponent(now)
      } catch {
        break
      }
    }
    const segments: string[] = []
    for (const segment of now.replaceAll('\\', '/').split('/')) {
      const plain = (segment.split(';')[0] ?? '').split('\0')[0] ?? ''
      if (plain === '..') segments.pop()
      else if (plain !== '' && plain !== '.') segments.push(plain.toLowerCase().replace(/[. ]+$/, ''))
    }
    return `/${segments.join('/')}`
  }

  const isGated = (path: string) => /^\/(articles(\/|$)|a\/[^/]+$|reports\/annual$)/.test(path)

  const piece = fc.constantFrom(
    'articles',
    'Articles',
    'ARTICLES',
    'hello',
    'a',
    'x',
    'about',
    'reports',
    'annual',
    'Reports',
    'Annual',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '/',
    '//',
    '\\',
    '%2F',
    '%5c',
    '%252f',
    '%255c',
    ';',
    ';x=1',
    '%3b',
    '%00',
    '%2500',
    '%61',
    '%41',
    '%2561',
    '%20',
    '.',
    '%',
    '%zz',
    '%c0%af',
    '\u212a',
    '\uff41',
    '%EF%BD%81',
    '?',
    '%3f',
    '*',
    ':slug',
    '%2e%2e%2f',
  )

  test('what an origin could read as a gated path is gated or refused', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const raw = `/${pieces.join('')}`.split('?')[0] ?? ''
        const canonical = canonicalPath(raw)
        if (!canonical.ok) return
        const decision = decide(facts(canonical.value), rules)
        if (!decision.ok || decision.value.kind === 'gated') return
        expect(isGated(lenient(raw)), raw).toBe(false)
        expect(isGated(lenient(canonical.value)), raw).toBe(false)
      }),
      { numRuns: 50_000 },
    )
  })

  test.each([
    '/Articles/hello',
    '/ARTICLES/hello',
    '/articles;x=1/hello',
    '/reports/annual',
    '/A/x',
    '/articles./hello',
  ])('%s, which another server may take for a gated path, is refused', (raw) => {
    const canonical = canonicalPath(raw)
    expect(canonical.ok && decide(facts(canonical.value), rules)).toEqual({
      ok: false,
      error: { code: 'invalid_path' },
    })
  })

  test('other case inside a tree stays behind the same rule', () => {
    expect(decide(facts('/articles/HELLO'), rules)).toMatchObject({ ok: true, value: { kind: 'gated' } })
  })

  test('HEAD is behind the gate of GET', () => {
    expect(decide(facts('/x', 'HEAD'), [rule('/x', 1n, ['GET'])])).toMatchObject({ value: { kind: 'gated' } })
    expect(decide(facts('/x', 'POST'), [rule('/x', 1n, ['GET'])])).toMatchObject({ value: { kind: 'open' } })
  })
})

describe('what an address may be taken for', () => {
  const secret = [rule('/secret'), rule('/report.php'), rule('/a/:slug'), rule('/articles/*')]
  const decided = (raw: string, rules = secret) => {
    const canonical = canonicalPath(raw)
    const path = canonical.ok ? canonical.value : raw
    const decision = decide({ ...facts(path), isCanonical: canonical.ok, rawPath: raw }, rules)
    return decision.ok ? decision.value.kind : decision.error.code
  }

  test.each([
    '/secret%3Fx',
    '/secret%23x',
    '/secret%253Fx',
    '/secret%00.html',
    '/secret%0d%0a',
    '/secret;x',
    '/secret%EF%BC%9Bx',
    '/%EF%BC%8Fsecret',
    '/x%EF%BC%BCsecret/../../secret',
    '/x/%E2%80%A5/secret',
    '/x/%EF%BC%8E%EF%BC%8E/secret',
    '/%EF%BC%852fsecret',
    '/x/..%c0%afsecret',
    '/x/%c0%ae%c0%ae/secret',
    '/x/..%u002fsecret',
    '/x\\..\\secret',
    '/x//../secret',
    '/x/..;/secret',
    '/./secret',
    '//secret',
    '/secret//',
    '/SECRET',
    '/secret...',
    '/secret%20',
    '/report.php/x',
    '/report.php/../x',
    '/Report.PHP/x/y',
    '/report.php%3Fa',
    '/report.php;a/b',
    '/a//x',
    '/a/x%2Fy',
    '/%2561rticles/..;/free',
    '/free/..%2farticles',
    '/secret;/..%2ffree',
    '/secret;/%252e%252e',
    '/a/x;/%252e%252e',
    '/secret%09',
    '/secret%1fx',
    '/art%09icles/hello',
    '/secret::$DATA',
    '/(S(x))/articles/hello',
    '/(A(x)F(y))/secret',
    '/index.php/secret',
    '/App.php/articles/hello',
  ])('%s is refused beside what is sold', (raw) => {
    expect(decided(raw)).toBe('invalid_path')
  })

  test.each([
    '/blog//2024',
    '/wiki/AC%2FDC',
    '/search%3Fq=1',
    '/tags/c%23',
    '/x/./y',
    '/x/../y',
    '/caf%E9',
    '/x;jsessionid=1',
    '/index.php/blog/2024',
    '/a%00b',
    '/x\\y',
    '/100%',
    '/report/print',
    '/reports.php/x',
    '/img/https%3A%2F%2Fcdn.example%2Fa%252Fb.php%2Fx%3Fw=1;h=2%23top',
    '/proxy//https:%2F%2Fwww.example.org%2Fwiki%2FA_(b)%2Findex.php%2Fc%3Fd%3De%253Bf%23g',
    '/search/%EF%BC%9F%20.%20a//b;c/d%3Fe%23f',
  ])('%s, free in every reading, is free', (raw) => {
    expect(decided(raw)).toBe('open')
  })

  test.each(['/articles/AC%2FDC', '/articles//x', '/articles/x%3Fy', '/articles/c%23', '/articles/index.php/x'])(
    '%s, behind one route in every reading, is sold',
    (raw) => {
      expect(decided(raw)).toBe('gated')
    },
  )

  test.each(['//tree/Open/x', '/tree%2fOpen/x', '/tree%252fOpen/x', '/tree/Open/x'])(
    '%s is refused where only a server that ignores case takes it for what is free',
    (raw) => {
      expect(decided(raw, [rule('/tree/open/*', 'free'), rule('/tree/*')])).toBe('invalid_path')
    },
  )

  test('where all is free, two routes are no reason to refuse', () => {
    const free = [rule('/about', 'free'), rule('/x/*', 'free')]
    expect(decided('/ABOUT', free)).toBe('open')
    expect(decided('/x/../about', free)).toBe('free')
  })

  test('what is stored is sold under canonical paths alone', () => {
    const stored = [{ ...rule('/articles/*'), content: 'kv' as const }]
    expect(decided('/articles//x', stored)).toBe('invalid_path')
    expect(decided('/articles/x', stored)).toBe('gated')
  })

  test('no address has readings without end, and none throws', () => {
    expect(readingsOf(`/%${'25'.repeat(200)}41`)).toBeNull()
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const readings = readingsOf(`/${text}`)
        expect(readings === null || readings.length <= 80).toBe(true)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('patterns', () => {
  test.each([
    ['/about', '/about', true],
    ['/about', '/about/x', false],
    ['/a/:slug', '/a/x', true],
    ['/a/:slug', '/a', false],
    ['/a/:slug', '/a/x/y', false],
    ['/articles/*', '/articles', true],
    ['/articles/*', '/articles/x/y', true],
    ['/articles/*', '/articlesx', false],
    ['/*', '/', true],
    ['/*', '/x/y', true],
    ['/', '/', true],
    ['/', '/x', false],
  ])('%s and %s: %s', (text, path, matches) => {
    expect(matchesPattern(pattern(text), path)).toBe(matches)
  })

  test.each(['', 'about', '/a//b', '/a/', '/a/*/b', '/a*', '/a/x:y', '/a/..', '/%61'])('%s is none', (text) => {
    expect(parsePattern(text).ok).toBe(false)
  })

  test.each([
    ['/articles/*', '/articles/:slug', true],
    ['/articles/*', '/articles/*', true],
    ['/articles/:slug', '/articles/*', false],
    ['/*', '/articles/*', true],
    ['/articles/*', '/*', false],
    ['/articles/x', '/articles/:slug', false],
  ])('%s covers %s: %s', (outer, inner, covered) => {
    expect(covers(pattern(outer), pattern(inner))).toBe(covered)
  })
})

test('a priced parameter given twice is refused, since an origin may read the other one', () => {
  const priced: Rule = {
    ...rule('/x'),
    prices: [{ query: { full: '1' }, header: {}, country: [], price: [{ currency: 'USD', micros: 90_000n }] }],
  }
  const decideFor = (query: string) => decide({ ...facts('/x'), query: `?${query}` }, [priced])
  expect(decideFor('full=1')).toMatchObject({ value: { price: [{ micros: 90_000n }] } })
  expect(decideFor('full=0')).toMatchObject({ value: { price: [{ micros: 50_000n }] } })
  expect(decideFor('a=1&a=2')).toMatchObject({ ok: true })
  expect(decideFor('full=0&full=1')).toEqual({ ok: false, error: { code: 'invalid_path' } })
})
