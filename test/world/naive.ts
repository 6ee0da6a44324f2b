// A shop as one is written in an afternoon: it forgets what it was paid with. Each attack brings its own ten lines of
// selling; what is here is only how they are listened to, and how the facilitator is asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { encodePaymentRequiredHeader } from '@x402/core/http'
import * as z from 'zod'
import { listening } from '../../dev/stack/ports.ts'
import { decodeHeader } from './answer.ts'
import { termsOf } from './payer.ts'
import { PRICE, type Shop } from './shop.ts'

/** What a seller sees of one request. `settle` and `verify` ask the real facilitator. */
export type Visit = {
  request: IncomingMessage
  response: ServerResponse
  path: string
  /** `PAYMENT-SIGNATURE`; "" when there is none. */
  payment: string
  verify: (payment: string, terms?: unknown) => Promise<boolean>
  settle: (payment: string, terms?: unknown) => Promise<boolean>
}

/** What is sold; null is answered with a 402. A seller that writes to `response` itself returns 'answered'. */
export type Seller = (visit: Visit) => Promise<string | null | 'answered'>

const verdict = z.object({ isValid: z.optional(z.boolean()), success: z.optional(z.boolean()) })

/** Opens a naive shop beside a real one, with its facilitator: the URL. `priceOf`: what a path costs, in atomic units. */
export async function openNaive(
  { stack, onClose }: Pick<Shop, 'stack' | 'onClose'>,
  seller: Seller,
  priceOf: (path: string) => bigint = () => PRICE,
): Promise<string> {
  const ask = async (call: 'verify' | 'settle', payment: string, paymentRequirements: unknown): Promise<boolean> => {
    const body = JSON.stringify({ x402Version: 2, paymentPayload: decodeHeader(payment), paymentRequirements })
    const reply = await fetch(`${stack.facilitator.url}/${call}`, { method: 'POST', body })
    const { isValid, success } = verdict.parse(await reply.json())
    return (call === 'verify' ? isValid : success) ?? false
  }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '/'
    const requirements = termsOf(priceOf(path))
    const header = request.headers['payment-signature']
    const sold = await seller({
      request,
      response,
      path,
      payment: typeof header === 'string' ? header : '',
      verify: (payment, terms = requirements) => ask('verify', payment, terms),
      settle: (payment, terms = requirements) => ask('settle', payment, terms),
    })
    if (sold === 'answered') return
    if (sold !== null) return void response.end(sold)
    const resource = { url: `http://naive.example${path}` }
    const challenge = { x402Version: 2, resource, accepts: [requirements] }
    response.writeHead(402, { 'PAYMENT-REQUIRED': encodePaymentRequiredHeader(challenge) }).end()
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((fault: unknown) => response.destroy(new Error('the shop broke', { cause: fault })))
  })
  const { url, stop } = await listening(server)
  onClose(stop)
  return url
}
