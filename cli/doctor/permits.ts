// What the chain says of each token that is paid by Permit2: that it is there, with six decimals, and so are Permit2 and the proxy.
import * as z from 'zod'
import { type Budget, type Rpc, read } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { EXACT_PROXY, PERMIT2 } from '../../src/networks/permit2.ts'
import { DECIMALS, type Permit2Asset } from '../../src/x402/assets.ts'
import type { Surroundings } from './asking.ts'
import { openEndpoint } from './endpoint.ts'
import { error, type Finding, hostOf, notChecked } from './findings.ts'
import { permitTokensSold } from './tokens.ts'

/** `decimals()` of an ERC-20. */
const DECIMALS_CALL = '0x313ce567'
/** Chain id, three codes and the decimals. */
const MOST_REQUESTS = 5

export async function permitFindings(config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const each = permitTokensSold(config).map((token) => lookAt(token, config, surroundings))
  return (await Promise.all(each)).flat()
}

async function lookAt(token: Permit2Asset, config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const { network, name, symbol, asset } = token
  const opened = await openEndpoint(token, config.rpcUrls[network] ?? token.rpcUrl, `RPC_URLS.${network}`, surroundings)
  // What is wrong with the endpoint is said of the network.
  if (!opened.ok) return []
  const { rpc } = opened.value
  const at = `ASSETS.${network}`
  const budget: Budget = { left: MOST_REQUESTS }
  const silent = `${hostOf(rpc.url)} does not say what is on ${name}; write another endpoint`
  const wanted = [
    [asset, `there is no token at ${asset} on ${name}; write the contract of ${symbol} there`],
    [PERMIT2, `Permit2 is not on ${name}, so nothing can be paid in ${symbol}; remove the token`],
    [EXACT_PROXY, `x402's proxy for Permit2 is not on ${name}, so nothing can be paid in ${symbol}; remove the token`],
  ] as const
  for (const [address, message] of wanted) {
    const hasCode = await isThere(rpc, address, budget)
    if (hasCode === null) return [notChecked(at, silent)]
    if (!hasCode) return [error(at, message)]
  }
  const decimals = await decimalsOf(rpc, asset, budget)
  if (decimals === 'silent') return [notChecked(at, silent)]
  if (decimals === DECIMALS) return []
  const theirs = decimals === null ? 'does not say how many decimals it has' : `has ${decimals} decimals`
  return [error(at, `${symbol} on ${name} ${theirs}, and prices have ${DECIMALS}; remove the token`)]
}

const hexText = z.string().regex(/^0x[0-9a-fA-F]*$/)

async function isThere(rpc: Rpc, address: string, budget: Budget): Promise<boolean | null> {
  const code = read(hexText, await rpc.ask({ method: 'eth_getCode', params: [address, 'latest'] }, budget))
  return code.ok ? code.value !== '0x' : null
}

/** Null where it has no such function; `silent` where the node does not answer. */
async function decimalsOf(rpc: Rpc, asset: string, budget: Budget): Promise<number | 'silent' | null> {
  const params = [{ to: asset, data: DECIMALS_CALL }, 'latest']
  const answer = await rpc.ask({ method: 'eth_call', params }, budget)
  if (!answer.ok && answer.error !== 'reverted') return 'silent'
  const said = read(z.string().regex(/^0x[0-9a-fA-F]{64}$/), answer)
  return said.ok ? Number(said.value) : null
}
