// A purchase that meets a fault, told from its beginning to its end by what the reader was answered, what the chain
// moved and what the ledger holds. `wrongs` judges it; nothing here asks the worker what it believes.
import { request } from 'node:http'
import { type Address, createPublicClient, type Hex, http, parseAbiItem } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer } from './answer.ts'
import { type Behaviours, type Fault, stage } from './behaviour.ts'
import { startOrigin } from './origin.ts'
import { pay, type Version } from './payer.ts'
import { openShop, type Shop } from './shop.ts'
import type { Stack } from './stack.ts'

export const CONTENT = 'the whole article'
const WEALTH = 1_000_000n
/** How often a reader comes back once the fault is lifted: while an attempt is still under way, they have to wait. */
const TRIES = 3
/** Readers who come back together. */
const MOST_AT_ONCE = 8
/** The alarm comes 45 seconds after the first sending, and every 20 seconds after that. */
const LEDGER_LIMIT_MS = 75_000

export const WAYS = ['sends the same payment again', 'signs a new payment', 'walks away'] as const
export type Way = (typeof WAYS)[number]

/** What happens to one reader. `path` decides what a payment buys there. */
export type Plot = { path: string; fault: Fault; way: Way; version: Version }

/** An answer, and how often the reader had paid on chain when it came. */
type Said = { answer: Answer; paid: number }

export type Told = {
  plot: Plot
  /** The answer in the face of the fault; null for who hung up. */
  first: Said | null
  /** The answers after that, in order. */
  later: Said[]
  /** The transactions that moved money from this reader to the publisher, when all was over. */
  transfers: Hex[]
  /** What this reader has lost. */
  spent: bigint
  /** Transactions in the ledger, when all was over; null where there is none. */
  ledger: unknown[] | null
  /** The same before a reader who had walked away came back. */
  ledgerBefore: unknown[] | null
}

/** A reader in the middle of a story: what the fault did is done. */
export type Meeting = {
  plot: Plot
  reader: PrivateKeyAccount
  headers: Record<string, string>
  first: Said | null
}

/** Where a story takes place. */
export type Place = {
  shop: Shop
  facilitator: Behaviours
  /** Its ledger is not looked at. */
  hasNoLedger?: boolean
}

/** A shop whose articles and single answers are an origin's. */
export async function startBare(stack: Stack, facilitator: Behaviours): Promise<Place> {
  const origin = await startOrigin()
  origin.tell({ body: CONTENT })
  const ROUTES = [
    { path: '/articles/*', price: '$0.05', access: '24h' },
    { path: '/once/*', price: '$0.05', access: 'once' },
  ]
  const shop = await openShop({ ORIGIN_URL: origin.url, ROUTES }, { stack })
  shop.onClose(origin.stop)
  return { shop, facilitator, hasNoLedger: true }
}

const Transfer = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')

/** The transactions that moved money from a reader to the publisher. */
export async function transfersOf({ shop }: Place, reader: Address): Promise<Hex[]> {
  const client = createPublicClient({ transport: http(shop.stack.chain.rpcUrl), cacheTime: 0 })
  const args = { from: reader, to: wallets.publisher.address }
  const logs = await client.getLogs({ address: USDC, event: Transfer, args, fromBlock: 0n })
  return logs.map(({ transactionHash }) => transactionHash)
}

/** The ledger of a reader once it is as long as the chain says it should be, or after a while as it is then. */
async function ledgerOf(place: Place, reader: Address): Promise<unknown[] | null> {
  const deadline = Date.now() + LEDGER_LIMIT_MS
  while (!place.hasNoLedger) {
    const rows = (await place.shop.ledger(reader)).map(({ transaction }) => transaction)
    if (rows.length === (await transfersOf(place, reader)).length || Date.now() > deadline) return rows
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  return null
}

/** Begins each meeting once the facilitator has the payment of the one before: all run together, none in a crowd. */
export async function meetAll(place: Place, plots: readonly Plot[]): Promise<Map<Plot, Promise<Meeting>>> {
  const meetings = new Map<Plot, Promise<Meeting>>()
  for (const plot of plots) {
    const arrived = Promise.withResolvers<void>()
    const meeting = meet(place, plot, arrived.resolve)
    meeting.catch(() => {})
    meetings.set(plot, meeting)
    await Promise.race([arrived.promise, meeting.catch(() => {})])
  }
  return meetings
}

/** Whole stories, all at the same time. */
export async function playAll(place: Place, plots: readonly Plot[]): Promise<Map<Plot, Promise<Told>>> {
  return comeBackAll(place, await meetAll(place, plots))
}

/** The first part: a reader pays, and the fault strikes. */
export async function meet(place: Place, plot: Plot, onArrival: () => void = () => {}): Promise<Meeting> {
  const { shop, facilitator } = place
  const reader = await shop.reader(WEALTH)
  const headers = await pay(plot.version, await shop.challenge(plot.path), reader)
  const { behaviour, arrived, landed } = stage(plot.fault)
  facilitator.set(reader.address, behaviour)
  void arrived.then(onArrival)
  let first: Said | null = null
  if (plot.way === 'walks away') {
    const { answered, hangUp } = askInVain(`${shop.site.url}${plot.path}`, headers)
    await Promise.race([arrived, answered])
    hangUp()
  } else {
    first = await say(place, plot.path, reader, headers)
  }
  await landed()
  return { plot, reader, headers, first }
}

/** Asks, and takes no answer. To hang up is a reset: a mere end of sending could be a client that still listens. */
export function askInVain(url: string, headers: Record<string, string>): { answered: Promise<void>; hangUp(): void } {
  const outgoing = request(url, { headers, agent: false })
  const answered = new Promise<void>((resolve) => outgoing.on('response', () => resolve()))
  outgoing.on('error', () => {})
  outgoing.end()
  return { answered, hangUp: () => void outgoing.socket?.resetAndDestroy() }
}

async function say(
  place: Place,
  path: string,
  reader: PrivateKeyAccount,
  headers: Record<string, string>,
): Promise<Said> {
  const answer = await place.shop.ask(path, { headers })
  return { answer, paid: (await transfersOf(place, reader.address)).length }
}

/** The second part for everybody, a few at a time: a crowd at the one facilitator of a busy machine is another story. */
export function comeBackAll(place: Place, meetings: Map<Plot, Promise<Meeting>>): Map<Plot, Promise<Told>> {
  const door = new Door(MOST_AT_ONCE)
  const stories = new Map<Plot, Promise<Told>>()
  for (const [plot, meeting] of meetings) {
    const story = meeting.then((met) => comeBack(place, met, (act) => door.inside(act)))
    story.catch(() => {})
    stories.set(plot, story)
  }
  return stories
}

/** Lets so many in; the others wait in a line. */
class Door {
  readonly #line: (() => void)[] = []
  #left: number

  constructor(most: number) {
    this.#left = most
  }

  async inside<Result>(act: () => Promise<Result>): Promise<Result> {
    if (this.#left > 0) this.#left -= 1
    else await new Promise<void>((enter) => this.#line.push(enter))
    try {
      return await act()
    } finally {
      const next = this.#line.shift()
      if (next) next()
      else this.#left += 1
    }
  }
}

/** The second part: the fault is lifted, and the reader comes back. `inTurn` may let them wait before they ask. */
export async function comeBack(
  place: Place,
  meeting: Meeting,
  inTurn: (act: () => Promise<void>) => Promise<void> = (act) => act(),
): Promise<Told> {
  const { plot, reader, headers, first } = meeting
  const { version, way, path } = plot
  const { shop, facilitator } = place
  facilitator.set(reader.address, null)
  // Of a payment that was refused, nobody asks before the reader comes back or the record is about to be forgotten.
  const isLeftAlone = way === 'walks away' && !plot.fault.isRefusal
  const ledgerBefore = isLeftAlone ? await ledgerOf(place, reader.address) : null
  const later: Said[] = []
  await inTurn(async () => {
    while (later.length < TRIES && later.at(-1)?.answer.status !== 200) {
      const next =
        way === 'sends the same payment again' ? headers : await pay(version, await shop.challenge(path), reader)
      later.push(await say(place, path, reader, next))
      // A payment that has already brought its content brings nothing more.
      if (way === 'sends the same payment again' && isContent(first)) break
    }
  })
  const ledger = await ledgerOf(place, reader.address)
  const transfers = await transfersOf(place, reader.address)
  const spent = WEALTH - (await shop.stack.chain.balance(reader.address))
  return { plot, first, later, transfers, spent, ledger, ledgerBefore }
}

export const isContent = (said: Said | null) => said?.answer.status === 200 && said.answer.text === CONTENT
