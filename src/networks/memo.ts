// The memo of a payment on Solana: what binds it to one offer of one quote. It stands on chain for ever, so it names nothing
// and opens nothing; and it is checked alone, since clients of x402 v1 send back nothing else.
import { shortMac } from '../token.ts'
import { encodeBytes } from '../x402/base64.ts'
import type { Offer } from '../x402/payment.ts'

/** What a memo is bound to beside its offer: the resource as quotes name it, and the keys that may have made it. */
export type Binding = { context: string; keys: readonly CryptoKey[] }

/** 128 bits: whoever finds one for another offer could pay less. */
const MAC_BYTES = 16

const MEMO = /^([A-Za-z0-9_-]{1,32})\.([0-9a-z]{1,8})\.[A-Za-z0-9_-]{22}$/

/** `id.expiry.mac` in 43 characters or so. `id` is the quote's; it is random, so one memo gives no two buyers one payment. */
export async function memoOf(
  offer: Offer,
  context: string,
  key: CryptoKey,
  id: string,
  expiresAtSeconds: number,
): Promise<string> {
  const open = `${id}.${expiresAtSeconds.toString(36)}`
  return `${open}.${encodeBytes(await shortMac(key, signedText(open, offer, context), MAC_BYTES))}`
}

/** Whether this site made a memo for this offer; fee payer and facilitator are those of the offer. */
export async function isMemoOf(memo: string, offer: Offer, { context, keys }: Binding): Promise<boolean> {
  if (!MEMO.test(memo)) return false
  const end = memo.lastIndexOf('.')
  const text = signedText(memo.slice(0, end), offer, context)
  const macs = await Promise.all(keys.map(async (key) => encodeBytes(await shortMac(key, text, MAC_BYTES))))
  return macs.map((mac) => isEqual(mac, memo.slice(end + 1))).includes(true)
}

/** When a memo says that it ends (Unix seconds); null for what is none of ours. */
export function memoEndsAtSeconds(memo: string): number | null {
  const [, , expiry] = MEMO.exec(memo) ?? []
  return expiry === undefined ? null : Number.parseInt(expiry, 36)
}

const signedText = (open: string, { network, asset, amount, payTo, transfer, ...offer }: Offer, context: string) =>
  JSON.stringify([
    open,
    context,
    network,
    asset,
    amount.toString(),
    payTo,
    transfer.kind === 'svm' ? [transfer.feePayer, transfer.facilitator] : null,
    offer.name,
    offer.accessSeconds,
    offer.scope,
    offer.flow,
  ])

/** Compares every character, so that the time it takes tells nothing. */
const isEqual = (a: string, b: string): boolean =>
  a.length === b.length && [...a].reduce((differs, char, i) => differs | Number(char !== b[i]), 0) === 0
