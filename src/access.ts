// What a request holds already: a pass, else a sign-in with a wallet. Shape, site, time, nonce and signature of a sign-in
// are checked first; then the payer's own record says what is owned. Nothing the client names grants anything.
import { isValidSignature } from './chain.ts'
import { fail, isCounted, ok, type Refusal, type Result } from './errors.ts'
import { innerSignature, isSignedMessage } from './networks/evm.ts'
import { isSignedText } from './networks/solana.ts'
import { messageHash } from './networks/typed-data.ts'
import { nonceEndsAtSeconds } from './nonce.ts'
import { bearerToken, cookieToken, type Grant, grantFor, issuePass, passCookie, readPass } from './pass.ts'
import { PROTOCOL, type SignInRequest } from './payer/protocol.ts'
import type { Resource } from './policy/scope.ts'
import { countFailure, isBlocked, orUnavailable, payerOf } from './purchase.ts'
import { keyOf, nowSeconds, readKeysOf, rpcOf, type World } from './site.ts'
import { namespaceOf, oneSpelling } from './x402/assets.ts'
import type { PassToken } from './x402/extensions/newsstand-pass.ts'
import {
  checkSignIn,
  decodeSignIn,
  SIGN_IN_WITH_X,
  type SignIn,
  signInMessage,
} from './x402/extensions/sign-in-with-x.ts'

/** What a request may open. */
export type Access = {
  /** Those of the cookie, which a new one keeps. What comes as a bearer token never goes into it. */
  kept: Grant[]
  /** The one that opens the resource it asks for. */
  opening: Grant | null
  /** Headers for the answer: the pass, where a sign-in has just made one. */
  headers: Record<string, string>
  /** Why signing in opened nothing. A payment sent along counts all the same. */
  objection: Refusal | null
}

/**
 * What the headers of one answer that grow with what was bought may take: servers on the way stop at 8 KiB for all. The
 * rest is for those that are as long always, the cookie's name and attributes among them.
 */
const HEADER_ROOM = 8192 - 1024
/** Chain id and the question itself. */
const MOST_WALLET_CALLS = 2

/** What a request may open at a resource. HEAD does not use up a sign-in: it could not deliver what is asked for. */
export async function accessOf(request: Request, world: World, resource: Resource): Promise<Access> {
  const { cookie: kept, bearer } = await grantsIn(request, world, resource.site)
  const opening = grantFor([...kept, ...bearer], resource) ?? null
  const header = request.headers.get(SIGN_IN_WITH_X)
  if (opening || header === null || request.method === 'HEAD') {
    return { kept, opening, headers: {}, objection: null }
  }
  const signed = await signIn(header, request, world, resource)
  if (!signed.ok) return { kept, opening, headers: {}, objection: signed.error }
  const owned = [...signed.value, ...kept].sort((a, b) => b.endsAtSeconds - a.endsAtSeconds)
  const opened = grantFor(owned, resource) ?? null
  // First, so that the cookie has room for it, whatever else is left out.
  const all = opened ? [opened, ...owned] : owned
  return { kept: all, opening: opened, headers: await passHeaders(world, all, resource.site), objection: null }
}

/** The live grants of the passes a request carries. */
async function grantsIn(
  { headers }: Request,
  world: World,
  site: string,
): Promise<{ cookie: Grant[]; bearer: Grant[] }> {
  return {
    cookie: await liveGrants(cookieToken(headers, site), world, site),
    bearer: await liveGrants(bearerToken(headers), world, site),
  }
}

async function liveGrants(token: string | null, world: World, site: string): Promise<Grant[]> {
  if (token === null) return []
  const grants = await readPass(token, site, await readKeysOf(world, 'pass'), nowSeconds())
  if (grants.length > 0) world.passes.add(token)
  return grants
}

/** The live grants of a pass that comes as `Authorization: Bearer`. Cookies do not count. */
export const bearerGrants = (request: Request, world: World, site: string): Promise<Grant[]> =>
  liveGrants(bearerToken(request.headers), world, site)

/** All live grants that a request carries, whichever way. */
export async function grantsOf(request: Request, world: World, site: string): Promise<Grant[]> {
  const { cookie, bearer } = await grantsIn(request, world, site)
  return [...cookie, ...bearer]
}

/** What the request's cookie opens: a browser's, and so a person's. */
export const keptBy = async (request: Request, world: World, site: string): Promise<Grant[]> =>
  (await grantsIn(request, world, site)).cookie

/** The pass of these grants, as a cookie with the room that the other headers of its answer leave; none without any. */
export async function passHeaders(
  world: World,
  grants: readonly Grant[],
  site: string,
  beside: Record<string, string> = {},
): Promise<Record<string, string>> {
  const room = Object.entries(beside).reduce((left, [name, value]) => left - name.length - value.length, HEADER_ROOM)
  const token = await issuePass(grants, site, await keyOf(world, 'pass'), nowSeconds(), room)
  if (token.length > room) return {}
  const endsAtSeconds = Math.max(...grants.map((grant) => grant.endsAtSeconds))
  return { 'Set-Cookie': passCookie(token, site, endsAtSeconds, nowSeconds()) }
}

/** The pass of one purchase alone. */
export const passTokenOf = async (world: World, bought: Grant, site: string): Promise<PassToken> => ({
  token: await issuePass([bought], site, await keyOf(world, 'pass'), nowSeconds()),
  expiresAtSeconds: bought.endsAtSeconds,
})

/** What the signer owns at the site, where some of it opens the resource. A sign-in that caused work in vain counts. */
async function signIn(header: string, request: Request, world: World, resource: Resource): Promise<Result<Grant[]>> {
  if (isBlocked(world, request)) return fail({ code: 'too_many_requests' })
  const signed = await orUnavailable(() => ownedBySigner(header, world, resource))
  if (!signed.ok && isCounted(signed.error)) await countFailure(world, request)
  return signed
}

/** The same without counting. The nonce is used up where anything is owned. Faults throw. */
async function ownedBySigner(header: string, world: World, resource: Resource): Promise<Result<Grant[]>> {
  const signed = await signerOf(header, world, resource.site, 'sign-in')
  if (!signed.ok) return signed
  const { signIn, address, isOwnKey, nonceEndsAtSeconds } = signed.value
  const request: SignInRequest = {
    protocol: PROTOCOL,
    payer: address,
    owner: isOwnKey ? 'key' : 'code',
    network: signIn.chainId,
    nonce: signIn.nonce,
    nonceEndsAtSeconds,
    resource,
  }
  if (!isOwnKey) {
    const asked = await askWallet(world, signed.value, request)
    if (!asked.ok) return asked
  }
  const found = await payerOf(world, signIn.chainId, address).signIn(request)
  if (found.kind === 'unavailable') return fail({ code: 'unavailable' })
  if (found.kind === 'used') return fail({ code: 'invalid_siwx_nonce' })
  if (found.kind === 'owned' && grantFor(found.grants, resource)) return ok(found.grants)
  const isPending = found.kind === 'nothing' && found.isPending
  return fail({ code: isPending ? 'settlement_pending' : 'sign_in_nothing_bought' })
}

/** Who has signed in, as far as that can be seen without asking anybody. */
export type Signer = {
  signIn: SignIn
  /** In its one spelling. */
  address: string
  message: string
  /** Else the address may be that of a wallet with code, which its chain has to be asked about (`isWalletsOwn`). */
  isOwnKey: boolean
  nonceEndsAtSeconds: number
}

/** Checks a sign-in: shape, site, time, that its nonce was made here for this purpose, signature. The nonce is not used up. */
export async function signerOf(
  header: string,
  world: World,
  site: string,
  purpose: 'sign-in' | 'receipts-nonce',
): Promise<Result<Signer>> {
  const decoded = decodeSignIn(header)
  if (!decoded.ok) return decoded
  const { value } = decoded
  const configured = world.config.networks.map(({ network }) => network)
  const checked = checkSignIn(value, site, configured, nowSeconds())
  if (!checked.ok) return checked
  const endsAtSeconds = await nonceEndsAtSeconds(value.nonce, site, await readKeysOf(world, purpose))
  if (endsAtSeconds === null) return fail({ code: 'invalid_siwx_nonce' })
  if (endsAtSeconds <= nowSeconds()) return fail({ code: 'invalid_siwx_expired' })

  const address = oneSpelling(value.address)
  const message = signInMessage(value)
  // A key is one person on every network; a contract is itself on its own network only.
  const isOnSolana = namespaceOf(value.chainId) === 'solana'
  const isOwnKey = await (isOnSolana ? isSignedText : isSignedMessage)(message, value.address, value.signature)
  // There only keys sign: what a program owns has none.
  if (isOnSolana && !isOwnKey) return fail({ code: 'invalid_siwx_signature' })
  return ok({ signIn: value, address, message, isOwnKey, nonceEndsAtSeconds: endsAtSeconds })
}

/** Contract wallets (ERC-1271). The chain is asked only about an address that owns something here. */
async function askWallet(world: World, signer: Signer, request: SignInRequest): Promise<Result<null>> {
  const { chainId, address } = signer.signIn
  if (!rpcOf(world.isolate, world.config, chainId)) return fail({ code: 'invalid_siwx_verifier_error' })
  const owns = await payerOf(world, chainId, address).ownsAt(request)
  if (owns === null) return fail({ code: 'unavailable' })
  return owns ? isWalletsOwn(world, signer) : fail({ code: 'invalid_siwx_signature' })
}

/** Asks the chain whether a wallet with code stands by its signature. */
export async function isWalletsOwn(world: World, { signIn, message }: Signer): Promise<Result<null>> {
  const { chainId, address, signature } = signIn
  const rpc = rpcOf(world.isolate, world.config, chainId)
  if (!rpc) return fail({ code: 'invalid_siwx_verifier_error' })
  const asked = innerSignature(signature)
  const valid = await isValidSignature(rpc, address, messageHash(message), asked, { left: MOST_WALLET_CALLS })
  if (!valid.ok) return fail({ code: 'invalid_siwx_verifier_error' })
  return valid.value ? ok(null) : fail({ code: 'invalid_siwx_signature' })
}
