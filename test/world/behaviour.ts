// Makes a facilitator misbehave for one payer only, so that tests of one file can run at the same time.

import * as z from 'zod'
import type { FacilitatorCall, FacilitatorHook, FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'

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
export type Behaviour = (
  proceed: () => Promise<FacilitatorReply>,
  payment: SentPayment,
  path: string,
) => Promise<HookReply | 'drop'>

export type Behaviours = {
  hook: FacilitatorHook
  /** From now on; `null` is the real thing again. */
  set(payer: string, behaviour: Behaviour | null): void
  /** What was asked about one payer: paths, in order. */
  calls(payer: string): string[]
}

export function behaviours(): Behaviours {
  const set = new Map<string, Behaviour>()
  const calls = new Map<string, string[]>()
  const paymentOf = (call: FacilitatorCall) => envelope.safeParse(call.body).data?.paymentPayload.payload
  return {
    async hook(call, proceed) {
      const payment = paymentOf(call)
      if (!payment) return proceed()
      const payer = payment.authorization.from.toLowerCase()
      calls.set(payer, [...(calls.get(payer) ?? []), call.path])
      const behaviour = set.get(payer)
      return behaviour ? behaviour(proceed, payment, call.path) : proceed()
    },
    set(payer, behaviour) {
      if (behaviour) set.set(payer.toLowerCase(), behaviour)
      else set.delete(payer.toLowerCase())
    },
    calls: (payer) => calls.get(payer.toLowerCase()) ?? [],
  }
}

/** A reply of the facilitator's own making. */
export const says =
  (body: unknown, status = 200) =>
  async (): Promise<HookReply> => ({ status, body })

/** A settlement that failed, with its reason, as the reference facilitator words it. */
export const refuses = (errorReason: string) =>
  says({ success: false, errorReason, transaction: '', network: 'eip155:84532' })
