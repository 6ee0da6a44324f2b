// What a judge knows of each payment, and which payment makes which other one paying twice. Written from the design, not
// from `next.ts`.
import type { Fate } from './chain.ts'
import type { Order, Product } from './orders.ts'
import { PAID_ACCOUNT } from './solana-orders.ts'
import { chainOf, rowsOf, type Stage } from './stage.ts'
import type { Granted, Request } from './worker.ts'

/** What the judge knows of one payment. */
export type Case = {
  order: Order
  requests: Request[]
  /** When it first reached a facilitator (milliseconds). */
  reachedMs: number | null
  /** Handouts of its own or another's content to who asked with it. */
  grants: { atMs: number; outcome: Granted; isNamed: boolean }[]
  /** Refusals that invite to sign anew. */
  invited: { atMs: number; code: string; wasPaid: boolean; isSpent: boolean }[]
  /** A facilitator refused it and lied; its signer, or a stranger, sent or cancelled it past us. */
  isExcused: boolean
  /** Its object broke off while it was asked: what it was granted then, nobody has heard. */
  wasLost: boolean
  /** What had paid it, and where in its receipt, before a chain thought again: settled at one unconfirmed block, which may be undone. */
  paidBy: string | null
  /** A facilitator said that it was paid before it was: it may have been wrong. */
  isWord: boolean
  /** When it reached a facilitator, each time (milliseconds). */
  sentMs: number[]
  /** When it was last seen to be paid (milliseconds). */
  paidMs: number | null
}

/** One key on any network; a contract is somebody on its own network only. */
export const isSamePerson = (a: Order, b: Order) =>
  a.from === b.from && (a.network === b.network || (a.owner === 'key' && b.owner === 'key'))

/** Whether who owns the one needs not buy the other. All passes of the catalogue open all pages below `/a/`. */
export function isWorth(owned: Product, wanted: Product): boolean {
  if (owned.method !== wanted.method) return false
  if (owned.accessSeconds === 0) {
    return wanted.accessSeconds === 0 && wanted.scope === null && owned.path === wanted.path
  }
  if (owned.accessSeconds < wanted.accessSeconds) return false
  if (owned.scope !== null) return wanted.path.startsWith('/a/')
  return wanted.scope === null && owned.path === wanted.path
}

/** What is still to be done for a payer's object: nothing, once everything is over. */
export function unrest(stage: Stage, address: string): string[] {
  const found: string[] = []
  for (const row of rowsOf(stage, address)) {
    if (row.look_at !== null) found.push(`${row.key} is ${row.status}, and looked at again at ${row.look_at}`)
  }
  return found
}

/** As problems name it. */
export const nameOf = ({ order: { product, network, key } }: Case): string =>
  `${product.name} ${product.path} ${network} …${key.slice(-6)}`

/** Where on the chain a payment has paid us, now; null where it has not. */
export function paidBy(stage: Stage, order: Order): Extract<Fate, { kind: 'moved' }> | null {
  const fate = fateOf(stage, order)
  const payee = payeeOf(order)
  return fate.kind === 'moved' && fate.to === payee && fate.value === order.product.amount ? fate : null
}

function payeeOf(order: Order): string {
  if (order.kind === 'svm') return PAID_ACCOUNT
  return order.kind === 'permit2' ? order.permit.to : order.authorization.to
}

const fateOf = ({ chains, solana }: Stage, { network, from, mark, kind }: Order): Fate =>
  kind === 'svm'
    ? solana.chain.truth.fateOf(mark)
    : (chains.get(network)?.truth.fateOf(from, mark) ?? { kind: 'unused' })

/** Whether it could still land. */
export function mayLand(stage: Stage, order: Order): boolean {
  if (order.kind === 'svm') return stage.solana.chain.mayLand(order.mark)
  const { truth } = chainOf(stage, order.network)
  return order.kind === 'permit2' ? truth.mayPermitLand(order.permit) : truth.mayLand(order.authorization)
}
