// Base58 as Solana writes addresses, signatures and transaction ids: Bitcoin's alphabet, no check digits.

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** Longest text that is read, since reading takes the square of it. A signature has 88 characters. */
const LONGEST_TEXT = 128
const ADDRESS_BYTES = 32

/** `digits` of one base in another, the most significant first; zeros before the first other digit stay as many. */
function inBase(digits: Iterable<number>, from: number, to: number): number[] {
  const others: number[] = []
  let zeros = 0
  for (const digit of digits) {
    if (digit === 0 && others.length === 0) zeros += 1
    let carry = digit
    for (const [place, other] of others.entries()) {
      carry += other * from
      others[place] = carry % to
      carry = Math.floor(carry / to)
    }
    for (; carry > 0; carry = Math.floor(carry / to)) others.push(carry % to)
  }
  return [...new Array<number>(zeros).fill(0), ...others.reverse()]
}

export const encodeBase58 = (bytes: Uint8Array): string =>
  inBase(bytes, 256, 58)
    .map((digit) => ALPHABET.charAt(digit))
    .join('')

/** The bytes of a text; null for other characters, and for texts over 128 of them. Each bytes have one text. */
export function decodeBase58(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length > LONGEST_TEXT) return null
  const digits = Array.from(text, (char) => ALPHABET.indexOf(char))
  return digits.includes(-1) ? null : Uint8Array.from(inBase(digits, 58, 256))
}

/** Whether a text is 32 bytes in base58. Whose address it is, if anybody's, is not said. */
export const isSolanaAddress = (text: string): boolean => decodeBase58(text)?.length === ADDRESS_BYTES
