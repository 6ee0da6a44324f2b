// One bounded request to whoever is looked at: a time limit, a size limit, no redirects.
import { fail, ok, type Result } from '../../src/errors.ts'

/** What the checks use of the machine; tests put others in their place. */
export type Surroundings = { fetch: typeof fetch; nowMs: () => number }

export type Answered = {
  status: number
  headers: Headers
  /** The start of the body, at most as much as was asked for. */
  text: string
  /** How far this machine's clock is ahead of theirs, in seconds; null where they do not say. */
  clockAheadSeconds: number | null
}

export type Question = {
  method?: string
  headers?: Record<string, string>
  /** Sent as JSON. */
  json?: unknown
  maxBytes?: number
}

/** Long enough for a service that wakes up. */
export const ANSWER_LIMIT_MS = 10_000
const LARGEST_ANSWER_BYTES = 256 * 1024

/** Asks once. Fails where nothing answered in time; it never throws. */
export async function ask(
  url: string,
  { method, headers = {}, json, maxBytes = LARGEST_ANSWER_BYTES }: Question,
  { fetch, nowMs }: Surroundings,
): Promise<Result<Answered, 'unreachable'>> {
  try {
    const response = await fetch(url, {
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: {
        Accept: 'application/json',
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    })
    const theirs = Date.parse(response.headers.get('Date') ?? '')
    const clockAheadSeconds = Number.isNaN(theirs) ? null : (nowMs() - theirs) / 1000
    const text = await startOf(response, maxBytes)
    return ok({ status: response.status, headers: response.headers, text, clockAheadSeconds })
  } catch {
    return fail('unreachable')
  }
}

async function startOf(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  // Leaving the loop ends the request.
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    size += chunk.byteLength
    if (size >= maxBytes) break
  }
  return text
}

export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** More than this, and payments count as not yet valid or as over. */
const CLOCK_TOLERANCE_SECONDS = 30

/** What to say of this machine's clock, by what one host said; null where it is right enough. */
export function clockProblem(host: string, { clockAheadSeconds }: Answered): string | null {
  if (clockAheadSeconds === null || Math.abs(clockAheadSeconds) <= CLOCK_TOLERANCE_SECONDS) return null
  const seconds = Math.round(Math.abs(clockAheadSeconds))
  const side = clockAheadSeconds > 0 ? 'ahead of' : 'behind'
  return `this machine's clock is ${seconds} s ${side} that of ${host}; set it by the network, or ask who runs ${host}`
}
