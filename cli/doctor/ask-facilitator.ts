// One request to a facilitator, with its key; and what of its answers may be shown.
import type { Facilitator } from '../../src/facilitators.ts'
import { headersFor, type Keyring } from '../../src/keyring.ts'
import { ANSWER_LIMIT_MS, type Answered, ask, type Surroundings } from './asking.ts'
import { error, type Finding } from './findings.ts'

export const LIMIT = `within ${ANSWER_LIMIT_MS / 1000} s`

/** Null where it does not answer, or its key cannot be read. */
export async function askFacilitator(
  facilitator: Facilitator,
  path: '/supported' | '/verify',
  json: unknown,
  keyring: Keyring,
  surroundings: Surroundings,
): Promise<Answered | null> {
  const url = `${facilitator.url}${path}`
  const seconds = Math.floor(surroundings.nowMs() / 1000)
  const headers = await headersFor(facilitator, json === undefined ? 'GET' : 'POST', url, keyring, seconds)
  const reply = headers === null ? null : await ask(url, { headers, json }, surroundings)
  return reply?.ok ? reply.value : null
}

export function keyRefused(auth: Facilitator['auth'], at: string, host: string, status: number): Finding {
  if (auth.kind === 'none') {
    return error(
      at,
      `${host} asks for a key (${status}); write { url = "…", auth = … }, as docs/configuration.md shows`,
    )
  }
  const secrets = auth.kind === 'cdp' ? 'CDP_API_KEY_ID and CDP_API_KEY_SECRET' : 'the secret of its auth'
  return error(
    `${at}.auth`,
    `${host} refuses the key (${status}); set ${secrets} again, and look at what the key may do`,
  )
}

/** What others say is shown where it looks like a reason: it may hold the key that they were sent. */
export const plain = (word: string) =>
  /^[a-z]+(?:_(?:[a-z]{1,24}|[a-z0-9]{1,7}))*$/.test(word) && word.length <= 80 ? word : 'something unreadable'
