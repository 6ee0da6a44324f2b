// A stand-in for x402's exact Permit2 proxy: its interface, its checks and its errors, written here in the EVM's own words. The
// real creation code is in no package that can be installed; whoever has it in a file can put it on the chain instead.
import { readFileSync } from 'node:fs'
import {
  type Address,
  getContractAddress,
  type Hex,
  keccak256,
  size,
  slice,
  stringToHex,
  toEventSelector,
  toFunctionSelector,
  toHex,
} from 'viem'
import { assemble } from './assembler.ts'

/** Uniswap's Permit2: the same address on nearly every chain. */
export const PERMIT2: Address = '0x000000000022D473030F116dDEE9F6B43aC78BA3'
/** x402's `x402ExactPermit2Proxy`, the one spender that a payment by Permit2 may name. */
export const EXACT_PROXY: Address = '0x402085c248EeA27D92E8b30b2C58ed07f9E20001'
/** Arachnid's deterministic deployer: what it creates has an address by its salt and creation code alone (CREATE2). */
export const DEPLOYER: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/** The salt of the proxy, and the hash of its creation code (MIT), as x402's contracts/evm/script/Deploy.s.sol has them. */
export const EXACT_PROXY_SALT: Hex = '0x0000000000000000000000000000000000000000000000003000000007263b0e'
export const EXACT_PROXY_HASH: Hex = '0xe774d1d5a07218946ab54efe010b300481478b86861bb17d69c98a57f68a604c'

const WITNESS_TYPE =
  'Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)'
const SETTLE = 'settle(((address,uint256),uint256,uint256),address,(address,uint256),bytes)'
const TRANSFER =
  'permitWitnessTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes32,string,bytes)'

/** The real creation code, from the file that X402_EXACT_PROXY_INITCODE names; undefined where none is named. */
export function realExactProxy(): Hex | undefined {
  const file = process.env.X402_EXACT_PROXY_INITCODE
  if (!file) return undefined
  const bytecode: Hex = `0x${readFileSync(file, 'utf8').trim().replace(/^0x/, '')}`
  const place = getContractAddress({ opcode: 'CREATE2', from: DEPLOYER, salt: EXACT_PROXY_SALT, bytecode })
  if (place === EXACT_PROXY) return bytecode
  throw new Error(
    `X402_EXACT_PROXY_INITCODE: ${file} is not the creation code of ${EXACT_PROXY}; name x402's contracts/evm/script/data/exact-proxy-initcode.hex`,
  )
}

const witnessType = stringToHex(WITNESS_TYPE)
/** Stores the text, a word of 32 bytes at a time, from a place in memory on. */
const stored = (text: Hex, from: number): string =>
  Array.from({ length: Math.ceil(size(text) / 32) }, (_, index) => {
    const word = slice(text, index * 32, Math.min(index * 32 + 32, size(text)))
    return `${word.padEnd(66, '0')} ${toHex(from + index * 32, { size: 2 })} MSTORE`
  }).join('\n')

const refusal = (error: string) => `:${error} ${toFunctionSelector(`${error}()`)} 0x00 MSTORE 0x04 0x1c REVERT`

/** The stand-in's runtime code. It settles as the proxy does; EIP-2612 and the guard against reentry are left out. */
export const exactProxyStandIn = (): Hex =>
  assemble(`
    0x00 CALLDATALOAD 0xe0 SHR
    DUP1 ${toFunctionSelector(SETTLE)} EQ @settle JUMPI
    ${toFunctionSelector('PERMIT2()')} EQ @permit2 JUMPI
    0x00 0x00 REVERT

    :permit2
    ${PERMIT2} 0x00 MSTORE 0x20 0x00 RETURN

    :settle             ; calldata: 04 token, 24 amount, 44 nonce, 64 deadline, 84 owner, a4 to, c4 validAfter, e4 signature
    0x24 CALLDATALOAD ISZERO @InvalidAmount JUMPI
    0x84 CALLDATALOAD ISZERO @InvalidOwner JUMPI
    0xa4 CALLDATALOAD ISZERO @InvalidDestination JUMPI
    0xc4 CALLDATALOAD TIMESTAMP LT @PaymentTooEarly JUMPI

    ${keccak256(stringToHex('Witness(address to,uint256 validAfter)'))} 0x00 MSTORE
    0xa4 CALLDATALOAD 0x20 MSTORE
    0xc4 CALLDATALOAD 0x40 MSTORE
    0x60 0x00 SHA3 0x0100 MSTORE        ; witness
    ${toFunctionSelector(TRANSFER)} 0x00 MSTORE
    0x80 0x04 0x20 CALLDATACOPY         ; token, amount, nonce, deadline
    0xa4 CALLDATALOAD 0xa0 MSTORE       ; to
    0x24 CALLDATALOAD 0xc0 MSTORE       ; the whole amount
    0x84 CALLDATALOAD 0xe0 MSTORE       ; owner
    0x0140 0x0120 MSTORE                ; where the type of the witness is
    0x01e0 0x0140 MSTORE                ; where the signature is
    ${toHex(size(witnessType))} 0x0160 MSTORE
    ${stored(witnessType, 0x180)}
    0xe4 CALLDATALOAD 0x04 ADD DUP1 CALLDATALOAD
    DUP1 0x20 ADD DUP3 0x0200 CALLDATACOPY
    0x1f ADD 0x1f NOT AND 0x0204 ADD    ; the length of the call
    0x00 0x00 SWAP2 0x1c 0x00 ${PERMIT2} GAS CALL
    @settled JUMPI
    RETURNDATASIZE 0x00 0x00 RETURNDATACOPY RETURNDATASIZE 0x00 REVERT

    :settled
    ${toEventSelector('Settled()')} 0x00 0x00 LOG1 STOP

    ${['InvalidAmount', 'InvalidOwner', 'InvalidDestination', 'PaymentTooEarly'].map(refusal).join('\n')}
  `)
