// The ways in which a facilitator misbehaves: what it answers, and at which point it settles behind that answer.
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import type { FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'
import { wallets } from '../../dev/stack/wallets.ts'

/** When the payment lands on the chain, in front of whose settlement the facilitator misbehaves. */
export const POINTS = [
  'never settled',
  'settled, then answered',
  'answered, then settled',
  'settled once the reader has gone',
] as const
export type Point = (typeof POINTS)[number]

/** `settled`: what the real facilitator said, where it was asked. */
type Reply = (settled: FacilitatorReply | null) => Promise<HookReply | 'drop'>

export type Fault = {
  name: string
  point: Point
  reply: Reply
  /** How long the facilitator takes before it does anything. */
  waitMs: number
  /** It states for certain that nothing is paid: the reader may be told so. */
  isRefusal: boolean
}

const NETWORK = 'eip155:84532'
const anyHash = () => `0x${randomBytes(32).toString('hex')}`
const success = z.object({ success: z.literal(true), transaction: z.string() })

/** Hash of the settlement; where there is none, one that nobody knows. */
const transactionOf = (settled: FacilitatorReply | null) =>
  success.safeParse(settled?.body).data?.transaction ?? anyHash()

const says =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  async () => ({ status, body, headers })

const claims =
  (change: object): Reply =>
  async (settled) => {
    const honest = { success: true, transaction: transactionOf(settled), network: NETWORK }
    return { status: 200, body: { ...honest, ...change } }
  }

const fails = (errorReason: string): Reply =>
  says(200, { success: false, errorReason, transaction: '', network: NETWORK })

/** Every answer that leaves the outcome open. */
export const UNCLEAR: Readonly<Record<string, Reply>> = {
  'never answers': () => new Promise<never>(() => {}),
  'drops the connection': async () => 'drop',
  'answers 500': says(500, { error: 'database is locked' }),
  'answers 502 with a page': says(502, '<html>Bad Gateway</html>', { 'content-type': 'text/html' }),
  'answers 200 with HTML': says(200, '<html>Welcome</html>', { 'content-type': 'text/html' }),
  'answers truncated JSON': says(200, '{"success":true,"transaction":"0x12'),
  'answers nothing': says(200, ''),
  'answers 429': says(429, { error: 'too many requests' }),
  'redirects to itself': says(307, '', { location: '/settle' }),
  'claims success without a transaction': claims({ transaction: '' }),
  'claims success on another network': claims({ network: 'eip155:8453' }),
  'claims success of another payer': claims({ payer: wallets.alice.address }),
  'claims success for another amount': claims({ amount: '1' }),
  'claims success and failure at once': claims({ success: false, errorReason: 'unexpected_settle_error' }),
  'says settlement_pending with a hash': claims({ success: false, errorReason: 'settlement_pending' }),
  'says settlement_pending without a hash': fails('settlement_pending'),
  'says that the confirmation timed out': fails('settle_exact_evm_transaction_confirmation_timed_out'),
  'says that the nonce is used': fails('invalid_exact_evm_nonce_already_used'),
}

/** A refusal for sure, whatever happens behind it. */
export const REFUSAL: Readonly<Record<string, Reply>> = {
  'says insufficient_funds': fails('insufficient_funds'),
}

/** Each of these answers with the payment landing at each of these points. */
export function faults(replies: Readonly<Record<string, Reply>>, points: readonly Point[] = POINTS): Fault[] {
  const isRefusal = replies === REFUSAL
  return Object.entries(replies).flatMap(([name, reply]) =>
    points.map((point) => ({ name: `${name}, ${point}`, point, reply, waitMs: 0, isRefusal })),
  )
}

const honestly =
  (delayMs: number): Reply =>
  async (settled) =>
    settled ? { ...settled, delayMs } : 'drop'

const honest = (name: string, change: { waitMs?: number; delayMs?: number }): Fault => ({
  name,
  point: 'settled, then answered',
  reply: honestly(change.delayMs ?? 0),
  waitMs: change.waitMs ?? 0,
  isRefusal: false,
})

export const HONEST = honest('settles and says so', {})

/** The payment never gets here; what happens is up to whoever is in between. */
export const UNREACHED: Fault = { ...HONEST, name: 'is not reached', point: 'never settled' }

export const SLOW: readonly Fault[] = [
  honest('settles, and says so after 8 s', { delayMs: 8_000 }),
  honest('settles, and says so after 20 s', { delayMs: 20_000 }),
  honest('settles, and says so when nobody listens any more', { delayMs: 32_000 }),
  honest('settles after 8 s', { waitMs: 8_000 }),
  honest('settles after 20 s', { waitMs: 20_000 }),
]

export type Staged = {
  behaviour: (proceed: () => Promise<FacilitatorReply>) => Promise<HookReply | 'drop'>
  /** Resolves when the facilitator has the payment. */
  arrived: Promise<void>
  /** Resolves when what the fault lets land has landed. The reader has gone, or has their answer. */
  landed(): Promise<void>
}

/** The fault for one payment. */
export function stage({ point, reply, waitMs }: Fault): Staged {
  const arrival = Promise.withResolvers<() => Promise<unknown>>()
  return {
    async behaviour(proceed) {
      let settling: Promise<FacilitatorReply> | null = null
      const settleOnce = () => {
        settling ??= proceed()
        return settling
      }
      arrival.resolve(settleOnce)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      const settled = point === 'settled, then answered' ? await settleOnce() : null
      if (point === 'answered, then settled') void settleOnce()
      return reply(settled)
    },
    arrived: arrival.promise.then(() => undefined),
    async landed() {
      if (point === 'never settled') return
      const settle = await arrival.promise
      await settle()
    },
  }
}
