// The `sign-in-with-x` extension: a reader who has paid comes back without a pass and proves the address with a
// signed message.
// Shape and checks: specs/extensions/sign-in-with-x.md of the protocol; the message is EIP-4361's, or Solana's twin of it. What
// was bought, and whether the signature is good, is not known here.
import * as z from 'zod/mini'
import { fail, ok, type Result } from '../../errors.ts'
import { namespaceOf } from '../assets.ts'
import { decodeJson } from '../base64.ts'

export const SIGN_IN_WITH_X = 'sign-in-with-x'

/** How long after its challenge a sign-in is accepted: the specification's default, which is why it is not declared. */
export const SIGN_IN_SECONDS = 300

/** What one challenge offers to sign. */
export type SignInChallenge = {
  /** Canonical origin of the site. */
  site: string
  /** 32 hex digits. */
  nonce: string
  issuedAtSeconds: number
  /** CAIP-2. */
  networks: readonly string[]
}

/** How an account of a network signs a text. */
const typeOf = (chainId: string) => (namespaceOf(chainId) === 'solana' ? 'ed25519' : 'eip191')

/** What the challenge declares, as short as the specification allows, for the header's sake. */
export const signInDeclaration = ({ site, nonce, issuedAtSeconds, networks }: SignInChallenge, uri: string) => ({
  info: {
    domain: new URL(site).host,
    uri,
    version: '1',
    nonce,
    issuedAt: new Date(issuedAtSeconds * 1000).toISOString().replace('.000Z', 'Z'),
  },
  supportedChains: networks.map((chainId) => ({ chainId, type: typeOf(chainId) })),
  schema: {},
})

/** One line each: with a line break in a field, two different proofs could give the same message. */
const line = (pattern: RegExp) => z.string().check(z.regex(pattern))
const uriLine = line(/^[\x21-\x7e]+$/)
const timeLine = line(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/).check(
  z.refine((text) => !Number.isNaN(Date.parse(text))),
)

const fields = z.lazy(() =>
  z.object({
    domain: uriLine,
    address: line(/^(?:0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44})$/),
    statement: z.optional(line(/^[\x20-\x7e]+$/)),
    uri: uriLine,
    version: z.literal('1'),
    chainId: uriLine,
    type: uriLine,
    nonce: line(/^[A-Za-z0-9]{8,128}$/),
    issuedAt: timeLine,
    expirationTime: z.optional(timeLine),
    notBefore: z.optional(timeLine),
    requestId: z.optional(line(/^[\x21-\x7e]*$/)),
    resources: z.optional(z.array(uriLine)),
    /** Hexadecimal; on Solana base58. */
    signature: line(/^(?:0x(?:[0-9a-fA-F]{2})+|[1-9A-HJ-NP-Za-km-z]{64,88})$/),
  }),
)

/** Addresses and signatures are written as their network writes them. */
const proof = fields.check(
  z.refine(({ address, signature, chainId }) =>
    [address, signature].every((text) => text.startsWith('0x') !== (namespaceOf(chainId) === 'solana')),
  ),
)

/** A decoded sign-in: well-formed, nothing about it proven. */
export type SignIn = z.infer<typeof proof>

/** The sign-in of a `SIGN-IN-WITH-X` header. Error: `invalid_payload`. */
export function decodeSignIn(header: string): Result<SignIn> {
  const json = decodeJson(header)
  const parsed = z.safeParse(proof, json.ok ? json.value : null)
  return parsed.success ? ok(parsed.data) : fail({ code: 'invalid_payload' })
}

/** The text that was signed, byte for byte: EIP-4361, and what the reference packages made of it for Solana. */
export function signInMessage(signIn: SignIn): string {
  const { domain, address, statement, resources, chainId } = signIn
  const isSolana = namespaceOf(chainId) === 'solana'
  const lines = [`${domain} wants you to sign in with your ${isSolana ? 'Solana' : 'Ethereum'} account:`, address, '']
  if (statement !== undefined) lines.push(statement)
  // Without a statement EIP-4361 keeps its line, and the text for Solana does not.
  if (statement !== undefined || !isSolana) lines.push('')
  lines.push(
    `URI: ${signIn.uri}`,
    `Version: ${signIn.version}`,
    `Chain ID: ${chainId.replace(/^(?:eip155|solana):/, '')}`,
    `Nonce: ${signIn.nonce}`,
    `Issued At: ${signIn.issuedAt}`,
  )
  if (signIn.expirationTime !== undefined) lines.push(`Expiration Time: ${signIn.expirationTime}`)
  if (signIn.notBefore !== undefined) lines.push(`Not Before: ${signIn.notBefore}`)
  // EIP-4361 keeps what is there and empty, and the text for Solana does not.
  const isThere = (value: { length: number } | undefined) => value !== undefined && (value.length > 0 || !isSolana)
  if (isThere(signIn.requestId)) lines.push(`Request ID: ${signIn.requestId}`)
  if (resources !== undefined && isThere(resources))
    lines.push('Resources:', ...resources.map((resource) => `- ${resource}`))
  return lines.join('\n')
}

/**
 * Whether a sign-in is for this site, one of its networks, and now ("Validate Message Fields"). The caller checks its
 * nonce and its signature. `resources` are the client's word and mean nothing.
 */
export function checkSignIn(
  signIn: SignIn,
  site: string,
  networks: readonly string[],
  nowSeconds: number,
): Result<SignIn> {
  if (signIn.domain !== new URL(site).host) return fail({ code: 'invalid_siwx_domain_mismatch' })
  if (originOf(signIn.uri) !== site) return fail({ code: 'invalid_siwx_uri_mismatch' })
  if (signIn.type !== typeOf(signIn.chainId) || !networks.includes(signIn.chainId)) {
    return fail({ code: 'invalid_siwx_unsupported_chain' })
  }
  const issuedAt = seconds(signIn.issuedAt)
  if (issuedAt > nowSeconds) return fail({ code: 'invalid_siwx_not_yet_valid' })
  if (signIn.notBefore !== undefined && seconds(signIn.notBefore) > nowSeconds) {
    return fail({ code: 'invalid_siwx_not_yet_valid' })
  }
  const isOver = signIn.expirationTime !== undefined && seconds(signIn.expirationTime) <= nowSeconds
  return isOver || nowSeconds >= issuedAt + SIGN_IN_SECONDS ? fail({ code: 'invalid_siwx_expired' }) : ok(signIn)
}

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

function originOf(text: string): string | null {
  try {
    return new URL(text).origin
  } catch {
    return null
  }
}
