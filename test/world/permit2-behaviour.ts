// How a facilitator misbehaves towards one payer by Permit2; the twin of `behaviours`. Other payments pass.
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'
import type { SignedPermit } from './permit2-payer.ts'

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().transform((text) => BigInt(text))
const payload = z
  .strictObject({
    signature: hex,
    permit2Authorization: z.strictObject({
      permitted: z.strictObject({ token: hex, amount: digits }),
      from: hex,
      spender: hex,
      nonce: digits,
      deadline: digits,
      witness: z.strictObject({ to: hex, validAfter: digits }),
    }),
  })
  .transform(
    ({ signature, permit2Authorization: { permitted, witness, ...rest } }): SignedPermit => ({
      permit: { ...rest, ...permitted, ...witness },
      signature,
    }),
  )
const envelope = z.looseObject({ paymentPayload: z.looseObject({ payload }) })

/** What a facilitator does with one payer's `/settle` or `/verify`. */
export type PermitBehaviour = (
  proceed: () => Promise<FacilitatorReply>,
  signed: SignedPermit,
  path: string,
) => Promise<HookReply | 'drop'>

export type PermitBehaviours = {
  hook: FacilitatorHook
  /** From now on; `null` is the real thing again. */
  set(payer: string, behaviour: PermitBehaviour | null): void
  /** What was asked about one payer: paths, in order. */
  calls(payer: string): string[]
}

export function permitBehaviours(): PermitBehaviours {
  const set = new Map<string, PermitBehaviour>()
  const calls = new Map<string, string[]>()
  return {
    async hook(call, proceed) {
      const signed = envelope.safeParse(call.body).data?.paymentPayload.payload
      if (!signed) return proceed()
      const payer = signed.permit.from.toLowerCase()
      calls.set(payer, [...(calls.get(payer) ?? []), call.path])
      const behaviour = set.get(payer)
      return behaviour ? behaviour(proceed, signed, call.path) : proceed()
    },
    set(payer, behaviour) {
      if (behaviour) set.set(payer.toLowerCase(), behaviour)
      else set.delete(payer.toLowerCase())
    },
    calls: (payer) => calls.get(payer.toLowerCase()) ?? [],
  }
}

/** Only to `/settle`; what `/verify` says is the real thing. */
export const atSettle =
  (behaviour: PermitBehaviour): PermitBehaviour =>
  (proceed, signed, path) =>
    path === '/settle' ? behaviour(proceed, signed, path) : proceed()
