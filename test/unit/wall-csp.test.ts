// The policy of a walled page: the page shows what it showed before, and runs nothing but our script and the kept ones.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KeptScript, type WallPolicy, wallPolicy, withStyleLetIn } from '../../src/wall/csp.ts'

const SITE = 'https://news.example'
const OURS = 'sha256-b3VyIHNjcmlwdCBpcyB0aGUgb25seSBvbmUgaGVyZS4='
const STYLE = 'sha256-b3VyIHN0eWxlIGlzIGluIHRoZSBzaGFkb3cgcm9vdC4='
const THEIRS = 'sha256-YSBzdHlsZSBvZiB0aGUgcHVibGlzaGVyJ3Mgb3duLiE='

const given = (change: Partial<WallPolicy> = {}): WallPolicy => ({
  headers: [],
  metas: [],
  script: OURS,
  styles: [STYLE],
  kept: [],
  site: SITE,
  base: `${SITE}/articles/tides`,
  ...change,
})

/** What stands in every answer, whatever the page says. */
const LIMITS = {
  'script-src': `'${OURS}'`,
  'connect-src': "'self'",
  'object-src': "'none'",
  'frame-src': "'none'",
  'worker-src': "'none'",
  'manifest-src': "'none'",
  'frame-ancestors': "'none'",
}
const BASE_AND_FORMS = { 'base-uri': "'self'", 'form-action': "'self'" }

const directivesOf = (value: string): Record<string, string> =>
  Object.fromEntries(
    value.split(';').map((directive): [string, string] => {
      const [name = '', ...rest] = directive.trim().split(' ')
      return [name, rest.join(' ')]
    }),
  )

function policies(change: Partial<WallPolicy>): Record<string, string>[] {
  const values = wallPolicy(given(change))
  if (values === null) throw new Error('the plain page')
  return values.map(directivesOf)
}

describe('policies of real pages, and what becomes of each', () => {
  test.each<[string, Partial<WallPolicy>, Record<string, string>[]]>([
    ['no policy, as WordPress sends none', {}, [{ ...LIMITS, ...BASE_AND_FORMS }]],
    [
      'a nonce and strict-dynamic: the script list goes, images and styles stay free',
      {
        headers: [
          "script-src 'nonce-r4nd0m' 'strict-dynamic' 'unsafe-inline' https:; object-src 'none'; base-uri 'none'",
        ],
      },
      [{ ...LIMITS, 'base-uri': "'none'", 'form-action': "'self'" }],
    ],
    [
      'lists of hosts: those of images, styles, fonts and media stay as they are',
      {
        headers: [
          "script-src 'self' https://www.googletagmanager.com *.ads.example 'unsafe-eval'; img-src 'self' data: blob: https://*.cdn.example; style-src 'self' 'unsafe-inline' https://fonts.googleapis.com; font-src https://fonts.gstatic.com; media-src https://v.example/films/; frame-src https://www.youtube.com; connect-src https://stats.example wss:; form-action 'self' https://search.example",
        ],
      },
      [
        {
          'img-src': "'self' data: blob: https://*.cdn.example",
          'font-src': 'https://fonts.gstatic.com',
          'media-src': 'https://v.example/films/',
          'style-src': "'self' https://fonts.googleapis.com 'unsafe-inline'",
          'form-action': "'self' https://search.example",
          'base-uri': "'self'",
          ...LIMITS,
        },
      ],
    ],
    [
      "default-src 'self' alone: written out for what it stands for, then shut",
      { headers: ["default-src 'self'"] },
      [
        {
          'default-src': "'none'",
          'img-src': "'self' data:",
          'font-src': "'self'",
          'media-src': "'self'",
          'style-src': `'self' '${STYLE}'`,
          ...LIMITS,
          ...BASE_AND_FORMS,
        },
      ],
    ],
    [
      "styles that live on 'unsafe-inline': no hash beside it, by way of default-src too",
      { headers: ["default-src * data: 'unsafe-inline' 'unsafe-eval'; style-src-elem 'self'"] },
      [
        {
          'default-src': "'none'",
          'img-src': '* data:',
          'font-src': '* data:',
          'media-src': '* data:',
          'style-src': "* data: 'unsafe-inline'",
          'style-src-elem': `'self' '${STYLE}'`,
          ...LIMITS,
          ...BASE_AND_FORMS,
        },
      ],
    ],
    [
      "hashes and nonces of styles stay, ours beside them; 'unsafe-inline' says nothing there",
      {
        headers: [
          `style-src 'self' 'unsafe-inline' 'unsafe-hashes' '${THEIRS}' 'nonce-abc' 'report-sample'; style-src-attr 'none'`,
        ],
      },
      [
        {
          'style-src': `'self' '${THEIRS}' 'nonce-abc' 'unsafe-hashes' '${STYLE}'`,
          'style-src-attr': "'none'",
          ...LIMITS,
          ...BASE_AND_FORMS,
        },
      ],
    ],
    [
      "default-src 'none' with its parts, as GitHub sends it",
      {
        headers: [
          "default-src 'none'; img-src 'self' data:; style-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'",
        ],
      },
      [
        {
          'default-src': "'none'",
          'img-src': "'self' data:",
          'font-src': "'none'",
          'media-src': "'none'",
          'style-src': `'${STYLE}'`,
          'base-uri': "'self'",
          'form-action': "'none'",
          ...LIMITS,
        },
      ],
    ],
    [
      'a header and a meta element: one policy for each, our style in both',
      {
        headers: ["style-src 'self'"],
        metas: ["img-src https:; style-src 'self' https://cdn.example; sandbox; frame-ancestors *; report-uri /r"],
      },
      [
        { 'style-src': `'self' '${STYLE}'`, ...LIMITS, ...BASE_AND_FORMS },
        {
          'img-src': 'https: data:',
          'style-src': `'self' https://cdn.example '${STYLE}'`,
          ...LIMITS,
          ...BASE_AND_FORMS,
        },
      ],
    ],
    [
      'several headers, one of them a list: what one says of base and forms, ours does not narrow',
      { headers: ['img-src https:, base-uri https://cdn.example', "upgrade-insecure-requests; img-src 'self' https:"] },
      [
        { 'img-src': 'https: data:', ...LIMITS, 'form-action': "'self'" },
        { 'base-uri': 'https://cdn.example', ...LIMITS, 'form-action': "'self'" },
        { 'img-src': "'self' https: data:", 'upgrade-insecure-requests': '', ...LIMITS, 'form-action': "'self'" },
      ],
    ],
    [
      'what reports and is unknown goes',
      {
        headers: [
          "report-uri https://r.example/csp; report-to main; plugin-types application/pdf; referrer origin; img-src 'self' 'report-sample'",
        ],
      },
      [{ 'img-src': "'self' data:", ...LIMITS, ...BASE_AND_FORMS }],
    ],
    [
      'trusted types stay: our script writes to no sink',
      { headers: ["require-trusted-types-for 'script'; trusted-types one two 'allow-duplicates'"] },
      [
        {
          'require-trusted-types-for': "'script'",
          'trusted-types': "one two 'allow-duplicates'",
          ...LIMITS,
          ...BASE_AND_FORMS,
        },
      ],
    ],
    [
      'a sandbox with what the card needs stays',
      { headers: ['sandbox Allow-Scripts allow-same-origin allow-forms allow-popups'] },
      [{ sandbox: 'Allow-Scripts allow-same-origin allow-forms allow-popups', ...LIMITS, ...BASE_AND_FORMS }],
    ],
    [
      'mixed content stays forbidden',
      { headers: ['upgrade-insecure-requests; block-all-mixed-content'] },
      [{ 'upgrade-insecure-requests': '', 'block-all-mixed-content': '', ...LIMITS, ...BASE_AND_FORMS }],
    ],
    [
      'names in any case, the first of a kind, and no directive with more than ASCII',
      { headers: ["IMG-SRC 'SELF';img-src *; font-src ‘self’;; MEDIA-src\t'NONE'"] },
      [{ 'img-src': "'SELF' data:", 'media-src': "'none'", ...LIMITS, ...BASE_AND_FORMS }],
    ],
  ])('%s', (_, change, expected) => {
    expect(policies(change)).toEqual(expected)
  })

  test('policies that come to the same are sent once', () => {
    expect(policies({ headers: ["img-src 'self'; script-src a.example"], metas: ["img-src 'self'"] })).toHaveLength(1)
  })
})

describe('the plain page is shown', () => {
  test.each([
    ['a sandbox without scripts', { headers: ['sandbox allow-forms allow-same-origin'] }],
    ['a sandbox without its origin', { headers: ['sandbox allow-forms allow-scripts'] }],
    ['a sandbox without forms', { headers: ['sandbox allow-scripts allow-same-origin'] }],
    ['a sandbox of nothing, in a second policy', { headers: ["img-src 'self', sandbox"] }],
    ['policies over 4 KiB', { headers: [`img-src ${long(180)}`] }],
    [
      'policies over 4 KiB together',
      { headers: [`img-src ${long(60)}`, `font-src ${long(60)}`, `media-src ${long(60)}`] },
    ],
    ['a page’s policies past what is read', { headers: [`script-src ${long(2000)}`] }],
    ['a control character, which browsers read differently', { metas: ["img-src 'self'\u0000 *"] }],
    ['a hash of ours that is none', { script: "sha256-x'; script-src *" }],
    ['a hash of our style that is none', { styles: ['md5-x'] }],
  ])('%s', (_, change) => {
    expect(wallPolicy(given(change))).toBeNull()
  })

  test('and not for a long list of scripts, which goes anyway', () => {
    expect(policies({ headers: [`script-src ${long(1000)}; img-src 'self'`] })).toHaveLength(1)
  })
})

function long(hosts: number): string {
  return Array.from({ length: hosts }, (_, index) => `https://h${index}.cdn.example`).join(' ')
}

describe('kept scripts', () => {
  const script = (change: Partial<KeptScript>): KeptScript => ({ src: null, hash: null, nonce: null, ...change })

  test.each<[string, KeptScript, string | null]>([
    ['an address', script({ src: 'https://cdn.example/a.js', nonce: 'abc' }), 'https://cdn.example/a.js'],
    [
      'an address with query and fragment',
      script({ src: 'https://cdn.example/a.js?v=1,2;3#x' }),
      'https://cdn.example/a.js',
    ],
    ['a path of the site', script({ src: '/js/a.js' }), `${SITE}/js/a.js`],
    ['a port', script({ src: 'http://127.0.0.1:8080/a.js' }), 'http://127.0.0.1:8080/a.js'],
    [
      'what parts policies',
      script({ src: "https://cdn.example/a;b,c'd|e.js" }),
      'https://cdn.example/a%3Bb%2Cc%27d%7Ce.js',
    ],
    ['a name beyond ASCII', script({ src: 'https://bücher.example/é.js' }), 'https://xn--bcher-kva.example/%C3%A9.js'],
    ['a folder, by its nonce', script({ src: 'https://js.example/v3/', nonce: 'abc' }), "'nonce-abc'"],
    ['a folder without one', script({ src: 'https://js.example/v3/' }), 'https://js.example/v3/'],
    ['an inline script, by its hash', script({ hash: THEIRS, nonce: 'abc' }), `'${THEIRS}'`],
    ['an inline script without a hash', script({ nonce: 'abc' }), "'nonce-abc'"],
    ['an inline script without anything', script({}), null],
    ['a hash that is none', script({ hash: "x' *" }), null],
    ['a nonce that is none', script({ nonce: "x' 'unsafe-inline" }), null],
    ['every host', script({ src: 'https://*.example/a.js' }), null],
    ['an address in brackets', script({ src: 'https://[::1]/a.js' }), null],
    ['another scheme', script({ src: 'data:text/javascript,alert(1)' }), null],
    ['no address', script({ src: '' }), null],
    ['an address that is none', script({ src: 'https://' }), null],
  ])('%s', (_, kept, source) => {
    expect(policies({ kept: [kept] })[0]?.['script-src']).toBe(
      [`'${OURS}'`, ...(source === null ? [] : [source])].join(' '),
    )
  })
})

describe('for every policy', () => {
  const HOSTS = [
    '*',
    'https:',
    'http:',
    'data:',
    'blob:',
    "'self'",
    "'SELF'",
    "'none'",
    'https://cdn.example',
    '*.cdn.example',
  ]
  const WORDS = [
    "'unsafe-inline'",
    "'Unsafe-Inline'",
    "'unsafe-eval'",
    "'strict-dynamic'",
    "'unsafe-hashes'",
    "'report-sample'",
  ]
  const KEYS = [`'${THEIRS}'`, "'nonce-abc'", "'nonce-'", "'sha256-'", "'wasm-unsafe-eval'", 'x\u00e9', '<b>', 'a"b']
  const NAMES = [
    ...['default-src', 'script-src', 'script-src-elem', 'script-src-attr', 'style-src', 'style-src-elem'],
    ...['style-src-attr', 'img-src', 'IMG-SRC', 'font-src', 'media-src', 'base-uri', 'form-action', 'frame-ancestors'],
    ...['report-uri', 'trusted-types', 'unheard-of', 'upgrade-insecure-requests', 'connect-src', 'worker-src'],
  ]
  const directive = fc
    .tuple(fc.constantFrom(...NAMES), fc.array(fc.constantFrom(...HOSTS, ...WORDS, ...KEYS), { maxLength: 4 }))
    .map(([name, values]) => [name, ...values].join(' '))
  const policy = fc.array(directive, { maxLength: 6 }).map((parts) => parts.join('; '))
  const page = fc.record({
    headers: fc.array(
      fc.array(policy, { minLength: 1, maxLength: 2 }).map((list) => list.join(', ')),
      { maxLength: 2 },
    ),
    metas: fc.array(policy, { maxLength: 2 }),
  })
  const RUNS = { numRuns: 1000 }

  /** What a browser enforces, read by itself: the first of each name, none of them with more than ASCII. */
  type Read = Map<string, string[]>
  const read = (values: readonly string[]): Read[] =>
    values
      .flatMap((value) => value.split(','))
      .map((text) => {
        const found: Read = new Map()
        for (const part of text.split(';').filter((part) => /^[ -~]*$/.test(part))) {
          const [name = '', ...list] = part.trim().split(/ +/)
          if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), list)
        }
        return found
      })
  const listOf = (one: Read, names: readonly string[]) =>
    names.map((name) => one.get(name)).find((list) => list !== undefined)

  const ADDRESSES = [
    `${SITE}/a`,
    'https://cdn.example/a',
    'https://x.cdn.example/a',
    'http://other.example/a',
    'data:,a',
    'blob:a',
  ]
  function matches(source: string, address: string): boolean {
    const { protocol, hostname, origin } = new URL(address)
    const isWeb = /^https?:$/.test(protocol)
    if (source === '*') return isWeb
    if (/^[a-z]+:$/.test(source)) return protocol === source || (source === 'http:' && protocol === 'https:')
    if (source.toLowerCase() === "'self'") return origin === SITE
    if (source.startsWith('*.')) return isWeb && hostname.endsWith(source.slice(1))
    return isWeb && origin === source
  }
  const loads = (all: readonly Read[], kind: string, address: string) =>
    all.every((one) => listOf(one, [kind, 'default-src'])?.some((source) => matches(source, address)) ?? true)

  const KEYED = /^'(?:nonce-[\w+/-]+|sha256-[\w+/-]+)=*'$/
  const hasWord = (list: readonly string[], word: string) => list.some((source) => source.toLowerCase() === word)
  const allowsAll = (list: readonly string[]) =>
    hasWord(list, "'unsafe-inline'") && !list.some((one) => KEYED.test(one))
  const elements = (one: Read) => listOf(one, ['style-src-elem', 'style-src', 'default-src'])
  const attributes = (one: Read) => listOf(one, ['style-src-attr', 'style-src', 'default-src'])
  const inlineStyles = (all: readonly Read[]) => ({
    any: all.every((one) => allowsAll(elements(one) ?? ["'unsafe-inline'"])),
    hashed: all.every((one) => ((list) => !list || allowsAll(list) || list.includes(`'${THEIRS}'`))(elements(one))),
    keyed: all.every((one) => ((list) => !list || allowsAll(list) || list.includes("'nonce-abc'"))(elements(one))),
    attributes: all.every((one) => allowsAll(attributes(one) ?? ["'unsafe-inline'"])),
    hashedAttributes: all.every((one) =>
      ((list) => !list || allowsAll(list) || (hasWord(list, "'unsafe-hashes'") && list.includes(`'${THEIRS}'`)))(
        attributes(one),
      ),
    ),
  })

  const everyResult = (look: (values: readonly string[], sent: readonly string[]) => void) =>
    fc.assert(
      fc.property(page, ({ headers, metas }) => {
        const values = wallPolicy(given({ headers, metas }))
        if (values === null) throw new Error('the plain page')
        look(values, [...headers, ...metas])
      }),
      RUNS,
    )

  test('our script runs, and no other: no list but the one with its hash', () => {
    everyResult((values) => {
      for (const one of read(values)) {
        expect(one.get('script-src')).toEqual([`'${OURS}'`])
        expect([...one.keys()].filter((name) => /^script-src-|^report|^unheard/.test(name))).toEqual([])
      }
    })
  })

  test('our style applies', () => {
    everyResult((values) => {
      for (const one of read(values)) {
        const list = elements(one)
        if (list !== undefined) expect(allowsAll(list) || list.includes(`'${STYLE}'`)).toBe(true)
      }
    })
  })

  test("no hash and no nonce stands beside 'unsafe-inline', and 'none' stands alone", () => {
    everyResult((values) => {
      const lists = read(values).flatMap((one) => [...one].filter(([name]) => name !== 'trusted-types'))
      for (const [, list] of lists) {
        expect(hasWord(list, "'unsafe-inline'") && list.some((source) => KEYED.test(source))).toBe(false)
        expect(hasWord(list, "'none'") && list.length > 1).toBe(false)
      }
    })
  })

  test('images, fonts, media and style sheets load where they loaded before, and nowhere else but pictures that a page brings along', () => {
    everyResult((values, sent) => {
      for (const kind of ['img-src', 'font-src', 'media-src'])
        for (const address of ADDRESSES.filter((known) => kind !== 'img-src' || !known.startsWith('data:')))
          expect([kind, address, loads(read(values), kind, address)]).toEqual([
            kind,
            address,
            loads(read(sent), kind, address),
          ])
      const sheets = (all: readonly Read[]) =>
        ADDRESSES.map((address) =>
          all.every((one) => elements(one)?.some((source) => matches(source, address)) ?? true),
        )
      expect(sheets(read(values))).toEqual(sheets(read(sent)))
    })
  })

  test('inline styles of the page apply as before', () => {
    everyResult((values, sent) => expect(inlineStyles(read(values))).toEqual(inlineStyles(read(sent))))
  })

  test('bases and forms are never freer than the page’s own, nor than the site', () => {
    everyResult((values, sent) => {
      for (const name of ['base-uri', 'form-action'])
        for (const address of ADDRESSES) {
          const isAllowed = (all: readonly Read[]) =>
            all.every((one) => one.get(name)?.some((source) => matches(source, address)) ?? true)
          const isSaid = read(sent).some((one) => one.has(name))
          expect(isAllowed(read(values))).toBe(isSaid ? isAllowed(read(sent)) : address.startsWith(SITE))
        }
    })
  })

  test('whatever bytes come in, a header of visible ASCII and bounded length goes out, with one script list', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('\r\nSet-Cookie: a=b', '; script-src *'),
    )
    const anything = fc.array(fc.oneof(text, directive, fc.constantFrom(';', ',', ' ', '\n')), { maxLength: 8 })
    const kept = fc.record({
      src: fc.option(fc.oneof(text, fc.webUrl())),
      hash: fc.option(text),
      nonce: fc.option(text),
    })
    fc.assert(
      fc.property(anything, anything, fc.array(kept, { maxLength: 3 }), (header, meta, scripts) => {
        const values = wallPolicy(given({ headers: [header.join('')], metas: [meta.join('')], kept: scripts }))
        for (const value of values ?? []) {
          expect(value).toMatch(/^[ -+\--~]{1,4096}$/)
          expect(value.match(/(?:^|; )script-src[ ;]/g)).toHaveLength(1)
          const sources = directivesOf(value)['script-src']?.split(' ') ?? []
          expect(sources[0]).toBe(`'${OURS}'`)
          for (const source of sources.slice(1))
            expect(source).toMatch(/^https?:\/\/[\w.-]+(?::\d+)?\/|^'(?:nonce|sha\d+)-/)
        }
      }),
      RUNS,
    )
  })
})

describe('one more style in a page that is bought', () => {
  const HASH = 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
  test.each([
    ["default-src 'self'", `default-src 'self'; style-src-elem 'self' '${HASH}'`],
    ["style-src 'self' 'nonce-abc'", `style-src 'self' 'nonce-abc'; style-src-elem 'self' 'nonce-abc' '${HASH}'`],
    ["default-src 'none'; script-src a.example", `default-src 'none'; script-src a.example; style-src-elem '${HASH}'`],
    ["style-src-elem 'self'; style-src *", `style-src-elem 'self' '${HASH}'; style-src *`],
    [
      "style-src 'self', default-src *",
      `style-src 'self'; style-src-elem 'self' '${HASH}', default-src *; style-src-elem * '${HASH}'`,
    ],
    ["style-src 'self' 'unsafe-inline'", "style-src 'self' 'unsafe-inline'"],
    [
      "style-src 'unsafe-inline' 'nonce-a'",
      `style-src 'unsafe-inline' 'nonce-a'; style-src-elem 'unsafe-inline' 'nonce-a' '${HASH}'`,
    ],
    ["script-src 'self'; upgrade-insecure-requests", "script-src 'self'; upgrade-insecure-requests"],
    ["default-src 'self'\u0001", "default-src 'self'\u0001"],
  ])('beside %s', (policy, expected) => {
    expect(withStyleLetIn(policy, HASH)).toBe(expected)
  })
})
