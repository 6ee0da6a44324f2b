// The hosted facilitators: /settle, and /verify for what cannot be proven here; who is asked after whom, and what each is
// sent. Envelopes are built field by field.
import type { Breaker } from './breaker.ts'
import { fail, type Result } from './errors.ts'
import type { Facilitator } from './facilitators.ts'
import { type ExchangeFailure, exchange, type Reply } from './http.ts'
import { dropToken, headersFor, type Keyring } from './keyring.ts'
import { log } from './log.ts'
import {
  isAboutUsAlone,
  isForOthers,
  KEY_REFUSED,
  readSettlement,
  readSupport,
  readVerification,
  type SettleReply,
  type SignedPayment,
  type Supported,
  TOO_MANY_REQUESTS,
  type VerifyReply,
} from './replies.ts'
import { BAZAAR, bazaarDeclaration } from './x402/extensions/bazaar.ts'
import { requirementsV2 } from './x402/v2.ts'
import { payloadOf } from './x402/wire.ts'

/** For one sending, over all facilitators it tries: they wait for the chain before they answer. Then the chain is asked. */
const SETTLE_MS = 30_000
/** With less time left no further facilitator is tried: it could not answer in time, and would leave only doubt. */
const LEAST_LEFT_MS = 5_000
const VERIFY_TIMEOUT_MS = 5_000
/** How long a facilitator may take to show that it is there. */
const PROBE_TIMEOUT_MS = 2_000

/** Facilitators one sending tries. Those further down the list come first once the breaker passes over these. */
export const MOST_TRIED = 4

/** What an isolate keeps of its facilitators. */
export type FacilitatorMemory = {
  breaker: Breaker
  keyring: Keyring
}

/** How long a facilitator is left alone that does not take our key. */
const KEY_REST_MS = 60_000

type Path = '/settle' | '/verify' | '/supported'
/** `unsent`: it got nothing, since there is no key to show it. */
type NoReply = ExchangeFailure | 'unsent'

/** One call. The breaker notes how it went. */
async function ask(
  facilitator: Facilitator,
  path: Path,
  { breaker, keyring }: FacilitatorMemory,
  body: unknown,
  timeoutMs: number,
): Promise<Result<Reply, NoReply>> {
  const method = body === undefined ? 'GET' : 'POST'
  const url = `${facilitator.url}${path}`
  const headers = await headersFor(facilitator, method, url, keyring, Math.floor(Date.now() / 1000))
  if (headers === null) {
    refuseKey(facilitator, null, breaker)
    return fail('unsent')
  }
  const reply = await exchange(url, body, timeoutMs, { headers })
  // Whether it is there is asked by whoever has doubts, and noted there.
  if (path !== '/supported') breaker.note(facilitator, reply.ok && reply.value.status < 500, Date.now())
  if (reply.ok && reply.value.status === 401) dropToken(facilitator, method, url, keyring)
  return reply
}

/** A facilitator that does not take our key is left alone for a minute. */
function refuseKey(facilitator: Facilitator, status: number | null, breaker: Breaker): void {
  log({ event: 'facilitator_key_refused', facilitator: new URL(facilitator.url).host, status })
  // Without a key of ours it may be about the payer, whom the next payer has no part in.
  if (facilitator.auth.kind !== 'none') breaker.rest(facilitator, KEY_REST_MS, Date.now())
}

/** Notes an answer that is about us and not about the payment. */
function heed(facilitator: Facilitator, { status, retryAfterSeconds }: Reply, breaker: Breaker): void {
  if (KEY_REFUSED.has(status)) refuseKey(facilitator, status, breaker)
  if (status === TOO_MANY_REQUESTS) breaker.rest(facilitator, (retryAfterSeconds ?? 0) * 1000, Date.now())
  if (status === 400) {
    log({ event: 'facilitator_request_refused', facilitator: new URL(facilitator.url).host, status })
  }
}

/**
 * `POST /settle` (x402 v2 §7), at the next facilitator only where the one before got nothing or is no longer alive.
 * Ends within 32 s: 30 s for all of them, and 2 s for whether the last one is alive. Never throws.
 *
 * `isAgain`: the payment may have been sent before. Then, and where the breaker is open, a facilitator is sent nothing
 * before it has shown that it is alive.
 */
export async function settle(
  facilitators: readonly Facilitator[],
  memory: FacilitatorMemory,
  payment: SignedPayment,
  isAgain: boolean,
): Promise<SettleReply> {
  const { breaker } = memory
  const endMs = Date.now() + SETTLE_MS
  // A clock that is set back must not make a wait longer.
  const leftMs = () => Math.min(SETTLE_MS, endMs - Date.now())
  let isDoubtful = false
  let refusal: SettleReply | null = null
  for (const facilitator of breaker.order(facilitators, Date.now()).slice(0, MOST_TRIED)) {
    if (leftMs() < LEAST_LEFT_MS) break
    if ((isAgain || breaker.isOpen(facilitator, Date.now())) && !(await isAlive(facilitator, memory))) {
      breaker.note(facilitator, false, Date.now())
      continue
    }
    const reply = await ask(facilitator, '/settle', memory, envelope(payment, facilitator.isListed), leftMs())
    if (!reply.ok && reply.error === 'unsent') continue
    const outcome: SettleReply = reply.ok ? await readSettlement(reply.value, payment) : { kind: 'unanswered' }
    if (outcome.kind === 'unsent') {
      if (reply.ok) heed(facilitator, reply.value, breaker)
      continue
    }
    if (outcome.kind === 'unanswered') {
      if (await isAlive(facilitator, memory)) return { kind: 'unknown' }
      isDoubtful = true
      continue
    }
    if (reply.ok && outcome.kind === 'refused' && isForOthers(reply.value)) {
      refusal = outcome
      continue
    }
    // The one before may have broadcast what this one refuses.
    const isRefusal = outcome.kind === 'refused' || outcome.kind === 'failed'
    return isDoubtful && isRefusal ? { kind: 'unknown' } : outcome
  }
  return isDoubtful ? { kind: 'unanswered' } : (refusal ?? { kind: 'unsent' })
}

/** `POST /verify` at the first facilitator that answers. Never throws, charges nothing. */
export async function verify(
  facilitators: readonly Facilitator[],
  memory: FacilitatorMemory,
  payment: SignedPayment,
): Promise<VerifyReply> {
  let hasWorked = false
  let refusal: VerifyReply | null = null
  for (const facilitator of memory.breaker.order(facilitators, Date.now())) {
    const reply = await ask(facilitator, '/verify', memory, envelope(payment), VERIFY_TIMEOUT_MS)
    const said = reply.ok ? readVerification(reply.value, payment) : null
    if (said?.kind === 'refused' && reply.ok && isForOthers(reply.value)) {
      refusal = said
      continue
    }
    if (said) return said
    if (reply.ok && isAboutUsAlone(reply.value)) heed(facilitator, reply.value, memory.breaker)
    // A key of ours that is wrong is no fault of whoever pays; all else is work that a stranger has made.
    const isOurKey = reply.ok
      ? KEY_REFUSED.has(reply.value.status) && facilitator.auth.kind !== 'none'
      : reply.error === 'unsent'
    hasWorked ||= !isOurKey
  }
  return refusal ?? { kind: 'unavailable', hasWorked }
}

/** What a facilitator says it serves with `exact`; null where it says nothing that can be read. Never throws. */
export async function readSupported(facilitator: Facilitator, memory: FacilitatorMemory): Promise<Supported | null> {
  const reply = await ask(facilitator, '/supported', memory, undefined, VERIFY_TIMEOUT_MS)
  return reply.ok && reply.value.status === 200 ? readSupport(reply.value) : null
}

/**
 * Whether a facilitator answers anything at all. The platform does not tell a refused connection from one that broke
 * off, so a facilitator that is alive may have got what was sent. An error page of its gateway says that it is not alive.
 */
async function isAlive(facilitator: Facilitator, memory: FacilitatorMemory): Promise<boolean> {
  const reply = await ask(facilitator, '/supported', memory, undefined, PROBE_TIMEOUT_MS)
  return reply.ok ? reply.value.status < 500 : reply.error === 'garbled' || reply.error === 'oversized'
}

/**
 * Always version 2: what is signed is the same in both versions, so one envelope serves both. What is bought is said only
 * where a catalogue is to list it.
 */
export function envelope({ transfer, offer, bought }: SignedPayment, isForCatalogue = false) {
  const paymentRequirements = requirementsV2(offer, transfer.kind === 'svm' ? transfer.memo : null)
  return {
    x402Version: 2,
    paymentPayload: {
      x402Version: 2,
      ...(isForCatalogue && bought?.method === 'GET'
        ? { resource: { url: bought.url }, extensions: { [BAZAAR]: bazaarDeclaration() } }
        : {}),
      accepted: paymentRequirements,
      payload: payloadOf(transfer),
    },
    paymentRequirements,
  }
}
