// How a facilitator misbehaves: for one payer only, so that tests of one file can run at the same time; and the closed list
// of its faults, each with the point at which it settles behind its answer.
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { oneSpelling } from '../../src/x402/assets.ts'

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().transform((text) => BigInt(text))

/** The payment a facilitator was sent. */
const envelope = z.looseObject({
  paymentPayload: z.looseObject({
    payload: z.looseObject({
      signature: hex,
      authorization: z.looseObject({
        from: hex,
        to: hex,
        value: digits,
        validAfter: digits,
        validBefore: digits,
        nonce: hex,
      }),
    }),
  }),
})

export type SentPayment = z.infer<typeof envelope>['paymentPayload']['payload']

/** What a facilitator does with one payer's `/settle` or `/verify`. */
export type Behaviour<Sent = SentPayment> = (
  proceed: () => Promise<FacilitatorReply>,
  payment: Sent,
  path: string,
) => Promise<HookReply | 'drop'>

export type Behaviours<Sent = SentPayment> = {
  hook: FacilitatorHook
  /** From now on; `null` is the real thing again. */
  set(payer: string, behaviour: Behaviour<Sent> | null): void
  /** What was asked about one payer: paths, in order. */
  calls(payer: string): string[]
}

/** Towards the payers that `read` finds in a call; `otherwise`: the hook for all else. */
export function behavioursOf<Sent>(
  read: (body: unknown) => { payer: string; sent: Sent } | null,
  otherwise: FacilitatorHook = (_, proceed) => proceed(),
): Behaviours<Sent> {
  const set = new Map<string, Behaviour<Sent>>()
  const calls = new Map<string, string[]>()
  return {
    async hook(call, proceed) {
      const payment = read(call.body)
      if (!payment) return otherwise(call, proceed)
      const payer = oneSpelling(payment.payer)
      calls.set(payer, [...(calls.get(payer) ?? []), call.path])
      const behaviour = set.get(payer)
      return behaviour ? behaviour(proceed, payment.sent, call.path) : proceed()
    },
    set(payer, behaviour) {
      if (behaviour) set.set(oneSpelling(payer), behaviour)
      else set.delete(oneSpelling(payer))
    },
    calls: (payer) => calls.get(oneSpelling(payer)) ?? [],
  }
}

/** Towards payers on EVM. */
export const behaviours = (): Behaviours =>
  behavioursOf((body) => {
    const sent = envelope.safeParse(body).data?.paymentPayload.payload
    return sent ? { payer: sent.authorization.from, sent } : null
  })

const NETWORK = 'eip155:84532'

/** A reply of the facilitator's own making. */
export const says =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  async (): Promise<HookReply> => ({ status, body, headers })

/** A settlement that failed, with its reason, as the reference facilitator words it. */
export const refuses = (errorReason: string) => says({ success: false, errorReason, transaction: '', network: NETWORK })

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
  /** And between settling and answering, whichever of the two comes first. */
  delayMs: number
  /** It states for certain that nothing is paid: the reader may be told so. */
  isRefusal: boolean
}

const anyHash = () => `0x${randomBytes(32).toString('hex')}`
const success = z.object({ success: z.literal(true), transaction: z.string() })

/** Hash of the settlement; where there is none, one that nobody knows. */
const transactionOf = (settled: FacilitatorReply | null) =>
  success.safeParse(settled?.body).data?.transaction ?? anyHash()

const claims =
  (change: object): Reply =>
  async (settled) => {
    const honest = { success: true, transaction: transactionOf(settled), network: NETWORK }
    return { status: 200, body: { ...honest, ...change } }
  }

const UNCLEAR_REPLIES = {
  'never answers': () => new Promise<never>(() => {}),
  'drops the connection': async () => 'drop',
  'answers 500': says({ error: 'database is locked' }, 500),
  'answers 502 with a page': says('<html>Bad Gateway</html>', 502, { 'content-type': 'text/html' }),
  'answers 200 with HTML': says('<html>Welcome</html>', 200, { 'content-type': 'text/html' }),
  'answers truncated JSON': says('{"success":true,"transaction":"0x12'),
  'answers nothing': says(''),
  'answers 429': says({ error: 'too many requests' }, 429),
  'redirects to itself': says('', 307, { location: '/settle' }),
  'claims success without a transaction': claims({ transaction: '' }),
  'claims success on another network': claims({ network: 'eip155:8453' }),
  'claims success of another payer': claims({ payer: wallets.alice.address }),
  'claims success for another amount': claims({ amount: '1' }),
  'claims success and failure at once': claims({ success: false, errorReason: 'unexpected_settle_error' }),
  'says settlement_pending with a hash': claims({ success: false, errorReason: 'settlement_pending' }),
  'says settlement_pending without a hash': refuses('settlement_pending'),
  'says that the confirmation timed out': refuses('settle_exact_evm_transaction_confirmation_timed_out'),
  'says that the nonce is used': refuses('invalid_exact_evm_nonce_already_used'),
} satisfies Record<string, Reply>

const REFUSAL_REPLIES = {
  'says insufficient_funds': refuses('insufficient_funds'),
} satisfies Record<string, Reply>

const REPLIES = { ...UNCLEAR_REPLIES, ...REFUSAL_REPLIES }
type ReplyName = keyof typeof REPLIES
const isReply = (name: string): name is ReplyName => name in REPLIES

/** Every answer that leaves the outcome open. */
export const UNCLEAR = Object.keys(UNCLEAR_REPLIES).filter(isReply)
/** A refusal for sure, whatever happens behind it. */
export const REFUSAL = Object.keys(REFUSAL_REPLIES).filter(isReply)

/** Answers in this way, with the payment landing at this point. */
export const fault = (name: ReplyName, point: Point): Fault => ({
  name: `${name}, ${point}`,
  point,
  reply: REPLIES[name],
  waitMs: 0,
  delayMs: 0,
  isRefusal: name in REFUSAL_REPLIES,
})

/** Each of these answers with the payment landing at each of these points. */
export const faults = (names: readonly ReplyName[], points: readonly Point[] = POINTS): Fault[] =>
  names.flatMap((name) => points.map((point) => fault(name, point)))

export const HONEST = {
  name: 'settles and says so',
  point: 'settled, then answered',
  reply: async (settled) => settled ?? 'drop',
  waitMs: 0,
  delayMs: 0,
  isRefusal: false,
} as const satisfies Fault

/** The payment never gets here; what happens is up to whoever is in between. */
export const UNREACHED: Fault = { ...HONEST, name: 'is not reached', point: 'never settled' }

export const SLOW: readonly Fault[] = [
  { ...HONEST, name: 'settles, and says so after 8 s', delayMs: 8_000 },
  { ...HONEST, name: 'settles, and says so after 20 s', delayMs: 20_000 },
  { ...HONEST, name: 'settles, and says so when nobody listens any more', delayMs: 32_000 },
  { ...HONEST, name: 'settles after 8 s', waitMs: 8_000 },
  { ...HONEST, name: 'settles after 20 s', waitMs: 20_000 },
]

/** All of them. */
export const FAULTS: readonly Fault[] = [HONEST, ...faults([...UNCLEAR, ...REFUSAL]), UNREACHED, ...SLOW]
export type FaultName = typeof HONEST.name | `${ReplyName}, ${Point}`

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export type Staged = {
  behaviour: (proceed: () => Promise<FacilitatorReply>) => Promise<HookReply | 'drop'>
  /** Resolves when the facilitator has the payment. */
  arrived: Promise<void>
  /** Resolves when what the fault lets land has landed. The reader has gone, or has their answer. */
  landed(): Promise<void>
}

/** The fault for one payment. */
export function stage({ point, reply, waitMs, delayMs }: Fault): Staged {
  const arrival = Promise.withResolvers<void>()
  let settle: (() => Promise<unknown>) | null = null
  return {
    async behaviour(proceed) {
      let settling: Promise<FacilitatorReply> | null = null
      const settleOnce = () => {
        settling ??= proceed()
        return settling
      }
      settle = settleOnce
      arrival.resolve()
      await wait(waitMs)
      if (point === 'answered, then settled') void wait(delayMs).then(settleOnce)
      if (point !== 'settled, then answered') return reply(null)
      const answer = await reply(await settleOnce())
      return answer === 'drop' ? answer : { ...answer, delayMs }
    },
    arrived: arrival.promise,
    async landed() {
      if (point === 'never settled') return
      if (!settle) throw new Error('the facilitator never got the payment')
      await settle()
    },
  }
}
