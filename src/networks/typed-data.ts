// Hashes of Ethereum: keccak-256, and EIP-712 for structs whose fields take one word each. Pure.
import { keccak_256 } from '@noble/hashes/sha3'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils'

/** What fills one word: a number below 2^256, or at most 32 bytes in hexadecimal digits. */
type Word = bigint | number | `0x${string}`

/** A domain (EIP-712). Permit2's has no version. */
export type Domain = { name: string; version?: string; chainId: number; verifyingContract: `0x${string}` }

/** As 64 digits, with zeros on the left: numbers and addresses stand on the right, and hashes leave no room. */
const digitsOf = (word: Word): string =>
  (typeof word === 'string' ? word.slice(2) : word.toString(16)).padStart(64, '0')

/** keccak-256 of a text's UTF-8. */
export const hashOfText = (text: string): `0x${string}` => `0x${bytesToHex(keccak_256(utf8ToBytes(text)))}`

/** `hashStruct` (EIP-712): `type` is the hash of the struct's type, and a struct within it is its own hash. */
export const hashOfStruct = (type: `0x${string}`, fields: readonly Word[]): `0x${string}` =>
  `0x${bytesToHex(keccak_256(hexToBytes([type, ...fields].map(digitsOf).join(''))))}`

/** The hash of a domain. */
export const separatorOf = ({ name, version, chainId, verifyingContract }: Domain): `0x${string}` => {
  const versions = version === undefined ? [] : [hashOfText(version)]
  const type = `EIP712Domain(string name,${version === undefined ? '' : 'string version,'}uint256 chainId,address verifyingContract)`
  return hashOfStruct(hashOfText(type), [hashOfText(name), ...versions, chainId, verifyingContract])
}

/** What is signed for a struct of a domain. */
export const signedHash = (separator: `0x${string}`, struct: `0x${string}`): `0x${string}` =>
  `0x${bytesToHex(keccak_256(hexToBytes(`1901${separator.slice(2)}${struct.slice(2)}`)))}`

/** What is signed for a text (EIP-191, `personal_sign`). */
export function messageHash(message: string): `0x${string}` {
  const bytes = utf8ToBytes(message)
  const prefix = utf8ToBytes(`\x19Ethereum Signed Message:\n${bytes.length}`)
  return `0x${bytesToHex(keccak_256(concatBytes(prefix, bytes)))}`
}

/** An address with its checksum (EIP-55): a letter is a capital where its digit of the hash is 8 or more. */
export function checksummed(address: string): string {
  const digits = address.slice(2).toLowerCase()
  const hash = hashOfText(digits).slice(2)
  return `0x${[...digits].map((digit, i) => ((hash[i] ?? '') >= '8' ? digit.toUpperCase() : digit)).join('')}`
}
