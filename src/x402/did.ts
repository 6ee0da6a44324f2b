// did:web: how a site names its key, and where the key is published. Specification: w3c-ccg.github.io/did-method-web.
import * as z from 'zod/mini'
import { type PublicJwk, publicJwkSchema } from './jws.ts'

export const didOf = (site: string) => `did:web:${encodeURIComponent(new URL(site).host)}`

/** Digits of the public key in a key's name: after a change of keys, an old name is not mistaken for the new key. */
const NAME_LENGTH = 6

/** The `kid` of what a site signs, as short as it can be: it goes into headers. */
export const keyIdOf = (site: string, { x }: PublicJwk) => `${didOf(site)}#${x.slice(0, NAME_LENGTH)}`

export const DID_PATH = '/.well-known/did.json'

/** What a site publishes about its keys at `DID_PATH`: the one that signs, and those that did or are to. */
export function didDocument(site: string, keys: readonly PublicJwk[]) {
  const named = keys.map((publicJwk) => [keyIdOf(site, publicJwk), publicJwk] as const)
  // One name, one key: the one that signs.
  const methods = named.filter(([id], i) => named.findIndex(([other]) => other === id) === i)
  return {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/suites/jws-2020/v1'],
    id: didOf(site),
    verificationMethod: methods.map(([id, publicKeyJwk]) => ({
      id,
      type: 'JsonWebKey2020',
      controller: didOf(site),
      publicKeyJwk,
    })),
    assertionMethod: methods.map(([id]) => id),
  }
}

const document = z.lazy(() =>
  z.object({
    id: z.string(),
    verificationMethod: z.array(z.object({ id: z.string(), publicKeyJwk: z.optional(z.unknown()) })),
    assertionMethod: z.array(z.unknown()),
  }),
)

/** The key of that name in a DID document, if it may sign statements; else null. */
export function keyIn(json: unknown, kid: string): PublicJwk | null {
  const parsed = z.safeParse(document, json)
  if (!parsed.success || parsed.data.id !== kid.split('#')[0] || !parsed.data.assertionMethod.includes(kid)) return null
  const method = parsed.data.verificationMethod.find(({ id }) => id === kid)
  const key = z.safeParse(publicJwkSchema, method?.publicKeyJwk)
  return key.success ? key.data : null
}
