// `crypto.subtle` for Ed25519 without a thread pool: Node's own check, which is done at once and always says the same.
import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** What stands in front of the 32 bytes of a key (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
/** The keys that were imported here. */
const keys = new WeakMap<object, KeyObject>()

/** What a call of `crypto.subtle` comes to; null where it is about another algorithm. */
export function ed25519(name: string, given: readonly unknown[]): Promise<unknown> | null {
  if (name === 'importKey')
    return given[0] === 'raw' && isEd25519(given[2]) ? Promise.resolve(imported(given[1])) : null
  const [algorithm, handle, signature, data] = given
  if (name !== 'verify' || !isEd25519(algorithm)) return null
  const key = typeof handle === 'object' && handle !== null ? keys.get(handle) : undefined
  if (!key) throw new TypeError('this key was not imported here')
  return Promise.resolve(verify(null, bytesOf(data), key, bytesOf(signature)))
}

const isEd25519 = (algorithm: unknown): boolean =>
  algorithm === 'Ed25519' ||
  (typeof algorithm === 'object' && algorithm !== null && Reflect.get(algorithm, 'name') === 'Ed25519')

function imported(bytes: unknown): object {
  const handle = { type: 'public' }
  keys.set(handle, createPublicKey({ key: Buffer.concat([SPKI, bytesOf(bytes)]), format: 'der', type: 'spki' }))
  return handle
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError('bytes are a Uint8Array here')
}
