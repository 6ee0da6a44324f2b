// One JSON request to a service we depend on: time limit, size limit, no redirects. What went wrong is data.
import { fail, ok, type Result } from './errors.ts'

/** Larger replies are cut off: real ones have a few hundred bytes, logs of one authorization a few thousand. */
const LARGEST_REPLY_BYTES = 64 * 1024

export type Reply = { status: number; json: unknown }

/** `unanswered`: no response began and the connection is gone; `garbled`: late, too large or broken off half-way. */
export type Fault = 'unanswered' | 'garbled'

/** Sends JSON (or, without a body, a GET). `json` is undefined where the reply holds none. */
export async function exchange(url: string, body: unknown, timeoutMs: number): Promise<Result<Reply, Fault>> {
  const signal = AbortSignal.timeout(timeoutMs)
  let response: Response
  try {
    response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal,
    })
  } catch {
    return fail(signal.aborted ? 'garbled' : 'unanswered')
  }
  try {
    const text = await readCapped(response)
    return text === null ? fail('garbled') : ok({ status: response.status, json: parseJson(text) })
  } catch {
    return fail('garbled')
  }
}

async function readCapped(response: Response): Promise<string | null> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > LARGEST_REPLY_BYTES) return null
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
