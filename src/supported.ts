// What facilitators say they serve (`GET /supported`). A cron reads it, and no visitor waits for it. It takes a network off only
// after two answers a minute apart that name others; whoever is silent, or says nothing that can be read, is believed to
// serve what is configured.
import * as z from 'zod/mini'
import { readSupported } from './facilitator.ts'
import type { Facilitator } from './facilitators.ts'
import { log, nameOf } from './log.ts'
import type { Supported } from './replies.ts'
import type { World } from './site.ts'
import { pause, within } from './waiting.ts'
import { type Asset, type Network, namespaceOf, networkOf, offeredOn } from './x402/assets.ts'
import { evmTermsOf, type Way } from './x402/payment.ts'

const listing = z.lazy(() =>
  z.object({
    /** Networks of this site that it did not name: since when, and when last (Unix seconds). */
    missing: z.record(z.string(), z.object({ sinceSeconds: z.number(), lastSeconds: z.number() })),
    /** Whether it takes sales into its catalogue. */
    hasBazaar: z.boolean(),
    /** On Solana, by network: whose key pays the fee. The same as long as it is named, so that all isolates offer one. */
    feePayers: z.optional(z.record(z.string(), z.string())),
  }),
)
const listings = z.lazy(() => z.record(z.string(), listing))

export type Listing = z.infer<typeof listing>
/** By base URL of the facilitator. */
export type Listings = Readonly<Record<string, Listing>>
/** What was read, and when (Unix seconds); null where nobody knows. */
type Known = { value: Listings; readAtSeconds: number | null }
/** What an isolate knows of them, and when it last looked (milliseconds). */
export type ListingsMemory = Known & { lookedAtMs: number; silentUntilSeconds: number; askingUntilMs: number }

export const newListingsMemory = (): ListingsMemory => ({
  value: {},
  readAtSeconds: null,
  lookedAtMs: Number.NEGATIVE_INFINITY,
  silentUntilSeconds: Number.NEGATIVE_INFINITY,
  askingUntilMs: 0,
})

/** Keys of articles begin with a slash. */
const KEY = 'newsstand:supported'
/** Two answers have to be this far apart before they take a network off. */
const CONFIRMED_SECONDS = 60
/** What nobody has confirmed for so long does not count any more. */
const FRESH_SECONDS = 3_600
/** So often what has not changed is written again, so that it stays fresh. */
const REWRITTEN_SECONDS = 1_200
/** So often all is written again, so that its age tells whether the cron runs. */
const STAMPED_SECONDS = 3_600
/** So long visitors are not made to wait again for facilitators that have just been asked. */
const SILENT_SECONDS = 5
/** So often an isolate looks for news. */
const LOOK_MS = 60_000

/** What is known after an answer. */
export function listingAfter(
  before: Listing | undefined,
  { networks, extensions, feePayers }: Supported,
  wanted: readonly string[],
  nowSeconds: number,
): Listing {
  const isNamed = (network: string) =>
    [network, `${network.split(':')[0]}:*`, networkOf(network)?.v1Name].some((name) => name && networks.includes(name))
  const missing = wanted
    .filter((network) => !isNamed(network))
    .map((network) => {
      const known = before?.missing[network]
      // What was not confirmed for long begins anew.
      const isKnown = known && nowSeconds - known.lastSeconds < FRESH_SECONDS
      return [network, { sinceSeconds: isKnown ? known.sinceSeconds : nowSeconds, lastSeconds: nowSeconds }]
    })
  const payers = Object.entries(feePayers).flatMap(([network, named]) => {
    const last = before?.feePayers?.[network]
    const feePayer = last !== undefined && named.includes(last) ? last : named[0]
    return wanted.includes(network) && feePayer !== undefined ? [[network, feePayer]] : []
  })
  return {
    missing: Object.fromEntries(missing),
    hasBazaar: extensions.includes('bazaar'),
    // What it does not name for now was good a moment ago.
    ...(payers.length === 0 && !before?.feePayers
      ? {}
      : { feePayers: { ...before?.feePayers, ...Object.fromEntries(payers) } }),
  }
}

/** Whether one of these facilitators may serve a network. */
export const isServed = (
  known: Listings,
  facilitators: readonly { url: string }[],
  network: string,
  nowSeconds: number,
): boolean =>
  facilitators.some(({ url }) => {
    const missing = known[url]?.missing[network]
    if (!missing || nowSeconds - missing.lastSeconds >= FRESH_SECONDS) return true
    return missing.lastSeconds - missing.sinceSeconds < CONFIRMED_SECONDS
  })

/** What is configured, without what no facilitator serves any more. A quote of before is honoured all the same. */
export function networksOnOffer(world: World, nowSeconds: number): Network[] {
  const { facilitators, networks } = world.config
  const known = knownListings(world)
  return networks.filter(({ network }) => isServed(known, facilitators, network, nowSeconds))
}

/** The ways in which can be paid now. On Solana it takes somebody who pays the fee: where none is known, they are asked. */
export async function waysToPay(world: World, nowSeconds: number): Promise<Way[]> {
  const networks = networksOnOffer(world, nowSeconds)
  await learn(world, nowSeconds)
  const { tokens } = world.config
  return offeredOn(networks, tokens).flatMap((asset) => wayOf(world, asset) ?? [])
}

function wayOf(world: World, asset: Asset): Way | null {
  const payTo = world.config.payTo[namespaceOf(asset.network)]
  if (payTo === undefined) return null
  if (asset.kind !== 'svm') return { asset, payTo, transfer: evmTermsOf(asset) }
  const found = feePayerOn(world, asset.network)
  return found && { asset, payTo, transfer: { kind: 'svm', ...found } }
}

/** Who pays the fee on a network: of the first facilitator that is up, else of the first that has named one. */
function feePayerOn({ config, isolate }: World, network: string): { feePayer: string; facilitator: string } | null {
  const known = isolate.listings.value
  const named = config.facilitators.flatMap((facilitator) => {
    const feePayer = known[facilitator.url]?.feePayers?.[network]
    return feePayer === undefined
      ? []
      : [{ feePayer, facilitator: facilitator.url, isUp: !isolate.breaker.isOpen(facilitator, Date.now()) }]
  })
  const [first] = named.toSorted((a, b) => Number(b.isUp) - Number(a.isUp))
  return first ? { feePayer: first.feePayer, facilitator: first.facilitator } : null
}

/** So long a visitor waits at most for what a new isolate does not know yet. */
const LEARN_MS = 2_500
const LEARN_PAUSE_MS = 50

/**
 * Where nobody is known who pays the fee: reads what is stored, else asks the facilitators. One visitor for all that come
 * meanwhile, and not again right after nobody has answered.
 */
async function learn(world: World, nowSeconds: number): Promise<void> {
  const { listings } = world.isolate
  const isUnknown = () =>
    networksOnOffer(world, nowSeconds).some(
      ({ network }) => namespaceOf(network) === 'solana' && feePayerOn(world, network) === null,
    )
  // A promise belongs to the request that made it, so the others look again and again.
  while (isUnknown() && Date.now() < listings.askingUntilMs) await pause(LEARN_PAUSE_MS)
  if (!isUnknown() || nowSeconds < listings.silentUntilSeconds) return
  const stored = await storedListings(world.env)
  if (stored) Object.assign(listings, stored)
  if (!isUnknown()) return
  // Somebody else may have begun meanwhile.
  if (Date.now() < listings.askingUntilMs) return learn(world, nowSeconds)
  listings.silentUntilSeconds = nowSeconds + SILENT_SECONDS
  listings.askingUntilMs = Date.now() + LEARN_MS
  const reading = readListings(world, nowSeconds).finally(() => {
    listings.askingUntilMs = 0
  })
  world.waitUntil(reading)
  await within(reading, LEARN_MS)
}

/** How old what is known of facilitators is, in seconds: an hour at most where the cron runs and they answer; null for never. */
export async function listingsAgeSeconds({ env, isolate }: World, nowSeconds: number): Promise<number | null> {
  const { readAtSeconds } = (await storedListings(env)) ?? isolate.listings
  return readAtSeconds === null ? null : Math.max(0, nowSeconds - readAtSeconds)
}

/** Where listings are kept. */
type Looking = {
  env: { CONTENT_KV?: KVNamespace }
  isolate: Pick<World['isolate'], 'listings'>
  waitUntil: World['waitUntil']
}

/** What this isolate knows; it looks for news behind the answer. */
export function knownListings({ env, isolate, waitUntil }: Looking): Listings {
  const memory = isolate.listings
  const nowMs = Date.now()
  if (Math.abs(nowMs - memory.lookedAtMs) >= LOOK_MS) {
    memory.lookedAtMs = nowMs
    waitUntil(
      storedListings(env).then((stored) => {
        if (stored) Object.assign(memory, stored)
      }),
    )
  }
  return memory.value
}

/** The same facilitators, listed only where one is known to have a catalogue: from the second sale on, no sale waits. */
export function withCatalogues(facilitators: readonly Facilitator[], looking: Looking): readonly Facilitator[] {
  if (!facilitators.some(({ isListed }) => isListed)) return facilitators
  const known = knownListings(looking)
  return facilitators.map((facilitator) => ({
    ...facilitator,
    isListed: facilitator.isListed && known[facilitator.url]?.hasBazaar === true,
  }))
}

const stamp = z.lazy(() => z.object({ readAtSeconds: z.number() }))

/** Null where nothing is stored, or nothing can be read. */
async function storedListings({ CONTENT_KV }: { CONTENT_KV?: KVNamespace }): Promise<Known | null> {
  try {
    const stored = await CONTENT_KV?.getWithMetadata(KEY, 'json')
    const parsed = z.safeParse(listings, stored?.value)
    if (!parsed.success) return null
    const stamped = z.safeParse(stamp, stored?.metadata)
    return { value: parsed.data, readAtSeconds: stamped.success ? stamped.data.readAtSeconds : null }
  } catch (fault) {
    log({ event: 'kv_unavailable', problem: nameOf(fault) })
    return null
  }
}

/** Asks every facilitator what it serves, and stores what has changed. Never throws. */
export async function readListings(world: World, nowSeconds: number): Promise<void> {
  const { env, config, isolate } = world
  const stored = (await storedListings(env)) ?? isolate.listings
  const before = stored.value
  const wanted = config.networks.map(({ network }) => network)
  const entries = await Promise.all(
    config.facilitators.map(async (facilitator): Promise<[string, Listing] | null> => {
      const known = before[facilitator.url]
      const said = await readSupported(facilitator, isolate)
      if (said === null) return known ? [facilitator.url, known] : null
      return [facilitator.url, listingAfter(known, said, wanted, nowSeconds)]
    }),
  )
  const after: Listings = Object.fromEntries(entries.filter((entry) => entry !== null))
  for (const { network } of config.networks) {
    const wasServed = isServed(before, config.facilitators, network, nowSeconds)
    if (wasServed && !isServed(after, config.facilitators, network, nowSeconds)) log({ event: 'network_off', network })
  }
  // Where nobody has answered, what is known is as old as before.
  const wasHeard = entries.some((entry) => entry !== null && entry[1] !== before[entry[0]])
  const readAtSeconds = wasHeard ? nowSeconds : stored.readAtSeconds
  Object.assign(isolate.listings, { value: after, readAtSeconds })
  const isStale = wasHeard && nowSeconds - (stored.readAtSeconds ?? 0) >= STAMPED_SECONDS
  if (!isStale && !isNews(before, after)) return
  try {
    await env.CONTENT_KV?.put(KEY, JSON.stringify(after), { metadata: { readAtSeconds } })
  } catch (fault) {
    log({ event: 'kv_unavailable', problem: nameOf(fault) })
  }
}

/** Whether it is worth a write: other networks or extensions, a confirmation, or something that would not be fresh soon. */
function isNews(before: Listings, after: Listings): boolean {
  const shapeOf = (known: Listings) =>
    JSON.stringify(
      Object.entries(known).map(([url, { missing, hasBazaar, feePayers }]) => [
        url,
        hasBazaar,
        feePayers,
        Object.entries(missing).map(([network, { sinceSeconds, lastSeconds }]) => [
          network,
          lastSeconds - sinceSeconds >= CONFIRMED_SECONDS,
          Math.floor(lastSeconds / REWRITTEN_SECONDS),
        ]),
      ]),
    )
  return shapeOf(before) !== shapeOf(after)
}
