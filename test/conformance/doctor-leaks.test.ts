// The leak check against a server: a teaser for everybody, the whole page for a reader, and doors that are opened one after
// the other. It sends the pass to its own site alone, shows it nowhere, and pays for nothing.
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { asJson, asText, hasErrors, type Report } from '../../cli/doctor/findings.ts'
import { leakOptions, leakReport } from '../../cli/doctor/leaks.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { type OriginAnswer, type OriginRequest, type OriginServer, startOrigin } from '../world/origin.ts'

const TOKEN = 'bmV3c3N0YW5k.c2VjcmV0LW9mLWEtcmVhZGVy'
const PATH = '/articles/my-piece'
const TEASER =
  'Early on Tuesday the harbour office opened its oldest book and began to read aloud to nobody in particular.'
const PAID = 'The ledger shows that nine captains paid twice for the same berth and seem not to have noticed it.'
const QUOTE = 'The ledger shows that nine captains paid twice for the same berth and seem not to have noticed it'

const HTML = { 'content-type': 'text/html; charset=utf-8' }
const page = (article: string, head = ''): string =>
  `<!doctype html><title>The book</title>${head}<nav>Home News World Business Culture Sport Weather Letters</nav><article>${article}</article>`

const WHOLE = page(`<p>${TEASER}</p><p>${PAID}</p>`)
const CLEAN = page(`<p>${TEASER}</p>`)

type Answers = Record<string, OriginAnswer>

let site: OriginServer
let elsewhere: OriginServer

beforeAll(async () => {
  site = await startOrigin()
  elsewhere = await startOrigin()
})

beforeEach(() => elsewhere.tell({ headers: HTML, body: WHOLE }))

afterAll(async () => {
  await site.stop()
  await elsewhere.stop()
})

const isReader = ({ headers }: OriginRequest): boolean => headers.authorization === `Bearer ${TOKEN}`

/** A site whose gate works. `over`: what its addresses answer to strangers. */
function open(over: Answers = {}, whole: OriginAnswer = { headers: HTML, body: WHOLE }): void {
  site.tell((request) => {
    if (request.url === PATH && isReader(request)) return whole
    const isPage = request.url === PATH
    return (
      over[request.url] ??
      (isPage ? { headers: HTML, body: CLEAN } : { status: 404, headers: HTML, body: page('<p>Nothing is here.</p>') })
    )
  })
}

type Looked = Report & { progress: string[] }

async function look(more: { origin?: string; urls?: string[] } = {}): Promise<Looked> {
  const progress: string[] = []
  const { origin, urls = [site.url + PATH] } = more
  const options = leakOptions(urls, origin === undefined ? TOKEN : undefined, origin)
  const report = await leakReport(options, { fetch, nowMs: Date.now, progress: (line) => progress.push(line) })
  return { ...report, progress }
}

const said = ({ findings }: Report): string[] =>
  findings.map(({ level, path, message }) => `${level}: ${path.replace(site.url, '')}: ${message}`)

describe('a page without a leak', () => {
  test('has no finding, and the words and doors are counted', async () => {
    open()
    const report = await look()
    expect(said(report)).toEqual([])
    expect(report.notes).toEqual([
      expect.stringMatching(
        /: 19 words are paid for, 19 are shown to all\. \d+ doors tried, 4 of them answered with a text\.$/,
      ),
    ])
  })

  test('is looked at by GET, without cookies, payments and bodies, a bounded number of times', async () => {
    open({ [PATH]: { headers: { ...HTML, 'set-cookie': 'a=b' }, body: CLEAN } })
    await look()
    expect(site.seen.length).toBeGreaterThan(25)
    expect(site.seen.length).toBeLessThanOrEqual(80)
    const odd = site.seen.filter(
      ({ method, headers, body }) =>
        method !== 'GET' ||
        body !== '' ||
        'cookie' in headers ||
        'payment-signature' in headers ||
        'x-payment' in headers,
    )
    expect(odd).toEqual([])
  })

  test('shows the pass once, for the page itself, and a line for each door', async () => {
    open()
    const { progress } = await look()
    expect(site.seen.filter(isReader).map(({ url }) => url)).toEqual([PATH])
    expect(site.seen.filter(({ headers }) => 'authorization' in headers)).toHaveLength(1)
    expect(progress[0]).toBe(site.url + PATH)
    expect(progress).toContain('  unpaid: 200, 1 KB')
    expect(progress).toContain('  whole: 200, 1 KB')
    expect(progress).toContain('  feed: /feed: 404, 1 KB')
    expect(progress).toHaveLength(site.seen.length + 1)
  })
})

describe('a leak', () => {
  test('in the page is an error, with the run and what to do', async () => {
    open({ [PATH]: { headers: HTML, body: page(`<p>${TEASER}</p><template>${PAID}</template>`) } })
    const report = await look()
    expect(said(report)).toEqual([
      `error: ${PATH}: <template> holds 19 words that are paid for: “${QUOTE}”; mark this element with data-newsstand="paid", or leave the text out`,
    ])
    expect(hasErrors(report)).toBe(true)
  })

  test('in a header of the page is one too, also in letters beyond ASCII', async () => {
    const words = 'Über die neun Kapitäne schwieg das Hafenamt später für immer'
    const headers = { ...HTML, 'x-excerpt': Buffer.from(words).toString('latin1') }
    open({ [PATH]: { headers, body: CLEAN } }, { headers: HTML, body: page(`<p>${TEASER}</p><p>${words}</p>`) })
    expect(said(await look())).toEqual([
      `error: ${PATH}: the header x-excerpt holds 10 words that are paid for: “${words}”; let the origin leave this header out`,
    ])
  })

  test('in title and description is a warning', async () => {
    const head = `<meta name="description" content="${PAID}"><meta property="og:description" content="${PAID}">`
    open({ [PATH]: { headers: HTML, body: page(`<p>${TEASER}</p>`, head) } })
    const report = await look()
    expect(report.findings.map(({ level }) => level)).toEqual(['warning', 'warning'])
    expect(hasErrors(report)).toBe(false)
  })

  test.each<[door: string, type: string, body: string]>([
    [
      '/feed',
      'application/rss+xml',
      `<rss><channel><item><description><![CDATA[<p>${PAID}</p>]]></description></item></channel></rss>`,
    ],
    [
      '/atom.xml',
      'application/atom+xml',
      `<feed><entry><content type="html">&lt;p&gt;${PAID}&lt;/p&gt;</content></entry></feed>`,
    ],
    ['/feed.json', 'application/feed+json', JSON.stringify({ items: [{ content_html: `<p>${PAID}</p>` }] })],
    [
      '/wp-json/wp/v2/posts?slug=my-piece',
      'application/json',
      JSON.stringify([{ content: { rendered: `<p>${PAID}</p>` } }]),
    ],
    ['/?rest_route=/wp/v2/posts&slug=my-piece', 'application/json', JSON.stringify([{ content: { rendered: PAID } }])],
    [`${PATH}/amp`, 'text/html', WHOLE],
    [`${PATH}?amp=1`, 'text/html', WHOLE],
    [`/amp${PATH}`, 'text/html', WHOLE],
    [`/print${PATH}`, 'text/html', WHOLE],
    [`${PATH}?print=1`, 'text/html', WHOLE],
    [`${PATH}?_rsc=1`, 'text/x-component', `3:["$","p",null,{"children":${JSON.stringify(PAID)}}]`],
    [`${PATH}/_payload.json`, 'application/json', JSON.stringify([{ body: 1 }, PAID])],
    [`/page-data${PATH}/page-data.json`, 'application/json', JSON.stringify({ result: { html: `<p>${PAID}</p>` } })],
    [`${PATH}/__data.json`, 'application/json', JSON.stringify({ nodes: [{ data: [PAID] }] })],
    [`${PATH}.md`, 'text/markdown', `# The book\n\n${PAID.replace('nine captains', '**nine** captains')}\n`],
    [`${PATH}/index.html`, 'text/html', WHOLE],
    [`${PATH}.html`, 'text/html', WHOLE],
  ])('behind %s is found, and only there', async (door, type, body) => {
    open({ [door]: { headers: { 'content-type': type }, body } })
    const { findings } = await look()
    expect(findings).toHaveLength(1)
    const [finding] = findings
    expect(finding).toMatchObject({ level: 'error', path: site.url + door })
    expect(finding?.message).toContain(`holds 19 words that are paid for: “${QUOTE}”`)
    expect(finding?.message).toContain('sell this address too')
  })

  test('is found in the other forms of the address itself', async () => {
    site.tell((request) => {
      if (isReader(request)) return { headers: HTML, body: WHOLE }
      if (request.headers.accept === 'application/json') return { body: JSON.stringify({ text: PAID }) }
      return { headers: HTML, body: CLEAN }
    })
    const { findings } = await look()
    expect(findings).toMatchObject([{ level: 'error', path: site.url + PATH }])
    expect(findings[0]?.message).toContain('(the address, as JSON)')
  })

  test('is found where a cache keeps what a reader was given', async () => {
    let isKept = false
    site.tell((request) => {
      isKept ||= isReader(request)
      return { headers: HTML, body: request.url === PATH && isKept ? WHOLE : CLEAN }
    })
    const { findings } = await look()
    expect(findings.map(({ message }) => message)[0]).toContain('(the address once more) holds')
  })

  test('is found behind what the page names, the whole one too', async () => {
    const link = '<link rel="alternate" type="application/rss+xml" href="/my-own-feed">'
    const state = '<script>{"buildId":"b7"}</script>'
    const whole = { headers: { ...HTML, link: '</by-number/7>; rel=shortlink' }, body: WHOLE + link + state }
    const doors = ['/my-own-feed', '/by-number/7', `/_next/data/b7${PATH}.json`]
    open(Object.fromEntries(doors.map((door) => [door, { body: JSON.stringify({ door, PAID }) }])), whole)
    const { findings } = await look()
    expect(findings.map(({ path }) => path.replace(site.url, '')).sort()).toEqual(doors.toSorted())
  })

  test('is found behind a redirect within the site', async () => {
    open({
      '/feed': { status: 301, headers: { location: '/feeds/all' } },
      '/feeds/all': { headers: HTML, body: WHOLE },
    })
    expect((await look()).findings).toMatchObject([{ path: `${site.url}/feed` }])
  })

  test('is found in letters that only the page names', async () => {
    // Nine letters of Japanese in Shift_JIS, four times.
    const line = Buffer.from('8d608ca082cc92a095eb82c982e682e982c6'.repeat(4), 'hex')
    const start = Buffer.from(`<meta charset="shift_jis"><title>x</title><p>${TEASER}</p>`)
    const type = { 'content-type': 'text/html' }
    open(
      { [PATH]: { headers: type, body: Buffer.concat([start, Buffer.from('<!--'), line, Buffer.from('-->')]) } },
      { headers: type, body: Buffer.concat([start, Buffer.from('<p>'), line]) },
    )
    expect((await look()).findings.map(({ message }) => message)[0]).toContain(
      'a comment holds 32 characters that are paid for: “港',
    )
  })
})

describe('the pass', () => {
  test('does not follow a redirect to another site, nor does anything else', async () => {
    open({}, { status: 302, headers: { location: `${elsewhere.url}/login?from=a` } })
    const report = await look()
    expect(elsewhere.seen).toEqual([])
    expect(said(report)).toEqual([
      `error: ${PATH}: the whole page is at another address (302), to which nothing is sent from here; name that address`,
    ])
  })

  test('follows one within its own origin', async () => {
    site.tell((request) => {
      if (!isReader(request)) return { headers: HTML, body: CLEAN }
      return request.url === PATH ? { status: 301, headers: { location: `${PATH}/` } } : { headers: HTML, body: WHOLE }
    })
    expect(said(await look())).toEqual([])
    expect(site.seen.filter(isReader).map(({ url }) => url)).toEqual([PATH, `${PATH}/`])
  })

  test('stands in no output, even where the site repeats it', async () => {
    const echo = `With ${TOKEN} a reader has seen this very page seven times already`
    const whole = { headers: HTML, body: page(`<p>${TEASER}</p><p>${echo}</p>`) }
    open({ [PATH]: { headers: HTML, body: page(`<p>${TEASER}</p><!-- ${echo} -->`) } }, whole)
    const report = await look()
    expect(report.findings).toHaveLength(1)
    const output = [asText(report), asJson(report), ...report.progress].join('\n')
    expect(output).toContain('a reader has seen this very page seven times already')
    expect(output.toLowerCase()).not.toContain(TOKEN.toLowerCase())
  })

  test('is not shown in part where a quotation is shortened', async () => {
    const echo = `The reader has come back to this page again and again since last Monday with ${TOKEN} and is still here`
    const whole = { headers: HTML, body: page(`<p>${TEASER}</p><p>${echo}</p>`) }
    open({ '/feed': { body: `<p>${echo}</p>` } }, whole)
    const report = await look()
    expect(report.findings).toMatchObject([{ level: 'error', path: `${site.url}/feed` }])
    expect(asText(report)).not.toContain(TOKEN.slice(0, 6))
  })

  test('that opens nothing is said', async () => {
    open({}, { status: 402, headers: { ...HTML, 'payment-required': 'e30=' }, body: CLEAN })
    expect(said(await look())).toEqual([
      `error: ${PATH}: the pass does not open it (402); give one of a reader who has bought this page, and which has not ended`,
    ])
  })
})

describe('what cannot be compared', () => {
  test('is a page that shows everything to everybody', async () => {
    open({ [PATH]: { headers: HTML, body: WHOLE } })
    expect(said(await look())[0]).toContain('who has not paid gets all of its text')
  })

  test('is a page that a script writes', async () => {
    open({}, { headers: HTML, body: '<div id="app"></div><script src="/app.js"></script>' })
    expect(said(await look())[0]).toContain('holds no text without its scripts')
  })

  test('is a site that does not answer', async () => {
    const gone = await startOrigin()
    await gone.stop()
    const report = await look({ urls: [gone.url + PATH] })
    expect(said(report)).toEqual([
      `error: ${gone.url}${PATH}: it did not answer who has not paid, so nothing is known; run doctor again`,
    ])
  })

  test('is what lies behind the first two megabytes, and that is said', async () => {
    open({ '/feed': { headers: HTML, body: `${'<p>x</p>'.repeat(300_000)}${PAID}` } })
    expect(said(await look())).toEqual([
      'not checked: /feed: the answer is larger than 2 MB, and only so much was read; look at the rest by hand',
    ])
  })

  test('is warned of where little is paid for', async () => {
    const long = `<p>${TEASER}</p>${`<p>${TEASER} Again.</p>`.repeat(3)}`
    open({ [PATH]: { headers: HTML, body: page(long) } }, { headers: HTML, body: page(`${long}<p>${PAID}</p>`) })
    expect(said(await look())[0]).toMatch(
      /^warning: .*only 19 of its words are paid for, and 79 stand in the unpaid page/,
    )
  })
})

test('the whole page may come from the origin, which hears nothing of doors', async () => {
  open({ '/rss.xml': { body: `<p>${PAID}</p>` } })
  const { findings } = await look({ origin: elsewhere.url })
  expect(findings).toMatchObject([{ path: `${site.url}/rss.xml` }])
  expect(elsewhere.seen.map(({ url }) => url)).toEqual([PATH])
  expect(site.seen.filter(({ headers }) => 'authorization' in headers)).toEqual([])
})

test('an origin that sends everybody to the site is said', async () => {
  open()
  elsewhere.tell({ status: 301, headers: { location: 'https://news.example/' } })
  const [finding] = said(await look({ origin: elsewhere.url }))
  expect(finding).toContain('leads elsewhere (301); let it answer under this name, or give a pass')
})

test('doors of other sites are left alone', async () => {
  const link = `<link rel="alternate" href="${elsewhere.url}/feed">`
  open({
    [PATH]: { headers: HTML, body: CLEAN + link },
    '/feed': { status: 302, headers: { location: elsewhere.url } },
  })
  expect(said(await look())).toEqual([])
  expect(elsewhere.seen).toEqual([])
})

describe('the command', () => {
  type Ended = { status: number; stdout: string; stderr: string }
  const run = (args: string[], env: Record<string, string> = {}): Promise<Ended> =>
    new Promise((resolve) => {
      const command = ['cli/doctor.ts', ...args]
      const options = { cwd: inCheckout('.'), env: { ...process.env, ...env } }
      execFile(process.execPath, command, options, (failure, stdout, stderr) =>
        resolve({ status: typeof failure?.code === 'number' ? failure.code : 0, stdout, stderr }),
      )
    })

  test('ends with status 1 by a leak, needs no settings, and shows progress beside its report', async () => {
    open({ '/feed': { body: `<p>${PAID}</p>` } })
    const { status, stdout, stderr } = await run([
      '--leaks',
      site.url + PATH,
      '--pass',
      TOKEN,
      '--json',
      '-c',
      'nowhere.toml',
    ])
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, findings: [{ level: 'error', path: `${site.url}/feed` }] })
    expect(stderr).toContain('  feed: /feed: 200, 1 KB')
    expect(stdout + stderr).not.toContain(TOKEN)
    expect(status).toBe(1)
  })

  test('takes the pass from the environment, and ends with status 0 without a leak', async () => {
    open()
    const { status, stdout } = await run(['--leaks', site.url + PATH], { NEWSSTAND_PASS: TOKEN })
    expect(stdout).toContain('No errors.')
    expect(status).toBe(0)
    expect(site.seen.filter(isReader)).toHaveLength(1)
  })

  test.each<[what: string, args: string[], sentence: string]>([
    ['without an address', ['--leaks', '--pass', TOKEN], '--leaks needs addresses'],
    [
      'with a pass in the place of an address',
      ['--leaks', TOKEN, '--pass', TOKEN],
      'address 1 of --leaks is no address',
    ],
    ['without --leaks', ['--pass', TOKEN], '--pass and --origin are for --leaks'],
    ['with a flag that is none', ['--leaks', `--passs=${TOKEN}`], 'usage:'],
  ])('%s says what to write, and not the pass', async (_, args, sentence) => {
    const { status, stdout, stderr } = await run(args)
    expect(stderr).toContain(sentence)
    expect(stdout + stderr).not.toContain(TOKEN)
    expect(status).toBe(1)
  })
})
