// A client that signs in with a wallet of Solana, written by hand from the extension's text: it shares no code with the
// worker or the reference packages, and can do any one thing wrong.
import { getBase58Decoder } from '@solana/kit'
import * as z from 'zod'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import { type Answer, decodeHeader } from './answer.ts'
import { pack } from './payer.ts'
import { type SignInChange, signInInfo } from './sign-in.ts'

export const solanaDeclaration = z.looseObject({
  info: signInInfo,
  supportedChains: z.array(z.strictObject({ chainId: z.string(), type: z.enum(['eip191', 'ed25519']) })),
})
const challenge = z.looseObject({ extensions: z.looseObject({ 'sign-in-with-x': solanaDeclaration }) })

export type SolanaDeclaration = z.infer<typeof solanaDeclaration>

/** What a 402 declares; throws where signing in is not offered. */
export const solanaSignInOf = (answer: Answer): SolanaDeclaration =>
  challenge.parse(decodeHeader(answer.header('PAYMENT-REQUIRED') ?? '')).extensions['sign-in-with-x']

/** What an honest client would not do. */
export type SolanaSignInChange = SignInChange & {
  /** The text, changed before it is signed. */
  text?: (honest: string) => string
  /** The signature, changed after it was made. */
  signature?: (honest: Uint8Array, text: string) => Uint8Array
  /** Who signs in the place of the one who is named. */
  signer?: SolanaWallet
}

/** Signs what was declared for Solana: the header that signs in. */
export function signInOnSolana(
  { info, supportedChains }: SolanaDeclaration,
  wallet: Pick<SolanaWallet, 'address' | 'sign'>,
  change: SolanaSignInChange = {},
): Record<string, string> {
  const chain = supportedChains.find(({ type }) => type === 'ed25519')
  if (!chain) throw new Error('the challenge offers no sign-in with Solana')
  const proof: Record<string, string | undefined> = { ...info, ...chain, address: wallet.address, ...change.signed }
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
  const text = change.text?.(honest) ?? honest
  const own = (change.signer ?? wallet).sign(new TextEncoder().encode(text))
  const signature = getBase58Decoder().decode(change.signature?.(own, text) ?? own)
  return { 'SIGN-IN-WITH-X': pack({ ...proof, signature, ...change.sent }) }
}
