// Signing in with a wallet: from a `SIGN-IN-WITH-X` header to the grants its address has paid for. Shape, site, time,
// nonce and signature come first; then the payer's own record says what is owned. Nothing the client names grants anything.
import { isValidSignature, type Rpc } from './chain.ts'
import type { Config } from './config.ts'
import { fail, ok, type Result } from './errors.ts'
import { isSignedMessage, messageHash } from './networks/evm.ts'
import { nonceEndsAtSeconds } from './nonce.ts'
import { type Grant, grantFor } from './pass.ts'
import { PROTOCOL, type SignInOutcome, type SignInRequest } from './payer/protocol.ts'
import type { Resource } from './policy/scope.ts'
import { checkSignIn, decodeSignIn, type SignIn, signInMessage } from './x402/extensions/sign-in-with-x.ts'

/** The part of a payer's object that signing in needs. */
export type SignInRecord = {
  /** Whether the payer has running access anywhere at a site. Writes nothing. */
  ownsAt: (request: SignInRequest) => Promise<boolean | null>
  signIn: (request: SignInRequest) => Promise<SignInOutcome>
}

export type SignInWorld = {
  config: Config
  key: CryptoKey
  nowSeconds: number
  recordOf: (network: string, address: string) => SignInRecord
  /** Null for a network that is not known. */
  rpcOf: (network: string) => Rpc | null
}

/** Chain id and the question itself. */
const MOST_WALLET_CALLS = 3

/** What the signer owns at the site of a resource, where some of it opens that. A nonce is used up where anything is owned. */
export async function signIn(header: string, resource: Resource, world: SignInWorld): Promise<Result<Grant[]>> {
  const { config, key, nowSeconds, recordOf, rpcOf } = world
  const configured = config.networks.map(({ network }) => network)
  const decoded = decodeSignIn(header)
  if (!decoded.ok) return decoded
  const { value } = decoded
  const checked = checkSignIn(value, resource.site, configured, nowSeconds)
  if (!checked.ok) return checked
  const endsAtSeconds = await nonceEndsAtSeconds(value.nonce, resource.site, key)
  if (endsAtSeconds === null) return fail({ code: 'invalid_siwx_nonce' })
  if (endsAtSeconds <= nowSeconds) return fail({ code: 'invalid_siwx_expired' })

  const address = value.address.toLowerCase()
  const message = signInMessage(value)
  // A key is one person on every network; a contract is itself on its own network only.
  const isOwnKey = await isSignedMessage(message, value.address, value.signature)
  const record = recordOf(value.chainId, address)
  const request: SignInRequest = {
    protocol: PROTOCOL,
    payer: address,
    owner: isOwnKey ? 'key' : 'code',
    network: value.chainId,
    nonce: value.nonce,
    nonceEndsAtSeconds: endsAtSeconds,
    resource,
  }
  if (!isOwnKey) {
    const asked = await askWallet(value, message, record, request, rpcOf)
    if (!asked.ok) return asked
  }
  const found = await record.signIn(request)
  if (found.kind === 'unavailable') return fail({ code: 'unavailable' })
  if (found.kind === 'used') return fail({ code: 'invalid_siwx_nonce' })
  if (found.kind === 'owned' && grantFor(found.grants, resource)) return ok(found.grants)
  const isPending = found.kind === 'nothing' && found.isPending
  return fail({ code: isPending ? 'settlement_pending' : 'sign_in_nothing_bought' })
}

/** Contract wallets (ERC-1271). The chain is asked only about an address that owns something here. */
async function askWallet(
  { address, chainId, signature }: SignIn,
  message: string,
  record: SignInRecord,
  request: SignInRequest,
  rpcOf: SignInWorld['rpcOf'],
): Promise<Result<null>> {
  const rpc = rpcOf(chainId)
  const refused = fail({ code: 'invalid_siwx_signature' } as const)
  if (!rpc) return refused
  const owns = await record.ownsAt(request)
  if (owns === null) return fail({ code: 'unavailable' })
  if (!owns) return refused
  const valid = await isValidSignature(rpc, address, messageHash(message), signature, { left: MOST_WALLET_CALLS })
  if (!valid.ok) return fail({ code: 'unavailable' })
  return valid.value ? ok(null) : refused
}
