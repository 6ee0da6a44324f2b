// A facilitator in front of chains: an honest one checks and answers as @x402/evm 2.27 does; others fail, hide, hurry or
// lie. It holds no money: what it sends, the payer has authorized.
import type { Authorization, Permit } from '../../src/x402/payment.ts'
import { type Call, type Chain, permitMark, type Receipt } from './chain.ts'
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

export type PermitCall = { number: number; permit: Permit; chain: Chain }

export type MessageCall = { number: number; message: string; from: string }

export type Verifying = 'honest' | 'silent' | 'lost' | { refuses: string }

export type FacilitatorCall = { number: number; authorization: Authorization; chain: Chain }

export type Facilitator = {
  readonly url: string
  /** Whether it answers `/supported` (and anything else, unless `settling` says otherwise). */
  state: 'up' | 'lost' | 'silent' | 'page'
  settling: (call: FacilitatorCall) => Settling
  /** The same for a permit. */
  settlingPermit: (call: PermitCall) => Settling
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

/** What a payment is, to the chain: `mark` tells it from its payer's others. */
type Asked = {
  paying: Extract<Call, { kind: 'pay' | 'permit' }>
  from: string
  mark: string
  network: string
  payTo: string
  amount: bigint
}

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

  const check = (chain: Chain, asked: Asked): string | null => {
    const now = BigInt(Math.floor(world.now() / 1000))
    return asked.paying.kind === 'pay'
      ? checkAuthorization(chain, asked.paying.authorization, asked, now)
      : checkPermit(chain, asked.paying.permit, asked, now)
  }

  const broadcast = (chain: Chain, { paying, from, mark }: Asked, afterMs = 0): string => {
    const key = `${chain.network} ${from} ${mark}`
    const found = sent.get(key)
    if (found !== undefined && chain.receipt(found) === null) return found
    const hash = chain.send([paying], afterMs)
    sent.set(key, hash)
    return hash
  }

  const success = ({ from, network }: Asked, transaction: string) =>
    json({ success: true, transaction, network, payer: from })
  const failure = ({ from, network }: Asked, errorReason: string, transaction = '') =>
    json({ success: false, errorReason, transaction, network, payer: from })
  const said = (asked: Asked, receipt: Receipt) =>
    receipt.isSuccess
      ? success(asked, receipt.transactionHash)
      : failure(asked, 'invalid_transaction_state', receipt.transactionHash)

  const settle = async (chain: Chain, asked: Asked): Promise<WireReply> => {
    const { paying, from, mark, network } = asked
    facilitator.counts.settle += 1
    facilitator.settles.push({ atMs: world.now(), from, mark, network })
    const { settle: number } = facilitator.counts
    const how =
      paying.kind === 'pay'
        ? facilitator.settling({ number, authorization: paying.authorization, chain })
        : facilitator.settlingPermit({ number, permit: paying.permit, chain })
    world.note(`${url} settles: ${JSON.stringify(how)}`)
    switch (how.kind) {
      case 'nothing':
        if (how.reply === 'lost' || how.reply === 'silent') return { kind: how.reply }
        return { kind: 'reply', status: how.reply.status, body: PAGE_TEXT }
      case 'claims':
        return success(asked, how.transaction)
      case 'refuses':
        if (how.settlesAfterMs !== undefined) broadcast(chain, asked, how.settlesAfterMs)
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
    const hash = broadcast(chain, asked, how.afterMs)
    if (how.kind === 'answers before it settles') return success(asked, hash)
    if (how.kind === 'pending') return failure(asked, how.reason ?? 'settlement_pending', how.names ? hash : '')
    const receipt = await chain.included(hash)
    if (how.kind === 'honest') return said(asked, receipt)
    return how.reply === 'page' ? PAGE : { kind: how.reply }
  }

  const verify = (chain: Chain, asked: Asked): WireReply => {
    facilitator.counts.verify += 1
    const { paying, from: payer } = asked
    const how =
      paying.kind === 'pay'
        ? facilitator.verifying({ number: facilitator.counts.verify, authorization: paying.authorization, chain })
        : 'honest'
    if (how === 'lost' || how === 'silent') return { kind: how }
    const invalidReason = how === 'honest' ? check(chain, asked) : how.refuses
    return json(invalidReason === null ? { isValid: true, payer } : { isValid: false, invalidReason, payer })
  }

  const facilitator: Facilitator = {
    url,
    state: 'up',
    settling: () => ({ kind: 'honest' }),
    settlingPermit: () => ({ kind: 'honest' }),
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

type Wanted = Pick<Asked, 'payTo' | 'amount'>

function checkAuthorization(chain: Chain, signed: Authorization, { payTo, amount }: Wanted, now: bigint) {
  const { from, to, value, validAfter, validBefore, nonce } = signed
  if (!chain.isAuthorized(signed)) return 'invalid_exact_evm_signature'
  if (to.toLowerCase() !== payTo.toLowerCase()) return 'invalid_exact_evm_recipient_mismatch'
  if (validBefore < now + MARGIN_SECONDS) return 'invalid_exact_evm_payload_authorization_valid_before'
  if (validAfter > now) return 'invalid_exact_evm_payload_authorization_valid_after'
  if (value !== amount) return 'invalid_exact_evm_payload_authorization_value_mismatch'
  if (chain.isUsed(from, nonce, chain.headNumber())) return 'invalid_exact_evm_nonce_already_used'
  return chain.balance(from) < value ? 'invalid_exact_evm_insufficient_balance' : null
}

function checkPermit(chain: Chain, signed: Permit, { payTo, amount }: Wanted, now: bigint) {
  const { from, to, value, validAfter, deadline, nonce } = signed
  if (!chain.isPermitted(signed)) return 'invalid_permit2_signature'
  if (to.toLowerCase() !== payTo.toLowerCase()) return 'invalid_permit2_recipient_mismatch'
  if (deadline < now + MARGIN_SECONDS) return 'permit2_deadline_expired'
  if (validAfter > now) return 'permit2_not_yet_valid'
  if (value !== amount) return 'permit2_amount_mismatch'
  const bits = chain.nonceBits(from, nonce >> 8n, chain.headNumber())
  if ((bits >> (nonce & 255n)) & 1n) return 'permit2_invalid_nonce'
  return chain.balance(from) < value ? 'permit2_insufficient_balance' : null
}

const hexIn = (fields: Map<string, unknown>, name: string): `0x${string}` =>
  `0x${String(fields.get(name)).slice(2).toLowerCase()}`
const whole = (value: unknown): bigint | null =>
  typeof value === 'string' && /^[0-9]+$/.test(value) ? BigInt(value) : null

/** The envelope of x402 version 2, as far as a facilitator reads it. */
function readEnvelope(text: string): Asked | null {
  const envelope = fieldsOf(JSON.parse(text))
  const requirements = fieldsOf(envelope.get('paymentRequirements'))
  const payload = fieldsOf(fieldsOf(envelope.get('paymentPayload')).get('payload'))
  const amount = whole(requirements.get('amount'))
  const authorization = readAuthorization(fieldsOf(payload.get('authorization')))
  const permit = readPermit(fieldsOf(payload.get('permit2Authorization')))
  if (amount === null) return null
  const wanted = { network: String(requirements.get('network')), payTo: String(requirements.get('payTo')), amount }
  if (authorization) {
    const { from, nonce } = authorization
    return { paying: { kind: 'pay', authorization }, from, mark: nonce, ...wanted }
  }
  return permit && { paying: { kind: 'permit', permit }, from: permit.from, mark: permitMark(permit.nonce), ...wanted }
}

function readAuthorization(signed: Map<string, unknown>): Authorization | null {
  const value = whole(signed.get('value'))
  const validAfter = whole(signed.get('validAfter'))
  const validBefore = whole(signed.get('validBefore'))
  if (value === null || validAfter === null || validBefore === null) return null
  const [from, to, nonce] = [hexIn(signed, 'from'), hexIn(signed, 'to'), hexIn(signed, 'nonce')]
  return { from, to, value, validAfter, validBefore, nonce }
}

function readPermit(signed: Map<string, unknown>): Permit | null {
  const [permitted, witness] = [fieldsOf(signed.get('permitted')), fieldsOf(signed.get('witness'))]
  const value = whole(permitted.get('amount'))
  const nonce = whole(signed.get('nonce'))
  const deadline = whole(signed.get('deadline'))
  const validAfter = whole(witness.get('validAfter'))
  if (value === null || nonce === null || deadline === null || validAfter === null) return null
  const [from, spender] = [hexIn(signed, 'from'), hexIn(signed, 'spender')]
  const [asset, to] = [hexIn(permitted, 'token'), hexIn(witness, 'to')]
  return { from, asset, value, spender, nonce, deadline, to, validAfter }
}
