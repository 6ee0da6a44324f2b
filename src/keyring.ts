// The keys that facilitators ask for, as an isolate keeps them: what a call carries so that it is let in.
import { type CdpKey, importCdpKey, signCdpToken } from './cdp.ts'
import type { Facilitator } from './facilitators.ts'
import type { ConfigProblem } from './settings.ts'

export type Keyring = {
  /** By key id; null where the secret is no key. */
  keys: Map<string, CdpKey | null>
  /** By key id, method and address. */
  tokens: Map<string, { token: string; madeAtSeconds: number }>
}

export const newKeyring = (): Keyring => ({ keys: new Map(), tokens: new Map() })

type Method = 'GET' | 'POST'

/** A token is good for longer; so it is even where clocks differ, and a call takes half a minute. */
const TOKEN_USED_SECONDS = 45
const NONCE_BYTES = 16

/** What a call to a facilitator carries; null where its key is missing or is none. */
export async function headersFor(
  { auth }: Facilitator,
  method: Method,
  url: string,
  keyring: Keyring,
  nowSeconds: number,
): Promise<Record<string, string> | null> {
  switch (auth.kind) {
    case 'none':
      return {}
    case 'header':
      return { [auth.name]: auth.value }
    case 'missing':
      return null
    case 'cdp': {
      const place = placeOf(auth.keyId, method, url)
      const known = keyring.tokens.get(place)
      if (known && Math.abs(nowSeconds - known.madeAtSeconds) < TOKEN_USED_SECONDS) return bearer(known.token)
      const key = await cdpKeyOf(auth, keyring)
      if (key === null) return null
      const nonce = [...crypto.getRandomValues(new Uint8Array(NONCE_BYTES))]
      const token = await signCdpToken(key, method, url, nowSeconds, nonce.map(inHex).join(''))
      keyring.tokens.set(place, { token, madeAtSeconds: nowSeconds })
      return bearer(token)
    }
  }
}

/** A token that was refused is not used again. */
export function dropToken({ auth }: Facilitator, method: Method, url: string, { tokens }: Keyring): void {
  if (auth.kind === 'cdp') tokens.delete(placeOf(auth.keyId, method, url))
}

/** Why a facilitator cannot be asked, and what to write instead; null where it can. */
export async function keyProblem({ auth }: Facilitator, keyring: Keyring): Promise<ConfigProblem | null> {
  if (auth.kind === 'missing') return auth.problem
  if (auth.kind !== 'cdp' || (await cdpKeyOf(auth, keyring)) !== null) return null
  return {
    path: 'CDP_API_KEY_SECRET',
    message:
      'it is no key; set it to the secret as Coinbase shows it: base64 of 64 bytes, or a PEM with its first and last line',
  }
}

async function cdpKeyOf(
  { keyId, keySecret }: Extract<Facilitator['auth'], { kind: 'cdp' }>,
  { keys }: Keyring,
): Promise<CdpKey | null> {
  const known = keys.get(keyId)
  if (known !== undefined) return known
  const key = await importCdpKey(keyId, keySecret)
  keys.set(keyId, key)
  return key
}

const placeOf = (keyId: string, method: Method, url: string) => `${keyId} ${method} ${url}`
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
const inHex = (byte: number) => byte.toString(16).padStart(2, '0')
