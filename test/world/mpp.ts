// A client of MPP written by hand from its drafts (draft-httpauth-payment-00, draft-evm-charge-00). It shares no code with the worker
// or with the stock client, and can do any one thing wrong.
import { type Hex, keccak256, stringToBytes } from 'viem'
import * as z from 'zod'
import type { Answer } from './answer.ts'
import { type Authorization, authorize, type Signed, type Signer, unpack } from './payer.ts'

const encode = (text: string) => Buffer.from(text, 'utf8').toString('base64url')
const decode = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))

/** The canonical form of JSON (RFC 8785), for what holds texts, whole numbers, lists and tables. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`
}

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().regex(/^(?:0|[1-9][0-9]*)$/)

const parameters = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  realm: z.string(),
  method: z.literal('evm'),
  intent: z.literal('charge'),
  request: z.string().regex(/^[A-Za-z0-9_-]+$/),
  expires: z.iso.datetime(),
  opaque: z.string().regex(/^[A-Za-z0-9_-]+$/),
  header: z.literal('Payment-Authorization').optional(),
})

const request = z.strictObject({
  amount: digits,
  currency: hex,
  recipient: hex,
  methodDetails: z.strictObject({
    chainId: z.number(),
    credentialTypes: z.tuple([z.literal('authorization')]),
    decimals: z.number(),
  }),
})

export type MppChallenge = z.infer<typeof parameters>

/** The challenges of an answer, in their order. */
export function challengesIn(answer: Pick<Answer, 'header'>): MppChallenge[] {
  const header = answer.header('WWW-Authenticate') ?? ''
  return header
    .split(/(?:^|, )Payment /)
    .slice(1)
    .map((text) =>
      parameters.parse(Object.fromEntries([...text.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, k, v]) => [k, v]))),
    )
}

/** The first challenge of an answer. */
export function challengeIn(answer: Pick<Answer, 'header'>): MppChallenge {
  const [first] = challengesIn(answer)
  if (!first) throw new Error('the answer has no challenge of MPP')
  return first
}

/** What a challenge asks for. */
export const requestIn = (challenge: MppChallenge) => request.parse(decode(challenge.request))
/** What it says to its own site. */
export const opaqueIn = (challenge: MppChallenge) => z.record(z.string(), z.string()).parse(decode(challenge.opaque))
/** A table as it stands in a challenge. */
export const packed = (table: unknown): string => encode(canonical(table))

export const nonceOf = ({ id, realm }: MppChallenge): Hex => keccak256(stringToBytes(id + realm))

/** What an honest client would not do. */
export type MppChange = {
  /** Fields that are signed otherwise than they should be. */
  signed?: Partial<Authorization>
  /** Parameters of the challenge as they come back. */
  challenge?: Record<string, unknown>
  /** Fields of the payload as sent. */
  payload?: Record<string, unknown>
}

/** Signs what a challenge asks for, on the network of the tests. */
export const answerTo = (challenge: MppChallenge, signer: Signer, { signed }: MppChange = {}): Promise<Signed> => {
  const { amount, recipient } = requestIn(challenge)
  return authorize(signer, {
    to: recipient,
    value: BigInt(amount),
    validBefore: BigInt(Date.parse(challenge.expires) / 1000),
    nonce: nonceOf(challenge),
    ...signed,
  })
}

/** A signed authorization as the credential that answers a challenge. */
export function credentialOf(
  { header, ...challenge }: MppChallenge,
  { authorization, signature }: Signed,
  change: MppChange = {},
): string {
  const { value, validAfter, validBefore, ...rest } = authorization
  const payload = {
    type: 'authorization',
    ...rest,
    value: value.toString(),
    validAfter: validAfter.toString(),
    validBefore: validBefore.toString(),
    signature,
    ...change.payload,
  }
  const source = `did:pkh:eip155:84532:${authorization.from}`
  return `Payment ${encode(JSON.stringify({ challenge: { ...challenge, ...change.challenge }, payload, source }))}`
}

/** The headers that pay what an answer asks for. */
export async function payMpp(answer: Pick<Answer, 'header'>, signer: Signer, change: MppChange = {}) {
  const challenge = challengeIn(answer)
  const credential = credentialOf(challenge, await answerTo(challenge, signer, change), change)
  return { [challenge.header ?? 'Authorization']: credential }
}

/** The signed fields of a payment of x402, version 2. */
export function signedIn(header: string): Signed {
  const { signature, authorization } = unpack(header).payload
  const { value, validAfter, validBefore, ...rest } = authorization
  return {
    signature,
    authorization: { ...rest, value: BigInt(value), validAfter: BigInt(validAfter), validBefore: BigInt(validBefore) },
  }
}

const receipt = z.strictObject({
  challengeId: z.string(),
  chainId: z.number(),
  method: z.literal('evm'),
  reference: hex,
  status: z.literal('success'),
  timestamp: z.iso.datetime(),
})

/** `Payment-Receipt`; null where there is none. */
export function mppReceipt(answer: Pick<Answer, 'header'>) {
  const header = answer.header('Payment-Receipt')
  return header === null ? null : receipt.parse(decode(header))
}
