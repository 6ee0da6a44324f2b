// How a facilitator misbehaves towards one payer on Solana, or on either kind of network.
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { readTransaction } from '../../dev/stack/solana/message.ts'
import { TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type Behaviour, type Behaviours, behaviours, behavioursOf } from './behaviour.ts'

const envelope = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})

/** With the transaction as it was sent, without its fee payer. */
export type SolanaBehaviour = Behaviour<Uint8Array>
export type SolanaBehaviours = Behaviours<Uint8Array>

/** Towards payers on Solana. `otherwise`: the hook for what is no payment there. */
export const solanaBehaviours = (otherwise?: FacilitatorHook): SolanaBehaviours =>
  behavioursOf((body) => {
    const sent = envelope.safeParse(body).data?.paymentPayload.payload.transaction
    if (sent === undefined) return null
    const transaction = new Uint8Array(Buffer.from(sent, 'base64'))
    return { payer: payerOf(transaction), sent: transaction }
  }, otherwise)

/** Towards payers on either kind of network, whatever it was sent. */
export function allBehaviours(): Behaviours<unknown> {
  const evm = behaviours()
  const solana = solanaBehaviours(evm.hook)
  const of = (payer: string) => (payer.startsWith('0x') ? evm : solana)
  return {
    hook: solana.hook,
    set: (payer, behaviour) => of(payer).set(payer, behaviour),
    calls: (payer) => of(payer).calls(payer),
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
