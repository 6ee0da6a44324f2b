// The chain that facilitator and RPC stand for: what was settled is in a block at once, with the logs of the token. It stands
// still, and its logs cannot be searched: on a machine so busy that the facilitator's word takes 25 s, a purchase is a 503 here.
import { createHash } from 'node:crypto'
import * as z from 'zod'

const Hex = z.templateLiteral(['0x', z.string()])
const Authorization = z.looseObject({ from: Hex, to: Hex, value: z.string(), nonce: Hex })
/** What a facilitator is sent, as far as it is read. */
export const Settlement = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ signature: z.string(), authorization: Authorization }) }),
  paymentRequirements: z.looseObject({ network: z.string(), asset: Hex }),
})
type Settlement = z.infer<typeof Settlement>
const Call = z.looseObject({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()) })
const StateCall = z.looseObject({ data: Hex })

const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const HEAD = 20_000_000
const SECONDS_PER_BLOCK = 2
/** Old enough for every verdict. */
const SETTLED_BLOCK = HEAD - 30

const hex = (number: number | bigint) => `0x${number.toString(16)}`
const word = (text: string) => `0x${text.slice(2).toLowerCase().padStart(64, '0')}`

const receipts = new Map<string, object>()
const usedNonces = new Set<string>()

/** Settles an authorization: the transaction. */
export function settle({ paymentPayload: { payload }, paymentRequirements: { asset } }: Settlement): string {
  const { from, to, value, nonce } = payload.authorization
  const transaction = `0x${createHash('sha256').update(payload.signature).digest('hex')}`
  const logs = [
    { topics: [USED, word(from), nonce], data: '0x' },
    { topics: [TRANSFER, word(from), word(to)], data: word(hex(BigInt(value))) },
  ]
  usedNonces.add(nonce.slice(2))
  receipts.set(transaction, {
    transactionHash: transaction,
    blockNumber: hex(SETTLED_BLOCK),
    status: '0x1',
    logs: logs.map((log, i) => ({ ...log, address: asset, logIndex: hex(i) })),
  })
  return transaction
}

/** What a node answers. `count` gets the method. */
export function answerCall(call: unknown, count: (method: string) => void): object {
  const { id, method, params } = Call.parse(call)
  const [first] = params
  count(method)
  const result = (): unknown => {
    switch (method) {
      case 'eth_chainId':
        return '0x14a34'
      case 'eth_getBlockByNumber': {
        const number = first === 'latest' ? HEAD : Number(first)
        const seconds = Math.floor(Date.now() / 1000) - (HEAD - number) * SECONDS_PER_BLOCK
        return { number: hex(number), timestamp: hex(seconds) }
      }
      case 'eth_call':
        return word(usedNonces.has(StateCall.parse(first).data.slice(-64)) ? '0x1' : '0x0')
      case 'eth_getTransactionReceipt':
        return receipts.get(String(first)) ?? null
      default:
        return null
    }
  }
  return { jsonrpc: '2.0', id, result: result() }
}
