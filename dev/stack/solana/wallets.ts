// Development keys for Solana, each from the SHA-256 of a fixed text, so that every run has the same ones.
// Everybody can make these keys: never send them real money.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { getBase58Decoder } from '@solana/kit'
import * as z from 'zod'

/** A key pair. `seed`: the 32 bytes of the private key. */
export type SolanaWallet = {
  address: string
  seed: Uint8Array
  /** The Ed25519 signature over these bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** What stands in front of the 32 bytes of an Ed25519 private key in PKCS #8. */
export const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const jwk = z.object({ x: z.string() })

/** The wallet of a text: the same text, the same wallet. */
export function solanaWallet(text: string): SolanaWallet {
  const seed = createHash('sha256').update(`newsstand development key: ${text}`).digest()
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const { x } = jwk.parse(createPublicKey(key).export({ format: 'jwk' }))
  return {
    address: getBase58Decoder().decode(Buffer.from(x, 'base64url')),
    seed: new Uint8Array(seed),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  }
}

/** By what the local stack uses each for. Those who pay have tokens once `fund` gives them some. */
export const solanaWallets = {
  /** Who is paid: `PAY_TO` of the demo site. */
  publisher: solanaWallet('publisher'),
  /** They put payments on the chain and pay the fees. */
  feePayers: [solanaWallet('fee payer 1'), solanaWallet('fee payer 2')],
  /** Gives away lamports when asked by `requestAirdrop`. */
  faucet: solanaWallet('faucet'),
  /** May mint and freeze the tokens of this chain. */
  issuer: solanaWallet('issuer'),
  /** Who pays: the wallet of `npm run buy`. */
  payer: solanaWallet('payer'),
  /** The demo wallet in a browser. In tests one more reader. */
  alice: solanaWallet('alice'),
  /** Further readers, for tests. */
  bob: solanaWallet('bob'),
  carol: solanaWallet('carol'),
} as const
