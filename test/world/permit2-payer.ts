// A paying client of Permit2 written by hand from the protocol's text. It shares no code with the worker or the stock packages,
// and can do any one thing wrong; the twin of `payer.ts`.
import { randomBytes } from 'node:crypto'
import { type Address, type Hex, toHex } from 'viem'
import * as z from 'zod'
import { EXACT_PROXY, PERMIT2 } from '../../dev/stack/exact-proxy.ts'
import { type Answer, decodeHeader } from './answer.ts'
import { HEADERS, pack, type Signer } from './payer.ts'

/** `PermitWitnessTransferFrom` with the witness of x402's exact proxy, and who signs it. */
export type Permit = {
  from: Address
  token: Address
  amount: bigint
  spender: Address
  nonce: bigint
  deadline: bigint
  to: Address
  validAfter: bigint
}
export type SignedPermit = { permit: Permit; signature: Hex }

const hex = z.templateLiteral(['0x', z.string()])
const digits = z.string().regex(/^(?:0|[1-9][0-9]*)$/)
/** Strict, so that nothing beside what the client needs is offered unseen. */
const offered = z.strictObject({
  scheme: z.literal('exact'),
  network: z.templateLiteral(['eip155:', z.string()]),
  amount: digits,
  asset: hex,
  payTo: hex,
  maxTimeoutSeconds: z.number(),
  extra: z.strictObject({
    assetTransferMethod: z.literal('permit2'),
    paymentFlow: z.literal('upfront').optional(),
  }),
})
const challenge = z.looseObject({
  x402Version: z.literal(2),
  error: z.string(),
  resource: z.looseObject({ url: z.string() }),
  accepts: z.array(z.unknown()).transform((all) => all.flatMap((one) => offered.safeParse(one).data ?? [])),
  extensions: z.record(z.string(), z.looseObject({ info: z.looseObject({}) })),
})
/** What a 402 or a 412 offers by Permit2. */
export type PermitChallenge = z.infer<typeof challenge>
export const permitChallenge = (answer: Answer): PermitChallenge =>
  challenge.parse(decodeHeader(answer.header('PAYMENT-REQUIRED') ?? ''))

/** What an honest client would not do. Each knob changes one thing; see `Change` of `payer.ts`. */
export type PermitChange = {
  signed?: Partial<Permit>
  /** The chain in the domain, where it is not the one that is asked for. */
  chainId?: number
  /** Fields of `permit2Authorization` as sent: changed after it was signed. */
  sent?: Record<string, unknown>
  /** The signature as sent. */
  signature?: (honest: Hex) => string
  accepted?: Record<string, unknown>
  /** Fields of `payload`, beside or instead of the permit and its signature. */
  payload?: Record<string, unknown>
  payment?: Record<string, unknown>
  echo?: boolean
  identifier?: string
}

const PERMIT = [
  { name: 'permitted', type: 'TokenPermissions' },
  { name: 'spender', type: 'address' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint256' },
] as const
const TokenPermissions = [
  { name: 'token', type: 'address' },
  { name: 'amount', type: 'uint256' },
] as const
const TYPES = {
  PermitWitnessTransferFrom: [...PERMIT, { name: 'witness', type: 'Witness' }],
  TokenPermissions,
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const

const domainOf = (chainId: number) => ({ name: 'Permit2', chainId, verifyingContract: PERMIT2 }) as const

const anyNonce = () => BigInt(toHex(randomBytes(32)))

/** Signs the first offer by Permit2. `from` in `change.signed` makes it a payment of somebody else. */
export async function signPermit(
  { accepts: [terms] }: PermitChallenge,
  signer: Signer,
  { signed, chainId }: PermitChange = {},
): Promise<SignedPermit> {
  if (!terms) throw new Error('nothing is offered by Permit2')
  const permit: Permit = {
    from: signer.address,
    token: terms.asset,
    amount: BigInt(terms.amount),
    spender: EXACT_PROXY,
    nonce: anyNonce(),
    deadline: BigInt(Math.floor(Date.now() / 1000) + terms.maxTimeoutSeconds),
    to: terms.payTo,
    validAfter: 0n,
    ...signed,
  }
  const { token, amount, spender, nonce, deadline, to, validAfter } = permit
  const signature = await signer.signTypedData({
    domain: domainOf(chainId ?? Number(terms.network.slice('eip155:'.length))),
    types: TYPES,
    primaryType: 'PermitWitnessTransferFrom',
    message: { permitted: { token, amount }, spender, nonce, deadline, witness: { to, validAfter } },
  })
  return { permit, signature }
}

/** Signs a permit that another spender may use, with no witness: what the same nonce can be spent on elsewhere. */
export const signPlainPermit = (signer: Signer, chainId: number, permit: Omit<Permit, 'from' | 'to' | 'validAfter'>) =>
  signer.signTypedData({
    domain: domainOf(chainId),
    types: { PermitTransferFrom: PERMIT, TokenPermissions },
    primaryType: 'PermitTransferFrom',
    message: { ...permit, permitted: { token: permit.token, amount: permit.amount } },
  })

/** A permit as it is sent. */
export const permitAsSent = ({ from, token, amount, spender, nonce, deadline, to, validAfter }: Permit) => ({
  permitted: { token, amount: amount.toString() },
  from,
  spender,
  nonce: nonce.toString(),
  deadline: deadline.toString(),
  witness: { to, validAfter: validAfter.toString() },
})

/** Wraps a signed permit: the header that pays. */
export function wrapPermit(
  { accepts, resource, extensions }: PermitChallenge,
  { permit, signature }: SignedPermit,
  { sent, signature: change, accepted, payload, payment, echo = true, identifier }: PermitChange = {},
): Record<string, string> {
  const named = extensions['payment-identifier']
  return {
    [HEADERS.v2]: pack({
      x402Version: 2,
      resource,
      accepted: { ...accepts[0], ...accepted },
      payload: {
        signature: change ? change(signature) : signature,
        permit2Authorization: { ...permitAsSent(permit), ...sent },
        ...payload,
      },
      extensions: {
        ...(echo ? extensions : {}),
        ...(identifier === undefined
          ? {}
          : { 'payment-identifier': { ...named, info: { ...named?.info, id: identifier } } }),
      },
      ...payment,
    }),
  }
}

/** Signs and wraps. */
export const payByPermit = async (
  required: PermitChallenge,
  signer: Signer,
  change: PermitChange = {},
): Promise<Record<string, string>> => wrapPermit(required, await signPermit(required, signer, change), change)
