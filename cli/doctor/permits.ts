// What the chain says of each token that is paid by Permit2: that it is there, with as many decimals as is written, and so are Permit2 and the proxy.
import { type Budget, type Rpc, read } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { EXACT_PROXY, PERMIT2 } from '../../src/networks/permit2.ts'
import type { Permit2Asset } from '../../src/x402/assets.ts'
import type { Surroundings } from './asking.ts'
import { openEndpoint } from './endpoint.ts'
import { error, type Finding, hostOf, notChecked } from './findings.ts'
import { askToken, hexText } from './token.ts'
import { permitTokensSold } from './tokens.ts'

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
  const decimals = await askToken(rpc, token, 'decimals', budget)
  if (!decimals.ok && decimals.error !== 'reverted') return [notChecked(at, silent)]
  if (decimals.ok && decimals.value === BigInt(token.decimals)) return []
  const theirs = decimals.ok ? `has ${String(decimals.value)} decimals` : 'does not say how many decimals it has'
  return [
    error(at, `${symbol} on ${name} ${theirs}, and ASSETS says ${token.decimals}; correct it, or remove the token`),
  ]
}

async function isThere(rpc: Rpc, address: string, budget: Budget): Promise<boolean | null> {
  const code = read(hexText, await rpc.ask({ method: 'eth_getCode', params: [address, 'latest'] }, budget))
  return code.ok ? code.value !== '0x' : null
}
