// One JSON request to a service we depend on: time limit, size limit, no redirects. What went wrong is data.
// No timer outlives the call: an object that waits for nothing must be able to sleep.
import { fail, ok, type Result } from './errors.ts'

/** A larger reply counts as garbled. A facilitator's has a few hundred bytes. */
const LARGEST_REPLY_BYTES = 64 * 1024

export type Reply = { status: number; json: unknown }

/** `unanswered`: no response began, in time or at all; `garbled`: one began, and was late, too large or broken off. */
export type ExchangeFailure = 'unanswered' | 'garbled'

/**
 * Sends JSON (or, without a body, a GET). `json` is undefined where the reply holds none. Ends within `timeoutMs`,
 * and reads at most `maxBytes` of a reply.
 */
export async function exchange(
  url: string,
  body: unknown,
  timeoutMs: number,
  maxBytes = LARGEST_REPLY_BYTES,
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
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: controller.signal,
    })
    hasBegun = true
    const text = await readCapped(response, maxBytes)
    return text === null ? fail('garbled') : ok({ status: response.status, json: parseJson(text) })
  } catch {
    return fail(hasBegun ? 'garbled' : 'unanswered')
  } finally {
    clearTimeout(timer)
  }
}

async function readCapped(response: Response, maxBytes: number): Promise<string | null> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > maxBytes) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
