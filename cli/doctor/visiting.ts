// One GET of a page as a stranger or a reader makes it: without cookies, bounded in time and size, with redirects within the
// site. The reader's pass goes to one origin and nowhere else.
import { fail, ok, type Result } from '../../src/errors.ts'
import { ANSWER_LIMIT_MS, type Surroundings } from './asking.ts'
import { isSameSite } from './doors.ts'

export type Visited = {
  /** Where the answer came from in the end. */
  url: URL
  status: number
  /** Of this answer and of the redirects before it. */
  headers: readonly Headers[]
  text: string
  isHtml: boolean
  /** Whether there was more than was read. */
  isCut: boolean
}

export type Journey = { left: number; untilMs: number }

const LARGEST_BYTES = 2 * 1024 * 1024
const MOST_REDIRECTS = 4

/** `unreachable`: nobody answered in time. `spent`: all requests or all the time are used up. */
export type Failure = 'unreachable' | 'spent'

export type Errand = {
  headers?: Record<string, string>
  /** Sent to the origin of the first address alone. A redirect to another origin is not followed with it. */
  pass?: string
}

const BROWSER_ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const AGENT = 'newsstand-doctor/1.0'

/** Asks, and follows redirects within the site. A redirect elsewhere is the answer. */
export async function visitPage(
  start: URL,
  { headers = {}, pass }: Errand,
  journey: Journey,
  surroundings: Surroundings,
): Promise<Result<Visited, Failure>> {
  const before: Headers[] = []
  let url = start
  for (let redirects = 0; ; redirects += 1) {
    if (journey.left <= 0 || surroundings.nowMs() > journey.untilMs) return fail('spent')
    journey.left -= 1
    const bearer = pass === undefined || url.origin !== start.origin ? {} : { Authorization: `Bearer ${pass}` }
    const sent = { Accept: BROWSER_ACCEPT, 'User-Agent': AGENT, ...headers, ...bearer }
    const reply = await once(url, sent, surroundings)
    if (!reply.ok) return reply
    before.push(...reply.value.headers)
    const next = nextOf(reply.value, pass === undefined ? isSameSite : isSameOrigin)
    if (next === null || redirects === MOST_REDIRECTS) return ok({ ...reply.value, headers: before })
    url = next
  }
}

const isSameOrigin = (one: URL, other: URL): boolean => one.origin === other.origin

function nextOf({ url, status, headers }: Visited, isNear: (one: URL, other: URL) => boolean): URL | null {
  const location = headers[0]?.get('Location')
  if (status < 300 || status > 399 || !location || !URL.canParse(location, url.href)) return null
  const next = new URL(location, url)
  next.hash = ''
  const isPlain = /^https?:$/.test(next.protocol) && next.username === '' && next.password === ''
  return isPlain && isNear(next, url) ? next : null
}

/** Never throws: what fails on the way may name what was sent. */
async function once(
  url: URL,
  headers: Record<string, string>,
  surroundings: Surroundings,
): Promise<Result<Visited, 'unreachable'>> {
  for (const isLast of [false, true]) {
    try {
      return ok(await asked(url, headers, surroundings))
    } catch (fault) {
      // A connection that was kept may have been closed while the answer before was being read: a new one is tried.
      const isLate = fault instanceof Error && fault.name === 'TimeoutError'
      if (isLast || isLate) break
    }
  }
  return fail('unreachable')
}

async function asked(url: URL, headers: Record<string, string>, { fetch }: Surroundings): Promise<Visited> {
  const response = await fetch(url.href, {
    headers,
    redirect: 'manual',
    credentials: 'omit',
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  })
  const type = response.headers.get('Content-Type') ?? ''
  const { bytes, isCut } = await startOf(response, /^(?:image|audio|video|font)\//i.test(type) ? 0 : LARGEST_BYTES)
  const text = textOf(bytes, type)
  const isHtml = /html|xml/i.test(type) || (type === '' && /^\s*</.test(text))
  return { url, status: response.status, headers: [response.headers], text, isHtml, isCut }
}

async function startOf(response: Response, most: number): Promise<{ bytes: Buffer; isCut: boolean }> {
  const chunks: Uint8Array[] = []
  let size = 0
  if (most > 0) {
    // Leaving the loop ends the request.
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk)
      size += chunk.byteLength
      if (size > most) break
    }
  } else {
    await response.body?.cancel()
  }
  return { bytes: Buffer.concat(chunks).subarray(0, most), isCut: size > most }
}

/** Where a page names its letters; browsers look as far. */
const LOOKED_FOR_CHARSET = 1024

/** By the header, else by the page's own word, else as UTF-8. */
function textOf(bytes: Buffer, type: string): string {
  const start = bytes.subarray(0, LOOKED_FOR_CHARSET).toString('latin1')
  const named = /charset\s*=\s*["']?([\w-]+)/i
  const charset =
    named.exec(type)?.[1] ?? named.exec(start)?.[1] ?? /^<\?xml[^>]*encoding=["']([\w-]+)/i.exec(start)?.[1]
  return decoderOf(charset ?? 'utf-8').decode(bytes)
}

function decoderOf(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder()
  }
}
