// One network's chain as one endpoint tells it: that it is of this chain, and that it is asked again while it is silent.
// Only the endpoint's host is ever shown.
import * as z from 'zod'
import { type Budget, type ChainFailure, identityOf, newRpcMemory, Rpc } from '../../src/chain.ts'
import { ok, type Result } from '../../src/errors.ts'
import { exchange } from '../../src/http.ts'
import { type Asset, chainIdOf } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'

const IDENTITY_LIMIT_MS = 10_000
/** Nothing is short here: who waits is a person with a terminal, or a cron. */
export const BOUNDLESS: Budget = { left: Number.MAX_SAFE_INTEGER }
/** Between tries of a call that got no answer: longer than the second that rate limits count by. */
const PAUSES_MS = [500, 2_000, 5_000]

/** One network's chain, as one endpoint tells it. */
export type Chain<Token extends Asset = Asset> = { rpc: Rpc; asset: Token; host: string }

/** Throws a `Refusal` where nobody answers, or another chain does. */
export async function openChain<Token extends Asset>(asset: Token, url: string): Promise<Chain<Token>> {
  const { host } = new URL(url)
  const { call, read: readIn } = identityOf(asset.network)
  const reply = await exchange(url, { jsonrpc: '2.0', id: 1, ...call }, IDENTITY_LIMIT_MS)
  const said = z.object({ result: z.string() }).safeParse(reply.ok ? reply.value.json : null)
  const theirs = said.success ? readIn(ok(said.data.result)) : null
  if (theirs === null) {
    const code = reply.ok ? ` (status ${reply.value.status})` : ''
    throw new Refusal(`the RPC at ${host} does not say its chain${code}; ${another(asset)}`)
  }
  if (theirs !== asset.network) {
    const of =
      asset.kind !== 'svm'
        ? `chain ${chainIdOf(theirs)}, and ${asset.network} is chain ${chainIdOf(asset.network)}`
        : `${theirs}, and not of ${asset.network}`
    throw new Refusal(`the RPC at ${host} is of ${of}; ${another(asset)}`)
  }
  return { rpc: new Rpc(url, asset.network, { ...newRpcMemory(), network: asset.network }), asset, host }
}

/** What to do where an endpoint is of no use. */
export const another = ({ network }: Asset) =>
  `set RPC_URLS."${network}" in wrangler.toml, or give --rpc ${network}=URL`

export const silent = ({ host, asset }: Chain) =>
  new Refusal(
    `the RPC at ${host} does not answer any more; run the command again, which goes on from here, or ${another(asset)}`,
  )

/** Asks again while there is no answer. A refusal is an answer. */
export async function persistently<Value>(
  ask: () => Promise<Result<Value, ChainFailure>>,
): Promise<Result<Value, ChainFailure>> {
  let answer = await ask()
  for (const pauseMs of PAUSES_MS) {
    if (answer.ok || answer.error === 'refused') return answer
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    answer = await ask()
  }
  return answer
}
