// What surrounds a request: its environment, and what the isolate keeps for that environment. Plain data, nothing of any
// other request.
import { Breaker } from './breaker.ts'
import { type Gate, newRpcMemory, Rpc, type RpcMemory } from './chain.ts'
import { type Config, parseConfig, type SellingConfig } from './config.ts'
import { type Cuts, newCuts } from './cuts.ts'
import { fail, ok, type Refusal, type Result } from './errors.ts'
import { type Entry, newEntry } from './journal.ts'
import { type Keyring, keyProblem, newKeyring } from './keyring.ts'
import { Fading, Limits } from './limits.ts'
import { log } from './log.ts'
import type { Rule } from './policy/rules.ts'
import type { Upstream } from './policy/upstream.ts'
import type { ConfigProblem } from './settings.ts'
import { type ListingsMemory, newListingsMemory } from './supported.ts'
import { deriveKey, type KeyPurpose } from './token.ts'
import type { CutPage } from './wall.ts'
import { networkOf } from './x402/assets.ts'
import type { Signed } from './x402/extensions/offer-receipt.ts'
import { importSigner, type PublicJwk, type Signer } from './x402/jws.ts'

/** What an isolate keeps per environment. Losing it costs calls, never money. */
export type Isolate = {
  config: Result<Config, ConfigProblem[]>
  limits: Limits
  breaker: Breaker
  keyring: Keyring
  listings: ListingsMemory
  /** By URL of the endpoint. */
  rpcs: Map<string, RpcMemory>
  keys: Map<string, CryptoKey>
  /** Those that may have signed, by what for. */
  readKeys: Map<KeyPurpose, readonly CryptoKey[]>
  /** Offers that were signed a moment ago, by what they say. */
  signedOffers: Fading<{ signed: Signed; validUntil: number }>
  /** Cut pages that several readers want. */
  cuts: Cuts<CutPage>
  /** Null until it was needed. */
  selling: Result<Selling, ConfigProblem[]> | null
}

/** What only selling needs, ready for use. `signer`, for offers and receipts, is null without `RECEIPT_KEY`. */
export type Selling = { signer: Signer | null; otherKeys: readonly PublicJwk[] }

/** What a step may use beside the request: bindings, settings, the isolate's memory, and work that outlives the answer. */
export type World = {
  env: Env
  config: Config
  isolate: Isolate
  waitUntil: (work: Promise<unknown>) => void
  /** What this request has come to so far. */
  entry: Entry
  /** Tokens it carries that were found to be passes of ours: nobody has to look again. */
  passes: Set<string>
}

/** The world of a request whose answer is for sale. */
export type SellingWorld = World & Selling

const isolates = new WeakMap<Env, Isolate>()

export function isolateOf(env: Env): Isolate {
  const known = isolates.get(env)
  if (known) return known
  const isolate: Isolate = {
    config: parseConfig({ ...env }),
    limits: new Limits(),
    breaker: new Breaker(),
    keyring: newKeyring(),
    listings: newListingsMemory(),
    rpcs: new Map(),
    keys: new Map(),
    readKeys: new Map(),
    signedOffers: new Fading(),
    cuts: newCuts((page) => JSON.stringify(page).length),
    selling: null,
  }
  isolates.set(env, isolate)
  return isolate
}

/** The world of one request. With a configuration that cannot be read there is none, and the log says why. */
export function worldOf(env: Env, context: Pick<ExecutionContext, 'waitUntil'>): Result<World> {
  const isolate = isolateOf(env)
  const { config } = isolate
  if (!config.ok) {
    const { error } = misconfigured(config.error)
    return fail(config.error.some(({ path }) => path.startsWith('PAY_TO')) ? { ...error, hasNoPayee: true } : error)
  }
  const entry = newEntry(Date.now())
  const waitUntil: World['waitUntil'] = (work) => context.waitUntil(work)
  return ok({ env, config: config.value, isolate, waitUntil, entry, passes: new Set() })
}

/** The same world with what only selling needs. Where that cannot be used nothing is sold, and the log says why. */
export async function sellingIn(world: World): Promise<Result<SellingWorld>> {
  const { isolate, config } = world
  isolate.selling ??= config.selling.ok ? await readySelling(config.selling.value, world) : config.selling
  return isolate.selling.ok ? ok({ ...world, ...isolate.selling.value }) : misconfigured(isolate.selling.error)
}

/** Where a route's content is fetched from, null for the site's own origin. Without its secrets nothing is asked for. */
export function upstreamIn({ upstream }: Rule): Result<Upstream | null> {
  if (upstream === null) return ok(null)
  return upstream.ok ? upstream : misconfigured(upstream.error)
}

async function readySelling(
  { receiptKey, otherKeys }: SellingConfig,
  { config, isolate }: World,
): Promise<Result<Selling, ConfigProblem[]>> {
  const keys = await Promise.all(config.facilitators.map((facilitator) => keyProblem(facilitator, isolate.keyring)))
  const missing = keys.filter((problem) => problem !== null)
  // One that can be asked is enough.
  const problems = missing.length === keys.length ? missing : []
  const signer = receiptKey === null ? ok(null) : await importSigner(receiptKey)
  if (!signer.ok) problems.push({ path: 'RECEIPT_KEY', message: signer.error })
  return signer.ok && problems.length === 0 ? ok({ signer: signer.value, otherKeys }) : fail(problems)
}

function misconfigured(problems: readonly ConfigProblem[]): { ok: false; error: Refusal } {
  for (const { path, message } of problems) log({ event: 'configuration_error', path, problem: message })
  return fail({ code: 'configuration_error' })
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** The RPC of a network, with what this isolate has learnt of it; null for a network that is not known. */
export function rpcOf(
  { rpcs }: Isolate,
  { rpcUrls }: Pick<Config, 'rpcUrls'>,
  network: string,
  gate?: Gate,
): Rpc | null {
  const known = networkOf(network)
  if (!known) return null
  const url = rpcUrls[network] ?? known.rpcUrl
  const memory = rpcs.get(url) ?? newRpcMemory()
  rpcs.set(url, memory)
  return new Rpc(url, network, memory, gate)
}

/** The key that signs for one purpose. */
export const keyOf = ({ isolate, config }: World, purpose: KeyPurpose): Promise<CryptoKey> =>
  derived(isolate, config.passSecret, 'now', purposeAt(config, purpose))

/** The keys that may have signed: those of the secret before, too, while it is kept. */
export async function readKeysOf({ isolate, config }: World, purpose: KeyPurpose): Promise<readonly CryptoKey[]> {
  const known = isolate.readKeys.get(purpose)
  if (known) return known
  const { passSecret, passSecretPrevious } = config
  // Until release 0.2.0 one key signed, whatever the money was.
  const purposes = new Set([purposeAt(config, purpose), purpose])
  const keys: CryptoKey[] = []
  for (const one of purposes) {
    keys.push(await derived(isolate, passSecret, 'now', one))
    if (passSecretPrevious !== null) keys.push(await derived(isolate, passSecretPrevious, 'before', one))
  }
  isolate.readKeys.set(purpose, keys)
  return keys
}

/** Test networks and real ones never stand side by side, but may follow each other at one address. */
function purposeAt({ networks }: Config, purpose: KeyPurpose): KeyPurpose {
  const isWorth = purpose === 'pass' || purpose === 'quote' || purpose === 'mpp'
  return isWorth && networks.every(({ isTest }) => isTest) ? `${purpose} for test money` : purpose
}

/** A key is kept as such: a promise of it would belong to the request that began it. */
async function derived(
  { keys }: Isolate,
  secret: string,
  age: 'now' | 'before',
  purpose: KeyPurpose,
): Promise<CryptoKey> {
  const name = `${age} ${purpose}`
  const known = keys.get(name)
  if (known) return known
  const key = await deriveKey(secret, purpose)
  keys.set(name, key)
  return key
}
