// What one request came to: the steps note it as they go, and one line of the log is made of it. Counts go to Analytics Engine
// where that is bound.
import type { Refusal } from './errors.ts'
import { type Decided, log, nameOf, type RequestLine } from './log.ts'
import { monthOf, payerAlias } from './networks/alias.ts'
import type { Money, Rule } from './policy/rules.ts'
import type { VisitorClass } from './policy/visitors.ts'
import { isSafe } from './request.ts'

/** What the steps have noted of one request. */
export type Entry = {
  startedAtMs: number
  contentMs: number
  payerMs: number
  /** Null where the answer says it all. */
  decision: Decided | null
  rule: Rule | null
  price: Money | null
  network: string | null
  /** Address of a proven payer. It leaves here as an alias alone. */
  payer: string | null
  /** Of a refusal that its answer does not show. */
  refusal: Refusal | null
}

export const newEntry = (startedAtMs: number): Entry => ({
  startedAtMs,
  contentMs: 0,
  payerMs: 0,
  decision: null,
  rule: null,
  price: null,
  network: null,
  payer: null,
  refusal: null,
})

/** Notes what is known now. */
export const note = ({ entry }: { entry: Entry }, facts: Partial<Entry>): void => void Object.assign(entry, facts)

/** Adds the time some work takes. */
export async function timed<Value>(
  { entry }: { entry: Entry },
  what: 'contentMs' | 'payerMs',
  work: Promise<Value>,
): Promise<Value> {
  const sinceMs = Date.now()
  try {
    return await work
  } finally {
    entry[what] += Date.now() - sinceMs
  }
}

/** How a request ended, as its answer shows. `open`: no route matched. */
export type Ended = {
  method: string
  class: VisitorClass
  kind: 'open' | 'free' | 'gated' | 'held' | 'ours'
  status: number
  refusal: Refusal | null
}

/** The line of one request; null where no route matched, and nothing was decided. */
export function lineOf(entry: Entry, ended: Ended, passSecret: string, nowMs: number): RequestLine | null {
  if (ended.kind === 'open') return null
  const { contentMs, payerMs, rule, network, payer } = entry
  const refusal = ended.refusal ?? entry.refusal
  const decision = entry.decision ?? decidedBy(ended)
  const price = decision === 'observed' && !wouldBeSold(ended) ? null : entry.price
  return {
    event: 'request',
    decision,
    status: ended.status,
    route: rule ? (rule.host ?? '') + rule.path.text : '',
    method: ended.method,
    class: ended.class,
    ms: nowMs - entry.startedAtMs,
    contentMs,
    payerMs,
    ...(refusal ? { refusal: refusal.code } : {}),
    ...(refusal?.why ? { why: refusal.why } : {}),
    ...(price === null ? {} : { priceMicros: Number(price.micros), currency: price.currency }),
    ...(network === null ? {} : { network }),
    ...(payer === null ? {} : { payer: payerAlias(passSecret, payer, monthOf(Math.floor(nowMs / 1000))) }),
  }
}

function decidedBy({ kind, status, refusal }: Ended): Decided {
  if (kind === 'free') return 'free'
  if (refusal) return status === 402 || status === 200 ? 'challenged' : 'refused'
  return kind === 'ours' ? 'preflight' : 'held'
}

/** Whether an enforced route would have asked a price for it: only what can be delivered is sold, and never to `HEAD`. */
function wouldBeSold({ method, status }: Ended): boolean {
  if (method === 'HEAD' || method === 'OPTIONS') return false
  // A reader who has a copy already would have had to buy it.
  return isSafe(method) ? (status >= 200 && status < 300) || status === 304 : status < 400
}

/** Lines about money: each is written. */
const ABOUT_MONEY: readonly Decided[] = ['sold', 'collected', 'declined', 'unsold']
/** What a payment sent along has no part in. */
const WITHOUT_MONEY: readonly Decided[] = ['free', 'observed', 'preflight']

/**
 * The line as it is written; null where it is left out. What concerns no payment is written as often as `LOG_SAMPLE` says, and
 * each such line stands for as many as it was drawn from.
 *
 * @param isPaying whether a payment was sent
 * @param chance from 0 to 1, below 1
 */
export function sampled(line: RequestLine, isPaying: boolean, rate: number, chance: number): RequestLine | null {
  const isKept =
    rate >= 1 || ABOUT_MONEY.includes(line.decision) || (isPaying && !WITHOUT_MONEY.includes(line.decision))
  if (isKept) return line
  return chance < rate ? { ...line, weight: 1 / rate } : null
}

/** Counts every line, and writes those that are not left out. Never throws. */
export function write({ ANALYTICS }: Pick<Env, 'ANALYTICS'>, line: RequestLine, isPaying: boolean, rate: number): void {
  try {
    ANALYTICS?.writeDataPoint(pointOf(line))
  } catch (fault) {
    log({ event: 'analytics_unavailable', problem: nameOf(fault) })
  }
  const written = sampled(line, isPaying, rate, Math.random())
  if (written) log(written)
}

/** Analytics Engine takes no longer index. */
const LONGEST_INDEX = 96

/** A line as Analytics Engine counts it. docs/operations.md says which column is which. */
export const pointOf = (line: RequestLine) => ({
  indexes: [line.route.slice(0, LONGEST_INDEX)],
  blobs: [line.route, line.decision, line.refusal ?? '', line.class, line.network ?? '', line.currency ?? ''],
  doubles: [line.priceMicros ?? 0, line.ms, line.status],
})

/** The value of `Server-Timing` (milliseconds). */
export const serverTiming = ({ startedAtMs, contentMs, payerMs }: Entry, nowMs: number): string =>
  `total;dur=${nowMs - startedAtMs}, content;dur=${contentMs}, payer;dur=${payerMs}`
