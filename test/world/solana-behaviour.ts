// How a facilitator misbehaves towards one payer on Solana; the twin of `behaviours`. Payments on other networks pass.
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'
import { readTransaction } from '../../dev/stack/solana/message.ts'
import { TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'

const envelope = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})

/** What a facilitator does with one payer's `/settle` or `/verify`; `transaction`: as it was sent, without its fee payer. */
export type SolanaBehaviour = (
  proceed: () => Promise<FacilitatorReply>,
  transaction: Uint8Array,
  path: string,
) => Promise<HookReply | 'drop'>

export type SolanaBehaviours = {
  hook: FacilitatorHook
  /** From now on; `null` is the real thing again. */
  set(payer: string, behaviour: SolanaBehaviour | null): void
  /** What was asked about one payer: paths, in order. */
  calls(payer: string): string[]
}

/** `otherwise`: the hook for what is no payment on Solana. */
export function solanaBehaviours(otherwise: FacilitatorHook = (_, proceed) => proceed()): SolanaBehaviours {
  const set = new Map<string, SolanaBehaviour>()
  const calls = new Map<string, string[]>()
  return {
    async hook(call, proceed) {
      const sent = envelope.safeParse(call.body).data?.paymentPayload.payload.transaction
      if (sent === undefined) return otherwise(call, proceed)
      const transaction = new Uint8Array(Buffer.from(sent, 'base64'))
      const payer = payerOf(transaction)
      calls.set(payer, [...(calls.get(payer) ?? []), call.path])
      const behaviour = set.get(payer)
      return behaviour ? behaviour(proceed, transaction, call.path) : proceed()
    },
    set(payer, behaviour) {
      if (behaviour) set.set(payer, behaviour)
      else set.delete(payer)
    },
    calls: (payer) => calls.get(payer) ?? [],
  }
}

/** The authority of the transfer; empty where there is none. */
function payerOf(transaction: Uint8Array): string {
  try {
    const { keys, instructions } = readTransaction(transaction)
    const transfer = instructions.find(({ program }) => keys[program] === TOKEN_PROGRAM)
    return keys[transfer?.accounts[3] ?? -1] ?? ''
  } catch {
    return ''
  }
}
