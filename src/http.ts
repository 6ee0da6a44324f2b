// One JSON request to a service we depend on: time limit, size limit, no redirects, so that a key goes to nobody else. What went wrong is data.
// No timer outlives the call: an object that waits for nothing must be able to sleep.
import { fail, ok, type Result } from './errors.ts'

/** A facilitator's reply has a few hundred bytes. */
const LARGEST_REPLY_BYTES = 64 * 1024

export type Reply = {
  status: number
  json: unknown
  /** When to ask again, as the reply says; null where it does not. */
  retryAfterSeconds: number | null
}

/** What else a request says, and how much of a reply is read. */
type ExchangeOptions = { headers?: Record<string, string>; maxBytes?: number }

/**
 * `unanswered`: no response began, in time or at all; `garbled`: one began, and was late or broken off; `oversized`: it is larger
 * than what is read.
 */
export type ExchangeFailure = 'unanswered' | 'garbled' | 'oversized'

/**
 * Sends JSON (or, without a body, a GET). `json` is undefined where the reply holds none. Ends within `timeoutMs`,
 * and reads at most `maxBytes` of a reply.
 */
export async function exchange(
  url: string,
  body: unknown,
  timeoutMs: number,
  { headers = {}, maxBytes = LARGEST_REPLY_BYTES }: ExchangeOptions = {},
): Promise<Result<Reply, ExchangeFailure>> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), timeoutMs)
  let hasBegun = false
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: controller.signal,
    })
    hasBegun = true
    const text = await readCapped(response, maxBytes)
    if (text === null) return fail('oversized')
    const retryAfterSeconds = secondsUntil(response.headers.get('Retry-After'), Date.now())
    return ok({ status: response.status, json: parseJson(text), retryAfterSeconds })
  } catch {
    return fail(hasBegun ? 'garbled' : 'unanswered')
  } finally {
    clearTimeout(timer)
  }
}

/** `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. */
function secondsUntil(value: string | null, nowMs: number): number | null {
  if (value === null) return null
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const untilMs = value.endsWith('GMT') ? Date.parse(value) : Number.NaN
  return Number.isNaN(untilMs) ? null : Math.max(0, Math.ceil((untilMs - nowMs) / 1000))
}

async function readCapped(response: Response, maxBytes: number): Promise<string | null> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxBytes) break
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
