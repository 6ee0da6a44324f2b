// EVM addresses as people write them.
import { checksummed } from './typed-data.ts'

/** What is wrong with a payTo address, and what to write instead; null when it is right. */
export function addressProblem(text: string): string | null {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return 'write an EVM address: 0x and 40 hexadecimal digits'
  if (/^0x0{40}$/i.test(text)) return 'this is the zero address, and what is paid to it is lost; write your own'
  const digits = text.slice(2)
  const isOneCase = digits === digits.toLowerCase() || digits === digits.toUpperCase()
  if (!isOneCase && checksummed(text) !== text) {
    return 'its checksum (EIP-55) is wrong, so a character is mistyped; copy it again from your wallet'
  }
  return null
}
