// The nonces of sign-ins: issued by this site, short-lived, and recognised without being stored. The payer's object sees
// to it that each is used once.
import { shortMac } from './token.ts'
import { SIGN_IN_SECONDS } from './x402/extensions/sign-in-with-x.ts'

/** 64 bits: each guess costs a request, and a right one wins no more than a nonce that was asked for. */
const MAC_BYTES = 8

const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/**
 * 32 hex digits, as the specification wants them: when it was made, randomness, and a mac over both and the site.
 *
 * @param random 4 bytes
 */
export async function issueNonce(
  site: string,
  key: CryptoKey,
  nowSeconds: number,
  random: Uint8Array,
): Promise<string> {
  const open = nowSeconds.toString(16).padStart(8, '0') + hexOf(random)
  return open + (await macOf(open, site, key))
}

/** When a nonce of this site ends (Unix seconds); null for any other. */
export async function nonceEndsAtSeconds(
  nonce: string,
  site: string,
  keys: readonly CryptoKey[],
): Promise<number | null> {
  if (!/^[0-9a-f]{32}$/.test(nonce)) return null
  const macs = await Promise.all(keys.map((key) => macOf(nonce.slice(0, 16), site, key)))
  // Compares every digit, so that the time it takes tells nothing.
  const isSame = (mac: string) => [...mac].reduce((all, digit, i) => all & Number(digit === nonce[16 + i]), 1) === 1
  return macs.map(isSame).includes(true) ? Number.parseInt(nonce.slice(0, 8), 16) + SIGN_IN_SECONDS : null
}

const macOf = async (open: string, site: string, key: CryptoKey) =>
  hexOf(await shortMac(key, `${open}.${site}`, MAC_BYTES))
