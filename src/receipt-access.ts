// Who may read which receipts: the one place that says so. A pass shows the purchases it was made of; all of a wallet's need
// its signature, made for this and used once.
import { grantsOf, isWalletsOwn, signerOf } from './access.ts'
import { fail, isCounted, ok, type Result } from './errors.ts'
import { hasPayments, type Readable } from './ledger.ts'
import { issueNonce } from './nonce.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { type Grant, isOwn } from './pass.ts'
import { PROTOCOL } from './payer/protocol.ts'
import { pathAndQueryOf } from './policy/scope.ts'
import { countFailure, isBlocked, orUnavailable, payerOf } from './purchase.ts'
import { issueSession, readSession, SESSION_SECONDS, type Session, sessionCookie } from './receipt-session.ts'
import { keyOf, nowSeconds, readKeysOf, type World } from './site.ts'
import { oneSpelling } from './x402/assets.ts'
import { SIGN_IN_WITH_X, signInDeclaration } from './x402/extensions/sign-in-with-x.ts'

/** What a request may read: everything of the wallet that signed, else what its passes were made of. */
export type Reading = {
  session: Session | null
  /** Those whose receipts are shown: what was handed over to this screen shows none. */
  grants: Grant[]
  /** All that this browser opens. */
  opening: Grant[]
}

/** A grant that was handed over to this screen opens its page, and shows no receipt. */
export async function readingIn(request: Request, world: World, site: string): Promise<Reading> {
  const session = await readSession(request.headers, site, await readKeysOf(world, 'receipts'), nowSeconds())
  const opening = await grantsOf(request, world, site)
  return { session, grants: opening.filter(isOwn), opening }
}

/** All that a session reads. */
export const allOf = ({ payer, network }: Session): Readable => ({ kind: 'payer', payer, network })

/** All that passes read: of each grant the purchase that ends when it does. */
export const heldBy = (grants: readonly Grant[]): Readable => ({
  kind: 'grants',
  grants: grants.map(({ payer, scope, endsAtSeconds }) => ({
    payer: oneSpelling(payer),
    endsAtSeconds,
    resource: scope.startsWith('=') ? pathAndQueryOf(scope.slice(1)) : null,
    // Of a pattern, as much as stands in front of its first `*`: what it was bought at lies below that.
    below: scope.startsWith('=') ? '' : (scope.slice(1).split('*')[0] ?? ''),
  })),
})

/** What a wallet is asked to sign for all of its receipts. Its nonce is worth nothing at an article, nor theirs here. */
export async function signInOffer(world: World, site: string) {
  const issuedAtSeconds = nowSeconds()
  const random = crypto.getRandomValues(new Uint8Array(4))
  const nonce = await issueNonce(site, await keyOf(world, 'receipts-nonce'), issuedAtSeconds, random)
  const networks = world.config.networks.map(({ network }) => network)
  return signInDeclaration({ site, nonce, issuedAtSeconds, networks }, site + RECEIPTS)
}

/** Signs in for receipts: the session's cookie. What caused work in vain counts against the address it came from. */
export async function signInForReceipts(request: Request, world: World, site: string): Promise<Result<string>> {
  if (isBlocked(world, request)) return fail({ code: 'too_many_requests' })
  const header = request.headers.get(SIGN_IN_WITH_X)
  if (header === null) return fail({ code: 'invalid_payload' })
  const begun = await orUnavailable(() => sessionFor(header, world, site))
  if (!begun.ok) {
    if (isCounted(begun.error)) await countFailure(world, request)
    return begun
  }
  const token = await issueSession(begun.value, site, await keyOf(world, 'receipts'))
  return ok(sessionCookie(token, site, SESSION_SECONDS))
}

/** The same without counting. For a wallet without a receipt nothing is stored, and the chain is not asked. Faults throw. */
async function sessionFor(header: string, world: World, site: string): Promise<Result<Session>> {
  const signed = await signerOf(header, world, site, 'receipts-nonce')
  if (!signed.ok) return signed
  const { signIn, address, isOwnKey, nonceEndsAtSeconds } = signed.value
  // What was signed to open a page is not to open a history.
  if (signIn.uri !== site + RECEIPTS) return fail({ code: 'invalid_siwx_uri_mismatch' })
  const network = isOwnKey ? null : signIn.chainId
  const has = await hasPayments(world.env.LEDGER_DB, { kind: 'payer', payer: address, network }, site)
  if (!has.ok) return has
  if (!has.value) return fail({ code: isOwnKey ? 'sign_in_nothing_bought' : 'invalid_siwx_signature' })
  if (!isOwnKey) {
    const owned = await isWalletsOwn(world, signed.value)
    if (!owned.ok) return owned
  }
  const request = { protocol: PROTOCOL, nonce: signIn.nonce, nonceEndsAtSeconds }
  const isFresh = await payerOf(world, signIn.chainId, address).useNonce(request)
  if (isFresh === null) return fail({ code: 'unavailable' })
  if (!isFresh) return fail({ code: 'invalid_siwx_nonce' })
  return ok({ payer: address, network, endsAtSeconds: nowSeconds() + SESSION_SECONDS })
}
