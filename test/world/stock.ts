// Payments by the stock v2 client: the challenge is read and the header written by the reference packages.
import { x402Client } from '@x402/core/client'
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http'
import { registerExactEvmScheme } from '@x402/evm/exact/client'
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
