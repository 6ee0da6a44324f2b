// The gate of a facilitator that asks for a key: it lets in only what is signed to the letter, by its own clock. It stands
// in front of the real facilitator.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { jwtVerify } from 'jose'
import * as z from 'zod'
import type { FacilitatorCall, FacilitatorHook } from '../../dev/stack/facilitator.ts'

export type Gate = {
  hook: FacilitatorHook
  /** The two secrets, as Coinbase shows them. */
  keyId: string
  keySecret: string
  /** Why calls were turned away, in order. */
  refused: string[]
  /** Every call that was let in. */
  letIn: FacilitatorCall[]
}

const claims = z.strictObject({
  sub: z.string(),
  iss: z.literal('cdp'),
  uris: z.tuple([z.string()]),
  iat: z.int(),
  nbf: z.int(),
  exp: z.int(),
})
const LONGEST_LIFE_SECONDS = 120

/** `offSeconds`: how far its clock is from ours. */
export function openGate(kind: 'EdDSA' | 'ES256', offSeconds = 0): Gate {
  const keyId = 'organizations/0/apiKeys/1'
  const { publicKey, secret } = kind === 'EdDSA' ? ed25519() : p256()
  const gate: Gate = {
    keyId,
    keySecret: secret,
    refused: [],
    letIn: [],
    async hook(call, proceed) {
      try {
        await check(call)
      } catch (problem) {
        gate.refused.push(`${call.method} ${call.path}: ${problem}`)
        return { status: 401, body: { errorType: 'unauthorized', errorMessage: 'no' } }
      }
      gate.letIn.push(call)
      return proceed()
    },
  }
  async function check({ method, path, headers }: FacilitatorCall): Promise<void> {
    const [scheme, token = '', ...rest] = (headers.authorization ?? '').split(' ')
    if (scheme !== 'Bearer' || rest.length > 0) throw new Error('no bearer token')
    const nowSeconds = Date.now() / 1000 + offSeconds
    const { protectedHeader, payload } = await jwtVerify(token, publicKey, {
      algorithms: [kind],
      typ: 'JWT',
      clockTolerance: 0,
      currentDate: new Date(nowSeconds * 1000),
    })
    const { sub, uris, iat, nbf, exp } = claims.parse(payload)
    const { kid, nonce } = z.object({ kid: z.string(), nonce: z.string() }).parse(protectedHeader)
    if (sub !== keyId || kid !== keyId) throw new Error('another key')
    if (!/^[0-9a-f]{32}$/.test(nonce)) throw new Error('no nonce')
    if (uris[0] !== `${method} ${headers.host}${path}`) throw new Error('another call')
    if (exp - iat > LONGEST_LIFE_SECONDS || nbf < iat) throw new Error('too long a life')
    if (iat > nowSeconds) throw new Error('from the future')
  }
  return gate
}

function ed25519(): { publicKey: KeyObject; secret: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' })
  return {
    publicKey,
    secret: Buffer.concat([d, x].map((half) => Buffer.from(half, 'base64url'))).toString('base64'),
  }
}

function p256(): { publicKey: KeyObject; secret: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // On one line, as secrets often are.
  return { publicKey, secret: privateKey.export({ type: 'sec1', format: 'pem' }).toString().replaceAll('\n', '\\n') }
}
