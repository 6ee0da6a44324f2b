// Payments on Solana by the stock clients: the challenge is read, and the transaction built and signed, by the reference
// packages. They are given nothing but the address of the local node.

import { createKeyPairSignerFromPrivateKeyBytes } from '@solana/kit'
import { x402Client } from '@x402/core/client'
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentRequired } from '@x402/core/types'
import { ExactSvmScheme } from '@x402/svm/exact/client'
import { ExactSvmSchemeV1 } from '@x402/svm/exact/v1/client'
import * as z from 'zod'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import type { Version } from './payer.ts'

/** devnet as v1 calls it. */
export const SOLANA_V1_NAME = 'solana-devnet'

/** The stock client of both versions, for `wrapFetchWithPayment` or by itself. It pays on Solana alone. */
export async function stockSolanaClient({ seed }: SolanaWallet, rpcUrl: string): Promise<x402Client> {
  const signer = await createKeyPairSignerFromPrivateKeyBytes(seed)
  return new x402Client()
    .register(SOLANA_NETWORK, new ExactSvmScheme(signer, { rpcUrl }))
    .registerV1(SOLANA_V1_NAME, new ExactSvmSchemeV1(signer, { rpcUrl }))
}

/** What the stock client pays for this challenge: the JSON of a payment. */
export async function stockSolanaPayment(challenge: PaymentRequired, wallet: SolanaWallet, rpcUrl: string) {
  return (await stockSolanaClient(wallet, rpcUrl)).createPaymentPayload(challenge)
}

// The package checks what it decodes when it pays.
const challengeV1 = z.custom<PaymentRequired>(
  (json) => z.looseObject({ x402Version: z.literal(1) }).safeParse(json).success,
)

/** Pays a 402 on Solana: the header of either version. */
export async function stockSolanaHeader(
  version: Version,
  answer: { headers: Headers; json: unknown },
  wallet: SolanaWallet,
  rpcUrl: string,
): Promise<Record<string, string>> {
  if (version === 'v2') {
    const required = decodePaymentRequiredHeader(answer.headers.get('PAYMENT-REQUIRED') ?? '')
    return { 'PAYMENT-SIGNATURE': encodePaymentSignatureHeader(await stockSolanaPayment(required, wallet, rpcUrl)) }
  }
  const payment = await stockSolanaPayment(challengeV1.parse(answer.json), wallet, rpcUrl)
  return { 'X-PAYMENT': Buffer.from(JSON.stringify(payment)).toString('base64') }
}
