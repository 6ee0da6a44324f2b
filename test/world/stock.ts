// Payments by the stock v2 client: the challenge is read and the header written by the reference packages.
import { x402Client } from '@x402/core/client'
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http'
import { ExactEvmScheme, registerExactEvmScheme } from '@x402/evm/exact/client'
import type { PrivateKeyAccount } from 'viem/accounts'

/** Signs the first offer of a 402, with a `payment-identifier` where one is given. */
export async function stockPayment(
  challenge: { headers: Headers },
  account: PrivateKeyAccount,
  identifier?: string,
): Promise<string> {
  const required = decodePaymentRequiredHeader(challenge.headers.get('PAYMENT-REQUIRED') ?? '')
  const client = new x402Client()
  registerExactEvmScheme(client, { signer: account })
  const payment = await client.createPaymentPayload(required)
  if (identifier === undefined) return encodePaymentSignatureHeader(payment)
  const extensions = { ...payment.extensions, 'payment-identifier': { info: { required: false, id: identifier } } }
  return encodePaymentSignatureHeader({ ...payment, extensions })
}

/** The stock client that takes one token it does not know; such tokens have to be allowed. For `wrapFetchWithPayment` or by itself. */
export const stockClientFor = (
  account: PrivateKeyAccount,
  token: { network: `${string}:${string}`; asset: string },
): x402Client =>
  new x402Client().register(token.network, new ExactEvmScheme(account)).setSpendControls({ allowedAssets: [token] })
