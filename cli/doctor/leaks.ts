// `npm run doctor -- --leaks`: whether a page that nobody has paid for, or an address beside it, holds what is paid for. It
// reads each page whole with a pass or from the origin, and asks everything else as a stranger. Nothing is bought.
import { isLocalHost } from '../../src/settings.ts'
import { Refusal } from '../command.ts'
import type { Surroundings } from './asking.ts'
import { newAllowance } from './decoding.ts'
import { buildIn, type Door, doorsOf, linksInHeader } from './doors.ts'
import { error, type Finding, notChecked, type Report, warning } from './findings.ts'
import { type Leak, leaksIn, type Paid, paidPart } from './runs.ts'
import { type Page, readPage, readPlain, type Spot } from './text.ts'
import { type Failure, type Journey, type Visited, visitPage } from './visiting.ts'

/** Where the whole page comes from. */
type Source = { kind: 'pass'; pass: string } | { kind: 'origin'; origin: string }

export type LeakOptions = { urls: readonly URL[]; source: Source }

/** `progress`: one line for each thing that is looked at. */
export type Watched = Surroundings & { progress: (line: string) => void }

/** Addresses in one run. */
const MOST_ADDRESSES = 20
/** For one address with its doors; redirects count. */
const MOST_REQUESTS = 80
/** For one address: at ten seconds each, slow doors would take much longer. */
const LONGEST_MS = 180_000
/** Runs that are shown of one place. */
const MOST_RUNS = 5
/** Fewer words in the whole page are no article: its text may come by a script. */
const LEAST_WORDS = 8

const EXAMPLE = 'npm run doctor -- --leaks https://news.example/articles/hello --pass TOKEN'

/** @param words what stands on the command line beside the flags; it may be the pass by mistake, so it is never repeated */
export function leakOptions(
  words: readonly string[],
  pass: string | undefined,
  origin: string | undefined,
): LeakOptions {
  if (words.length === 0) throw new Refusal(`--leaks needs addresses; write ${EXAMPLE}`)
  if (words.length > MOST_ADDRESSES) throw new Refusal(`--leaks takes ${MOST_ADDRESSES} addresses at once; write fewer`)
  const urls = words.map((word, i) => addressOf(word, `address ${i + 1} of --leaks`))
  return { urls, source: sourceOf(urls, pass, origin) }
}

function sourceOf(urls: readonly URL[], pass: string | undefined, origin: string | undefined): Source {
  if ((pass === undefined) === (origin === undefined)) {
    throw new Refusal('--leaks reads the whole page with --pass TOKEN or from --origin URL; write one of them')
  }
  if (origin !== undefined) {
    const { origin: base, pathname, search } = addressOf(origin, '--origin')
    if (pathname !== '/' || search !== '') throw new Refusal('--origin takes an address without a path; leave it out')
    return { kind: 'origin', origin: base }
  }
  if (pass === undefined || !/^[\w.~+/=-]+$/.test(pass)) {
    throw new Refusal('--pass is no pass; copy the cookie of a reader who has bought the page, without its name')
  }
  if (new Set(urls.map((url) => url.origin)).size > 1) {
    throw new Refusal('a pass is shown to one site alone; look at the addresses of each site by themselves')
  }
  if (urls.some(({ protocol, hostname }) => protocol !== 'https:' && !isLocalHost(hostname))) {
    throw new Refusal('a pass is not sent without encryption; write addresses with https://')
  }
  return { kind: 'pass', pass }
}

function addressOf(word: string, what: string): URL {
  const url = URL.canParse(word) ? new URL(word) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Refusal(`${what} is no address of a page; write one such as https://news.example/articles/hello`)
  }
  if (url.username !== '' || url.password !== '') throw new Refusal(`${what} holds a password; leave it out`)
  url.hash = ''
  return url
}

export async function leakReport({ urls, source }: LeakOptions, surroundings: Watched): Promise<Report> {
  const safe = (text: string) => (source.kind === 'pass' ? withoutPass(text, source.pass) : text)
  const reports: Report[] = []
  for (const url of urls) {
    const progress = (line: string) => surroundings.progress(safe(line))
    reports.push(await lookAt(url, source, { ...surroundings, progress }))
  }
  return {
    findings: reports
      .flatMap(({ findings }) => findings)
      .map(({ level, path, message }) => ({ level, path: safe(path), message: safe(message) })),
    notes: reports.flatMap(({ notes }) => notes).map(safe),
  }
}

const withoutPass = (text: string, pass: string): string => text.replaceAll(pass, '[pass]')

async function lookAt(url: URL, source: Source, surroundings: Watched): Promise<Report> {
  const journey: Journey = { left: MOST_REQUESTS, untilMs: surroundings.nowMs() + LONGEST_MS }
  const only = (finding: Finding): Report => ({ findings: [finding], notes: [] })
  surroundings.progress(url.href)
  const unpaid = await visitPage(url, {}, journey, surroundings)
  surroundings.progress(`  unpaid: ${outcomeOf(unpaid)}`)
  if (!unpaid.ok)
    return only(error(url.href, 'it did not answer who has not paid, so nothing is known; run doctor again'))
  const whole =
    source.kind === 'pass'
      ? await visitPage(url, { pass: source.pass }, journey, surroundings)
      : await visitPage(new URL(url.pathname + url.search, source.origin), {}, journey, surroundings)
  surroundings.progress(`  whole: ${outcomeOf(whole)}`)
  const problem = whole.ok ? wholeProblem(whole.value, source) : 'the whole page did not come in time; run doctor again'
  if (!whole.ok || problem !== null) return only(error(url.href, problem ?? 'the whole page did not come'))
  // A page may repeat what it was sent; nothing is quoted from it before the pass is out of it.
  if (source.kind === 'pass') whole.value.text = withoutPass(whole.value.text, source.pass)
  const [wholePage, unpaidPage] = [pageOf(whole.value), pageOf(unpaid.value)]
  const paid = paidPart(wholePage, unpaidPage)
  const nothing = nothingPaid(paid)
  if (nothing !== null) return only(error(url.href, nothing))
  const findings = [
    ...littlePaid(url, paid),
    ...cutFindings(url, whole.value, 'the whole page'),
    ...findingsOf(url, unpaid.value, paid, null),
  ]
  const hints = {
    links: [...linksOf(unpaid.value, unpaidPage), ...linksOf(whole.value, wholePage)],
    build: buildIn(unpaid.value.text) ?? buildIn(whole.value.text),
  }
  const doors: Door[] = [{ url, name: 'the address once more' }, ...doorsOf(url, hints)]
  const seen = await openDoors(doors, paid, unpaid.value, journey, surroundings)
  const { paidWords, shownWords } = paid
  const words = `${paidWords} words are paid for, ${shownWords} are shown to all`
  const opened = `${doors.length} doors tried, ${seen.opened} of them answered with a text`
  return { findings: [...findings, ...seen.findings], notes: [`${url.href}: ${words}. ${opened}.`] }
}

/** Tries one after the other. What several lead to is read once. */
async function openDoors(
  doors: readonly Door[],
  paid: Paid,
  unpaid: Visited,
  journey: Journey,
  surroundings: Watched,
): Promise<{ findings: Finding[]; opened: number }> {
  const findings: Finding[] = []
  const known = new Set([sameness(unpaid)])
  let opened = 0
  for (const door of doors) {
    const reply = await visitPage(
      door.url,
      door.headers === undefined ? {} : { headers: door.headers },
      journey,
      surroundings,
    )
    surroundings.progress(`  ${door.name}: ${shortOf(door.url, unpaid.url)}: ${outcomeOf(reply)}`)
    if (!reply.ok) {
      if (reply.error === 'spent') {
        const left = doors.length - doors.indexOf(door)
        findings.push(
          notChecked(
            door.url.href,
            `this and ${left - 1} more doors were left out: ${MOST_REQUESTS} requests or ${LONGEST_MS / 1000} s are over; try them by hand`,
          ),
        )
        break
      }
      // Nobody needs to live under the site's other name.
      if (door.url.host === unpaid.url.host)
        findings.push(notChecked(door.url.href, 'this door did not answer in time; run doctor again'))
      continue
    }
    if (reply.value.status < 300 && reply.value.text !== '') opened += 1
    if (known.has(sameness(reply.value))) continue
    known.add(sameness(reply.value))
    findings.push(...findingsOf(door.url, reply.value, paid, door.name))
  }
  return { findings, opened }
}

const sameness = ({ text, headers }: Visited): string =>
  JSON.stringify([text, headers.map((all) => [...all].filter(([name]) => !/^(?:date|age|cf-ray)$/.test(name)))])

function wholeProblem({ status, headers, url }: Visited, source: Source): string | null {
  const last = headers.at(-1)
  if (status >= 300 && status < 400) {
    if (source.kind === 'origin')
      return `${url.host} leads elsewhere (${status}); let it answer under this name, or give a pass`
    return `the whole page is at another address (${status}), to which nothing is sent from here; name that address`
  }
  const isChallenge = last?.has('PAYMENT-REQUIRED') ?? false
  if (status === 200 && !isChallenge) return null
  return source.kind === 'pass'
    ? `the pass does not open it (${status}); give one of a reader who has bought this page, and which has not ended`
    : `${url.host} answers ${status} for the whole page; give --origin the address behind the worker`
}

function nothingPaid({ paidWords, shownWords, runs }: Paid): string | null {
  if (paidWords + shownWords < LEAST_WORDS) {
    return 'the whole page holds no text without its scripts, so nothing can be compared; let the origin render the article'
  }
  return runs.size > 0
    ? null
    : 'who has not paid gets all of its text; see that a route leads there, that no cache answers, and that only paid text is cut, not merely hidden'
}

/** What is hidden by a script or by a sheet of another file counts as shown, so little that is paid for may mean that. */
function littlePaid(url: URL, { paidWords, shownWords }: Paid): Finding[] {
  if (paidWords * 2 >= shownWords) return []
  const message = `only ${paidWords} of its words are paid for, and ${shownWords} stand in the unpaid page`
  return [warning(url.href, `${message}; see that what is paid for is cut off there, and not merely hidden`)]
}

const pageOf = ({ text, isHtml }: Visited): Page => (isHtml ? readPage(text) : readPlain(text))

const linksOf = ({ headers }: Visited, { links }: Page) => [
  ...links,
  ...headers.flatMap((all) => linksInHeader(all.get('Link') ?? '')),
]

/** @param door its name; null for the page itself */
function findingsOf(url: URL, visited: Visited, paid: Paid, door: string | null): Finding[] {
  const page = pageOf(visited)
  const allowance = newAllowance()
  const leaks = leaksIn({ ...page, spots: [...spotsOfHeaders(visited), ...page.spots] }, paid, allowance)
  const tooMuch = 'it holds so much encoded text that not all was read; look at it by hand'
  return [
    ...byPlace(leaks).flatMap((list) => placeFindings(url, list, door)),
    ...cutFindings(url, visited, 'the answer'),
    ...(allowance.isSpent ? [notChecked(url.href, tooMuch)] : []),
  ]
}

function cutFindings(url: URL, { isCut }: Visited, what: string): Finding[] {
  return isCut
    ? [notChecked(url.href, `${what} is larger than 2 MB, and only so much was read; look at the rest by hand`)]
    : []
}

/** Letters beyond ASCII arrive in headers byte by byte. */
const spotsOfHeaders = ({ headers }: Visited): Spot[] =>
  headers.flatMap((all) =>
    [...all].map(([name, value]) => ({
      where: `the header ${name}`,
      text: Buffer.from(value, 'latin1').toString('utf8'),
      isHead: false,
    })),
  )

function byPlace(leaks: readonly Leak[]): Leak[][] {
  const places = new Map<string, Leak[]>()
  for (const leak of leaks) {
    const key = `${leak.isWarning} ${leak.where}`
    places.set(key, [...(places.get(key) ?? []), leak])
  }
  return [...places.values()]
}

function placeFindings(url: URL, leaks: readonly Leak[], door: string | null): Finding[] {
  const longest = leaks.toSorted((one, other) => other.wordCount - one.wordCount)
  const more = longest.length - MOST_RUNS
  return longest.slice(0, MOST_RUNS).map(({ where, isWarning, quote, wordCount, unit }, i) => {
    const rest = i === MOST_RUNS - 1 && more > 0 ? ` (and ${more} more there)` : ''
    const at = door === null ? where : `${where} (${door})`
    const message = `${written(at)} holds ${wordCount} ${unit} that are paid for: “${quote}”${rest}; ${adviceFor(where, isWarning, door)}`
    return (isWarning ? warning : error)(url.href, message)
  })
}

/** Names of tags and attributes are the page's own. */
const written = (text: string): string => text.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 120)

function adviceFor(where: string, isWarning: boolean, door: string | null): string {
  if (isWarning) return 'leave it if it is meant for all, or write a shorter one'
  if (door !== null) return 'sell this address too, or leave the text out there (docs/guides/what-else-shows-a-page.md)'
  if (where.startsWith('the header')) return 'let the origin leave this header out'
  if (where.startsWith('<script')) return 'leave the text out of the script, and data-newsstand="keep" off it'
  return 'mark this element with data-newsstand="paid", or leave the text out'
}

function outcomeOf(reply: { ok: true; value: Visited } | { ok: false; error: Failure }): string {
  if (!reply.ok) return reply.error === 'spent' ? 'left out' : 'no answer'
  return `${reply.value.status}, ${Math.ceil(reply.value.text.length / 1024)} KB`
}

const shortOf = (url: URL, page: URL): string => (url.host === page.host ? url.pathname + url.search : url.href)
