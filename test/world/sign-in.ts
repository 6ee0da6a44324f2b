// A client that signs in, written by hand from the extension's text: it shares no code with the worker or the reference
// packages, and can do any one thing wrong.
import type { Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { pack } from './payer.ts'

/** What is to be signed, on every network. */
export const signInInfo = z.strictObject({
  domain: z.string(),
  uri: z.url(),
  version: z.literal('1'),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  issuedAt: z.iso.datetime(),
})

const declaration = z.strictObject({
  info: signInInfo,
  supportedChains: z
    .array(z.strictObject({ chainId: z.string(), type: z.string() }))
    // Those of Solana are for solana-sign-in.ts.
    .transform((all) => all.filter(({ type }) => type !== 'ed25519'))
    .pipe(z.array(z.strictObject({ chainId: z.string().regex(/^eip155:\d+$/), type: z.literal('eip191') })).min(1)),
  schema: z.looseObject({}),
})

export type Declaration = z.infer<typeof declaration>

/** What an honest client would not do. */
export type SignInChange = {
  /** Fields that are signed otherwise than they were declared. */
  signed?: Partial<Record<string, string>>
  /** Fields changed after signing. */
  sent?: Record<string, unknown>
}

/** What a challenge declares; throws where signing in is not offered. */
export const signInOf = ({ v2 }: { v2: { extensions: Record<string, unknown> } }): Declaration =>
  declaration.parse(v2.extensions['sign-in-with-x'])

/** Signs what was declared: the header that signs in. `address` is the signer's own, or a contract's. */
export async function signIn(
  { info, supportedChains }: Declaration,
  signer: Pick<PrivateKeyAccount, 'address' | 'signMessage'>,
  change: SignInChange = {},
): Promise<Record<string, string>> {
  const proof: Record<string, string | undefined> = {
    ...info,
    ...supportedChains[0],
    address: signer.address,
    ...change.signed,
  }
  const message = [
    `${proof.domain} wants you to sign in with your Ethereum account:`,
    proof.address,
    '',
    '',
    `URI: ${proof.uri}`,
    `Version: ${proof.version}`,
    `Chain ID: ${proof.chainId?.replace('eip155:', '')}`,
    `Nonce: ${proof.nonce}`,
    `Issued At: ${proof.issuedAt}`,
    ...(proof.expirationTime ? [`Expiration Time: ${proof.expirationTime}`] : []),
  ].join('\n')
  const signature: Hex = await signer.signMessage({ message })
  return { 'SIGN-IN-WITH-X': pack({ ...proof, signature, ...change.sent }) }
}
