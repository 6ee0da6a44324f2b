// A client that signs in with a key of Solana, written by hand from the extension's text; the twin of `sign-in.ts`.
import { getBase58Decoder } from '@solana/kit'
import * as z from 'zod'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import type { Answer } from './answer.ts'
import { pack } from './payer.ts'

const declaration = z.strictObject({
  info: z.strictObject({
    domain: z.string(),
    uri: z.url(),
    version: z.literal('1'),
    nonce: z.string().regex(/^[0-9a-f]{32}$/),
    issuedAt: z.iso.datetime(),
  }),
  supportedChains: z.array(z.strictObject({ chainId: z.string(), type: z.enum(['eip191', 'ed25519']) })),
  schema: z.looseObject({}),
})

export type SolanaDeclaration = z.infer<typeof declaration>

/** What an honest client would not do. */
export type SolanaSignInChange = {
  /** Fields that are signed otherwise than they were declared. */
  signed?: Partial<Record<string, string>>
  /** Fields changed after signing. */
  sent?: Record<string, unknown>
  /** The text as it is signed. */
  text?: (honest: string) => string
  /** Who signs in the place of the one who is named. */
  signer?: SolanaWallet
}

/** What a 402 declares; throws where signing in is not offered. */
export const solanaSignInOf = (unpaid: Answer): SolanaDeclaration =>
  declaration.parse(unpaid.challengeV2.extensions['sign-in-with-x'])

/** Signs what was declared: the header that signs in. */
export function signInOnSolana(
  { info, supportedChains }: SolanaDeclaration,
  wallet: SolanaWallet,
  { signed, sent, text, signer = wallet }: SolanaSignInChange = {},
): Record<string, string> {
  const chain = supportedChains.find(({ type }) => type === 'ed25519')
  const proof: Record<string, string | undefined> = { ...info, ...chain, address: wallet.address, ...signed }
  const honest = [
    `${proof.domain} wants you to sign in with your Solana account:`,
    proof.address,
    '',
    `URI: ${proof.uri}`,
    `Version: ${proof.version}`,
    `Chain ID: ${proof.chainId?.replace('solana:', '')}`,
    `Nonce: ${proof.nonce}`,
    `Issued At: ${proof.issuedAt}`,
  ].join('\n')
  const message = text?.(honest) ?? honest
  const signature = getBase58Decoder().decode(signer.sign(new TextEncoder().encode(message)))
  return { 'SIGN-IN-WITH-X': pack({ ...proof, signature, ...sent }) }
}
