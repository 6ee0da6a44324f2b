// One payer's object for the tests of it: requests to it, rows left in it, a look inside, and the chain it asks.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import type { Payer } from '../../src/payer/payer.ts'
import { PROTOCOL, type RedeemRequest } from '../../src/payer/protocol.ts'
import { PaymentRecords } from '../../src/payer/records.ts'
import { CLAIMED, type Redemption } from '../../src/payer/redemption.ts'
import { claimRow, type PaymentRow } from '../../src/payer/rows.ts'
import type { Offer } from '../../src/x402/payment.ts'

export const NETWORK = 'eip155:84532'
export const SITE = 'https://news.example'
export const PAYER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const PAY_TO = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'
export const TOKEN = '0x036cbd53842c5426634e7929541ec2318f3dcf7e'
export const TX = `0x${'ab'.repeat(32)}`
export const NOW = Math.floor(Date.now() / 1000)
export const DAY = 86_400
/** A payment identifier. */
export const NAME = 'a_name_of_sixteen'

export const UNKNOWN: Redemption = { ...CLAIMED, status: 'unknown', sent: 1, doubt: 1 }
export const SETTLED: Redemption = { ...CLAIMED, status: 'settled', sent: 1, transaction: TX, position: 0 }
export const REFUSED: Redemption = { ...CLAIMED, status: 'refused', sent: 1, reason: 'insufficient_funds' }

export const nonceOf = (number: number): `0x${string}` => `0x${number.toString(16).padStart(64, '0')}`

export const OFFER = {
  network: NETWORK,
  asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  amount: 50_000n,
  transfer: { kind: 'eip3009', name: 'USDC', version: '2' },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: DAY,
  scope: null,
  flow: 'authorization',
} satisfies Offer

let requests = 0

/** A payment for access of a day. */
export function requestFor(number = 1, over: Partial<RedeemRequest> = {}) {
  const request = {
    protocol: PROTOCOL,
    requestId: `request ${requests++}`,
    key: `payment ${number}`,
    owner: 'key',
    payment: {
      x402Version: 2,
      scheme: 'exact',
      network: NETWORK,
      payer: PAYER,
      transfer: {
        kind: 'eip3009',
        authorization: {
          from: PAYER,
          to: PAY_TO,
          value: 50_000n,
          validAfter: 0n,
          validBefore: BigInt(NOW + 300),
          nonce: nonceOf(number),
        },
        signature: `0x${'22'.repeat(65)}`,
      },
      accepted: null,
      identifier: null,
      quote: null,
      answering: null,
    },
    offer: OFFER,
    costs: [OFFER],
    objection: null,
    verdict: null,
    resource: { site: SITE, method: 'GET', path: '/articles/hello', id: '/articles/hello' },
    scope: '=/articles/hello',
    accessSeconds: DAY,
    signatureHash: 'a hash',
    look: null,
  } satisfies RedeemRequest
  return { ...request, ...over }
}

/** A row as it is left behind; what is settled has its own place in the receipt. */
export function rowOf(number: number, state: Redemption, over: Partial<PaymentRow> = {}): PaymentRow {
  const { offer, ...request } = requestFor(number)
  if (!offer) throw new Error('the request has an offer')
  return {
    ...claimRow({ ...request, offer, seenBlock: 900 }, CLAIMED, NOW - 60),
    state: state.position === null ? state : { ...state, position: number },
    sentAtSeconds: state.sent > 0 ? NOW - 60 : null,
    settledAtSeconds: state.status === 'settled' ? NOW - 60 : null,
    lookAtSeconds: null,
    ...over,
  }
}

export const object = () => env.PAYERS.get(env.PAYERS.idFromName(`eip155:${PAYER}`))

export const inside = <Value>(act: (state: DurableObjectState, payer: Payer) => Value | Promise<Value>) =>
  runInDurableObject(object(), (payer: Payer, state) => act(state, payer))

export const rows = (): Promise<Record<string, unknown>[]> =>
  inside((state) => state.storage.sql.exec('SELECT * FROM payments ORDER BY seq').toArray())

/** Stores rows as an object that has died would have left them. */
export async function leave(...left: PaymentRow[]): Promise<void> {
  await inside((state) => {
    const records = new PaymentRecords(state.storage, () => {})
    for (const row of left) records.insert(row)
  })
  await evictDurableObject(object())
}

type Said = {
  /** Whether nonces are used: all, none, or this one alone. */
  used: boolean | `0x${string}`
  /** Of the newest block, 1000. */
  time: number
  /** Of the one transaction there is, if there is one. */
  receipt?: object
}

/** The chain, as an RPC tells of it. No facilitator answers. */
export function chainSays({ used, time, receipt }: Said) {
  const HEAD = 1_000
  const answer = ({ id, method, params }: { id: number; method: string; params: unknown[] }) => {
    const [first] = params
    const number = typeof first === 'string' && first.startsWith('0x') ? Number(first) : HEAD
    const isUsed = typeof used === 'boolean' ? used : JSON.stringify(params).includes(used.slice(2))
    const results: Record<string, unknown> = {
      eth_chainId: '0x14a34',
      eth_call: nonceOf(isUsed ? 1 : 0),
      eth_getBlockByNumber: {
        number: `0x${number.toString(16)}`,
        hash: TX,
        timestamp: `0x${(time - (HEAD - number) * 2).toString(16)}`,
      },
      eth_getLogs: [],
      eth_getTransactionReceipt: receipt ?? null,
    }
    return { jsonrpc: '2.0', id, result: results[method] }
  }
  return vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
    if (!init?.body || String(init.body).includes('x402Version')) throw new TypeError('no connection')
    const asked: unknown = JSON.parse(String(init.body))
    return Response.json(Array.isArray(asked) ? asked.map(answer) : answer(Object(asked)))
  })
}

export const nobodyAnswers = () => vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('no connection'))
