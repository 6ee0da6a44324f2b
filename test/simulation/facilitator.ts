// A facilitator in front of chains: an honest one checks and answers as @x402/evm 2.27 does; others fail, hide, hurry or
// lie. It holds no money: what it sends, the payer has authorized.
import type { Authorization } from '../../src/x402/payment.ts'
import type { Chain, Receipt } from './chain.ts'
import type { World } from './clock.ts'
import type { SolanaChain } from './solana-chain.ts'
import { isOnSolana, type Memory, solanaSettling } from './solana-facilitator.ts'
import { json, serve, type WireReply } from './wire.ts'

/** How one `POST /settle` goes. */
export type Settling =
  | { kind: 'honest'; afterMs?: number }
  /** Settles, and the answer is lost on the way, or never comes, or is a gateway's page. */
  | { kind: 'settles, but'; reply: 'lost' | 'silent' | 'page'; afterMs?: number }
  /** Says at once what it will have done only later. */
  | { kind: 'answers before it settles'; afterMs: number }
  /** Does nothing, and the connection is lost, or nothing is heard, or a page comes with this status. */
  | { kind: 'nothing'; reply: 'lost' | 'silent' | { status: number } }
  /** Refuses with a reason; `settlesAfterMs`: and lies, for it settles all the same. `transaction` is what it names. */
  | { kind: 'refuses'; reason: string; settlesAfterMs?: number; transaction?: string }
  /** Broadcasts, and says that it is waiting; `names`: with the transaction. */
  | { kind: 'pending'; names: boolean; reason?: string; afterMs?: number }
  /** Says that it settled, and names this; it has done nothing. */
  | { kind: 'claims'; transaction: string }
  /** The payment verifies, and reverts on chain; the transaction is named. */
  | { kind: 'fails on chain' }

export type MessageCall = { number: number; message: string; from: string }

export type Verifying = 'honest' | 'silent' | 'lost' | { refuses: string }

export type FacilitatorCall = { number: number; authorization: Authorization; chain: Chain }

export type Facilitator = {
  readonly url: string
  /** Whether it answers `/supported` (and anything else, unless `settling` says otherwise). */
  state: 'up' | 'lost' | 'silent' | 'page'
  settling: (call: FacilitatorCall) => Settling
  /** The same for a message of Solana. */
  settlingMessage: (call: MessageCall) => Settling
  /** What it answers to a message that it has had before. */
  memory: Memory
  verifying: (call: FacilitatorCall) => Verifying
  /** What came to `/settle`, in order, whatever became of it. */
  readonly settles: { atMs: number; from: string; mark: string; network: string }[]
  readonly counts: { settle: number; verify: number; supported: number }
}

/** The reference facilitator demands so much of the window for itself. */
const MARGIN_SECONDS = 6n
const PAGE_TEXT = '<html>Bad gateway</html>'
const PAGE: WireReply = { kind: 'reply', status: 502, body: PAGE_TEXT }

type Asked = { authorization: Authorization; network: string; payTo: string; amount: bigint }

/** Serves `/settle`, `/verify` and `/supported` at an address without a slash at its end. */
export function serveFacilitator(
  world: World,
  chains: readonly Chain[],
  url: string,
  solana: SolanaChain,
): Facilitator {
  /** Its own store of what is under way, by authorization: sent again, it waits for the same transaction. */
  const sent = new Map<string, string>()
  const base = new URL(url).pathname.replace(/\/$/, '')

  const check = (chain: Chain, { authorization, payTo, amount }: Asked): string | null => {
    const { from, to, value, validAfter, validBefore, nonce } = authorization
    const now = BigInt(Math.floor(world.now() / 1000))
    if (!chain.isAuthorized(authorization)) return 'invalid_exact_evm_signature'
    if (to.toLowerCase() !== payTo.toLowerCase()) return 'invalid_exact_evm_recipient_mismatch'
    if (validBefore < now + MARGIN_SECONDS) return 'invalid_exact_evm_payload_authorization_valid_before'
    if (validAfter > now) return 'invalid_exact_evm_payload_authorization_valid_after'
    if (value !== amount) return 'invalid_exact_evm_payload_authorization_value_mismatch'
    if (chain.isUsed(from, nonce, chain.headNumber())) return 'invalid_exact_evm_nonce_already_used'
    if (chain.balance(from) < value) return 'invalid_exact_evm_insufficient_balance'
    return null
  }

  const broadcast = (chain: Chain, authorization: Authorization, afterMs = 0): string => {
    const key = `${chain.network} ${authorization.from} ${authorization.nonce}`
    const found = sent.get(key)
    if (found !== undefined && chain.receipt(found) === null) return found
    const hash = chain.send([{ kind: 'pay', authorization }], afterMs)
    sent.set(key, hash)
    return hash
  }

  const success = ({ authorization, network }: Asked, transaction: string) =>
    json({ success: true, transaction, network, payer: authorization.from })
  const failure = ({ authorization, network }: Asked, errorReason: string, transaction = '') =>
    json({ success: false, errorReason, transaction, network, payer: authorization.from })
  const said = (asked: Asked, receipt: Receipt) =>
    receipt.isSuccess
      ? success(asked, receipt.transactionHash)
      : failure(asked, 'invalid_transaction_state', receipt.transactionHash)

  const settle = async (chain: Chain, asked: Asked): Promise<WireReply> => {
    const { authorization, network } = asked
    facilitator.counts.settle += 1
    facilitator.settles.push({ atMs: world.now(), from: authorization.from, mark: authorization.nonce, network })
    const how = facilitator.settling({ number: facilitator.counts.settle, authorization, chain })
    world.note(`${url} settles: ${JSON.stringify(how)}`)
    switch (how.kind) {
      case 'nothing':
        if (how.reply === 'lost' || how.reply === 'silent') return { kind: how.reply }
        return { kind: 'reply', status: how.reply.status, body: PAGE_TEXT }
      case 'claims':
        return success(asked, how.transaction)
      case 'refuses':
        if (how.settlesAfterMs !== undefined) broadcast(chain, authorization, how.settlesAfterMs)
        return failure(asked, how.reason, how.transaction)
      case 'fails on chain': {
        const hash = chain.send([{ kind: 'revert' }])
        return said(asked, await chain.included(hash))
      }
      case 'honest':
      case 'settles, but':
      case 'answers before it settles':
      case 'pending':
    }
    const objection = check(chain, asked)
    if (objection !== null) return failure(asked, objection)
    const hash = broadcast(chain, authorization, how.afterMs)
    if (how.kind === 'answers before it settles') return success(asked, hash)
    if (how.kind === 'pending') return failure(asked, how.reason ?? 'settlement_pending', how.names ? hash : '')
    const receipt = await chain.included(hash)
    if (how.kind === 'honest') return said(asked, receipt)
    return how.reply === 'page' ? PAGE : { kind: how.reply }
  }

  const verify = (chain: Chain, asked: Asked): WireReply => {
    facilitator.counts.verify += 1
    const { authorization } = asked
    const how = facilitator.verifying({ number: facilitator.counts.verify, authorization, chain })
    if (how === 'lost' || how === 'silent') return { kind: how }
    const invalidReason = how === 'honest' ? check(chain, asked) : how.refuses
    const payer = authorization.from
    return json(invalidReason === null ? { isValid: true, payer } : { isValid: false, invalidReason, payer })
  }

  const facilitator: Facilitator = {
    url,
    state: 'up',
    settling: () => ({ kind: 'honest' }),
    settlingMessage: () => ({ kind: 'honest' }),
    memory: 'remembers',
    verifying: () => 'honest',
    settles: [],
    counts: { settle: 0, verify: 0, supported: 0 },
  }

  const settleMessage = solanaSettling(world, solana, facilitator)
  serve(world, new URL(url).origin, async ({ path, text }) => {
    const { state } = facilitator
    if (state === 'lost' || state === 'silent') return { kind: state }
    if (state === 'page') return PAGE
    if (path === `${base}/supported`) {
      facilitator.counts.supported += 1
      const kinds = [...chains, solana].map(({ network }) => ({ x402Version: 2, scheme: 'exact', network }))
      return json({ kinds, extensions: [], signers: {} })
    }
    if (path === `${base}/settle` && isOnSolana(text)) return settleMessage(text)
    const asked = readEnvelope(text)
    const chain = chains.find(({ network }) => network === asked?.network)
    if (!asked || !chain)
      return json({ success: false, errorReason: 'invalid_payload', transaction: '', network: '' }, 400)
    if (path === `${base}/settle`) return settle(chain, asked)
    if (path === `${base}/verify`) return verify(chain, asked)
    return { kind: 'reply', status: 404, body: 'not found' }
  })
  return facilitator
}

const fieldsOf = (value: unknown): Map<string, unknown> =>
  typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map()

/** The envelope of x402 version 2, as far as a facilitator reads it. */
function readEnvelope(text: string): Asked | null {
  const envelope = fieldsOf(JSON.parse(text))
  const requirements = fieldsOf(envelope.get('paymentRequirements'))
  const signed = fieldsOf(fieldsOf(fieldsOf(envelope.get('paymentPayload')).get('payload')).get('authorization'))
  const hex = (name: string): `0x${string}` => `0x${String(signed.get(name)).slice(2).toLowerCase()}`
  const whole = (value: unknown) => (typeof value === 'string' && /^[0-9]+$/.test(value) ? BigInt(value) : null)
  const value = whole(signed.get('value'))
  const validAfter = whole(signed.get('validAfter'))
  const validBefore = whole(signed.get('validBefore'))
  const amount = whole(requirements.get('amount'))
  if (value === null || validAfter === null || validBefore === null || amount === null) return null
  return {
    authorization: { from: hex('from'), to: hex('to'), value, validAfter, validBefore, nonce: hex('nonce') },
    network: String(requirements.get('network')),
    payTo: String(requirements.get('payTo')),
    amount,
  }
}
