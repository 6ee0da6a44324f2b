// What one EVM token says of itself: that it is the one that readers sign for, can be paid by authorization, and pays this payee.
import { decodeAbiParameters, domainSeparator, isHex, toFunctionSelector } from 'viem'
import * as z from 'zod'
import { type Budget, type ChainFailure, type Rpc, read, word } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { chainIdOf, type Eip3009Asset, type EvmAsset } from '../../src/x402/assets.ts'
import { error, type Finding, hostOf, notChecked } from './findings.ts'
import { isOwn, settingOf } from './tokens.ts'

/** What the token is asked, and the type of its answer. */
const TOKEN = {
  name: ['name()', 'string'],
  version: ['version()', 'string'],
  decimals: ['decimals()', 'uint256'],
  separator: ['DOMAIN_SEPARATOR()', 'bytes32'],
  isBlocked: ['isBlacklisted(address)', 'bool'],
  balance: ['balanceOf(address)', 'uint256'],
  isUsed: ['authorizationState(address,bytes32)', 'bool'],
} as const

/** A number that no authorization has: what matters is that there is an answer. */
const ANY_NONCE = `0x${'5e'.repeat(32)}`

export const hexText = z.string().regex(/^0x[0-9a-fA-F]*$/)

/** Asks the token; `values`: for the questions that are about an account, or a number. */
export async function askToken(
  rpc: Rpc,
  { asset }: Pick<EvmAsset, 'asset'>,
  question: keyof typeof TOKEN,
  budget: Budget,
  ...values: string[]
): Promise<Result<unknown, ChainFailure>> {
  const [signature, type] = TOKEN[question]
  const data = `${toFunctionSelector(signature)}${values.map(word).join('')}`
  const answer = read(hexText, await rpc.ask({ method: 'eth_call', params: [{ to: asset, data }, 'latest'] }, budget))
  if (!answer.ok) return answer
  try {
    return isHex(answer.value) ? ok(decodeAbiParameters([{ type }], answer.value)[0]) : fail('reverted')
  } catch {
    // No such function, or another answer.
    return fail('reverted')
  }
}

/** Whether the token is the one that readers sign for, and pays this payee. */
export async function tokenFindings(rpc: Rpc, asset: Eip3009Asset, config: Config, budget: Budget): Promise<Finding[]> {
  const { name, asset: address } = asset
  const host = hostOf(rpc.url)
  const at = settingOf(asset, config)
  const what = `${asset.symbol} on ${name}`
  const advice = isOwn(asset) ? 'correct ASSETS, or take it out' : 'remove the network from NETWORKS, and report it'
  const code = read(hexText, await rpc.ask({ method: 'eth_getCode', params: [address, 'latest'] }, budget))
  if (!code.ok) return [notChecked(at, `${host} does not show the code of ${what}; write another endpoint`)]
  if (code.value === '0x') {
    const other = isOwn(asset) ? `correct its address, or write an endpoint` : 'write an endpoint'
    return [error(at, `${host} shows no token at ${address} on ${name}; ${other} of the real ${name}`)]
  }
  const ask = (question: keyof typeof TOKEN, ...values: string[]) => askToken(rpc, asset, question, budget, ...values)
  const findings = await domainFindings(rpc, asset, at, advice, budget)
  const decimals = await ask('decimals')
  if (decimals.ok && decimals.value !== BigInt(asset.decimals)) {
    findings.push(
      error(
        at,
        `${what} has ${String(decimals.value)} decimals, and prices are counted with ${asset.decimals}; ${advice}`,
      ),
    )
  }
  // A price is that of a trillion where 18 is meant and 6 is written.
  if (!decimals.ok && isOwn(asset)) {
    findings.push(
      notChecked(at, `${host} does not say how many decimals ${what} has; write another endpoint, or look them up`),
    )
  }
  // The table's have it: their bytecode is tested.
  const state = isOwn(asset) ? await ask('isUsed', address, ANY_NONCE) : null
  if (state?.ok === false && state.error === 'reverted') {
    const why = 'does not say whether an authorization is used (authorizationState), as EIP-3009 has it'
    findings.push(error(at, `${what} ${why}, so nobody could pay in it; take it out of ASSETS`))
  }
  const blocked = await ask('isBlocked', config.payTo.eip155 ?? '')
  if (blocked.ok && blocked.value === true) {
    findings.push(
      error('PAY_TO.eip155', `the issuer of ${asset.symbol} blocks this address on ${name}; write another one`),
    )
  }
  return findings
}

/** Whether the domain that is signed is the token's: by its separator; without one by what it is called. */
async function domainFindings(
  rpc: Rpc,
  asset: Eip3009Asset,
  at: string,
  advice: string,
  budget: Budget,
): Promise<Finding[]> {
  const { network, eip712, asset: address, symbol, name } = asset
  const separator = await askToken(rpc, asset, 'separator', budget)
  const expected = domainSeparator({ domain: { ...eip712, chainId: chainIdOf(network), verifyingContract: address } })
  if (separator.ok && separator.value === expected) return []
  const theirName = await askToken(rpc, asset, 'name', budget)
  const theirVersion = await askToken(rpc, asset, 'version', budget)
  if (!separator.ok) {
    if (!theirName.ok || !theirVersion.ok) {
      const host = hostOf(rpc.url)
      return [notChecked(at, `${host} does not say what ${symbol} on ${name} is called; write another endpoint`)]
    }
    if (theirName.value === eip712.name && theirVersion.value === eip712.version) return []
  }
  const theirs = `"${shown(theirName)}", version "${shown(theirVersion)}"`
  const ours = `"${eip712.name}", version "${eip712.version}"`
  const isSameByName = shown(theirName) === eip712.name && shown(theirVersion) === eip712.version
  const why = isSameByName
    ? `signs another domain (DOMAIN_SEPARATOR) than that of ${ours}, ${address}`
    : `is ${theirs}, and readers would sign for ${ours}`
  return [error(at, `${symbol} on ${name} ${why}; ${advice}`)]
}

const shown = (answer: Result<unknown, ChainFailure>): string =>
  answer.ok && typeof answer.value === 'string' ? answer.value.slice(0, 40) : '?'
