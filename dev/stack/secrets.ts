// The secrets of the local site: made once, kept in the state directory, so that passes outlive a restart.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'

const Secrets = z.object({
  PASS_SECRET: z.string().min(32),
  /** An Ed25519 private JWK, as JSON. */
  RECEIPT_KEY: z.string().startsWith('{'),
  ADMIN_TOKEN: z.string().min(16),
})

/** The secret vars of the local site. */
export type Secrets = z.infer<typeof Secrets>

/** Reads the secrets at `path`, or makes them and puts them there, for this user's eyes only. */
export async function localSecrets(path: string): Promise<Secrets> {
  try {
    return Secrets.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    const secrets = await makeSecrets()
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
    return secrets
  }
}

/** New ones, kept nowhere. */
export async function makeSecrets(): Promise<Secrets> {
  const pair = await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new Error('no Ed25519 key pair')
  const { kty, crv, x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey)
  return {
    PASS_SECRET: random(32),
    RECEIPT_KEY: JSON.stringify({ kty, crv, x, d }),
    ADMIN_TOKEN: random(18),
  }
}

function random(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('base64url')
}
