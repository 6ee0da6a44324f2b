// What an isolate keeps per environment: the parsed configuration, the imported key and its memory of failures. Plain
// data, nothing of any request.
import { Breaker } from './breaker.ts'
import { newRpcMemory, type RpcMemory } from './chain.ts'
import { type Config, type ConfigProblem, parseConfig } from './config.ts'
import type { Result } from './errors.ts'
import { Limits } from './limits.ts'
import { importSigner, type Signer } from './x402/jws.ts'

export type Isolate = {
  config: Result<Config, ConfigProblem[]>
  limits: Limits
  breaker: Breaker
  /** By URL of the endpoint. */
  rpcs: Map<string, RpcMemory>
  signer: Signer | null
}

const isolates = new WeakMap<Env, Isolate>()

export function isolateOf(env: Env): Isolate {
  const known = isolates.get(env)
  if (known) return known
  const isolate: Isolate = {
    config: parseConfig({ ...env }),
    limits: new Limits(),
    breaker: new Breaker(),
    rpcs: new Map(),
    signer: null,
  }
  isolates.set(env, isolate)
  return isolate
}

/** What this isolate has learnt of an RPC endpoint. */
export function rpcMemoryOf({ rpcs }: Isolate, url: string): RpcMemory {
  const known = rpcs.get(url) ?? newRpcMemory()
  rpcs.set(url, known)
  return known
}

/** The key, not the promise of it, is kept: a promise would belong to the request that began it. */
export async function signerOf(env: Env, { receiptKey }: Config): Promise<Signer | null> {
  const isolate = isolateOf(env)
  if (receiptKey !== null) isolate.signer ??= await importSigner(receiptKey)
  return isolate.signer
}
