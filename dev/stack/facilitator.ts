// An x402 facilitator over the reference packages (@x402/core, @x402/evm, @x402/svm), x402 v1 and v2, served on the loopback
// interface. A hook in front of it lets tests misbehave while the real thing happens behind.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { x402Facilitator } from '@x402/core/facilitator'
import { isPaymentPayload, isPaymentRequirements } from '@x402/core/schemas'
import type { Network, PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { ExactEvmScheme } from '@x402/evm/exact/facilitator'
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/facilitator'
import { createWalletClient, defineChain, http, publicActions, type TypedData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { createNonceManager, jsonRpc } from 'viem/nonce'
import * as z from 'zod'
import { inOrder } from './in-order.ts'
import { listening } from './ports.ts'
import type { SolanaPart } from './solana/facilitator.ts'
import { wallets } from './wallets.ts'

/** A request as it arrived: `body` is the JSON value, undefined where there is none or it is not JSON. */
export type FacilitatorCall = { method: string; path: string; headers: IncomingHttpHeaders; body: unknown }
/** What the facilitator answers. */
export type FacilitatorReply = { status: number; body: unknown }
/** What the hook answers instead: a string body is sent as it stands, anything else as JSON. */
export type HookReply = FacilitatorReply & { headers?: Record<string, string>; delayMs?: number }
/** Stands in front of the facilitator; `proceed` does the real thing. `'drop'` ends the connection unanswered. */
export type FacilitatorHook = (
  call: FacilitatorCall,
  proceed: () => Promise<FacilitatorReply>,
) => Promise<HookReply | 'drop'>

export type FacilitatorOptions = {
  /** Of the EVM chain; without one there is none. */
  rpcUrl?: string
  /** The same for Solana. */
  solana?: SolanaPart
  port?: number
  hook?: FacilitatorHook
  /** Factories that may deploy undeployed wallets (ERC-6492); none by default, as in the package. */
  eip6492AllowedFactories?: string[]
}

/** A running facilitator. `counts` counts every request that came in, whatever became of it. */
export type Facilitator = {
  url: string
  counts: { verify: number; settle: number; supported: number }
  /** Replaces the hook; `undefined` removes it. */
  setHook(hook: FacilitatorHook | undefined): void
  stop(): Promise<void>
}

/** How long a settlement may wait for its receipt, before it is answered as `settlement_pending`. */
const CONFIRMATION_LIMIT_MS = 10_000
const MAX_BODY_BYTES = 256 * 1024
/** The names x402 v1 has for chains; others are served in v2 only. */
const V1_NAMES: Record<number, string> = { 84532: 'base-sepolia', 8453: 'base', 137: 'polygon' }

const Envelope = z.object({
  paymentPayload: z.custom<PaymentPayload>(isPaymentPayload),
  paymentRequirements: z.custom<PaymentRequirements>(isPaymentRequirements),
})
// The packages' type for a network is CAIP-2 only, although v1 registers and reports plain names.
const V1Network = z.custom<Network>((name) => typeof name === 'string')

const Fields = z.array(z.object({ name: z.string(), type: z.string() }))
const TypedDataTypes = z.custom<TypedData>((types) => z.record(z.string(), Fields).safeParse(types).success)

/** Starts a facilitator for the chains it is given, on a free port or on `port`. */
export async function startFacilitator(options: FacilitatorOptions): Promise<Facilitator> {
  const core = await createFacilitator(options)
  const counts = { verify: 0, settle: 0, supported: 0 }
  let hook = options.hook

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    if (path === '/verify' || path === '/settle') counts[path === '/verify' ? 'verify' : 'settle']++
    else if (path === '/supported') counts.supported++
    const body = await readJson(request)
    const proceed = (): Promise<FacilitatorReply> => reply(core, `${request.method} ${path}`, body)
    const result: HookReply | 'drop' = hook
      ? await hook({ method: request.method ?? '', path, headers: request.headers, body }, proceed)
      : await proceed()
    if (result === 'drop') return void request.socket.destroy()
    if (result.delayMs) await new Promise((resolve) => setTimeout(resolve, result.delayMs))
    const text = typeof result.body === 'string' ? result.body : JSON.stringify(result.body)
    response.writeHead(result.status, { 'content-type': 'application/json', ...result.headers }).end(text)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A hook that throws is a mistake in a test: let the caller see it.
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: String(error) }))
    })
  })
  const { url, stop } = await listening(server, options.port)
  return {
    url,
    counts,
    setHook(next) {
      hook = next
    },
    stop,
  }
}

async function createFacilitator(options: FacilitatorOptions): Promise<x402Facilitator> {
  const { rpcUrl, solana } = options
  if (rpcUrl === undefined && solana === undefined)
    throw new Error('a facilitator needs a chain: rpcUrl, solana or both')
  const facilitator = new x402Facilitator()
  if (rpcUrl !== undefined) await registerEvm(facilitator, rpcUrl, options)
  if (solana !== undefined) {
    // Its packages take a while to load: only where they are asked for.
    const { registerSolana } = await import('./solana/facilitator.ts')
    await registerSolana(facilitator, solana)
  }
  return facilitator
}

async function registerEvm(
  facilitator: x402Facilitator,
  rpcUrl: string,
  { eip6492AllowedFactories = [] }: FacilitatorOptions,
): Promise<void> {
  const transport = http(rpcUrl)
  const chainId = await createWalletClient({ transport }).extend(publicActions).getChainId()
  const client = createWalletClient({
    // A nonce manager of its own: viem's shared one remembers the nonces of chains that are gone.
    account: privateKeyToAccount(wallets.facilitator.privateKey, {
      nonceManager: createNonceManager({ source: jsonRpc() }),
    }),
    chain: defineChain({
      id: chainId,
      name: 'local',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [rpcUrl] } },
    }),
    transport,
    pollingInterval: 15,
    cacheTime: 0,
  }).extend(publicActions)

  // anvil can leave a transaction in its queue for good when they arrive out of order while it mines a block.
  const broadcast = inOrder()
  const signer = toFacilitatorEvmSigner(
    {
      address: client.account.address,
      getCode: (args) => client.getCode(args),
      readContract: (args) => client.readContract({ ...args, args: args.args ?? [] }),
      verifyTypedData: (args) => client.verifyTypedData({ ...args, types: TypedDataTypes.parse(args.types) }),
      writeContract: (args) => broadcast(() => client.writeContract(args)),
      sendTransaction: (args) => broadcast(() => client.sendTransaction(args)),
      waitForTransactionReceipt: (args) => client.waitForTransactionReceipt(args),
    },
    { confirmationTimeoutMs: CONFIRMATION_LIMIT_MS },
  )
  const config = { eip6492AllowedFactories }
  facilitator.register(`eip155:${chainId}`, new ExactEvmScheme(signer, config))
  const v1Name = V1_NAMES[chainId]
  if (v1Name !== undefined) {
    facilitator.registerV1(V1Network.parse(v1Name), new ExactEvmSchemeV1(signer, config))
  }
}

/** The facilitator's HTTP API: POST /verify, POST /settle, GET /supported. */
async function reply(core: x402Facilitator, route: string, body: unknown): Promise<FacilitatorReply> {
  if (route === 'GET /supported') return { status: 200, body: core.getSupported() }
  if (route !== 'POST /verify' && route !== 'POST /settle') return { status: 404, body: { error: 'not_found' } }
  const refuse = (reason: string): FacilitatorReply => ({
    status: 400,
    body:
      route === 'POST /verify'
        ? { isValid: false, invalidReason: reason }
        : { success: false, errorReason: reason, transaction: '', network: '' },
  })
  const envelope = Envelope.safeParse(body)
  if (!envelope.success) return refuse('invalid_payload')
  const { paymentPayload, paymentRequirements } = envelope.data
  const { x402Version } = paymentPayload
  const kinds = core.getSupported().kinds.filter((kind) => kind.x402Version === x402Version)
  if (!kinds.some((kind) => kind.scheme === paymentRequirements.scheme)) return refuse('unsupported_scheme')
  if (!kinds.some((kind) => kind.network === paymentRequirements.network)) return refuse('invalid_network')
  try {
    const call = route === 'POST /verify' ? 'verify' : 'settle'
    return { status: 200, body: await core[call](paymentPayload, paymentRequirements) }
  } catch (error) {
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } }
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(bytes)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}
