// Read-only JSON-RPC, for what only the chain can tell about an authorization. Nothing is ever sent to it.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { exchange } from './http.ts'
import type { Authorization } from './x402/payment.ts'

const RPC_TIMEOUT_MS = 5_000

/** `authorizationState(address,bytes32)` of EIP-3009. */
const AUTHORIZATION_STATE = '0xe94a0102'
/** `AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)`. */
const AUTHORIZATION_USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
/** `AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)`. */
const AUTHORIZATION_CANCELED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81'
/** `Transfer(address indexed from, address indexed to, uint256 value)`. */
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

export type ChainFault = 'unreachable'

const quantity = z.pipe(
  z.string().check(z.regex(/^0x[0-9a-fA-F]{1,64}$/)),
  z.transform((hex: string) => BigInt(hex)),
)
const hash = z.pipe(
  z.string().check(z.regex(/^0x[0-9a-fA-F]{64}$/)),
  z.transform((hex: string) => hex.toLowerCase()),
)

const blockHeader = z.object({ number: quantity, timestamp: quantity })

async function call<Schema extends z.core.$ZodType>(
  rpcUrl: string,
  method: string,
  params: unknown[],
  result: Schema,
): Promise<Result<z.infer<Schema>, ChainFault>> {
  const reply = await exchange(rpcUrl, { jsonrpc: '2.0', id: 1, method, params }, RPC_TIMEOUT_MS)
  if (!reply.ok) return fail('unreachable')
  const envelope = z.safeParse(z.object({ result: z.unknown() }), reply.value.json)
  const parsed = z.safeParse(result, envelope.data?.result)
  return parsed.success ? ok(parsed.data) : fail('unreachable')
}

/** A block's height and its time in Unix seconds. */
export type Block = { number: bigint; time: bigint }

/** The newest block. */
export async function head(rpcUrl: string): Promise<Result<Block, ChainFault>> {
  const found = await call(rpcUrl, 'eth_getBlockByNumber', ['latest', false], blockHeader)
  return found.ok ? ok({ number: found.value.number, time: found.value.timestamp }) : found
}

/** Time of a block in Unix seconds. */
export async function blockTime(rpcUrl: string, block: bigint): Promise<Result<bigint, ChainFault>> {
  const found = await call(rpcUrl, 'eth_getBlockByNumber', [toHex(block), false], blockHeader)
  return found.ok ? ok(found.value.timestamp) : found
}

const word = (hex: string) => hex.slice(2).toLowerCase().padStart(64, '0')
const toHex = (number: bigint) => `0x${number.toString(16)}`

/** `isValidSignature(bytes32,bytes)` of ERC-1271, which is also what it answers when the signature is good. */
const IS_VALID_SIGNATURE = '0x1626ba7e'

/** Whether a contract wallet says that a signature is its own (ERC-1271). Where there is no contract, it is not. */
export async function isValidSignature(
  rpcUrl: string,
  wallet: string,
  hash: string,
  signature: string,
): Promise<Result<boolean, ChainFault>> {
  const size = (signature.length - 2) / 2
  const bytes = signature.slice(2).padEnd(Math.ceil(size / 32) * 64, '0')
  const data = `${IS_VALID_SIGNATURE}${word(hash)}${word('0x40')}${word(toHex(BigInt(size)))}${bytes}`
  const answer = await call(rpcUrl, 'eth_call', [{ to: wallet, data }, 'latest'], z.string())
  return answer.ok ? ok(answer.value.toLowerCase() === IS_VALID_SIGNATURE.padEnd(66, '0')) : answer
}

/** Whether the authorization's nonce was used or cancelled as of a block. */
export async function isNonceUsed(
  rpcUrl: string,
  asset: string,
  { from, nonce }: Pick<Authorization, 'from' | 'nonce'>,
  atBlock: bigint,
): Promise<Result<boolean, ChainFault>> {
  const data = `${AUTHORIZATION_STATE}${word(from)}${word(nonce)}`
  const state = await call(rpcUrl, 'eth_call', [{ to: asset, data }, toHex(atBlock)], quantity)
  return state.ok ? ok(state.value !== 0n) : state
}

const log = z.object({
  address: z.string(),
  topics: z.array(z.string()),
  data: z.string(),
  transactionHash: hash,
  blockNumber: quantity,
})

/** Public RPCs answer for about this many blocks of logs at once, and a search through more than this many parts ends. */
const LOG_BLOCKS = 2_000n
const MOST_PARTS = 50n

/** Where the nonce was used or cancelled, in blocks `fromBlock` to `toBlock`; null when no log tells. */
export async function findUse(
  rpcUrl: string,
  asset: string,
  { from, nonce }: Pick<Authorization, 'from' | 'nonce'>,
  fromBlock: bigint,
  toBlock: bigint,
): Promise<Result<{ transaction: string; block: bigint; isCanceled: boolean } | null, ChainFault>> {
  if (toBlock - fromBlock > LOG_BLOCKS * MOST_PARTS) return fail('unreachable')
  if (toBlock - fromBlock >= LOG_BLOCKS) {
    const middle = fromBlock + LOG_BLOCKS - 1n
    const first = await findUse(rpcUrl, asset, { from, nonce }, fromBlock, middle)
    return !first.ok || first.value ? first : findUse(rpcUrl, asset, { from, nonce }, middle + 1n, toBlock)
  }
  const events = [AUTHORIZATION_USED, AUTHORIZATION_CANCELED]
  const rest = [`0x${word(from)}`, nonce]
  const filter = { address: asset, topics: [events, ...rest], fromBlock: toHex(fromBlock), toBlock: toHex(toBlock) }
  const logs = await call(rpcUrl, 'eth_getLogs', [filter], z.array(log))
  if (!logs.ok) return logs
  const found = logs.value.find(
    ({ address, topics: [event = '', ...given] }) =>
      address.toLowerCase() === asset.toLowerCase() &&
      events.includes(event.toLowerCase()) &&
      rest.every((topic, i) => given[i]?.toLowerCase() === topic),
  )
  if (!found) return ok(null)
  const isCanceled = found.topics[0]?.toLowerCase() === AUTHORIZATION_CANCELED
  return ok({ transaction: found.transactionHash, block: found.blockNumber, isCanceled })
}

/** Whether a transaction succeeded and moved exactly this authorization's value from its payer to its payee. */
export async function movedFunds(
  rpcUrl: string,
  asset: string,
  { from, to, value }: Pick<Authorization, 'from' | 'to' | 'value'>,
  transaction: string,
): Promise<Result<boolean, ChainFault>> {
  const receipt = await call(
    rpcUrl,
    'eth_getTransactionReceipt',
    [transaction],
    z.object({ status: quantity, logs: z.array(z.pick(log, { address: true, topics: true, data: true })) }),
  )
  if (!receipt.ok) return receipt
  const topics = [TRANSFER, `0x${word(from)}`, `0x${word(to)}`]
  return ok(
    receipt.value.status === 1n &&
      receipt.value.logs.some(
        (entry) =>
          entry.address.toLowerCase() === asset.toLowerCase() &&
          topics.every((topic, i) => entry.topics[i]?.toLowerCase() === topic) &&
          /^0x[0-9a-fA-F]{64}$/.test(entry.data) &&
          BigInt(entry.data) === value,
      ),
  )
}
